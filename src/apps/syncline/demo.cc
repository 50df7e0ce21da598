#include "apps/syncline/demo.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "apps/syncline/commands.h"
#include "base/json.h"
#include "client/sql_functions.h"
#include "net/system.h"
#include "sqlite/confine.h"

namespace syncline::cli {
namespace {

constexpr std::size_t file_bytes_max = std::size_t{16} << 20U;
constexpr std::size_t sql_bytes_max = 100'000;
constexpr const char* workspace = "demo";

std::string content_type(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  const std::string ending = dot == std::string::npos ? "" : path.substr(dot + 1);
  if (ending == "html") {
    return "text/html; charset=utf-8";
  }
  if (ending == "js") {
    return "text/javascript; charset=utf-8";
  }
  if (ending == "css") {
    return "text/css; charset=utf-8";
  }
  if (ending == "wasm") {
    return "application/wasm";
  }
  if (ending == "svg") {
    return "image/svg+xml";
  }
  if (ending == "webmanifest" || ending == "json" || ending == "map") {
    return "application/json";
  }
  return "text/plain; charset=utf-8";
}

// Fails with `not_found` for what a link in the folder leads out to.
Result<std::string> read_inside(const std::string& folder, const std::string& path) {
  char real_path[PATH_MAX];
  char real_folder[PATH_MAX];
  if (::realpath(path.c_str(), real_path) == nullptr ||
      ::realpath(folder.c_str(), real_folder) == nullptr) {
    return Error(ErrorCode::not_found, path + " is not there");
  }
  const std::string inside = std::string(real_folder) + "/";
  if (std::string_view(real_path).substr(0, inside.size()) != inside) {
    return Error(ErrorCode::not_found, path + " lies elsewhere");
  }
  return read_file(real_path, file_bytes_max);
}

Reply done() {
  Reply reply;
  reply.body = "{\"ok\":true}\n";
  return reply;
}

Reply failed(const Error& error) {
  return error_reply(400, error_code_name(error.code()), error.message());
}

}  // namespace

Demo::~Demo() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::optional<Reply> Demo::answer(const Request& request) {
  if (request.path == "/demo/script" && request.method == "POST") {
    auto reply = script(request);
    return reply ? *std::move(reply) : failed(reply.error());
  }
  if (request.path == "/demo/rebuild" && request.method == "POST") {
    wants_rebuild_ = true;
    // The server stops as it always does, and begins anew.
    ::kill(::getpid(), SIGTERM);
    return done();
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return std::nullopt;
  }
  return file(request);
}

Reply Demo::file(const Request& request) const {
  // split_target() lets nothing climb out of the folder, and no link in it leads out.
  const std::string path = web_ + (request.path == "/" ? "/index.html" : request.path);
  Reply reply;
  reply.content_type = content_type(path);
  reply.headers.push_back({"Cache-Control", "no-cache"});
  if (request.header("Accept-Encoding").find("br") != std::string_view::npos) {
    if (auto packed = read_inside(web_, path + ".br")) {
      reply.body = *std::move(packed);
      reply.headers.push_back({"Content-Encoding", "br"});
      return reply;
    }
  }
  auto content = read_inside(web_, path);
  if (!content) {
    return not_found_reply();
  }
  reply.body = *std::move(content);
  return reply;
}

Result<void> Demo::start_script_database() {
  if (loop_ != nullptr) {
    return {};
  }
  SL_TRY(loop_replica_, Replica::open(data_ + "/script.db", Replica::Missing::create));
  SL_TRY(register_functions(loop_replica_->engine()));
  SL_TRY(const std::string schema, read_file(web_ + "/schema.sql", sql_bytes_max));
  SL_TRY(loop_replica_->connection().execute(schema));
  SyncLoop::Parts parts;
  parts.engine = &loop_replica_->engine();
  parts.clock = &loop_replica_->clock();
  parts.random = &loop_replica_->random();
  parts.url = url_;
  SL_TRY(loop_, SyncLoop::make(parts));
  SL_TRY(loop_->start(workspace, ""));
  thread_ = std::thread([this] { run_loop(); });
  return {};
}

void Demo::run_loop() {
  loop_->run([this](Instant /*now*/) { return !stopping_; });
  loop_->stop();
}

// What any program on the server's machine could do: open the database with the engine loaded, and
// run SQL. Here it comes from a page, so it stays in that database, and ends.
Result<Reply> Demo::script(const Request& request) {
  SL_TRY(
      const Json json,
      read_json(request.body, {.bytes_max = sql_bytes_max * 2, .depth_max = 4, .values_max = 16}));
  const Json* const sql = json.find("sql");
  if (sql == nullptr || sql->string() == nullptr || sql->string()->size() > sql_bytes_max) {
    return Error(ErrorCode::invalid_argument, "send {\"sql\":\"...\"}");
  }
  SL_TRY(start_script_database());
  SL_TRY(auto replica, Replica::open_initialised(data_ + "/script.db"));
  SL_TRY(register_functions(replica->engine()));
  const Confinement held(replica->connection(), {.reach = Reach::write});
  SL_TRY(replica->connection().execute(*sql->string()));
  return done();
}

Result<void> throw_log_away(const std::string& data) {
  for (const char* ending : {"", "-wal", "-shm"}) {
    const std::string path = log_path(data) + ending;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error(ErrorCode::storage, path + ": " + std::strerror(errno));
    }
  }
  return {};
}

}  // namespace syncline::cli
