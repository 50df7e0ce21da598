// What operators do beside a running server, or instead of it.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/syncline/commands.h"
#include "apps/syncline/data_folder.h"
#include "apps/syncline/witness_file.h"
#include "base/text.h"
#include "routes/jwt.h"
#include "server/log_reader.h"
#include "server/ownership.h"
#include "server/retention.h"
#include "server/sqlite_log_store.h"
#include "server/workspace.h"

namespace syncline::cli {
namespace {

Json done_json() {
  Json out;
  out.set("ok", Json(true));
  return out;
}

Result<LogReader> open_reader(const Arguments& arguments) {
  const std::string path = log_path(arguments.get("data"));
  if (::access(path.c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found, "there is no server's data in " + arguments.get("data"));
  }
  return LogReader::open(path);
}

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(mark, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Result<void> copy_file(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) {
    return Error(errno == ENOENT ? ErrorCode::not_found : ErrorCode::storage,
                 from + ": " + std::strerror(errno));
  }
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool good = out >= 0;
  std::vector<char> buffer(std::size_t{1} << 20U);
  while (good) {
    const ssize_t got = ::read(in, buffer.data(), buffer.size());
    if (got <= 0) {
      good = got == 0;
      break;
    }
    good = ::write(out, buffer.data(), static_cast<std::size_t>(got)) == got;
  }
  good = good && ::fsync(out) == 0;
  const int why = errno;
  ::close(in);
  if (out >= 0) {
    ::close(out);
  }
  if (!good) {
    ::unlink(to.c_str());
    return Error(why == ENOSPC ? ErrorCode::full : ErrorCode::storage,
                 to + ": " + std::strerror(why));
  }
  return {};
}

}  // namespace

Result<int> run_server_dump(const Arguments& arguments, Output& out) {
  SL_TRY(const LogReader reader, open_reader(arguments));
  SL_TRY(reader.dump(arguments.get("workspace"), [&](std::string_view line) -> Result<void> {
    out.raw(line);
    return {};
  }));
  return exit_ok;
}

Result<int> run_server_log(const Arguments& arguments, Output& out) {
  SL_TRY(const LogReader reader, open_reader(arguments));
  if (arguments.has("conflicts") || arguments.has("volume")) {
    const std::string workspace = arguments.get("workspace");
    SL_TRY(const Json rows,
           arguments.has("volume") ? reader.volume(workspace) : reader.told_conflicts(workspace));
    for (const Json& row : *rows.array()) {
      out.row(row);
    }
    return exit_ok;
  }
  LogReader::AuditFilter filter;
  filter.workspace = arguments.get("workspace");
  SL_TRY(filter.since, arguments.integer("since", 0));
  filter.device = arguments.get("device");
  filter.user = arguments.get("user");
  const std::string entity = arguments.get("entity");
  const std::size_t slash = entity.find('/');
  filter.entity_type = entity.substr(0, slash);
  filter.entity_id = slash == std::string::npos ? "" : entity.substr(slash + 1);
  SL_TRY(reader.audit(filter, [&](std::string_view line) -> Result<void> {
    SL_TRY(const Json json, read_json(line));
    out.row(json);
    return {};
  }));
  return exit_ok;
}

Result<int> run_backup(const Arguments& arguments, Output& out) {
  const std::string path = log_path(arguments.get("data"));
  if (::access(path.c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found, "there is no server's data in " + arguments.get("data"));
  }
  if (::access(arguments.get("to").c_str(), F_OK) == 0) {
    return Error(ErrorCode::already_exists, arguments.get("to") + " is there already");
  }
  keep_files_private();
  SystemRandom random;
  SL_TRY(const auto store, SqliteLogStore::open(path, random, {}));
  if (auto done = store->backup(arguments.get("to")); !done) {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
      ::unlink((arguments.get("to") + suffix).c_str());  // half of one is none
    }
    return done.error();
  }
  out.object(done_json());
  return exit_ok;
}

Result<int> run_restore(const Arguments& arguments, Output& out) {
  SL_TRY(const DataFolder folder, DataFolder::take(arguments.get("data")));
  const std::string path = log_path(arguments.get("data"));
  if (::access(path.c_str(), F_OK) == 0) {
    return Error(ErrorCode::already_exists,
                 path + " is there already; move it away before restoring over it");
  }
  const std::string fresh = path + ".restoring";
  SL_TRY(copy_file(arguments.get("from"), fresh));
  SystemRandom random;
  const LineageId lineage = LineageId::draw(random);
  {
    SL_TRY(const auto store, SqliteLogStore::open(fresh, random, {}));
    SL_TRY(store->begin_lineage(lineage));
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    return Error(ErrorCode::storage, path + ": " + std::strerror(errno));
  }
  // It tells of what was there before; restoring has begun a new lineage already.
  ::unlink(witness_path(arguments.get("data")).c_str());
  Json answer = done_json();
  answer.set("lineage", Json(lineage.hex()));
  out.object(answer);
  return exit_ok;
}

