// The part of a workspace that takes in rows as states.
#include "base/mutant.h"
#include "model/cell_content.h"
#include "model/digest.h"
#include "model/hlc.h"
#include "model/merge.h"
#include "model/value_codec.h"
#include "server/audit.h"
#include "server/row_bytes.h"
#include "server/workspace.h"
#include "wire/limits.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

Result<void> check_states(Bytes part, std::int64_t now_ms) {
  return read_state_part(
      part, [&](const std::string&, Bytes key, const RowState& state) -> Result<void> {
        SL_TRY(key_values(key));
        for (const CellState& cell : state.cells) {
          SL_TRY(check_cell(cell));
        }
        if (static_cast<std::int64_t>(state.newest().ms()) > now_ms + skew_ms_max) {
          return Error(ErrorCode::malformed, "a row is stamped too far in the future");
        }
        return {};
      });
}

// Merged rows that are kept between looking and storing; those beyond are merged twice.
constexpr std::size_t merged_bytes_max = std::size_t{16} << 20U;

}  // namespace

Workspace::Merged Workspace::begin_merge(std::optional<ServerRow> found, const std::string& table,
                                         Bytes key) {
  Merged out;
  if (found) {
    out.was_there = true;
    out.digest_before = digest_of(found->table, found->key.view(), found->state);
    out.bytes_before = found->bytes;
    out.row = std::move(*found);
  } else {
    out.row.table = table;
    out.row.key.bytes = to_vector(key);
  }
  return out;
}

Workspace::Fault Workspace::measure(ServerRow& row) {
  row.bytes = row.key.bytes.size() + encode_row_state(row.state).size();
  if (row.state.cells.size() > limits::columns_max) {
    return Error(ErrorCode::too_large, "a row of " + row.table + " would have " +
                                           std::to_string(row.state.cells.size()) + " columns; " +
                                           std::to_string(limits::columns_max) + " is the most");
  }
  if (row.bytes > limits::row_bytes_max) {
    return Error(ErrorCode::too_large, "a row of " + row.table + " would have " +
                                           std::to_string(row.bytes) + " bytes; " +
                                           std::to_string(limits::row_bytes_max) + " is the most");
  }
  return std::nullopt;
}

Workspace::Fault Workspace::fault_of(const MergeEffect& effect, const std::string& table) {
  if (effect.is_unreadable) {
    return Error(ErrorCode::corrupt, "a cell that is stored of this row of " + table +
                                         " cannot be read, and is not replaced");
  }
  if (effect.room != CellRoom::ample) {
    return Error(ErrorCode::too_large,
                 "a cell of " + table +
                     " would have too many parts: replicas that counted, fields that were set or "
                     "writers of its document; setting its value whole begins it anew");
  }
  return std::nullopt;
}

Result<std::size_t> Workspace::key_width(const std::string& table) {
  if (const std::size_t declared = declared_.key_columns(table); declared != 0) {
    return declared;
  }
  const auto known = key_widths_.find(table);
  if (known != key_widths_.end() || totals_.find(table) == totals_.end()) {
    return known == key_widths_.end() ? 0 : known->second;
  }
  std::size_t width = 0;
  SL_TRY(store_->for_each_row(record_.id, table, {}, {}, [&](const ServerRow& row) -> Result<bool> {
    SL_TRY(width, count_key_values(row.key.view()));
    return false;
  }));
  if (width != 0) {
    key_widths_[table] = width;
  }
  return width;
}

