#include "client/schema_change.h"

#include <algorithm>

namespace syncline {
namespace {

std::string keys_table(TableId id) { return "temp.syncline_keys_before_" + std::to_string(id); }

}  // namespace

Result<std::int64_t> SchemaChange::root_page(const std::string& table) {
  SL_TRY(Statement select, connection_.prepare("SELECT rootpage FROM main.sqlite_schema WHERE type "
                                               "= 'table' AND name = ?1"));
  select.bind_text(1, table);
  SL_TRY(const bool row, select.step());
  return row ? select.column_int(0) : 0;
}

Result<void> SchemaChange::begin() {
  // A rollback that nobody told us of ended the last one.
  active_ = active_ && !connection_.autocommit();
  if (active_) {
    return Error(ErrorCode::already_exists,
                 "a schema change is running already: finish it with syncline_alter_commit()");
  }
  is_outermost_ = connection_.autocommit();
  if (is_outermost_) {
    // It reads before it writes, and must not find that somebody else wrote in between.
    SL_TRY(connection_.execute("BEGIN IMMEDIATE"));
  }
  SL_TRY(connection_.execute("SAVEPOINT syncline_alter"));
  const auto prepare = [&]() -> Result<void> {
    SL_TRY(freeze_outbox());
    root_pages_.clear();
    SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all());
    for (const TrackedTable* table : tables) {
      SL_TRY(root_pages_[table->id], root_page(table->name));
      SL_TRY(remember_keys(*table));
      SL_TRY(catalog_.drop_triggers(table->id));
    }
    return {};
  };
  auto prepared = prepare();
  if (!prepared) {
    (void)connection_.execute(is_outermost_ ? "ROLLBACK"
                                            : "ROLLBACK TO syncline_alter; RELEASE syncline_alter");
    return prepared;
  }
  active_ = true;
  return {};
}

Result<void> SchemaChange::freeze_outbox() { return freeze_before(LocalVersion(UINT64_MAX)); }

Result<void> SchemaChange::freeze_before(LocalVersion end) {
  const auto set = [&](std::string_view name, LocalVersion version) {
    return meta_.set(name, ValueView::of(static_cast<std::int64_t>(version.get())));
  };
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  SL_TRY(const std::int64_t pruned, meta_.integer(meta_name::pruned_version));
  SL_TRY(const std::int64_t once, meta_.integer(meta_name::once_acknowledged_version));
  if (acknowledged.get() > static_cast<std::uint64_t>(once)) {
    SL_TRY(set(meta_name::once_acknowledged_version, acknowledged));
  }
  const LocalVersion first(
      std::min(acknowledged.get(), static_cast<std::uint64_t>(std::max<std::int64_t>(pruned, 0))));
  SL_TRY(set(meta_name::acknowledged_version, first));
  SL_TRY(freeze_between(first, end));
  SL_TRY(set(meta_name::acknowledged_version, acknowledged));
  // Clocks are not read from encoded changes.
  return clocks_.fold();
}

Result<void> SchemaChange::freeze_between(LocalVersion after, LocalVersion end) {
  constexpr std::size_t batch_bytes = std::size_t{4} << 20U;
  // The oldest first: what an unsent change lost since stands in later log rows, which must still
  // have their old values when it is read.
  for (;;) {
    SL_TRY(const std::vector<OutboxChange> changes,
           outbox_.batch(after, batch_bytes, LocalVersion(end.get() - 1)));
    if (changes.empty()) {
      return {};
    }
    for (const OutboxChange& change : changes) {
      after = change.version;
      SL_TRY(freeze(change));
    }
  }
}

