#include "client/verify.h"

#include "client/log_tables.h"
#include "sqlite/savepoint.h"
#include "wire/change_codec.h"

namespace syncline {
namespace {

class Verifier {
 public:
  explicit Verifier(Engine& engine) : engine_(engine), connection_(engine.connection()) {}

  Result<std::vector<std::string>> run() {
    SL_TRY(check_file());
    SL_TRY(const bool initialised, engine_.catalog().is_initialised());
    if (!initialised || !problems_.empty()) {
      return std::move(problems_);
    }
    SL_TRY(Savepoint savepoint, Savepoint::open(connection_));
    SL_TRY(check_log());
    if (!problems_.empty()) {
      // Clocks are made of the log: what they say now would mislead.
      return std::move(problems_);
    }
    SL_TRY(check_side_table("syncline_held_rows", "state", read_held));
    SL_TRY(check_side_table("syncline_tombs", "body", read_dead));
    SL_TRY(check_tables());
    SL_TRY(check_outbox());
    SL_TRY(savepoint.release());
    return std::move(problems_);
  }

 private:
  using Decode = Result<void> (*)(Bytes bytes);

  void problem(std::string text) {
    if (problems_.size() < verify_problems_max) {
      problems_.push_back(std::move(text));
    }
  }
  bool is_full() const { return problems_.size() >= verify_problems_max; }

  static Result<void> read_held(Bytes bytes) {
    Reader in(bytes);
    SL_TRY(read_row_state(in));
    return in.expect_end("a held row");
  }
  static Result<void> read_dead(Bytes bytes) {
    Reader in(bytes);
    SL_TRY(read_tomb(in));
    return {};
  }

  Result<void> check_file() {
    SL_TRY(Statement check, connection_.prepare("PRAGMA main.integrity_check(" +
                                                std::to_string(verify_problems_max) + ")"));
    for (;;) {
      SL_TRY(const bool row, check.step());
      if (!row) {
        return {};
      }
      if (check.column_text(0) != "ok") {
        problem("integrity_check: " + std::string(check.column_text(0)));
      }
    }
  }

  Result<void> check_log() {
    SL_TRY(const LogHead head, engine_.log().head());
    std::uint64_t last_own = 0;
    SL_TRY(engine_.log().for_each(
        LocalVersion(0), head.version,
        [&](const LogRow& row, std::span<const Bytes> parts, Bytes /*replaced*/) -> Result<bool> {
          check_log_row(row, parts, head);
          if (row.origin == first_own_origin) {
            if (last_own != 0 && row.sequence.get() != last_own + 1) {
              problem("the replica's own change " + std::to_string(row.sequence.get()) +
                      " follows " + std::to_string(last_own) + " in the log");
            }
            last_own = row.sequence.get();
          }
          return !is_full();
        }));
    if (last_own > head.own_sequence.get()) {
      problem("the log counts " + std::to_string(head.own_sequence.get()) +
              " own changes, but holds one numbered " + std::to_string(last_own));
    }
    return {};
  }

  void check_log_row(const LogRow& row, std::span<const Bytes> parts, const LogHead& head) {
    const std::string name = "log row " + std::to_string(row.version.get());
    // 0 stands for a row whose change is told by another one (an import).
    const auto origin = engine_.origins().replica_of(row.origin);
    if (row.origin != 0 && !origin) {
      problem(name + ": " + origin.error().message());
    }
    if (row.time > head.hlc) {
      problem(name + " was made later than the replica's clock says");
    }
    LogTables tables;
    for (const Bytes part : parts) {
      const auto decoded = add_log_tables(row.form, part, tables);
      if (!decoded) {
        problem(name + ": " + decoded.error().message());
      }
    }
  }

  Result<void> check_side_table(const std::string& name, const std::string& column, Decode decode) {
    SL_TRY(Statement rows, connection_.prepare("SELECT " + column + " FROM " + name));
    for (;;) {
      SL_TRY(const bool row, rows.step());
      if (!row || is_full()) {
        return {};
      }
      const auto decoded = decode(rows.column_blob(0));
      if (!decoded) {
        problem(name + ": " + decoded.error().message());
      }
    }
  }

