// What is in a replica: its beginning, its tables, its state, its rows.
#include "apps/syncline/commands.h"
#include "base/text.h"
#include "client/dump.h"
#include "client/sync_state.h"
#include "client/verify.h"
#include "wire/limits.h"

namespace syncline::cli {
namespace {

Json done_json() {
  Json out;
  out.set("ok", Json(true));
  return out;
}

// Every table of the application's that has a primary key it can be tracked by.
Result<std::vector<std::string>> trackable_tables(Connection connection) {
  SL_TRY(Statement rows,
         connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                            "'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'syncline\\_%' ESCAPE '\\' "
                            "ORDER BY name"));
  std::vector<std::string> out;
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return out;
    }
    out.emplace_back(rows.column_text(0));
  }
}

Result<void> adopt_workspace(Engine& engine, const std::string& workspace) {
  if (workspace.empty() || workspace.size() > limits::workspace_name_bytes_max ||
      !is_utf8(workspace)) {
    return Error(ErrorCode::invalid_argument, "a workspace's name has 1 to 200 bytes of text");
  }
  SL_TRY(const std::string known, engine.meta().text(meta_name::workspace));
  if (!known.empty() && known != workspace) {
    return Error(ErrorCode::already_exists,
                 "this database belongs to the workspace \"" + known + "\" already");
  }
  return engine.meta().set(meta_name::workspace, ValueView::of(workspace));
}

// What may go wrong with a table, where something may.
Result<void> add_warning(Replica& replica, const std::string& table, Json::Array& warnings) {
  SL_TRY(std::string warning, replica.engine().tracking_warning(table));
  if (!warning.empty()) {
    warnings.emplace_back(std::move(warning));
  }
  return {};
}

Result<Json> track_all(Replica& replica, Json::Array& warnings) {
  Json::Array tracked;
  SL_TRY(const auto names, trackable_tables(replica.connection()));
  for (const std::string& name : names) {
    SL_TRY(const TrackedTable* known, replica.engine().catalog().find(name));
    if (known == nullptr) {
      SL_TRY(replica.engine().track(name, {}));
    }
    SL_TRY(add_warning(replica, name, warnings));
    tracked.emplace_back(name);
  }
  return Json(std::move(tracked));
}

}  // namespace

Result<int> run_init(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open(arguments.get("db"), Replica::Missing::create));
  Engine& engine = replica->engine();
  SL_TRY(engine.initialise());
  SL_TRY(adopt_workspace(engine, arguments.get("workspace")));
  if (arguments.has("device")) {
    SL_TRY(engine.meta().set(meta_name::device,
                             ValueView::of(std::string_view(arguments.get("device")))));
  }
  if (arguments.has("schema")) {
    SL_TRY(const std::string sql, read_file(arguments.get("schema"), std::size_t{16} << 20U));
    SL_TRY(const auto tables, trackable_tables(replica->connection()));
    // Once: a schema file seldom says IF NOT EXISTS.
    if (tables.empty()) {
      SL_TRY(replica->connection().execute(sql));
    }
  }
  Json::Array warnings;
  SL_TRY(Json tables, track_all(*replica, warnings));
  SL_TRY(const ReplicaId id, engine.replica());
  Json answer = done_json();
  answer.set("device", Json(id.hex()));
  answer.set("name", Json(arguments.get("device")));
  answer.set("workspace", Json(arguments.get("workspace")));
  answer.set("tables", std::move(tables));
  if (!warnings.empty()) {
    answer.set("warnings", Json(std::move(warnings)));
  }
  out.object(answer);
  return exit_ok;
}

Result<int> run_track(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open(arguments.get("db"), Replica::Missing::refuse));
  std::vector<std::string> rules = arguments.all("column");
  if (arguments.has("merge")) {
    rules.insert(rules.begin(), arguments.get("merge"));
  }
  SL_TRY(const TrackOptions options, parse_track_options(rules));
  SL_TRY(replica->engine().track(arguments.operand(0), options));
  Json::Array warnings;
  SL_TRY(add_warning(*replica, arguments.operand(0), warnings));
  Json answer = done_json();
  if (!warnings.empty()) {
    answer.set("warnings", Json(std::move(warnings)));
  }
  out.object(answer);
  return exit_ok;
}

Result<int> run_untrack(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(replica->engine().untrack(arguments.operand(0)));
  out.object(done_json());
  return exit_ok;
}

Result<Json> status_at_once(Replica& replica) {
  SL_TRY(const std::string text, replica.engine().status_json());
  SL_TRY(const Json all, read_json(text));
  SL_TRY(const Sha256Digest digest, dump_digest(replica.connection(), replica.engine().catalog()));
  Json out;
  const auto take = [&](const char* from, const char* as) {
    const Json* found = all.find(from);
    out.set(as, found == nullptr ? Json() : *found);
  };
  take("replica", "device");
  take("device", "name");
  for (const char* same : {"workspace", "lineage", "cursor", "sequence", "pending", "rejected",
                           "held", "conflicts", "attention", "read_only", "schema"}) {
    take(same, same);
  }
  SL_TRY(const SyncState state, read_sync_state(replica.engine()));
  const Json* waiting = all.find("pending");
  const Status now = status_now(
      state, replica.clock().now_ms(),
      waiting == nullptr ? 0 : static_cast<std::uint64_t>(waiting->as_int64().value_or(0)));
  out.set("status", Json(status_name(now)));
  if (now == Status::stuck || now == Status::incompatible) {
    out.set("cause", Json(trouble_name(state.trouble)));
    out.set("message", Json(state.message));
    out.set("advice", Json(state.advice));
  }
  take("last_error", "last_error");
  out.set("last_synced_ms", state.synced_ms == 0 ? Json() : Json::integer(state.synced_ms));
  out.set("digest", Json(to_hex(digest)));
  return out;
}