Result<Workspace::Fault> Workspace::judge_names(Names& names, const std::string& table, Bytes key,
                                                std::span<const std::string_view> columns) {
  if (const auto fits = declared_.check(table, key, columns); !fits) {
    return Fault(fits.error());
  }
  const auto width = count_key_values(key);
  if (!width) {
    return Fault(width.error());
  }
  if (names.table != table) {
    names.table = table;
    SL_TRY(names.key_columns, key_width(table));
    if (totals_.find(table) == totals_.end()) {
      const std::size_t first = names.fresh.emplace(table, *width).first->second;
      names.key_columns = names.key_columns == 0 ? first : names.key_columns;
    } else if (names.key_columns == 0) {
      names.key_columns = *width;  // all its rows are forgotten
    }
  }
  if (*width != names.key_columns) {
    return Fault(Error(ErrorCode::schema_mismatch, "a key of table " + table + " has " +
                                                       std::to_string(names.key_columns) +
                                                       " value(s), not " + std::to_string(*width)));
  }
  if (!names.fresh.empty() && totals_.size() + names.fresh.size() > limits::tables_max) {
    return Fault(Error(ErrorCode::too_large, "a workspace has rows of at most " +
                                                 std::to_string(limits::tables_max) + " tables"));
  }
  return Fault();
}

Result<Workspace::Fault> Workspace::judge_names(const Change& change) {
  Names names;
  std::vector<std::string_view> columns;
  for (const RowEdit& edit : change.edits) {
    columns.clear();
    for (const CellEdit& cell : edit.cells) {
      columns.emplace_back(cell.column);
    }
    SL_TRY(Fault fault, judge_names(names, edit.table, edit.key.view(), columns));
    if (fault) {
      return fault;
    }
  }
  return Fault();
}

Result<std::optional<Workspace::Merged>> Workspace::merged(const RowEdit& edit, const Stamp& stamp,
                                                           Fault& fault) {
  SL_TRY(auto found, store_->find_row(record_.id, edit.table, edit.key.view()));
  const bool is_forgotten =
      (!found || found->state.life.is_zero()) && stamp.time <= record_.fence_time;
  if (is_forgotten && edit.kind == EditKind::erase && !SL_MUTANT(33)) {
    // The tombstone that was forgotten may be younger, and must not look older than it was: a put
    // between the two would bring the row back here and nowhere else.
    return std::optional<Merged>();
  }
  Merged out = begin_merge(std::move(found), edit.table, edit.key.view());
  if (!SL_MUTANT(9) || edit.kind != EditKind::erase) {  // forgets deletions
    fault = fault_of(merge_edit(out.row.state, edit, stamp), edit.table);
  }
  fault = fault ? std::move(fault) : measure(out.row);
  return fault ? std::optional<Merged>() : std::optional<Merged>(std::move(out));
}

Result<Workspace::Fault> Workspace::judge_rows(const Change& change, MergedRows& rows) {
  SL_TRY(Fault fault, judge_names(change));
  std::size_t kept = 0;
  for (const RowEdit& edit : change.edits) {
    if (fault) {
      return fault;
    }
    SL_TRY(auto row, merged(edit, change.stamp, fault));
    kept += sizeof(Merged) + (row ? row->row.bytes : 0);
    if (kept <= merged_bytes_max) {
      rows.push_back(std::move(row));
    }
  }
  return fault;
}

Result<void> Workspace::merge(const Change& change, MergedRows rows, ServerVersion version) {
  std::set<std::string> touched;
  for (std::size_t i = 0; i < change.edits.size(); ++i) {
    std::optional<Merged> row;
    if (i < rows.size()) {
      row = std::move(rows[i]);
    } else {
      Fault none;
      SL_TRY(row, merged(change.edits[i], change.stamp, none));
    }
    if (row) {
      SL_TRY(store_row(std::move(*row), version));
      touched.insert(change.edits[i].table);
    }
  }
  return save_totals(touched);
}

Result<void> Workspace::store_row(Merged merged, ServerVersion version) {
  ServerRow& row = merged.row;
  TableTotals& totals = totals_[row.table];
  if (merged.was_there) {
    totals.digest.subtract(merged.digest_before);
    totals.rows -= 1;
    totals.bytes -= merged.bytes_before;
  }
  if (!SL_MUTANT(7)) {
    totals.digest.add(digest_of(row.table, row.key.view(), row.state));
  }
  totals.rows += 1;
  totals.bytes += row.bytes;
  return store_->save_row(record_.id, row, version);
}

