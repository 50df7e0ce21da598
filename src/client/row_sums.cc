#include "client/row_sums.h"

#include <algorithm>

#include "client/extract.h"

namespace syncline {
namespace {

// Beyond so many chunks of one run it is cheaper to read the table once.
constexpr std::uint64_t chunks_touched_max = 100'000;

}  // namespace

// What the log says since the last time; everything is forgotten when it cannot say.
Result<void> RowSums::catch_up() {
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(const std::int64_t pruned, meta_.integer(meta_name::pruned_version));
  SL_TRY(const std::int64_t schema, meta_.integer(meta_name::schema_version));
  if (!loaded_ || head.version < through_ || schema != schema_version_ ||
      through_.get() < static_cast<std::uint64_t>(pruned)) {
    forget();
  }
  if (loaded_ && head.version > through_) {
    SL_TRY(log_.for_each(
        through_, head.version,
        [&](const LogRow& row, std::span<const Bytes> parts, Bytes /*stored*/) -> Result<bool> {
          if (row.form == LogForm::frozen || row.form == LogForm::frozen_parts) {
            // What was learned whole did its work in a row of its own. An own change did it in this
            // one, and which rows that were nobody can tell any more.
            if (row.origin == first_own_origin) {
              forget();
            }
            return true;
          }
          for (const Bytes part : parts) {
            LogBodyReader body(part);
            LogRun run;
            for (;;) {
              SL_TRY(const bool more, body.next(run));
              if (!more) {
                break;
              }
              touch(body.table(), run);
            }
          }
          return true;
        }));
  }
  loaded_ = true;
  through_ = head.version;
  schema_version_ = schema;
  return {};
}

void RowSums::touch(TableId table, const LogRun& run) {
  TableSums& sums = sums_[table];
  const auto touch_rows = [&](RowId first, std::uint64_t count) {
    const ChunkId begin = first >> chunk_bits;
    const auto last = static_cast<RowId>(static_cast<std::uint64_t>(first) + count - 1);
    const ChunkId end = last >> chunk_bits;
    if (end < begin || static_cast<std::uint64_t>(end - begin) > chunks_touched_max) {
      sums.known = false;
      return;
    }
    for (ChunkId id = begin; sums.known && id <= end; ++id) {
      sums.touched.insert(id);
    }
  };
  switch (run.kind) {
    case OpKind::put:
    case OpKind::set:
    case OpKind::install:
    case OpKind::erase:
    case OpKind::leave:
      touch_rows(run.first, std::max<std::uint64_t>(run.count, 1));
      break;
    case OpKind::over:
      touch_rows(run.first, 1);
      touch_rows(run.old_rowid, 1);
      break;
    case OpKind::bury:
      if (run.had_row) {
        touch_rows(run.first, 1);
      }
      break;
    case OpKind::aside:
      sums.known = false;  // what is kept outside the table may belong to any row
      break;
    case OpKind::rich:
      break;  // stands beside the set that it describes
  }
}

Result<Digest> RowSums::sum(const std::vector<std::string>& tables) {
  SL_TRY(catch_up());
  rows_.forget();
  held_.forget();
  const auto is_wanted = [&](const std::string& name) {
    return tables.empty() || std::find(tables.begin(), tables.end(), name) != tables.end();
  };
  Digest total;
  SL_TRY(const std::vector<const TrackedTable*> known, catalog_.all_with_own());
  for (const TrackedTable* table : known) {
    if (is_wanted(table->name)) {
      SL_TRY(const Digest one, sum_of(*table));
      total.add(one);
    }
  }
  SL_TRY(held_.for_each([&](const HeldRow& row) -> Result<void> {
    if (is_wanted(row.table)) {
      total.add(digest_of(row.table, row.key.view(), row.state));
    }
    return {};
  }));
  return total;
}

Result<Digest> RowSums::sum_of(const TrackedTable& table) {
  SL_TRY(const bool held, held_.any_of(table.name));
  if (held || table.without_rowid) {
    return sum_anew(table);
  }
  TableSums& sums = sums_[table.id];
  if (!sums.known) {
    sums.chunks.clear();
    sums.touched.clear();
    SL_TRY(scan(table, INT64_MIN, INT64_MAX, sums));
    sums.known = true;
  }
  for (const ChunkId id : sums.touched) {
    sums.chunks.erase(id);
    const RowId first = id * (RowId{1} << chunk_bits);
    SL_TRY(scan(table, first, first + (RowId{1} << chunk_bits) - 1, sums));
  }
  sums.touched.clear();
  Digest total;
  for (const auto& [id, sum] : sums.chunks) {
    total.add(sum);
  }
  return total;
}

Result<void> RowSums::scan(const TrackedTable& table, RowId first, RowId last, TableSums& into) {
  SL_TRY(TableAccess * access, tables_.access(table.id));
  SL_TRY(const bool extra, rows_.may_have_extra(table.id));
  const bool plain = !extra && !table.has_rich();
  std::string sql = "SELECT " + table.rowid_name;
  for (const std::string& column : table.key) {
    sql += ", " + quote_identifier(column);
  }
  sql += " FROM main." + quote_identifier(table.name) + " WHERE " + table.rowid_name +
         " BETWEEN ?1 AND ?2 ORDER BY " + table.rowid_name;
  SL_TRY(Statement select, connection_.prepare(sql));
  select.bind(1, first).bind(2, last);
  Writer key;
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      return {};
    }
    key.clear();
    for (int i = 1; i < select.column_count(); ++i) {
      write_value(key, select.column(i));
    }
    const RowId row = select.column_int(0);
    SL_TRY(const Digest one, digest_of_row(*access, row, key.bytes(), plain));
    into.chunks[row >> chunk_bits].add(one);
  }
}

// From the clocks alone where nothing but stamps of columns counts.
Result<Digest> RowSums::digest_of_row(TableAccess& access, RowId row, Bytes key, bool plain) {
  const TrackedTable& table = access.table();
  if (!plain) {
    SL_TRY(const LoadedRow loaded, rows_.load(access, key));
    return digest_of(table.name, key, loaded.state);
  }
  const RowDigest parts(table.name, key);
  SL_TRY(const RowClock* clock, clocks_.find(table.id, row));
  if (clock == nullptr) {
    return parts.life(Stamp());
  }
  SL_TRY(const Stamp life, origins_.stamp_of(clock->life));
  Digest sum = parts.life(life);
  for (const CellClock& cell : clock->cells) {
    const int position = table.position_of(cell.column);
    if (position < 0) {
      continue;
    }
    SL_TRY(const Stamp stamp, origins_.stamp_of(cell.time));
    if (stamp > life) {
      sum.add(parts.cell(table.columns[static_cast<std::size_t>(position)].name, stamp));
    }
  }
  return sum;
}

Result<Digest> RowSums::sum_anew(const TrackedTable& table) {
  Digest total;
  SL_TRY(TableAccess * access, tables_.access(table.id));
  SL_TRY(Statement keys, connection_.prepare(access->select_keys_sql()));
  for (;;) {
    SL_TRY(const bool more, keys.step());
    if (!more) {
      return total;
    }
    Writer key;
    for (int i = 0; i < keys.column_count(); ++i) {
      write_value(key, keys.column(i));
    }
    SL_TRY(const std::optional<HeldRow> held, held_.find(table.name, key.bytes()));
    if (!held.has_value()) {
      SL_TRY(const LoadedRow row, rows_.load(*access, key.bytes()));
      total.add(digest_of(table.name, key.bytes(), row.state));
    }
  }
}

}  // namespace syncline