// All of it of one moment: others write and sync meanwhile.
Result<Json> status_of(Replica& replica) {
  SL_TRY(replica.connection().execute("BEGIN"));
  auto status = status_at_once(replica);
  SL_TRY(replica.connection().execute("COMMIT"));
  return status;
}

Result<int> run_status(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(const Json status, status_of(*replica));
  out.object(status);
  return exit_ok;
}

Result<int> run_log(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  // A change that was refused has left the log's rows and is kept beside it.
  return print_rows(
      replica->connection(),
      "SELECT op, seq, stamp, state, tables, time, code, message FROM ("
      "SELECT c.op, c.sequence AS seq, c.stamp, CASE WHEN j.op IS NULL THEN c.state ELSE "
      "'rejected' END AS state, c.tables, c.time, j.code, j.message FROM syncline_changes c LEFT "
      "JOIN syncline_rejected j ON j.op = c.op WHERE c.state <> 'remote' "
      "UNION ALL SELECT j.op, j.sequence, NULL, 'rejected', NULL, j.at, j.code, j.message FROM "
      "syncline_rejected j WHERE j.op NOT IN (SELECT op FROM syncline_changes)) ORDER BY seq",
      out, {"tables"});
}

Result<int> run_dump(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(dump(replica->connection(), replica->engine().catalog(), arguments.get("table"),
              [&](std::string_view line) -> Result<void> {
                out.raw(line);
                return {};
              }));
  return exit_ok;
}

Result<int> run_digest(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(const Sha256Digest digest,
         dump_digest(replica->connection(), replica->engine().catalog()));
  Json answer;
  answer.set("digest", Json(to_hex(digest)));
  out.object(answer);
  return exit_ok;
}

Result<int> run_verify(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(const std::vector<std::string> problems, verify(replica->engine()));
  Json answer;
  answer.set("ok", Json(problems.empty()));
  Json::Array list;
  for (const std::string& problem : problems) {
    list.emplace_back(problem);
  }
  answer.set("problems", Json(std::move(list)));
  out.object(answer);
  return problems.empty() ? exit_ok : exit_storage;
}

// --- What needs a decision
// ------------------------------------------------------------------------

Result<int> run_conflicts(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  return print_rows(replica->connection(),
                    "SELECT id, table_name AS \"table\", key, column_name AS \"column\", base, "
                    "mine, theirs, winner FROM syncline_conflicts ORDER BY id",
                    out, {"key"});
}

Result<int> run_resolve(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  const char* how = nullptr;
  for (const char* choice : {"mine", "theirs", "merged", "value"}) {
    if (arguments.has(choice)) {
      if (how != nullptr) {
        return Error(ErrorCode::invalid_argument,
                     "choose one of --mine, --theirs, --merged and "
                     "--value");
      }
      how = choice;
    }
  }
  if (how == nullptr) {
    return Error(ErrorCode::invalid_argument,
                 "choose one of --mine, --theirs, --merged and --value");
  }
  SL_TRY(const Resolution resolution, resolution_from_name(how));
  Value value;
  if (resolution == Resolution::value) {
    SL_TRY(const Json json, read_json(arguments.get("value")));
    SL_TRY(value, value_of(json));
  }
  SL_TRY(replica->engine().resolve(arguments.operand(0), resolution, value.view()));
  out.object(done_json());
  return exit_ok;
}

// --- As files
// -------------------------------------------------------------------------------------

Result<int> run_export(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(const ByteVector file, arguments.has("pending")
                                    ? replica->engine().export_pending()
                                    : replica->engine().changes_since(LocalVersion(0)));
  SL_TRY(write_file(arguments.get("to"), std::string(as_text(file))));
  Json answer = done_json();
  answer.set("bytes", Json::integer(static_cast<std::int64_t>(file.size())));
  out.object(answer);
  return exit_ok;
}

Result<int> run_import(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  SL_TRY(const std::string file, read_file(arguments.operand(0), std::size_t{4} << 30U));
  SL_TRY(const ApplyReport report, arguments.has("pending")
                                       ? replica->engine().import_pending(as_bytes(file))
                                       : replica->engine().apply_file(as_bytes(file)));
  Json answer = done_json();
  answer.set("changes", Json::integer(static_cast<std::int64_t>(report.changes)));
  answer.set("repeated", Json::integer(static_cast<std::int64_t>(report.repeated)));
  answer.set("rows", Json::integer(static_cast<std::int64_t>(report.rows)));
  answer.set("held", Json::integer(static_cast<std::int64_t>(report.held)));
  answer.set("conflicts", Json::integer(static_cast<std::int64_t>(report.conflicts.size())));
  out.object(answer);
  return exit_ok;
}

}  // namespace syncline::cli
