#include "routes/delta_write.h"

#include <algorithm>

#include "base/digest.h"
#include "model/hlc.h"
#include "routes/delta_values.h"

namespace syncline {
namespace {

constexpr std::size_t open_rows_max = 500;
constexpr std::size_t open_bytes_max = std::size_t{256} << 10U;
// Tables that this door may make up in one workspace.
constexpr std::size_t tables_max = 1000;
constexpr std::size_t open_columns_max = 200;

// Faults of the change, as against weather and damage.
bool is_fault(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::malformed:
    case ErrorCode::too_large:
    case ErrorCode::unsupported:
    case ErrorCode::not_found:
    case ErrorCode::already_exists:
    case ErrorCode::not_allowed:
    case ErrorCode::constraint:
    case ErrorCode::schema_mismatch:
    case ErrorCode::clock_skew:
    case ErrorCode::corrupt:
      return true;
    default:
      return false;
  }
}

// What an uploaded row does to the row that is there; nothing when it was deleted for good.
std::optional<EditKind> kind_for(const RowState* state, DeltaStateMode mode) {
  if (state == nullptr || state->life.is_zero()) {
    return EditKind::put;
  }
  if (state->alive) {
    return EditKind::set;
  }
  return mode == DeltaStateMode::fill ? std::nullopt : std::optional<EditKind>(EditKind::put);
}

}  // namespace

Result<DeltaNames> DeltaNames::of(LogStore& store) {
  DeltaNames out;
  SL_TRY(out.lineage, store.lineage());
  SL_TRY(out.secret, store.secret());
  return out;
}

ReplicaId DeltaNames::author(const std::string& user, const std::string& device,
                             bool has_stamp) const {
  Writer name;
  name.text("delta");
  name.blob(secret);
  name.raw(lineage.view());
  name.text(user);
  name.text(device);
  name.u8(has_stamp ? 1 : 0);
  const Sha256Digest digest = sha256(name.bytes());
  ReplicaId out;
  std::copy_n(digest.begin(), out.bytes.size(), out.bytes.begin());
  return out;
}

Result<DeltaWriter> DeltaWriter::begin(Workspace& workspace, Options options) {
  DeltaWriter writer(workspace, std::move(options));
  SL_TRY(writer.schema_, workspace.schema());
  SL_TRY(writer.names_, DeltaNames::of(workspace.store()));
  return writer;
}

void DeltaWriter::refuse(std::size_t index, const DeltaChange& change, const std::string& code,
                         const std::string& reason) {
  result_.refused.push_back({change.id, index, code, reason});
}

Result<void> DeltaWriter::take(std::size_t index, DeltaChange& change) {
  if (!options_.rights.may_write) {
    refuse(index, change, "not_allowed", "this token may read, not write");
    return {};
  }
  if (!is_within_bounds(index, change)) {
    return {};
  }
  SL_TRY(const bool known, is_known(index, change));
  return known ? Result<void>() : write(index, change, std::nullopt);
}

bool DeltaWriter::is_within_bounds(std::size_t index, const DeltaChange& change) {
  if (change.data.object()->size() > delta_columns_max) {
    refuse(index, change, "too_large",
           "a change of " + std::to_string(change.data.object()->size()) + " columns; " +
               std::to_string(delta_columns_max) + " is the most");
    return false;
  }
  devices_.insert(change.device);
  if (devices_.size() > delta_devices_max) {
    devices_.erase(change.device);
    refuse(index, change, "too_large",
           "changes of more than " + std::to_string(delta_devices_max) +
               " devices in one request; send the others in another");
    return false;
  }
  return true;
}

// Invariant 1.
Result<bool> DeltaWriter::is_known(std::size_t index, const DeltaChange& change) {
  if (pending_ids_.count(change.id) != 0) {
    SL_TRY(seal());
  }
  SL_TRY(const auto known,
         workspace_->store().find_named(workspace_->id(), options_.rights.user, change.id));
  if (!known) {
    return false;
  }
  if (known->hash != change.hash) {
    refuse(index, change, "change_id_reused",
           "this changeId was used for another change; give each change an id of its own");
    return true;
  }
  result_.landed.push_back({change.id, known->version, known->conflict, true});
  return true;
}

