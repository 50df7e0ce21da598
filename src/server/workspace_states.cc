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

}  // namespace

ServerRow Workspace::take_row(std::optional<ServerRow> found, const std::string& table,
                              const RowKey& key) {
  TableTotals& totals = totals_[table];
  if (!found) {
    ServerRow row;
    row.table = table;
    row.key = key;
    return row;
  }
  totals.digest.subtract(digest_of(found->table, found->key.view(), found->state));
  totals.rows -= 1;
  totals.bytes -= found->bytes;
  return std::move(*found);
}

Result<void> Workspace::store_row(ServerRow row, ServerVersion version) {
  TableTotals& totals = totals_[row.table];
  row.bytes = row.key.bytes.size() + encode_row_state(row.state).size();
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

Result<ByteVector> Workspace::merge_states(const PartHeader& header, Bytes part,
                                           ServerVersion version) {
  std::set<std::string> touched;
  StatePartWriter news(header.stamp.replica);
  SL_TRY(read_state_part(
      part, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        SL_TRY(auto found, store_->find_row(record_.id, table, key));
        const bool is_forgotten =
            (!found || found->state.life.is_zero()) && state.newest().time <= record_.fence_time;
        RowState merged = found ? found->state : RowState();
        // What lies behind the fence may have been deleted, and its tombstone forgotten.
        if (is_forgotten || !merge_state(merged, state).changed) {
          return {};
        }
        touched.insert(table);
        news.row(table, key, state);
        ServerRow row = take_row(std::move(found), table, {to_vector(key)});
        row.state = std::move(merged);
        return store_row(std::move(row), version);
      }));
  SL_TRY(save_totals(touched));
  return news.rows() == 0 ? ByteVector() : news.finish();
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
  if (!shown || !check_rules(*rules_, rights, *shown)) {
    return out;
  }
  const ServerVersion version = record_.head.next();
  SL_TRY(out.logged, merge_states(header, part, version));
  if (out.logged.empty()) {
    out.admission = Admission::repeated;
    return out;
  }
  SL_TRY(const Change news, shown_by_states(out.logged));
  LogEntry entry{version, news.stamp, {}, 0, rights.user, now_ms, {out.logged}};
  SL_TRY(store_->append(record_.id, entry, audit_of(news)));
  record_.head = version;
  SL_TRY(store_->save_workspace(record_));
  out.admission = Admission::admitted;
  return out;
}

}  // namespace syncline
