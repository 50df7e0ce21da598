#include "client/sql_functions.h"

#include <string>
#include <vector>

#include "base/json.h"
#include "base/value_json.h"
#include "client/collections.h"
#include "client/document_functions.h"
#include "client/dump.h"
#include "client/verify.h"
#include "client/view_functions.h"
#include "model/three_way.h"
#include "sqlite/function.h"

namespace syncline {
namespace {

using Arguments = std::span<const ValueView>;
using Answer = Result<SqlValue>;

Error wrong_argument(const std::string& message) {
  return Error(ErrorCode::invalid_argument, message);
}

Result<std::string> text_argument(Arguments arguments, std::size_t index, const char* what) {
  if (arguments[index].type != ValueType::text || arguments[index].data.empty()) {
    return wrong_argument(std::string(what) + " must be a text");
  }
  return std::string(arguments[index].text());
}

Result<Bytes> blob_argument(Arguments arguments, std::size_t index, const char* what) {
  if (arguments[index].type != ValueType::blob) {
    return wrong_argument(std::string(what) + " must be a blob");
  }
  return arguments[index].data;
}

Answer answer(const Result<void>& done) {
  if (!done) {
    return done.error();
  }
  return SqlValue();
}

Answer track(Engine& engine, Arguments arguments) {
  if (arguments.empty()) {
    return wrong_argument("syncline_track(table [, rule or 'column=rule' ...])");
  }
  SL_TRY(const std::string table, text_argument(arguments, 0, "syncline_track: the table's name"));
  std::vector<std::string> texts;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    SL_TRY(texts.emplace_back(), text_argument(arguments, i, "syncline_track: a rule"));
  }
  SL_TRY(const TrackOptions options, parse_track_options(texts));
  SL_TRY(engine.track(table, options));
  // NULL, or what to mind.
  SL_TRY(std::string warning, engine.tracking_warning(table));
  return warning.empty() ? Answer(SqlValue()) : Answer(std::move(warning));
}

Answer untrack(Engine& engine, Arguments arguments) {
  SL_TRY(const std::string table,
         text_argument(arguments, 0, "syncline_untrack: the table's name"));
  return answer(engine.untrack(table));
}

Answer version(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(const LocalVersion version, engine.version());
  return static_cast<std::int64_t>(version.get());
}

Answer changes(Engine& engine, Arguments arguments) {
  if (arguments[0].type != ValueType::integer || arguments[0].integer < 0) {
    return wrong_argument(
        "syncline_changes: the version must be an integer from syncline_version(), or 0 for all");
  }
  SL_TRY(ByteVector file,
         engine.changes_since(LocalVersion(static_cast<std::uint64_t>(arguments[0].integer))));
  return file;
}

std::string report_json(const ApplyReport& report) {
  Json json;
  json.set("changes", Json::integer(static_cast<std::int64_t>(report.changes)));
  json.set("repeated", Json::integer(static_cast<std::int64_t>(report.repeated)));
  json.set("rows", Json::integer(static_cast<std::int64_t>(report.rows)));
  json.set("held", Json::integer(static_cast<std::int64_t>(report.held)));
  json.set("conflicts", Json::integer(static_cast<std::int64_t>(report.conflicts.size())));
  return write_json(json);
}

Answer apply(Engine& engine, Arguments arguments) {
  SL_TRY(const Bytes file, blob_argument(arguments, 0, "syncline_apply: the changes"));
  SL_TRY(const ApplyReport report, engine.apply_file(file));
  return report_json(report);
}

Answer site_id(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(engine.initialise());
  SL_TRY(const ReplicaId replica, engine.replica());
  return replica.hex();
}

Answer status(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(std::string json, engine.status_json());
  return json;
}

Answer resolve(Engine& engine, Arguments arguments) {
  if (arguments.size() < 2 || arguments.size() > 3) {
    return wrong_argument("syncline_resolve(id, 'mine' | 'theirs' | 'merged' | 'value' [, value])");
  }
  SL_TRY(const std::string id, text_argument(arguments, 0, "syncline_resolve: the conflict's id"));
  SL_TRY(const std::string how, text_argument(arguments, 1, "syncline_resolve: the choice"));
  SL_TRY(const Resolution resolution, resolution_from_name(how));
  if ((resolution == Resolution::value) != (arguments.size() == 3)) {
    return wrong_argument("syncline_resolve: a value comes with 'value', and only with it");
  }
  return answer(
      engine.resolve(id, resolution, arguments.size() == 3 ? arguments[2] : ValueView::null()));
}

// {"clean","merged","disagreements":[{"path","base","mine","theirs"}]}
Answer three_way(Engine& /*engine*/, Arguments arguments) {
  const ThreeWay merged = merge_any(arguments[0], arguments[1], arguments[2]);
  std::string out = "{\"clean\":";
  out += merged.is_clean() ? "true" : "false";
  out += ",\"merged\":" + value_json(merged.merged.view()) + ",\"disagreements\":[";
  for (std::size_t i = 0; i < merged.disagreements.size(); ++i) {
    const Disagreement& disagreement = merged.disagreements[i];
    out += i == 0 ? "{\"path\":[" : ",{\"path\":[";
    for (std::size_t step = 0; step < disagreement.path.size(); ++step) {
      out += step == 0 ? "" : ",";
      append_json_string(out, disagreement.path[step]);
    }
    out += "],\"base\":" + value_json(disagreement.base.view()) +
           ",\"mine\":" + value_json(disagreement.ours.view()) +
           ",\"theirs\":" + value_json(disagreement.theirs.view()) + "}";
  }
  return out + "]}";
}

Answer events(Engine& engine, Arguments /*arguments*/) {
  constexpr std::size_t drained_max = 1000;
  return events_json(engine.events().drain(drained_max));
}

Answer collection(Engine& engine, Arguments arguments) {
  SL_TRY(const std::string name, text_argument(arguments, 0, "syncline_collection: the name"));
  return answer(make_collection(engine, name));
}

Answer alter_begin(Engine& engine, Arguments /*arguments*/) { return answer(engine.alter_begin()); }
Answer alter_commit(Engine& engine, Arguments /*arguments*/) {
  return answer(engine.alter_commit());
}

// For a person at a shell who compares and checks; a page would load them for nothing.
#ifndef __EMSCRIPTEN__
Answer digest(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(const Sha256Digest digest, dump_digest(engine.connection(), engine.catalog()));
  return to_hex(digest);
}

Answer dump_text(Engine& engine, Arguments arguments) {
  std::string table;
  if (!arguments.empty()) {
    SL_TRY(table, text_argument(arguments, 0, "syncline_dump: the table's name"));
  }
  std::string out;
  SL_TRY(dump(engine.connection(), engine.catalog(), table,
              [&](std::string_view line) -> Result<void> {
                out.append(line).push_back('\n');
                return {};
              }));
  return out;
}

Answer verify_all(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(const std::vector<std::string> problems, verify(engine));
  std::string out = "[";
  for (const std::string& problem : problems) {
    out += out.size() == 1 ? "" : ",";
    append_json_string(out, problem);
  }
  out += "]";
  return out;
}
#endif

Answer export_pending(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(ByteVector file, engine.export_pending());
  return file;
}

Answer import_pending(Engine& engine, Arguments arguments) {
  SL_TRY(const Bytes file, blob_argument(arguments, 0, "syncline_import: the changes"));
  SL_TRY(const ApplyReport report, engine.import_pending(file));
  return report_json(report);
}

Answer rescan(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(const std::uint64_t found, engine.rescan());
  return static_cast<std::int64_t>(found);
}

Answer retry_held(Engine& engine, Arguments /*arguments*/) {
  SL_TRY(const std::uint64_t installed, engine.retry_held());
  return static_cast<std::int64_t>(installed);
}

Answer discard(Engine& engine, Arguments arguments) {
  return answer(engine.rejected().discard(arguments[0].integer));
}

Answer retry(Engine& engine, Arguments arguments) {
  return answer(engine.rejected().retry(arguments[0].integer));
}

Answer collect_garbage(Engine& engine, Arguments arguments) {
  std::int64_t horizon_ms = 0;
  if (!arguments.empty()) {
    if (arguments.size() > 1 || arguments[0].type != ValueType::integer) {
      return wrong_argument("syncline_gc([horizon]): milliseconds since 1970, as an integer");
    }
    horizon_ms = arguments[0].integer;
  }
  return answer(engine.collect_garbage(horizon_ms));
}

struct Entry {
  const char* name;
  int argument_count;
  Answer (*body)(Engine& engine, Arguments arguments);
};

// extension.cc asks for the last one to learn whether all are there.
constexpr Entry entries[] = {
    {"syncline_track", -1, track},
    {"syncline_untrack", 1, untrack},
    {"syncline_collection", 1, collection},
    {"syncline_version", 0, version},
    {"syncline_changes", 1, changes},
    {"syncline_apply", 1, apply},
    {"syncline_export_pending", 0, export_pending},
    {"syncline_import", 1, import_pending},
    {"syncline_status", 0, status},
    {"syncline_events", 0, events},
    {"syncline_resolve", -1, resolve},
    {"syncline_three_way", 3, three_way},
    {"syncline_retry_held", 0, retry_held},
    {"syncline_retry_rejected", 1, retry},
    {"syncline_discard_rejected", 1, discard},
    {"syncline_alter_begin", 0, alter_begin},
    {"syncline_alter_commit", 0, alter_commit},
#ifndef __EMSCRIPTEN__
    {"syncline_digest", 0, digest},
    {"syncline_dump", -1, dump_text},
    {"syncline_verify", 0, verify_all},
#endif
    {"syncline_rescan", 0, rescan},
    {"syncline_gc", -1, collect_garbage},
    {"syncline_site_id", 0, site_id},
};

}  // namespace

Result<void> register_functions(Engine& engine) {
  SL_TRY(register_document_functions(engine));
  for (const Entry& entry : entries) {
    SL_TRY(register_function(engine.connection(), entry.name, entry.argument_count, Purity::effects,
                             [&engine, &entry](Arguments arguments) -> Answer {
                               Answer result = entry.body(engine, arguments);
                               // A connection that only asked has no capture table whose end would
                               // tell us that it closes.
                               engine.release();
                               return result;
                             }));
  }
  return {};
}

}  // namespace syncline