Result<DeltaWriter::Author*> DeltaWriter::author_of(const std::string& device, bool has_stamp) {
  const auto [at, is_new] = authors_.try_emplace({device, has_stamp});
  Author& author = at->second;
  if (is_new) {
    author.replica = names_.author(options_.rights.user, device, has_stamp);
    author.is_named = !device.empty();
    SL_TRY(author.last_time, workspace_->last_time(author.replica));
    author.time_before = author.last_time;
    const std::uint64_t most = workspace_->rules().devices_each_max;
    if (author.last_time == 0 && author.is_named && most != 0) {
      SL_TRY(const std::uint64_t others,
             workspace_->store().devices_beside(workspace_->id(), options_.rights.user, device));
      author.is_one_too_many = others >= most;
    }
    if (author.last_time == 0 && !author.is_one_too_many) {
      SL_TRY(workspace_->store().save_device(workspace_->id(), author.replica,
                                             {options_.rights.user, device}));
    }
  }
  return &author;
}

Result<bool> DeltaWriter::was_seen(const ServerRow& row, const Stamp& stamp,
                                   const DeltaChange& change) {
  const ServerVersion known = change.base.value_or(options_.known);
  if (stamp.is_zero() || row.version <= known || (!options_.looks_for_conflicts && !change.base)) {
    return true;
  }
  for (const bool has_stamp : {false, true}) {
    SL_TRY(const Author* own, author_of(change.device, has_stamp));
    // Who gives no name may be several: only what this request brought is surely its own.
    if (own->replica == stamp.replica && (own->is_named || stamp.time > own->time_before)) {
      return true;
    }
  }
  SL_TRY(const auto version, workspace_->store().version_of(workspace_->id(), stamp));
  return version ? *version <= known : known >= workspace_->fence() && known.get() > 0;
}

Result<const TableSchema*> DeltaWriter::table_for(const DeltaChange& change, std::string& refusal) {
  if (schema_.find(change.table) == nullptr) {
    if (change.kind != EditKind::put) {
      refusal = "there is no table " + change.table + " yet";
      return nullptr;
    }
    if (schema_.tables.size() >= tables_max) {
      refusal = "this workspace has too many tables already";
      return nullptr;
    }
    Schema wider = schema_;
    wider.tables.push_back(open_table(change.table));
    SL_TRY(const bool is_wider, widen(std::move(wider), refusal));
    if (!is_wider) {
      return nullptr;
    }
  }
  SL_TRY(const bool is_open, open_columns(change, refusal));
  return is_open ? schema_.find(change.table) : nullptr;
}

// False when the workspace cannot have such a schema, and why; then nothing has changed.
Result<bool> DeltaWriter::widen(Schema wider, std::string& refusal) {
  if (const auto widened = workspace_->widen_schema(wider); !widened) {
    if (!is_fault(widened.error().code())) {
      return widened.error();
    }
    refusal = widened.error().message();
    return false;
  }
  schema_ = std::move(wider);
  return true;
}

// A table that no replica introduced learns which of its columns hold documents.
Result<bool> DeltaWriter::open_columns(const DeltaChange& change, std::string& refusal) {
  const TableSchema* table = schema_.find(change.table);
  if (!is_open_table(*table)) {
    return true;
  }
  std::vector<ColumnSchema> fresh;
  for (const Json::Member& one : *change.data.object()) {
    const bool is_document = one.value.array() != nullptr ||
                             (one.value.object() != nullptr && one.value.object()->size() != 1) ||
                             (one.value.object() != nullptr && !one.value.find("base64") &&
                              !one.value.find("real") && !one.value.find("text_base64"));
    if (is_document && table->find(one.name) == nullptr && is_delta_name(one.name) &&
        table->columns.size() + fresh.size() < open_columns_max) {
      fresh.push_back({one.name, "", false, false, MergeRule::json});
    }
  }
  if (fresh.empty()) {
    return true;
  }
  Schema wider = schema_;
  const auto at = std::find_if(wider.tables.begin(), wider.tables.end(),
                               [&](const TableSchema& t) { return t.name == change.table; });
  at->columns.insert(at->columns.end(), fresh.begin(), fresh.end());
  return widen(std::move(wider), refusal);
}

