// Measures this machine: two replicas and a server of their own, over loopback, all durable.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>

#include "apps/syncline/commands.h"
#include "net/sync_loop.h"
#include "sqlite/savepoint.h"

extern char** environ;

namespace syncline::cli {
namespace {

constexpr const char* schema_sql =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT, c INTEGER, d REAL)";
constexpr std::int64_t patience_us = 120'000'000;
constexpr int edits = 100;

// A folder that goes with us.
class Folder {
 public:
  static Result<std::unique_ptr<Folder>> make(const std::string& parent) {
    std::string path = parent + "/syncline-bench-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      return Error(ErrorCode::storage, "no folder can be made in " + parent);
    }
    return std::unique_ptr<Folder>(new Folder(path));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    for (const char* name : {"a.db", "b.db", "plain.db", "srv/log.db"}) {
      for (const char* suffix : {"", "-wal", "-shm"}) {
        ::unlink((path_ + "/" + name + suffix).c_str());
      }
    }
    ::unlink((path_ + "/srv/lock").c_str());
    ::rmdir((path_ + "/srv").c_str());
    ::rmdir(path_.c_str());
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// This program once more, as a server.
class Child {
 public:
  static Result<std::unique_ptr<Child>> start(const std::string& data) {
    std::unique_ptr<Child> out(new Child());
    int ends[2];
    if (::pipe(ends) != 0) {
      return Error(ErrorCode::storage, "no pipe can be made");
    }
    const std::string words[] = {"syncline", "serve",       "--demo",      "--data", data,
                                 "--listen", "127.0.0.1:0", "--log-level", "error"};
    std::vector<char*> list;
    for (const std::string& word : words) {
      list.push_back(const_cast<char*>(word.c_str()));
    }
    list.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
    const int failed =
        ::posix_spawn(&out->pid_, "/proc/self/exe", &actions, nullptr, list.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string line;
    char letter = 0;
    while (failed == 0 && ::read(ends[0], &letter, 1) == 1 && letter != '\n') {
      line.push_back(letter);
    }
    ::close(ends[0]);
    const auto json = read_json(line);
    const Json* port = json ? json->find("port") : nullptr;
    if (port == nullptr) {
      return Error(ErrorCode::internal, "the server did not start");
    }
    out->url_ = "http://127.0.0.1:" + std::to_string(port->as_int64().value_or(0));
    return out;
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      int status = 0;
      ::waitpid(pid_, &status, 0);
    }
  }
  const std::string& url() const { return url_; }

