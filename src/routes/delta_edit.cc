#include "routes/delta_edit.h"

#include <algorithm>

#include "model/cell_content.h"
#include "routes/delta_values.h"

namespace syncline {
namespace {

// Builds one edit. Methods that may find the change at fault set reason_ and return.
class Maker {
 public:
  Maker(const DeltaChange& change, const DeltaRow& row, std::optional<DeltaReason>& reason)
      : change_(change), row_(row), reason_(reason) {}

  Result<DeltaEdit> make(RowKey key);

 private:
  bool is_alive() const { return row_.state != nullptr && row_.state->alive; }
  void fault(std::string code, std::string words) {
    reason_ = DeltaReason{std::move(code), std::move(words)};
  }
  // What somebody replaced who had not seen the present content: something, we do not know what,
  // that is older. A zero would mean that there was nothing, or that nobody says.
  Stamp long_ago() const { return {1, row_.stamp.replica}; }
  Result<void> make_cells();
  void make_cell(const std::string& name, const Json& value);
  Result<Value> whole_value(const ColumnSchema* column, const Json& value);
  void count(const std::string& name, const ColumnSchema* column, const Json& step);
  void patch(const std::string& name, const CellState* present, const Json& patch);
  void check_size();
  void check_not_null();
  void keep_the_rest();
  Result<void> see_cells();
  Result<void> see_row();
  Result<void> find_conflicts();
  void clash(const std::string& column, const ValueView* ours, const ValueView* theirs);

  const DeltaChange& change_;
  const DeltaRow& row_;
  std::optional<DeltaReason>& reason_;
  DeltaEdit out_;
  std::string fields_;
};

// RFC 7396: members that are null go, objects are patched, all else is set.
Json merge_patch(const Json& target, const Json& patch) {
  if (patch.object() == nullptr) {
    return patch;
  }
  Json out = target.object() != nullptr ? target : Json(Json::Object{});
  for (const Json::Member& one : *patch.object()) {
    if (!one.value.is_null()) {
      const Json* present = out.find(one.name);
      out.set(one.name, merge_patch(present != nullptr ? *present : Json(), one.value));
      continue;
    }
    Json::Object& members = *out.object();
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [&](const Json::Member& m) { return m.name == one.name; }),
                  members.end());
  }
  return out;
}

Result<DeltaEdit> Maker::make(RowKey key) {
  out_.edit.kind = change_.kind;
  out_.edit.table = change_.table;
  out_.edit.key = std::move(key);
  if (change_.kind == EditKind::erase && !is_alive()) {
    out_.is_void = true;
    return std::move(out_);
  }
  if (change_.kind == EditKind::set && !is_alive()) {
    const bool was_there = row_.state != nullptr && !row_.state->life.is_zero();
    bool knows = true;
    if (was_there) {
      SL_TRY(knows, row_.was_seen(row_.state->life));
    }
    if (knows) {
      fault("not_found", was_there ? "the row was deleted; send CREATED to begin it anew"
                                   : "there is no such row; send CREATED");
      return std::move(out_);
    }
  }
  SL_TRY(make_cells());
  if (reason_) {
    return std::move(out_);
  }
  SL_TRY(find_conflicts());
  return std::move(out_);
}

Result<void> Maker::make_cells() {
  if (change_.kind != EditKind::erase) {
    for (const Json::Member& one : *change_.data.object()) {
      make_cell(one.name, one.value);
      if (reason_) {
        return {};
      }
    }
    check_size();
    check_not_null();
    const bool is_whole = std::any_of(row_.table->columns.begin(), row_.table->columns.end(),
                                      [](const auto& c) { return c.rule == MergeRule::row; });
    if (is_whole && change_.kind == EditKind::set && is_alive()) {
      keep_the_rest();
    }
  }
  std::sort(out_.edit.cells.begin(), out_.edit.cells.end(),
            [](const CellEdit& a, const CellEdit& b) { return a.column < b.column; });
  if (change_.kind == EditKind::set && out_.edit.cells.empty()) {
    fault("invalid_argument", "data names no column that could change");
    return {};
  }
  return out_.edit.kind == EditKind::set ? see_cells() : see_row();
}