Result<void> Workspace::save_totals(const std::set<std::string>& tables) {
  for (const std::string& table : tables) {
    if (!SL_MUTANT(8)) {  // forgets the totals at a restart
      SL_TRY(store_->save_totals(record_.id, table, totals_[table]));
    }
  }
  return {};
}

// Which of the rows are news; `news` holds those alone.
Result<Workspace::Fault> Workspace::judge_states(Bytes part, const PartHeader& header,
                                                 ByteVector& news) {
  Fault fault;
  Names names;
  std::set<std::pair<std::string, RowKey>> seen;
  StatePartWriter out(header.stamp.replica);
  const auto visit = [&](const std::string& table, Bytes key,
                         const RowState& state) -> Result<void> {
    std::vector<std::string_view> columns;
    for (const CellState& cell : state.cells) {
      columns.emplace_back(cell.column);
    }
    SL_TRY(fault, judge_names(names, table, key, columns));
    if (!fault && !seen.emplace(table, RowKey{to_vector(key)}).second) {
      fault = Error(ErrorCode::malformed, "a part of states names a row twice");
    }
    if (fault) {
      return *fault;
    }
    SL_TRY(auto found, store_->find_row(record_.id, table, key));
    const bool is_forgotten =
        (!found || found->state.life.is_zero()) && state.newest().time <= record_.fence_time;
    Merged merged = begin_merge(std::move(found), table, key);
    const MergeEffect effect = merge_state(merged.row.state, state);
    fault = fault_of(effect, table);
    fault = fault ? std::move(fault) : measure(merged.row);
    if (fault) {
      return *fault;
    }
    // What lies behind the fence may have been deleted, and its tombstone forgotten. Whoever brings
    // it is told, and lists it.
    if (is_forgotten && effect.changed && state.alive) {
      fault = Error(ErrorCode::not_found, "a row may have been deleted long ago");
      return *fault;
    }
    if (!is_forgotten && effect.changed) {
      out.row(table, key, state);
    }
    return {};
  };
  const auto read = read_state_part(part, visit);
  if (!read && !fault) {
    return read.error();
  }
  if (!fault && out.rows() > 0) {
    news = out.finish();
    if (news.size() > limits::part_bytes_max) {
      fault = Error(ErrorCode::too_large, "a part of states is too large");
    }
  }
  return fault;
}

Result<void> Workspace::merge_states(Bytes news, ServerVersion version) {
  std::set<std::string> touched;
  SL_TRY(read_state_part(
      news, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        SL_TRY(auto found, store_->find_row(record_.id, table, key));
        Merged merged = begin_merge(std::move(found), table, key);
        merge_state(merged.row.state, state);
        (void)measure(merged.row);  // judge_states() has
        touched.insert(table);
        return store_row(std::move(merged), version);
      }));
  return save_totals(touched);
}

Result<Admitted> Workspace::admit_states(const PartHeader& header, const Rights& rights,
                                         ByteVector part, std::int64_t now_ms) {
  Admitted out;
  out.relayed = true;
  out.author = header.stamp.replica;
  out.admission = Admission::repeated;
  SL_TRY(const auto known, store_->find_change(record_.id, header.stamp.replica, {}));
  if (known) {
    return out;
  }
  out.admission = Admission::rejected;
  if (!check_states(part, now_ms)) {
    return out;
  }
  const auto shown = shown_by_states(part);
  if (!shown || !check_rules(*rules_, rights, *shown) || !has_room_for(*shown)) {
    return out;
  }
  ByteVector news;
  SL_TRY(const Fault fault, judge_states(part, header, news));
  if (fault) {
    return out;
  }
  out.logged = std::move(news);
  if (out.logged.empty()) {
    out.admission = Admission::repeated;
    return out;
  }
  SL_TRY(merge_states(out.logged, record_.head.next()));
  SL_TRY(const Change news_shown, shown_by_states(out.logged));
  SL_TRY(log({{}, news_shown.stamp, {}, 0, rights.user, now_ms, {out.logged}, 0},
             audit_of(news_shown)));
  out.admission = Admission::admitted;
  return out;
}

}  // namespace syncline
