#include "client/unsent.h"

#include "model/merge.h"

namespace syncline {
namespace {

constexpr std::size_t batch_bytes = std::size_t{4} << 20U;

constexpr const char* table_sql =
    "CREATE TABLE IF NOT EXISTS temp.syncline_unsent(tbl TEXT NOT NULL, key BLOB NOT NULL, "
    "version INTEGER NOT NULL, edit BLOB NOT NULL, PRIMARY KEY(tbl, key, version)) WITHOUT ROWID";

}  // namespace

Result<void> Unsent::catch_up(const ReplicaId& own, std::int64_t now_ms) {
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  const auto enter_fit = [&](const OutboxChange& change) -> Result<void> {
    const bool fits = change.stamp.replica == own || !is_far_ahead(change.stamp, now_ms);
    return fits ? enter(change) : Result<void>();
  };
  if (!there_) {
    SL_TRY(connection_.execute("DROP TABLE IF EXISTS temp.syncline_unsent"));
    SL_TRY(connection_.execute(table_sql));
    there_ = true;
    through_ = LocalVersion(0);
  }
  if (through_ < acknowledged) {
    SL_TRY(outbox_.overtaken(through_, enter_fit));
    through_ = acknowledged;
  }
  // What others' changes wait for is no acknowledgement; who settles one makes us forget all.
  SL_TRY(connection_.execute("DELETE FROM temp.syncline_unsent AS u WHERE version <= " +
                             std::to_string(acknowledged.get()) +
                             " AND NOT EXISTS (SELECT 1 FROM syncline_log WHERE version = "
                             "u.version AND origin > 1)"));
  for (;;) {
    SL_TRY(const std::vector<OutboxChange> changes, outbox_.batch(through_, batch_bytes));
    if (changes.empty()) {
      return {};
    }
    for (const OutboxChange& change : changes) {
      SL_TRY(enter_fit(change));
      through_ = change.version;
    }
  }
}

Result<void> Unsent::enter(const OutboxChange& outgoing) {
  {
    // Refused already, and on its way out.
    SL_TRY(Statement refused,
           connection_.prepare("SELECT 1 FROM syncline_rejected_changes WHERE replica = ?1 AND "
                               "sequence = ?2 AND time = ?3"));
    refused.bind_blob(1, outgoing.stamp.replica.view())
        .bind(2, static_cast<std::int64_t>(outgoing.sequence.get()))
        .bind(3, static_cast<std::int64_t>(outgoing.stamp.time));
    SL_TRY(const bool found, refused.step());
    if (found) {
      return {};
    }
  }
  const std::vector<Bytes> parts(outgoing.parts.begin(), outgoing.parts.end());
  SL_TRY(Change change, decode_parts(parts));
  SL_TRY(Statement insert,
         connection_.prepare("INSERT OR REPLACE INTO temp.syncline_unsent(tbl, key, version, edit) "
                             "VALUES(?1, ?2, ?3, ?4)"));
  Change one;
  one.sequence = change.sequence;
  one.stamp = change.stamp;
  one.schema_version = change.schema_version;
  for (RowEdit& edit : change.edits) {
    one.edits.clear();
    one.edits.push_back(std::move(edit));
    const ByteVector encoded = encode_change(one);
    insert.bind_text(1, one.edits[0].table)
        .bind_blob(2, one.edits[0].key.view())
        .bind(3, static_cast<std::int64_t>(outgoing.version.get()))
        .bind_blob(4, encoded);
    SL_TRY(insert.run());
  }
  return {};
}

Result<void> Unsent::merge_into(const std::string& table, Bytes key, RowState& state) {
  SL_TRY(Statement select,
         connection_.prepare("SELECT edit FROM temp.syncline_unsent WHERE tbl = ?1 AND key = ?2 "
                             "ORDER BY version"));
  select.bind_text(1, table).bind_blob(2, key);
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return {};
    }
    SL_TRY(const Change change, decode_change(select.column_blob(0)));
    merge_edit(state, change.edits.at(0), change.stamp);
  }
}

Result<void> Unsent::drop(LocalVersion version) {
  return connection_.execute("DELETE FROM temp.syncline_unsent WHERE version = " +
                             std::to_string(version.get()));
}

}  // namespace syncline