void Maker::make_cell(const std::string& name, const Json& value) {
  const auto key = std::find(row_.table->key.begin(), row_.table->key.end(), name);
  if (key != row_.table->key.end()) {
    // Applications like to repeat the id; it must be the same one.
    const auto values = key_values(out_.edit.key.view());
    const auto part = static_cast<std::size_t>(key - row_.table->key.begin());
    const auto given = value_from_json(value);
    if (!values || part >= values->size() || !given ||
        !((*values)[part] == with_affinity(*given, affinity_of(row_.table->find(name)->type)))) {
      fault("invalid_argument", "data's " + name + " is another one than entityId");
    }
    return;
  }
  const ColumnSchema* column = row_.table->find(name);
  if (column == nullptr && !is_open_table(*row_.table)) {
    fault("unknown_column", "table " + row_.table->name + " has no column " + name);
    return;
  }
  if (!is_delta_name(name)) {
    fault("invalid_argument", "a column's name is wrong or too long");
    return;
  }
  const CellState* present =
      change_.kind == EditKind::set && row_.state != nullptr ? row_.state->find(name) : nullptr;
  const Json* step =
      value.object() != nullptr && value.object()->size() == 1 ? value.find("increment") : nullptr;
  if (step != nullptr && column != nullptr && column->rule == MergeRule::counter) {
    count(name, column, *step);
  } else if (column != nullptr && column->rule == MergeRule::json && present != nullptr &&
             value.object() != nullptr) {
    patch(name, present, value);
  } else if (auto made = whole_value(column, value)) {
    out_.edit.cells.push_back({name, CellForm::plain, std::move(*made), {}});
  } else {
    fault("invalid_argument", name + ": " + made.error().message());
  }
}

Result<Value> Maker::whole_value(const ColumnSchema* column, const Json& value) {
  if (column != nullptr && column->rule == MergeRule::json &&
      (value.object() != nullptr || value.array() != nullptr)) {
    return Value::text(write_canonical_json(value));
  }
  SL_TRY(Value made, value_from_json(value));
  return with_affinity(std::move(made),
                       column == nullptr ? Affinity::blob : affinity_of(column->type));
}

void Maker::count(const std::string& name, const ColumnSchema* column, const Json& step) {
  auto by = value_from_json(step);
  if (change_.kind == EditKind::put) {
    // Nothing was counted before the row began.
    by = by ? Result<Value>(with_affinity(std::move(*by), affinity_of(column->type))) : by;
    out_.edit.cells.push_back({name, CellForm::plain, by ? std::move(*by) : Value(), {}});
    return;
  }
  auto edit = by ? increment(*row_.state, name, row_.stamp, *by) : Result<CellEdit>(by.error());
  if (!edit) {
    fault("invalid_argument", name + ": " + edit.error().message());
    return;
  }
  out_.edit.cells.push_back(std::move(*edit));
}

void Maker::patch(const std::string& name, const CellState* present, const Json& patch) {
  const auto before = cell_value(*present);
  const auto document =
      before ? read_json(before->view().text(), document_limits()) : Result<Json>(before.error());
  if (!document || document->object() == nullptr) {
    out_.edit.cells.push_back(
        {name, CellForm::plain, Value::text(write_canonical_json(patch)), {}});
    return;
  }
  const std::string after = write_canonical_json(merge_patch(*document, patch));
  CellEdit edit = edit_document(present, name, before->view(), ValueView::of(after));
  if (edit.form == CellForm::json) {
    out_.edit.cells.push_back(std::move(edit));
    return;
  }
  // Nothing differs, or the two are no documents that merge.
  out_.edit.cells.push_back({name, CellForm::plain, Value::text(after), {}});
}

// A row that no replica declared could grow without end.
void Maker::check_size() {
  std::size_t count = out_.edit.cells.size();
  if (change_.kind == EditKind::set && row_.state != nullptr) {
    count = row_.state->cells.size();
    for (const CellEdit& cell : out_.edit.cells) {
      count += row_.state->find(cell.column) == nullptr ? 1 : 0;
    }
  }
  if (count > std::max(delta_columns_max, row_.table->columns.size())) {
    fault("too_large", "the row would have " + std::to_string(count) + " columns; " +
                           std::to_string(delta_columns_max) + " is the most");
  }
}

void Maker::check_not_null() {
  for (const ColumnSchema& column : row_.table->columns) {
    if (!column.is_not_null || row_.table->key == std::vector<std::string>{column.name} ||
        std::count(row_.table->key.begin(), row_.table->key.end(), column.name) != 0) {
      continue;
    }
    const auto cell = std::find_if(out_.edit.cells.begin(), out_.edit.cells.end(),
                                   [&](const CellEdit& c) { return c.column == column.name; });
    const bool is_there = cell != out_.edit.cells.end();
    if (is_there ? cell->form == CellForm::plain && cell->value.is_null()
                 : change_.kind == EditKind::put && !column.has_default) {
      fault("constraint", "column " + column.name + " must not be null");
      return;
    }
  }
}

