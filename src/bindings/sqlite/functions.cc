#include "bindings/sqlite/functions.h"

#include <string>
#include <vector>

#include "base/json.h"
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
  return answer(engine.track(table, options));
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

struct Entry {
  const char* name;
  int argument_count;
  Answer (*body)(Engine& engine, Arguments arguments);
};

constexpr Entry entries[] = {
    {"syncline_track", -1, track},    {"syncline_untrack", 1, untrack},
    {"syncline_version", 0, version}, {"syncline_changes", 1, changes},
    {"syncline_apply", 1, apply},     {"syncline_site_id", 0, site_id},
};

}  // namespace

Result<void> register_functions(Engine& engine) {
  for (const Entry& entry : entries) {
    SL_TRY(register_function(engine.connection(), entry.name, entry.argument_count, Purity::effects,
                             [&engine, &entry](Arguments arguments) -> Answer {
                               return entry.body(engine, arguments);
                             }));
  }
  return {};
}

}  // namespace syncline
