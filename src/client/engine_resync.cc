// The part of the engine that begins anew ("nuke and resync"): all that came from a server goes,
// with every clock and mark that was kept about it; what was made here stays in the outbox under
// its identities, and is merged onto empty tables. The server's rows come as they come to a new
// replica.
#include "client/engine.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

constexpr const char* kept_sql =
    "SELECT version FROM syncline_log l WHERE form >= 2 AND (origin > 1 OR (origin = 1 AND version "
    "> ?1 AND NOT EXISTS (SELECT 1 FROM syncline_rejected_changes r WHERE r.sequence = l.sequence "
    "AND r.time = l.time))) ORDER BY version";

// Own changes, and others' that were learned whole, stand encoded in the log: they stay.
constexpr const char* drop_sql = R"sql(
DELETE FROM syncline_log WHERE form < 2 AND version < (SELECT max(version) FROM syncline_log);
DELETE FROM syncline_log_parts WHERE version NOT IN (SELECT version FROM syncline_log);
DELETE FROM syncline_clocks;
DELETE FROM syncline_tombs;
DELETE FROM syncline_cells;
DELETE FROM syncline_held_rows;
UPDATE syncline_replicas SET seen = x'' WHERE id > 1;
)sql";

}  // namespace

Result<void> Engine::check_not_renewed() {
  SL_TRY(const LogHead head, log_.head());
  if (head.renewals == renewals_) {
    return {};
  }
  return Error(ErrorCode::cancelled,
               "another program resynced this database, or gave it another id: the conversation "
               "begins anew");
}

Result<bool> Engine::was_renewed() {
  SL_TRY(const std::int64_t renewals, meta_.integer(meta_name::renewals));
  return renewals != renewals_;
}

// The last thing that its transaction does: nothing in memory counts any more.
Result<void> Engine::renew() {
  SL_TRY(const std::int64_t renewals, meta_.integer(meta_name::renewals));
  return meta_.set(meta_name::renewals, ValueView::of(renewals + 1));
}

Result<ByteVector> Engine::resync() {
  SL_TRY(require_replica());
  if (!parts_.connection.autocommit()) {
    return Error(ErrorCode::busy, "a transaction is open: end it before starting anew");
  }
  SL_TRY(const std::int64_t left, meta_.integer(meta_name::left_lineage));
  SL_TRY(const bool keepsakes, keepsakes_.any());
  if (left != 0 || keepsakes) {
    return Error(ErrorCode::busy,
                 "this replica holds rows of others that the server has not heard of yet: sync "
                 "first");
  }
  // What somebody wrote without the extension is work, too.
  SL_TRY(rescan());
  SL_TRY(ByteVector file, salvage("resync"));
  // One transaction: nobody sees the tables without the work that stays, and nothing that ends us
  // in between leaves them so.
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint whole, Savepoint::to_write(parts_.connection));
    SL_TRY(drop_what_came());
    SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
    SL_TRY(const std::vector<LocalVersion> kept, kept_changes(acknowledged));
    SL_TRY(merge_again(kept));
    return whole.release();
  };
  auto done = run();
  tables_.release();
  forget_all();
  sums_.forget();
  told_sequence_ = ChangeSequence(0);
  end_call();
  SL_TRY(std::move(done));
  SL_TRY(settle_held());
  return file;
}

// Nobody deleted these rows: neither capture nor the application's triggers and foreign keys are to
// see them go.
Result<void> Engine::drop_what_came() {
  const bool had_triggers = parts_.connection.set_triggers(false);
  const bool had_keys = parts_.connection.set_foreign_keys(false);
  capture_.set_tapped(!had_triggers);
  const auto drop = [&]() -> Result<void> {
    SL_TRY(schema_change_.freeze_outbox());
    return drop_everything();
  };
  auto dropped = drop();
  capture_.set_tapped(true);
  parts_.connection.set_triggers(had_triggers);
  parts_.connection.set_foreign_keys(had_keys);
  tables_.release();
  forget_all();
  sums_.forget();
  return dropped;
}

Result<void> Engine::drop_everything() {
  SL_TRY(LogHead head, log_.head());
  // A row of its own: whoever kept something of the log or the clocks in memory sees that they
  // moved on, and the counters stay.
  LogRow row;
  row.version = head.version.next();
  row.origin = 0;
  row.time = head.hlc;
  SL_TRY(log_.append(head, row, {}, {}));
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all_with_own());
  for (const TrackedTable* table : tables) {
    SL_TRY(parts_.connection.execute("DELETE FROM main." + quote_identifier(table->name)));
  }
  SL_TRY(parts_.connection.execute(drop_sql));
  const auto set = [&](std::string_view name, std::uint64_t value) {
    return meta_.set(name, ValueView::of(static_cast<std::int64_t>(value)));
  };
  SL_TRY(set(meta_name::folded_version, row.version.get()));
  SL_TRY(set(meta_name::pruned_version, row.version.get()));
  SL_TRY(set(meta_name::cursor, 0));
  SL_TRY(set(meta_name::wants_rescan, 0));
  SL_TRY(set(meta_name::in_pieces, 1));  // own changes that wait are merged again, into nothing
  SL_TRY(set(meta_name::left_lineage, 0));
  SL_TRY(meta_.set(meta_name::snapshot_token, ValueView::blob({})));
  return renew();
}

Result<std::vector<LocalVersion>> Engine::kept_changes(LocalVersion acknowledged) {
  std::vector<LocalVersion> out;
  SL_TRY(Statement select, parts_.connection.prepare(kept_sql));
  select.bind(1, static_cast<std::int64_t>(acknowledged.get()));
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return out;
    }
    out.emplace_back(static_cast<std::uint64_t>(select.column_int(0)));
  }
}

}  // namespace syncline