// Invariant 3.
Result<void> DeltaWriter::prepare(const DeltaChange& change, const RowKey& key,
                                  const Author* author) {
  const bool fits = author == open_author_ && !change.stamp && open_.edits.size() < open_rows_max &&
                    open_bytes_ < open_bytes_max && open_rows_.count({change.table, key}) == 0 &&
                    has_room_for(change);
  return fits ? Result<void>() : seal();
}

bool DeltaWriter::has_room_for(const DeltaChange& change) const {
  const auto at = open_columns_.find(change.table);
  std::size_t count = at == open_columns_.end() ? 0 : at->second.size();
  for (const Json::Member& one : *change.data.object()) {
    count += at == open_columns_.end() || at->second.count(one.name) == 0 ? 1 : 0;
  }
  // A put under rule `row` names columns that the change does not; declared ones, at most as many.
  return count <= delta_columns_max;
}

Result<std::optional<Stamp>> DeltaWriter::stamp_for(std::size_t index, const DeltaChange& change,
                                                    const Author& author, const RowState* row) {
  std::uint64_t time = std::max(author.last_time + 1, open_.stamp.time);
  if (change.stamp) {
    time = std::max(time, *change.stamp);
    if (static_cast<std::int64_t>(time >> Stamp::counter_bits) > options_.now_ms + skew_ms_max) {
      refuse(
          index, change, "clock_skew",
          "the stamp lies in the future; the server's time is " + std::to_string(options_.now_ms));
      return std::optional<Stamp>();
    }
  } else {
    // Invariant 4.
    const auto now = static_cast<std::uint64_t>(options_.now_ms) << Stamp::counter_bits;
    time = std::max(
        {time, now, workspace_->fence_time() + 1, row != nullptr ? row->newest().time + 1 : 0});
  }
  return std::optional<Stamp>(Stamp{time, author.replica});
}

Result<void> DeltaWriter::land_without_edit(const DeltaChange& change, std::string conflict) {
  const ServerVersion head = workspace_->head();
  SL_TRY(workspace_->store().save_named(workspace_->id(), options_.rights.user, change.id,
                                        {change.hash, head, change.author_ms, conflict}));
  result_.landed.push_back({change.id, head, std::move(conflict), false});
  return {};
}

void DeltaWriter::add(const DeltaChange& change, Author& author, RowEdit edit, const Stamp& stamp,
                      std::string conflict) {
  open_author_ = &author;
  open_.stamp = stamp;
  open_rows_.emplace(edit.table, edit.key);
  std::set<std::string>& columns = open_columns_[edit.table];
  for (const CellEdit& cell : edit.cells) {
    columns.insert(cell.column);
    open_bytes_ += cell.column.size() + cell.value.view().data.size() + 16;
  }
  open_.edits.push_back(std::move(edit));
  pending_ids_.insert(change.id);
  pending_.push_back({change.id, change.hash, change.author_ms, std::move(conflict)});
}

