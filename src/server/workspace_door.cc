// What a workspace does for doors whose callers are no replicas: the door writes changes for them.
#include <algorithm>

#include "model/schema.h"
#include "server/workspace.h"
#include "wire/change_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// Whether no row can come near a limit by the change: then it need not be merged to know.
bool is_small(const Change& change, const ServerRow* present) {
  std::size_t bytes = present == nullptr ? 0 : present->bytes;
  std::size_t cells = present == nullptr ? 0 : present->state.cells.size();
  for (const RowEdit& edit : change.edits) {
    cells += edit.cells.size();
    for (const CellEdit& cell : edit.cells) {
      bytes += cell.column.size() + cell.value.view().data.size() + 64;
      if (cell.form != CellForm::plain) {
        return false;
      }
    }
  }
  return change.edits.size() == 1 && cells <= limits::columns_max &&
         bytes <= limits::row_bytes_max / 2;
}

}  // namespace

Result<Schema> Workspace::schema() const {
  if (record_.schema.empty()) {
    return Schema();
  }
  Reader in(record_.schema);
  return decode_schema(in);
}

Result<void> Workspace::set_schema(ByteVector bytes) {
  record_.schema = std::move(bytes);
  SL_TRY(const Schema known, schema());
  declared_ = Declared(known);
  key_widths_.clear();
  return {};
}

Result<Workspace::Fault> Workspace::judge_declared(const Schema& wider) {
  for (const TableSchema& table : wider.tables) {
    SL_TRY(const std::size_t width, key_width(table.name));
    if (width != 0 && width != table.key.size()) {
      return Fault(Error(ErrorCode::schema_mismatch, "the keys of table " + table.name + " have " +
                                                         std::to_string(width) +
                                                         " value(s) in this workspace, not " +
                                                         std::to_string(table.key.size())));
    }
  }
  return Fault();
}

Result<void> Workspace::widen_schema(const Schema& wider) {
  SL_TRY(const Schema known, schema());
  SL_TRY(check_compatible(known, wider));
  SL_TRY(Fault fault, judge_declared(wider));
  if (fault) {
    return std::move(*fault);
  }
  const Schema merged = merge_schemas(known, wider);
  SL_TRY(check_schema(merged));
  Writer bytes;
  encode_schema(bytes, merged);
  if (equal_bytes(bytes.bytes(), record_.schema)) {
    return {};
  }
  SL_TRY(set_schema(bytes.take()));
  return store_->save_workspace(record_);
}

Result<std::optional<Refused>> Workspace::judge_schema(const Hello& hello, const Rights& rights) {
  const auto refuse = [](Refusal reason, std::string message) {
    Refused refused;
    refused.reason = reason;
    refused.message = std::move(message);
    return std::optional<Refused>(std::move(refused));
  };
  Reader in(hello.schema);
  const auto theirs = decode_schema(in);
  if (!theirs || !in.at_end()) {
    return refuse(Refusal::malformed, "the hello's schema does not decode");
  }
  if (record_.schema == hello.schema) {
    return std::optional<Refused>();
  }
  SL_TRY(const Schema known, schema());
  if (const auto fits = check_compatible(known, *theirs); !fits) {
    return refuse(Refusal::schema_incompatible, fits.error().message());
  }
  SL_TRY(const Fault fault, judge_declared(*theirs));
  if (fault) {
    return refuse(Refusal::schema_incompatible, fault->message());
  }
  if (!rights.may_write) {
    return std::optional<Refused>();
  }
  // Judged before anything is stored: the caller saves the record.
  const Schema merged = merge_schemas(known, *theirs);
  if (const auto fits = check_schema(merged); !fits) {
    return refuse(Refusal::schema_incompatible,
                  "with this replica's tables the workspace's: " + fits.error().message());
  }
  Writer bytes;
  encode_schema(bytes, merged);
  if (!equal_bytes(bytes.bytes(), record_.schema)) {
    SL_TRY(set_schema(bytes.take()));
  }
  return std::optional<Refused>();
}

Result<void> Workspace::may_write(const Rights& rights, const Change& change,
                                  const ServerRow* present) {
  SL_TRY(check_rules(*rules_, rights, change));
  SL_TRY(const Fenced fenced, judge_fence(change));
  if (fenced != Fenced::no) {
    return Error(ErrorCode::not_found,
                 "it is stamped before what the server still remembers of deletions; send it "
                 "without a stamp");
  }
  MergedRows rows;
  SL_TRY(Fault fault, is_small(change, present) ? judge_names(change) : judge_rows(change, rows));
  return fault ? Result<void>(std::move(*fault)) : Result<void>();
}

Result<void> Workspace::has_room_for(const Change& change) const {
  const bool only_erases = std::all_of(change.edits.begin(), change.edits.end(),
                                       [](const auto& e) { return e.kind == EditKind::erase; });
  if ((rules_->rows_max == 0 && rules_->bytes_max == 0) || only_erases) {
    return {};
  }
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  for (const auto& [table, totals] : totals_) {
    rows += totals.rows;
    bytes += totals.bytes;
  }
  if (rules_->rows_max != 0 && rows >= rules_->rows_max) {
    return Error(ErrorCode::full, "this workspace is full: it holds " + std::to_string(rows) +
                                      " rows of " + std::to_string(rules_->rows_max));
  }
  if (rules_->bytes_max != 0 && bytes >= rules_->bytes_max) {
    return Error(ErrorCode::full, "this workspace is full: it holds " + std::to_string(bytes) +
                                      " bytes of " + std::to_string(rules_->bytes_max));
  }
  return {};
}

Result<std::uint64_t> Workspace::last_time(const ReplicaId& author) {
  SL_TRY(const auto known, store_->find_replica(record_.id, author));
  return known ? known->last_time : 0;
}

Result<Workspace::Written> Workspace::write(Change change, const Rights& rights,
                                            std::int64_t now_ms) {
  const ReplicaId author = change.stamp.replica;
  SL_TRY(const auto known, store_->find_replica(record_.id, author));
  ReplicaRecord record = known.value_or(ReplicaRecord());
  if (record.last_sequence.get() >= limits::sequence_max) {
    return Error(ErrorCode::too_large, "this device has used up its numbers; take another name");
  }
  if (record.last_time >= change.stamp.time) {
    return Error(ErrorCode::out_of_order, "this device has written something later already");
  }
  if (!record.user.empty() && record.user != rights.user) {
    return Error(ErrorCode::not_allowed, "this device belongs to another user");
  }
  change.sequence = record.last_sequence.next();
  // It was done when it was answered, and its author holds nothing back: it must not hold the
  // horizon, either.
  record.confirmed = change.sequence;
  record.cursor = record_.head.next();
  record.seen_ms = now_ms;
  record.user = rights.user;
  // The caller asked may_write() of each edit; others may have come in since.
  MergedRows rows;
  SL_TRY(Fault fault, judge_rows(change, rows));
  if (fault) {
    return std::move(*fault);
  }
  Written out;
  out.author = author;
  out.parts.push_back(encode_change(change));
  if (out.parts[0].size() > limits::part_bytes_max) {
    return Error(ErrorCode::too_large, "a change of " + std::to_string(out.parts[0].size()) +
                                           " bytes; " + std::to_string(limits::part_bytes_max) +
                                           " is the most");
  }
  PartHeader header;
  header.sequence = change.sequence;
  header.stamp = change.stamp;
  header.schema_version = change.schema_version;
  SL_TRY(append(header, hash_of_parts(out.parts), change, std::move(rows), rights, out.parts,
                record, now_ms));
  out.receipt = receipt();
  return out;
}

}  // namespace syncline
