// Rows that do not fit (P7): what becomes of them, of what stands in their way and of what points
// to them.
#include "client/apply.h"
#include "model/cell_content.h"

namespace syncline {
namespace {

// Rows held in one round; what is more waits for the next.
constexpr std::size_t dangling_max = 100'000;
// How deep rows may point to rows that leave.
constexpr std::size_t leaving_max = 200;

}  // namespace

// A row that does not fit leaves the table: what stands there would be another version on each
// replica.
Result<void> Apply::hold_whole(TableAccess& access, Bytes key, const LoadedRow& before,
                               const RowState& state, const Error& error, ApplyReport& report) {
  if (before.row.has_value()) {
    SL_TRY(remove_standing(access, key, before, report));
  }
  return hold(&access, access.table().name, key, state, error, report);
}

Result<void> Apply::hold(TableAccess* access, const std::string& table, Bytes key,
                         const RowState& state, const Error& error, ApplyReport& report) {
  HeldRow row;
  row.table = table;
  row.key.bytes = to_vector(key);
  row.reason = access == nullptr ? "unknown_table" : held_reason(error);
  row.message = error.message();
  row.state = state;
  ++report.held;
  if (access != nullptr) {
    ops_.aside(access->table(), key);
  }
  return parts_.held.put(row, parts_.clock.now_ms());
}

Result<bool> Apply::evict_younger(TableAccess& access, Bytes key, const RowState& state,
                                  ApplyReport& report) {
  const TrackedTable& table = access.table();
  SL_TRY(const std::vector<Value> key_parts, key_values(key));
  bool moved = false;
  for (const auto& index : table.unique) {
    std::vector<Value> values;
    std::string where;
    for (const TrackedTable::UniqueColumn& part : index) {
      const CellState* cell = state.find(part.name);
      Value value;
      if (cell != nullptr) {
        SL_TRY(value, cell_value(*cell));
      }
      for (std::size_t i = 0; i < table.key.size(); ++i) {
        if (table.key[i] == part.name) {
          value = key_parts[i];
        }
      }
      where += (where.empty() ? "" : " AND ") + quote_identifier(part.name) + " = ?" +
               std::to_string(values.size() + 1) + " COLLATE " + quote_identifier(part.collation);
      values.push_back(value);
    }
    std::string keys;
    for (const std::string& column : table.key) {
      keys += (keys.empty() ? "" : ",") + quote_identifier(column);
    }
    SL_TRY(Statement select,
           parts_.connection.prepare("SELECT " + keys + " FROM main." +
                                     quote_identifier(table.name) + " WHERE " + where));
    for (std::size_t i = 0; i < values.size(); ++i) {
      select.bind(static_cast<int>(i) + 1, values[i].view());
    }
    SL_TRY(const bool found, select.step());
    if (!found) {
      continue;
    }
    Writer other_key;
    for (int i = 0; i < static_cast<int>(table.key.size()); ++i) {
      write_value(other_key, select.column(i));
    }
    select.reset();
    if (equal_bytes(other_key.bytes(), key)) {
      continue;
    }
    SL_TRY(before_touching(table.id, other_key.bytes()));
    SL_TRY(enter_pending());
    SL_TRY(const LoadedRow other, parts_.rows.load(access, other_key.bytes()));
    // Rows of one transaction have one life: of these the lesser key has the place.
    const bool is_older = other.state.life == state.life ? compare_bytes(other_key.bytes(), key) < 0
                                                         : other.state.life < state.life;
    if (is_older) {
      return false;
    }
    SL_TRY(hold_standing(access, other_key.bytes(), other,
                         Error(ErrorCode::constraint,
                               "UNIQUE constraint failed: a row with an older life has the same "
                               "value in table '" +
                                   table.name + "'"),
                         report));
    moved = true;
  }
  return moved;
}

Result<void> Apply::hold_standing(TableAccess& access, Bytes key, const LoadedRow& row,
                                  const Error& error, ApplyReport& report) {
  SL_TRY(remove_standing(access, key, row, report));
  return hold(&access, access.table().name, key, row.state, error, report);
}

// Holds the rows that point to this one, because it leaves its table.
Result<void> Apply::hold_children(const TrackedTable& table, Bytes key, ApplyReport& report) {
  if (!foreign_keys_ || !table.has_foreign_keys) {
    return {};
  }
  SL_TRY(const std::vector<ForeignKeys::Row> children,
         foreign_key_graph_.children(table, key, dangling_max));
  for (const ForeignKeys::Row& child : children) {
    if (leaving_.count(child) == 0) {
      SL_TRY(hold_dangling(child, report));
    }
  }
  return {};
}

Result<void> Apply::hold_dangling(const ForeignKeys::Row& row, ApplyReport& report) {
  SL_TRY(before_touching(row.table, row.key));
  SL_TRY(enter_pending());
  SL_TRY(TableAccess * access, parts_.tables.access(row.table));
  SL_TRY(const LoadedRow loaded, parts_.rows.load(*access, row.key));
  if (!loaded.row.has_value()) {
    return {};  // it went with another one
  }
  return hold_standing(*access, row.key, loaded,
                       Error(ErrorCode::constraint,
                             "FOREIGN KEY constraint failed: a row that it points to is not here"),
                       report);
}

// Takes a row out of its table without ending it. Nothing that points to it may act on that: rows
// of tracked tables are held before. Enforcement stays on where it can, because SQLite counts what
// dangles, and a row that leaves uncounted would fail the commit.
Result<void> Apply::remove_standing(TableAccess& access, Bytes key, const LoadedRow& row,
                                    ApplyReport& report) {
  const TrackedTable& table = access.table();
  if (!foreign_keys_ || !table.has_foreign_keys) {
    return parts_.rows.remove_standing(access, key, row, ops_);
  }
  const ForeignKeys::Row self{table.id, to_vector(key)};
  if (leaving_.size() >= leaving_max) {
    return Error(ErrorCode::too_large, "foreign keys of table '" + table.name +
                                           "' chain more rows than can be held at once");
  }
  leaving_.insert(self);
  auto held = hold_children(table, key, report);
  leaving_.erase(self);
  SL_TRY(std::move(held));
  SL_TRY(const std::vector<ForeignKeys::Row> left, foreign_key_graph_.children(table, key, 1));
  SL_TRY(const bool untracked, foreign_key_graph_.has_untracked_children(table));
  if (left.empty() && !untracked) {
    return parts_.rows.remove_standing(access, key, row, ops_);
  }
  const bool enforced = parts_.connection.set_foreign_keys(false);
  auto removed = parts_.rows.remove_standing(access, key, row, ops_);
  parts_.connection.set_foreign_keys(enforced);
  uncounted_ = true;
  return removed;
}

// Rows that point nowhere are held, until none does.
Result<void> Apply::settle_foreign_keys(ApplyReport& report) {
  // Each round may leave others pointing at the rows that it held.
  constexpr int rounds_max = 64;
  for (int round = 0; round < rounds_max; ++round) {
    if (!uncounted_ && !parts_.connection.deferred_violations()) {
      return {};
    }
    SL_TRY(const std::vector<ForeignKeys::Row> dangling, foreign_key_graph_.dangling(dangling_max));
    if (dangling.empty()) {
      break;
    }
    for (const ForeignKeys::Row& row : dangling) {
      SL_TRY(hold_dangling(row, report));
    }
  }
  uncounted_ = false;
  // What is still counted is a row that is gone, or one of a table that nobody tracks: neither may
  // keep what came from elsewhere out. Switching off forgets the count.
  return parts_.connection.execute(
      "PRAGMA defer_foreign_keys = OFF; PRAGMA defer_foreign_keys = ON");
}

Result<bool> Apply::retry_one(const HeldRow& held, ApplyReport& report) {
  SL_TRY(const TrackedTable* table, parts_.catalog.find(held.table));
  if (table == nullptr) {
    return false;
  }
  SL_TRY(before_touching(table->id, held.key.view()));
  SL_TRY(TableAccess * access, parts_.tables.access(table->id));
  SL_TRY(const LoadedRow before, parts_.rows.load(*access, held.key.view()));
  RowState after = before.state;
  merge_state(after, held.state);
  for (int attempt = 0; attempt < 8; ++attempt) {
    auto stored = parts_.rows.store(*access, held.key.view(), before, after, ClockTime(), ops_);
    if (stored) {
      SL_TRY(parts_.held.drop(held.table, held.key.view()));
      return true;
    }
    if (stored.error().code() != ErrorCode::constraint) {
      return std::move(stored).error();
    }
    bool again = false;
    if (held_reason(stored.error()) == "unique" && after.alive) {
      SL_TRY(again, evict_younger(*access, held.key.view(), after, report));
    }
    if (!again) {
      return false;
    }
  }
  return false;
}

Result<std::uint64_t> Apply::retry_held(const std::string& table, ApplyReport& report) {
  constexpr std::size_t tries_max = 10'000;
  SL_TRY(const std::vector<HeldRow> waiting, parts_.held.list(table, tries_max));
  std::uint64_t installed = 0;
  for (const HeldRow& held : waiting) {
    SL_TRY(const bool now, retry_one(held, report));
    installed += now ? 1U : 0U;
  }
  return installed;
}

}  // namespace syncline