  Result<void> check_tables() {
    std::vector<TableId> ids;
    {
      SL_TRY(Statement list,
             connection_.prepare("SELECT id, name FROM syncline_tables t WHERE EXISTS(SELECT 1 "
                                 "FROM main.sqlite_schema s WHERE s.type = 'table' AND s.name = "
                                 "t.name) ORDER BY name"));
      for (;;) {
        SL_TRY(const bool row, list.step());
        if (!row) {
          break;
        }
        ids.push_back(list.column_int(0));
      }
    }
    SL_TRY(check_missing_tables());
    SL_TRY(engine_.clocks().catch_up());
    for (const TableId id : ids) {
      SL_TRY(check_triggers(id));
      const auto table = engine_.catalog().table(id);
      if (!table) {
        problem(table.error().message());
        continue;
      }
      SL_TRY(check_rows(**table));
    }
    return {};
  }

  // What waits must be told one day, and whoever hears it must be able to read it.
  Result<void> check_outbox() {
    constexpr std::size_t batch_bytes = std::size_t{4} << 20U;
    LocalVersion after;
    while (!is_full()) {
      const auto batch = engine_.outbox(after, batch_bytes);
      if (!batch) {
        problem("the outbox cannot be told: " + batch.error().message());
        return {};
      }
      if (batch->empty()) {
        return {};
      }
      for (const OutboxChange& change : *batch) {
        after = change.version;
        const std::vector<Bytes> parts(change.parts.begin(), change.parts.end());
        const auto read = decode_parts(parts);
        if (!read) {
          problem("the unsent change " + std::to_string(change.sequence.get()) +
                  " cannot be read: " + read.error().message());
        }
      }
    }
    return {};
  }

  Result<void> check_missing_tables() {
    SL_TRY(Statement list,
           connection_.prepare("SELECT name FROM syncline_tables WHERE name NOT IN (SELECT name "
                               "FROM main.sqlite_schema WHERE type = 'table') ORDER BY name"));
    for (;;) {
      SL_TRY(const bool row, list.step());
      if (!row) {
        return {};
      }
      problem("table '" + std::string(list.column_text(0)) +
              "' is tracked but gone: bring it back, or untrack it");
    }
  }

  Result<void> check_triggers(TableId id) {
    const std::string number = std::to_string(id);
    SL_TRY(const auto found,
           connection_.query_int("SELECT count(*) FROM main.sqlite_schema WHERE name IN ("
                                 "'syncline_tap_" +
                                 number + "','syncline_replacing_" + number +
                                 "','syncline_overtaking_" + number + "','syncline_inserted_" +
                                 number + "','syncline_updated_" + number + "','syncline_deleted_" +
                                 number + "')"));
    if (found.value_or(0) != 6) {
      problem("tracked table " + number +
              " lacks some of its triggers: track it again, then rescan");
    }
    return {};
  }

  Result<void> check_rows(const TrackedTable& table) {
    const std::string name = "main." + quote_identifier(table.name);
    std::string sql = "SELECT " + table.rowid_name + " FROM " + name;
    if (table.without_rowid) {
      sql = "SELECT rid FROM syncline_keys_" + std::to_string(table.id);
    }
    SL_TRY(Statement rows, connection_.prepare(sql));
    std::uint64_t missed = 0;
    for (;;) {
      SL_TRY(const bool row, rows.step());
      if (!row) {
        break;
      }
      SL_TRY(const RowClock* clock, engine_.clocks().find(table.id, rows.column_int(0)));
      missed += clock == nullptr && !table.without_rowid ? 1 : 0;
    }
    if (table.without_rowid) {
      SL_TRY(const auto count, connection_.query_int("SELECT count(*) FROM " + name));
      SL_TRY(const auto known, connection_.query_int("SELECT count(*) FROM syncline_keys_" +
                                                     std::to_string(table.id)));
      if (*count > *known) {
        missed = static_cast<std::uint64_t>(*count - *known);
      }
    }
    if (missed > 0) {
      problem("table '" + table.name + "' has " + std::to_string(missed) +
              " rows that capture never saw: run SELECT syncline_rescan()");
    }
    return {};
  }

  Engine& engine_;
  Connection connection_;
  std::vector<std::string> problems_;
};

}  // namespace

Result<std::vector<std::string>> verify(Engine& engine) { return Verifier(engine).run(); }

}  // namespace syncline