Result<int> run_gc(const Arguments& arguments, Output& out) {
  const std::string data = arguments.get("data");
  if (::access(log_path(data).c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found, "there is no server's data in " + data);
  }
  SL_TRY(const DataFolder folder, DataFolder::take(data));
  SL_TRY(const std::int64_t horizon, arguments.integer("horizon", -1));
  SystemRandom random;
  SystemClock clock;
  SL_TRY(const auto store, SqliteLogStore::open(log_path(data), random, {}));
  std::vector<std::string> names;
  {
    SL_TRY(const LogReader reader, LogReader::open(log_path(data)));
    SL_TRY(const Json spaces, reader.workspaces());
    for (const Json& one : *spaces.array()) {
      names.push_back(*one.find("workspace")->string());
    }
  }
  const Rules rules;
  for (const std::string& name : names) {
    SL_TRY(store->begin());
    SL_TRY(Workspace workspace, Workspace::open(*store, rules, name));
    if (horizon < 0) {
      SL_TRY(retire(*store, workspace, {}, clock.now_ms()));
    } else {
      const ServerVersion through(
          std::min(static_cast<std::uint64_t>(horizon), workspace.head().get()));
      // Every stamp up to now may have been forgotten.
      SL_TRY(workspace.trim(through, static_cast<std::uint64_t>(clock.now_ms())
                                         << Stamp::counter_bits));
    }
    SL_TRY(store->commit());
    Json row;
    row.set("workspace", Json(name));
    row.set("fence", Json::integer(static_cast<std::int64_t>(workspace.fence().get())));
    out.row(row);
  }
  return exit_ok;
}

Result<int> run_give(const Arguments& arguments, Output& out) {
  const std::string data = arguments.get("data");
  if (::access(log_path(data).c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found, "there is no server's data in " + data);
  }
  if (arguments.has("device") == arguments.has("from")) {
    return Error(ErrorCode::invalid_argument, "give --device, or --from for all of a user's");
  }
  Gift gift;
  gift.workspace = arguments.get("workspace");
  gift.from = arguments.get("from");
  gift.to = arguments.get("to");
  if (arguments.has("device")) {
    SL_TRY(gift.replica, ReplicaId::from_hex(arguments.get("device")));
  }
  SL_TRY(const DataFolder folder, DataFolder::take(data));
  SystemRandom random;
  SL_TRY(const auto store, SqliteLogStore::open(log_path(data), random, {}));
  SL_TRY(store->begin());
  SL_TRY(const auto given, give_replicas(*store, gift));
  SL_TRY(store->commit());
  for (const ReplicaId& replica : given) {
    Json row;
    row.set("device", Json(replica.hex()));
    row.set("user", Json(gift.to));
    out.row(row);
  }
  return exit_ok;
}

Result<int> run_token(const Arguments& arguments, Output& out) {
  SL_TRY(const std::string file, read_file(arguments.get("key-file"), std::size_t{1} << 20U));
  SL_TRY(const JwtKeys keys, JwtKeys::read(file));
  SL_TRY(const std::int64_t ttl_ms, parse_duration_ms(arguments.get("ttl", "1h")));
  const std::int64_t now_s = SystemClock().now_ms() / 1000;
  const std::string rights = arguments.get("rights", "rw");
  if (rights.empty() || rights.find_first_not_of("rwa") != std::string::npos) {
    return Error(ErrorCode::invalid_argument, "rights are r, rw or rwa");
  }
  if (!arguments.has("workspace") && !arguments.has("admin")) {
    return Error(ErrorCode::invalid_argument, "give --workspace, or --admin, or both");
  }
  Json claims;
  claims.set("sub", Json(arguments.get("subject")));
  claims.set("iat", Json::integer(now_s));
  claims.set("exp", Json::integer(now_s + ttl_ms / 1000));
  if (arguments.has("issuer")) {
    claims.set("iss", Json(arguments.get("issuer")));
  }
  if (arguments.has("audience")) {
    claims.set("aud", Json(arguments.get("audience")));
  }
  if (arguments.has("workspace")) {
    Json::Array spaces;
    for (const std::string& one : split(arguments.get("workspace"), ',')) {
      spaces.emplace_back(one);
    }
    claims.set("workspaces", Json(std::move(spaces)));
    claims.set("rights", Json(rights));
  }
  if (arguments.has("admin")) {
    claims.set("admin", Json(true));
  }
  SL_TRY(const std::string token, keys.sign(claims));
  if (arguments.has("to")) {
    SL_TRY(write_file(arguments.get("to"), token + "\n"));
    out.object(done_json());
    return exit_ok;
  }
  if (out.is_json()) {
    Json answer;
    answer.set("token", Json(token));
    answer.set("expires_s", Json::integer(now_s + ttl_ms / 1000));
    out.object(answer);
  } else {
    out.raw(token);
  }
  return exit_ok;
}

}  // namespace syncline::cli