Result<void> DeltaWriter::write(std::size_t index, DeltaChange& change,
                                std::optional<DeltaStateMode> mode) {
  std::string refusal;
  SL_TRY(const TableSchema* table, table_for(change, refusal));
  if (table == nullptr) {
    refuse(index, change, "not_found", refusal);
    return {};
  }
  auto key = key_from_entity(table, change.entity);
  if (!key) {
    refuse(index, change, "invalid_argument", key.error().message());
    return {};
  }
  SL_TRY(Author * author, author_of(change.device, change.stamp.has_value()));
  if (author->is_one_too_many) {
    refuse(index, change, "full",
           "you have too many devices here already; use the name of one that you had");
    return {};
  }
  SL_TRY(prepare(change, *key, author));
  SL_TRY(const auto row, workspace_->store().find_row(workspace_->id(), change.table, key->view()));
  const RowState* state = row ? &row->state : nullptr;
  SL_TRY(const auto stamp, stamp_for(index, change, *author, state));
  if (!stamp) {
    return {};
  }
  if (mode) {
    const auto kind = kind_for(state, *mode);
    if (!kind) {
      refuse(index, change, "not_found", "the row was deleted on the server, and stays deleted");
      return {};
    }
    change.kind = *kind;
  }
  const DeltaRow shown{table, state,
                       [&](const Stamp& other) { return was_seen(*row, other, change); }, *stamp};
  std::optional<DeltaReason> reason;
  SL_TRY(DeltaEdit made, make_delta_edit(change, shown, std::move(*key), reason));
  const bool has_columns = !change.data.object()->empty();
  if (reason && (!mode || has_columns)) {
    refuse(index, change, reason->code, reason->words);
    return {};
  }
  if (mode && change.kind == EditKind::set) {
    SL_TRY(made.is_void, leave_what_is_new(made, change, shown, *mode));
    if (made.is_void && made.conflict.empty()) {
      result_.landed.push_back({change.id, row->version, "", true});
      return {};
    }
  }
  return made.is_void
             ? land_without_edit(change, std::move(made.conflict))
             : land(index, change, *author, row ? &*row : nullptr, std::move(made), *stamp);
}

Result<void> DeltaWriter::land(std::size_t index, const DeltaChange& change, Author& author,
                               const ServerRow* present, DeltaEdit made, const Stamp& stamp) {
  Change alone;
  alone.stamp = stamp;
  alone.edits.push_back(std::move(made.edit));
  if (const auto room = workspace_->has_room_for(alone); !room) {
    refuse(index, change, "full", room.error().message());
    return {};
  }
  if (const auto may = workspace_->may_write(options_.rights, alone, present); !may) {
    if (!is_fault(may.error().code())) {
      return may.error();
    }
    refuse(index, change, std::string(error_code_name(may.error().code())), may.error().message());
    return {};
  }
  add(change, author, std::move(alone.edits[0]), stamp, std::move(made.conflict));
  return change.stamp ? seal() : Result<void>();
}

Result<void> DeltaWriter::take_row(const DeltaStateRow& row, const std::string& device,
                                   DeltaStateMode mode) {
  auto change = change_of_row(row, schema_.find(row.table), device);
  if (!change) {
    result_.refused.push_back({"", row.index, "invalid_argument", change.error().message()});
    return {};
  }
  if (!options_.rights.may_write) {
    refuse(row.index, *change, "not_allowed", "this token may read, not write");
    return {};
  }
  if (!is_within_bounds(row.index, *change)) {
    return {};
  }
  if (mode == DeltaStateMode::overwrite) {
    // It may come again after something else was written: each time it is another change.
    change->id += ":" + std::to_string(workspace_->head().get()) + ":" + std::to_string(row.index);
  }
  SL_TRY(const bool known, is_known(row.index, *change));
  return known ? Result<void>() : write(row.index, *change, mode);
}

Result<void> DeltaWriter::seal() {
  if (open_.edits.empty()) {
    return {};
  }
  open_author_->last_time = open_.stamp.time;
  SL_TRY(Workspace::Written written,
         workspace_->write(std::move(open_), options_.rights, options_.now_ms));
  for (Pending& one : pending_) {
    SL_TRY(workspace_->store().save_named(
        workspace_->id(), options_.rights.user, one.id,
        {one.hash, written.receipt.version, one.author_ms, one.conflict}));
    result_.landed.push_back(
        {std::move(one.id), written.receipt.version, std::move(one.conflict), false});
  }
  result_.log.push_back(std::move(written));
  open_ = Change();
  open_author_ = nullptr;
  open_bytes_ = 0;
  open_rows_.clear();
  open_columns_.clear();
  pending_.clear();
  pending_ids_.clear();
  return {};
}

Result<DeltaWritten> DeltaWriter::finish() {
  SL_TRY(seal());
  return std::move(result_);
}

}  // namespace syncline
