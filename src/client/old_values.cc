#include "client/old_values.h"

#include <algorithm>

#include "model/value_codec.h"

namespace syncline {
namespace {

constexpr std::size_t rows_cached = 8;

RowId plus(RowId row, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(row) + count);
}

// The row stands under another rowid, or not at all, from here on.
bool names_key(const LogRun& run) {
  return run.kind == OpKind::erase || run.kind == OpKind::over || run.kind == OpKind::leave ||
         (run.kind == OpKind::bury && run.had_row);
}

}  // namespace

const ByteVector* OldValues::Past::find(std::uint16_t column) const {
  for (const auto& [id, value] : values) {
    if (id == column) {
      return &value;
    }
  }
  return nullptr;
}

void OldValues::forget() {
  loaded_ = false;
  refs_.clear();
  column_sets_.clear();
  cache_.clear();
}

Result<void> OldValues::cover(LocalVersion after, LocalVersion through) {
  if (!loaded_ || after < after_ || through < through_) {
    forget();
    loaded_ = true;
    after_ = after;
    through_ = after;
  }
  if (through_ == through) {
    return {};
  }
  SL_TRY(log_.for_each(through_, through,
                       [&](const LogRow& row, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                         if (row.form != LogForm::runs && row.form != LogForm::runs_parts) {
                           return true;
                         }
                         for (std::uint32_t part = 0; part < parts.size(); ++part) {
                           LogBodyReader body(parts[part]);
                           LogRun run;
                           for (;;) {
                             SL_TRY(const bool more, body.next(run));
                             if (!more) {
                               break;
                             }
                             if (run.has_old || names_key(run)) {
                               SL_TRY(add_run(row.version, part, parts[part], body, run));
                             }
                           }
                         }
                         return true;
                       }));
  through_ = through;
  return {};
}

Result<void> OldValues::add_run(LocalVersion version, std::uint32_t part, Bytes bytes,
                                const LogBodyReader& body, const LogRun& run) {
  // An end without old values still tells the key, which nobody else may know any more.
  const auto base =
      run.has_old ? static_cast<std::size_t>(run.old_values.data() - bytes.data()) : 0;
  const std::size_t columns = run.has_old ? run.columns.size() : 0;
  const std::uint64_t rows = run.kind == OpKind::set ? run.count : 1;
  Reader values(run.old_values);
  const std::uint32_t set = column_set_index(run.has_old ? run.columns : ColumnSet());
  for (std::uint64_t i = 0; i < rows; ++i) {
    const RowId row = run.kind == OpKind::over ? run.old_rowid : plus(run.first, i);
    refs_[RowName{body.table(), row}].push_back(
        {version, part, static_cast<std::uint32_t>(body.position()),
         static_cast<std::uint32_t>(base + values.position()), set, names_key(run)});
    for (std::size_t column = 0; column < columns; ++column) {
      SL_TRY(skip_value(values));
    }
  }
  return {};
}

std::uint32_t OldValues::column_set_index(const ColumnSet& columns) {
  const auto found = std::find(column_sets_.begin(), column_sets_.end(), columns);
  if (found != column_sets_.end()) {
    return static_cast<std::uint32_t>(found - column_sets_.begin());
  }
  column_sets_.push_back(columns);
  return static_cast<std::uint32_t>(column_sets_.size() - 1);
}

Result<const OldValues::Cached*> OldValues::parts_of(LocalVersion version) {
  for (const Cached& cached : cache_) {
    if (cached.version == version) {
      return &cached;
    }
  }
  Cached loaded;
  loaded.version = version;
  const LocalVersion before(version.get() - 1);
  LocalLog reader(connection_);
  SL_TRY(reader.for_each(before, version,
                         [&](const LogRow&, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                           for (const Bytes part : parts) {
                             loaded.parts.push_back(to_vector(part));
                           }
                           return true;
                         }));
  if (cache_.size() >= rows_cached) {
    cache_.erase(cache_.begin());
  }
  cache_.push_back(std::move(loaded));
  return static_cast<const Cached*>(&cache_.back());
}

Result<void> OldValues::add_ref(const Ref& ref, Past& past) {
  ++lookups_;
  SL_TRY(const Cached* cached, parts_of(ref.version));
  if (ref.part >= cached->parts.size()) {
    return Error(ErrorCode::corrupt, "a part of the replica's log has vanished");
  }
  const Bytes part = cached->parts[ref.part];
  LogRun run;
  SL_TRY(LogBodyReader::read_at(part, ref.run_at, run));
  Reader values(part.subspan(ref.values_at));
  Result<void> failed;
  run.columns.for_each([&](std::size_t column) {
    const std::size_t start = values.position();
    if (failed) {
      failed = skip_value(values);
    }
    const auto id = static_cast<std::uint16_t>(column);
    if (failed && past.find(id) == nullptr) {
      past.values.emplace_back(id, to_vector(values.since(start)));
    }
  });
  SL_TRY(std::move(failed));
  if (names_key(run)) {
    past.key = to_vector(run.key);
    past.complete = true;
  }
  return {};
}

bool OldValues::has_left(TableId table, RowId row, LocalVersion version) const {
  const auto found = refs_.find(RowName{table, row});
  return found != refs_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&](const Ref& ref) { return ref.version > version && ref.names_key; });
}

Result<OldValues::Past> OldValues::past(TableId table, RowId row, LocalVersion version) {
  Past past;
  const auto found = refs_.find(RowName{table, row});
  if (found == refs_.end()) {
    return past;
  }
  const std::vector<Ref>& refs = found->second;  // in the log's order
  auto ref = std::upper_bound(refs.begin(), refs.end(), version,
                              [](const LocalVersion& v, const Ref& at) { return v < at.version; });
  ColumnSet known;
  for (; ref != refs.end(); ++ref) {
    // A row that is written again and again: only the first of its later changes tells anything.
    const ColumnSet& columns = column_sets_[ref->columns];
    if (!ref->names_key && known.contains_all(columns)) {
      continue;
    }
    SL_TRY(add_ref(*ref, past));
    known.insert_all(columns);
    if (past.complete) {
      break;
    }
  }
  return past;
}

}  // namespace syncline