Result<void> SchemaChange::freeze(const OutboxChange& change) {
  const auto version = static_cast<std::int64_t>(change.version.get());
  SL_TRY(Statement update, connection_.prepare("UPDATE syncline_log SET form = ?2, body = ?3 WHERE "
                                               "version = ?1 AND form < 2"));
  const LogForm form = change.parts.size() > 1 ? LogForm::frozen_parts : LogForm::frozen;
  update.bind(1, version).bind(2, static_cast<std::int64_t>(form)).bind_blob(3, change.parts[0]);
  SL_TRY(update.run());
  if (connection_.changes() == 0) {
    return {};  // it stands so already
  }
  SL_TRY(connection_.execute("DELETE FROM syncline_log_parts WHERE version = " +
                             std::to_string(version)));
  SL_TRY(Statement insert,
         connection_.prepare("INSERT INTO syncline_log_parts(version, part, body) "
                             "VALUES(?1, ?2, ?3)"));
  for (std::size_t i = 1; i < change.parts.size(); ++i) {
    insert.bind(1, version).bind(2, static_cast<std::int64_t>(i)).bind_blob(3, change.parts[i]);
    SL_TRY(insert.run());
  }
  return {};
}

Result<void> SchemaChange::remember_keys(const TrackedTable& table) {
  if (table.without_rowid) {
    return {};
  }
  std::string keys;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    keys += ", " + quote_identifier(table.key[i]) + " AS k" + std::to_string(i);
  }
  SL_TRY(connection_.execute("DROP TABLE IF EXISTS " + keys_table(table.id)));
  return connection_.execute("CREATE TABLE " + keys_table(table.id) + " AS SELECT " +
                             table.rowid_name + " AS rid" + keys + " FROM main." +
                             quote_identifier(table.name));
}

Result<void> SchemaChange::find_rows_again(TableId id) {
  SL_TRY(const TrackedTable* table, catalog_.table(id));
  if (table->without_rowid) {
    return {};
  }
  std::string match;
  for (std::size_t i = 0; i < table->key.size(); ++i) {
    match += (i == 0 ? "t." : " AND t.") + quote_identifier(table->key[i]) + " = b.k" +
             std::to_string(i);
  }
  std::vector<std::pair<RowId, RowId>> moves;
  {
    SL_TRY(Statement select,
           connection_.prepare("SELECT b.rid, t." + table->rowid_name + " FROM " + keys_table(id) +
                               " b JOIN main." + quote_identifier(table->name) + " t ON " + match));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      moves.emplace_back(select.column_int(0), select.column_int(1));
    }
  }
  return clocks_.move_rows(id, moves);
}

Result<void> SchemaChange::adapt() {
  catalog_.drop_cache();
  if (!active_) {
    // The tables changed already, but our columns are still those from before.
    SL_TRY(freeze_outbox());
    catalog_.drop_cache();
  }
  std::vector<std::pair<TableId, std::string>> tables;
  {
    SL_TRY(Statement select, connection_.prepare("SELECT id, name FROM syncline_tables"));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      tables.emplace_back(select.column_int(0), std::string(select.column_text(1)));
    }
  }
  for (const auto& [id, name] : tables) {
    SL_TRY(const std::int64_t root, root_page(name));
    if (root == 0) {
      SL_TRY(catalog_.untrack_gone(id));
      continue;
    }
    SL_TRY(catalog_.refresh(id));
    const auto before = root_pages_.find(id);
    if (active_ && before != root_pages_.end() && before->second != root) {
      SL_TRY(find_rows_again(id));
    }
  }
  SL_TRY(const std::int64_t version, meta_.integer(meta_name::schema_version));
  return meta_.set(meta_name::schema_version, ValueView::of(version + 1));
}

Result<void> SchemaChange::end() {
  if (!active_ || connection_.autocommit()) {
    active_ = false;
    return {};
  }
  for (const auto& [id, root] : root_pages_) {
    SL_TRY(connection_.execute("DROP TABLE IF EXISTS " + keys_table(id)));
  }
  SL_TRY(connection_.execute(is_outermost_ ? "COMMIT" : "RELEASE syncline_alter"));
  active_ = false;
  return {};
}

}  // namespace syncline