// Under rule `row` every update is a put of the whole row.
void Maker::keep_the_rest() {
  out_.edit.kind = EditKind::put;
  for (const CellState& cell : row_.state->cells) {
    const bool is_named =
        std::any_of(out_.edit.cells.begin(), out_.edit.cells.end(),
                    [&](const CellEdit& edit) { return edit.column == cell.column; });
    if (auto value = cell_value(cell); value && !is_named) {
      out_.edit.cells.push_back({cell.column, CellForm::plain, std::move(*value), {}});
    }
  }
}

// What each cell replaced, as far as the author saw it.
Result<void> Maker::see_cells() {
  for (CellEdit& cell : out_.edit.cells) {
    const CellState* present = row_.state == nullptr ? nullptr : row_.state->find(cell.column);
    if (present == nullptr || cell.form != CellForm::plain) {
      continue;
    }
    SL_TRY(const bool seen, row_.was_seen(present->stamp));
    cell.replaced = seen ? present->stamp : long_ago();
  }
  return {};
}

Result<void> Maker::see_row() {
  if (row_.state == nullptr) {
    return {};
  }
  SL_TRY(const bool knows_life, row_.was_seen(row_.state->life));
  const Stamp unseen = change_.kind == EditKind::erase ? long_ago() : Stamp();
  out_.edit.replaced = knows_life ? row_.state->life : unseen;
  for (const CellState& cell : row_.state->cells) {
    SL_TRY(const bool seen, row_.was_seen(cell.stamp));
    if (seen) {
      out_.edit.replaced = std::max(out_.edit.replaced, cell.stamp);
    }
  }
  return {};
}

void Maker::clash(const std::string& column, const ValueView* ours, const ValueView* theirs) {
  const ColumnSchema* known = row_.table->find(column);
  fields_ += fields_.empty() ? "" : ",";
  append_json_string(fields_, column);
  fields_ += ":{\"yours\":";
  append_cell_json(fields_, known, ours == nullptr ? ValueView() : *ours);
  fields_ += ",\"theirs\":";
  append_cell_json(fields_, known, theirs == nullptr ? ValueView() : *theirs);
  fields_ += "}";
}

// Whatever somebody else wrote that the author had not seen and that this edit meets.
Result<void> Maker::find_conflicts() {
  if (row_.state == nullptr || row_.state->life.is_zero()) {
    return {};
  }
  const RowState& row = *row_.state;
  SL_TRY(const bool knows_life, row_.was_seen(row.life));
  const char* reason = "concurrent_update";
  Stamp theirs_at;
  if (!row.alive) {
    if (knows_life || change_.kind != EditKind::set) {
      return {};
    }
    reason = "deleted";
    theirs_at = row.life;
    for (const CellEdit& cell : out_.edit.cells) {
      const ValueView value = cell.value.view();
      clash(cell.column, cell.form == CellForm::plain ? &value : nullptr, nullptr);
    }
  } else {
    if (change_.kind != EditKind::set) {
      reason = change_.kind == EditKind::put ? "created_twice" : "edited";
      theirs_at = knows_life ? Stamp() : row.life;
    }
    for (const CellState& cell : row.cells) {
      const auto edit = std::find_if(out_.edit.cells.begin(), out_.edit.cells.end(),
                                     [&](const CellEdit& e) { return e.column == cell.column; });
      const bool is_named = edit != out_.edit.cells.end();
      if ((!is_named && change_.kind == EditKind::set) ||
          (is_named && edit->form != CellForm::plain)) {
        continue;
      }
      SL_TRY(const bool seen, row_.was_seen(cell.stamp));
      SL_TRY(const Value value, cell_value(cell));
      if (seen || (is_named && edit->value == value)) {
        continue;
      }
      theirs_at = std::max(theirs_at, cell.stamp);
      const ValueView theirs = value.view();
      const ValueView ours = is_named ? edit->value.view() : ValueView();
      clash(cell.column, &ours, &theirs);
    }
    if (fields_.empty()) {
      return {};
    }
  }
  const bool is_won = row.alive && theirs_at < row_.stamp;
  out_.conflict = "{\"entityType\":";
  append_json_string(out_.conflict, change_.table);
  out_.conflict += ",\"entityId\":";
  append_json_string(out_.conflict, change_.entity);
  out_.conflict += std::string(",\"reason\":\"") + reason + "\",\"winner\":\"" +
                   (is_won ? "yours" : "theirs") + "\",\"fields\":{" + fields_ + "}}";
  return {};
}

}  // namespace

Result<DeltaEdit> make_delta_edit(const DeltaChange& change, const DeltaRow& row, RowKey key,
                                  std::optional<DeltaReason>& reason) {
  reason.reset();
  return Maker(change, row, reason).make(std::move(key));
}

}  // namespace syncline
