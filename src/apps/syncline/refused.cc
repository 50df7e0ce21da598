// What the server refused, and what the schema cannot take yet: looked at, done again, forgotten.
#include <algorithm>

#include "apps/syncline/commands.h"
#include "base/text.h"
#include "base/value_json.h"
#include "model/value_codec.h"

namespace syncline::cli {
namespace {

Json done_json() {
  Json out;
  out.set("ok", Json(true));
  return out;
}

Result<Json> json_of(const ValueView& value) { return read_json(value_json(value)); }

// A key as the other commands show it: a list of values.
Result<Json> key_json(const RowKey& key) {
  SL_TRY(const std::vector<Value> values, key_values(key.view()));
  Json::Array out;
  for (const Value& value : values) {
    SL_TRY(out.emplace_back(), json_of(value.view()));
  }
  return Json(std::move(out));
}

const char* kind_name(EditKind kind) {
  switch (kind) {
    case EditKind::put:
      return "put";
    case EditKind::set:
      return "set";
    case EditKind::erase:
      return "del";
  }
  return "";
}

Result<Json> edit_json(const RowEdit& edit) {
  Json out;
  out.set("do", Json(kind_name(edit.kind)));
  out.set("table", Json(edit.table));
  SL_TRY(Json key, key_json(edit.key));
  out.set("key", std::move(key));
  Json value{Json::Object{}};
  for (const CellEdit& cell : edit.cells) {
    if (cell.form == CellForm::plain) {
      SL_TRY(Json shown, json_of(cell.value.view()));
      value.set(cell.column, std::move(shown));
    }
  }
  out.set("value", std::move(value));
  return out;
}

Result<int> list_rejected(Replica& replica, Output& out) {
  SL_TRY(Statement rows,
         replica.connection().prepare(
             "SELECT id, op, code, message, at FROM syncline_rejected ORDER BY id"));
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return exit_ok;
    }
    SL_TRY(Json row, row_json(rows));
    SL_TRY(const Change change, replica.engine().rejected().read(rows.column_int(0)));
    Json::Array edits;
    for (const RowEdit& edit : change.edits) {
      SL_TRY(edits.emplace_back(), edit_json(edit));
    }
    row.set("edits", Json(std::move(edits)));
    out.row(row);
  }
}

// The edits that --table and --key leave: exactly one row is meant.
Result<RowEdit*> chosen(const Arguments& arguments, Change& change) {
  RowEdit* found = nullptr;
  const std::string table = arguments.get("table");
  for (RowEdit& edit : change.edits) {
    if (!table.empty() && edit.table != table) {
      continue;
    }
    if (arguments.has("key")) {
      SL_TRY(const Json wanted, read_json(arguments.get("key")));
      SL_TRY(const Json key, key_json(edit.key));
      const Json::Array single{wanted};
      if (write_json(key) != write_json(wanted.array() == nullptr ? Json(single) : wanted)) {
        continue;
      }
    }
    if (found != nullptr) {
      return Error(ErrorCode::invalid_argument,
                   "the change has several rows; say which with --table and --key");
    }
    found = &edit;
  }
  if (found == nullptr) {
    return Error(ErrorCode::not_found, "the change has no such row");
  }
  return found;
}

Result<void> mend(const Arguments& arguments, Replica& replica, std::int64_t id) {
  if (!arguments.has("value")) {
    return Error(ErrorCode::invalid_argument, "edit needs --value with columns and their values");
  }
  SL_TRY(const Json value, read_json(arguments.get("value")));
  if (value.object() == nullptr) {
    return Error(ErrorCode::invalid_argument, "--value must be an object of columns");
  }
  SL_TRY(Change change, replica.engine().rejected().read(id));
  SL_TRY(RowEdit * edit, chosen(arguments, change));
  if (edit->kind == EditKind::erase) {
    return Error(ErrorCode::invalid_argument, "that row was deleted; there is nothing to edit");
  }
  SL_TRY(const TrackedTable* table, replica.engine().catalog().find(edit->table));
  for (const Json::Member& member : *value.object()) {
    if (table == nullptr || table->position_of(member.name) < 0) {
      return Error(ErrorCode::not_found,
                   "the table \"" + edit->table + "\" has no column \"" + member.name + "\"");
    }
    SL_TRY(Value fresh, value_of(member.value));
    const auto at = std::find_if(edit->cells.begin(), edit->cells.end(),
                                 [&](const CellEdit& cell) { return cell.column == member.name; });
    if (at != edit->cells.end()) {
      at->form = CellForm::plain;
      at->value = std::move(fresh);
    } else {
      edit->cells.push_back({member.name, CellForm::plain, std::move(fresh), {}});
    }
  }
  return replica.engine().rejected().retry(id, change.edits);
}

}  // namespace

Result<int> run_rejected(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  const std::string what = arguments.operand(0);
  if (what.empty()) {
    return list_rejected(*replica, out);
  }
  const auto id = parse_int64(arguments.operand(1));
  if (!id || (what != "retry" && what != "discard" && what != "edit")) {
    return Error(ErrorCode::invalid_argument,
                 "what can be done is: rejected retry ID, rejected discard ID, rejected edit ID");
  }
  RejectedChanges& rejected = replica->engine().rejected();
  if (what == "retry") {
    SL_TRY(rejected.retry(*id));
  } else if (what == "discard") {
    SL_TRY(rejected.discard(*id));
  } else {
    SL_TRY(mend(arguments, *replica, *id));
  }
  out.object(done_json());
  return exit_ok;
}

Result<int> run_held(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  if (arguments.operand(0).empty()) {
    return print_rows(replica->connection(),
                      "SELECT id, table_name AS \"table\", key, reason, message, row, since FROM "
                      "syncline_held ORDER BY id",
                      out, {"key", "row"});
  }
  if (arguments.operand(0) != "retry") {
    return Error(
        ErrorCode::invalid_argument,
        "what can be done is: held retry. A held row is everybody's: it cannot be discarded or "
        "edited while it waits; take away what is in its way (see held), or change or "
        "delete it on a device that has it");
  }
  SL_TRY(const std::uint64_t installed, replica->engine().retry_held());
  Json answer = done_json();
  answer.set("installed", Json::integer(static_cast<std::int64_t>(installed)));
  out.object(answer);
  return exit_ok;
}

}  // namespace syncline::cli