 private:
  Child() = default;
  pid_t pid_ = 0;
  std::string url_;
};

Result<void> insert(Connection connection, std::int64_t first, std::int64_t count) {
  constexpr std::int64_t rows_each = 1000;
  for (std::int64_t at = first; at < first + count;) {
    SL_TRY(Transaction transaction, Transaction::begin(connection));
    SL_TRY(Statement row, connection.prepare("INSERT INTO t VALUES(?1, ?2, ?3, ?4, ?5)"));
    for (std::int64_t i = 0; i < rows_each && at < first + count; ++i, ++at) {
      const std::string name = "name " + std::to_string(at);
      const std::string text = "a somewhat longer text for row " + std::to_string(at);
      row.bind(1, at).bind_text(2, name).bind_text(3, text).bind(4, at * 7).bind(
          5, ValueView::of(static_cast<double>(at) / 3));
      SL_TRY(row.run());
    }
    SL_TRY(transaction.commit());
  }
  return {};
}

// A replica that syncs on a thread of its own between start() and stop().
class Runner {
 public:
  static Result<std::unique_ptr<Runner>> make(const std::string& path) {
    std::unique_ptr<Runner> out(new Runner());
    SL_TRY(out->replica_, Replica::open(path, Replica::Missing::create));
    SL_TRY(out->replica_->connection().execute(schema_sql));
    SL_TRY(out->replica_->engine().track("t", {}));
    return out;
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { stop(); }

  Connection connection() const { return replica_->connection(); }
  Result<void> start(const std::string& url, std::function<void()> turn) {
    SyncLoop::Parts parts;
    parts.engine = &replica_->engine();
    parts.clock = &replica_->clock();
    parts.random = &replica_->random();
    parts.url = url;
    SL_TRY(loop_, SyncLoop::make(parts));
    SL_TRY(loop_->start("bench", ""));
    running_ = true;
    thread_ = std::thread([this, turn = std::move(turn)] {
      loop_->run([&](Instant now) {
        synced_ = loop_->host().status(now).status == Status::synced;
        turn();
        return running_.load();
      });
      loop_->stop();
    });
    return {};
  }
  void stop() {
    running_ = false;
    if (thread_.joinable()) {
      thread_.join();
    }
    loop_.reset();
  }
  bool is_synced() const { return synced_; }

 private:
  Runner() = default;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<SyncLoop> loop_;
  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<bool> synced_{false};
};

Result<void> wait_until(const std::function<bool()>& condition) {
  const std::int64_t end = micros_now() + patience_us;
  while (!condition()) {
    if (micros_now() > end) {
      return Error(ErrorCode::timed_out, "this takes too long");
    }
    ::usleep(500);
  }
  return {};
}

void tell(Output& out, const char* what, std::int64_t count, std::int64_t micros) {
  Json line;
  line.set("bench", Json(what));
  line.set("count", Json::integer(count));
  line.set("ms", Json::integer(micros / 1000));
  line.set("per_second", Json::integer(count * 1'000'000 / std::max<std::int64_t>(micros, 1)));
  out.row(line);
}

// One row is changed at A; how long until it stands at B.
Result<void> measure_edits(const std::string& url, Runner& a, Runner& b, Output& out) {
  std::atomic<std::int64_t> seen{0};
  std::atomic<std::int64_t> written{0};
  std::int64_t next = 1;
  std::vector<std::int64_t> times;
  SL_TRY(b.start(url, [&] {
    const auto value = b.connection().query_int("SELECT c FROM t WHERE id = 1");
    if (value && value->value_or(0) < 0 && -**value > seen) {
      times.push_back(micros_now() - written);
      seen = -**value;
    }
  }));
  SL_TRY(a.start(url, [&] {
    if (a.is_synced() && b.is_synced() && seen == next - 1 && next <= edits) {
      written = micros_now();
      (void)a.connection().execute("UPDATE t SET c = -" + std::to_string(next++) + " WHERE id = 1");
    }
  }));
  SL_TRY(wait_until([&] { return seen == edits; }));
  a.stop();
  b.stop();
  std::sort(times.begin(), times.end());
  Json line;
  line.set("bench", Json("an edit at A until it stands at B"));
  line.set("count", Json::integer(edits));
  line.set("p50_us", Json::integer(times[times.size() / 2]));
  line.set("p99_us", Json::integer(times[times.size() * 99 / 100]));
  out.row(line);
  return {};
}

}  // namespace

Result<int> run_bench(const Arguments& arguments, Output& out) {
  SL_TRY(const std::int64_t rows, arguments.integer("rows", 20'000));
  if (rows < 1 || rows > 10'000'000) {
    return Error(ErrorCode::invalid_argument, "--rows takes 1 to 10000000");
  }
  SL_TRY(const auto folder, Folder::make(arguments.get("data", "/tmp")));
  {
    SL_TRY(const Database plain, Database::open(folder->file("plain.db"), {}));
    SL_TRY(plain->execute(schema_sql));
    const std::int64_t from = micros_now();
    SL_TRY(insert(plain.connection(), 1, rows));
    tell(out, "rows into a plain SQLite table", rows, micros_now() - from);
  }
  SL_TRY(const auto child, Child::start(folder->file("srv")));
  SL_TRY(const auto a, Runner::make(folder->file("a.db")));
  SL_TRY(const auto b, Runner::make(folder->file("b.db")));
  std::int64_t from = micros_now();
  SL_TRY(insert(a->connection(), 1, rows));
  tell(out, "rows into a synced table", rows, micros_now() - from);
  from = micros_now();
  SL_TRY(a->start(child->url(), [] {}));
  SL_TRY(wait_until([&] { return a->is_synced(); }));
  tell(out, "rows pushed and acknowledged", rows, micros_now() - from);
  a->stop();
  from = micros_now();
  SL_TRY(b->start(child->url(), [] {}));
  SL_TRY(wait_until([&] { return b->is_synced(); }));
  tell(out, "rows of a bootstrap", rows, micros_now() - from);
  b->stop();
  SL_TRY(measure_edits(child->url(), *a, *b, out));
  return exit_ok;
}

}  // namespace syncline::cli
