#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "bench/light_client.h"
#include "client/engine.h"
#include "net/sync_loop.h"
#include "net/system.h"
#include "sqlite/database.h"
#include "sqlite/savepoint.h"

namespace syncline::bench {

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result) {
    give_up(std::string(what) + ": " + result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(result).value();
  }
}

inline constexpr const char* table_sql =
    "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b TEXT, c INTEGER, d REAL, e TEXT)";

// A real replica over a durable database, synced by a thread of its own.
class LiveReplica {
 public:
  explicit LiveReplica(const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path + suffix);
    }
    database_.emplace(must(Database::open(path, {}), "open"));
    engine_ = must(Engine::attach({database_->connection(), &clock_, &random_, true}), "attach");
    must(connection().execute("PRAGMA cache_size = -16384"), "cache");
    must(connection().execute(table_sql), "schema");
    must(engine_->track("t", {}), "track");
  }
  LiveReplica(const LiveReplica&) = delete;
  LiveReplica& operator=(const LiveReplica&) = delete;
  ~LiveReplica() {
    stop();
    loop_.reset();
    engine_->release();
    database_.reset();
  }

  Connection connection() const { return database_->connection(); }
  Engine& engine() { return *engine_; }
  SyncLoop& loop() { return *loop_; }

  // `turn` runs on the replica's thread after each turn of its loop, at the latest every 20 ms.
  void start(
      const std::string& url, const std::string& workspace, std::function<void()> turn = [] {}) {
    SyncLoop::Parts parts;
    parts.engine = engine_.get();
    parts.clock = &clock_;
    parts.random = &random_;
    parts.url = url;
    loop_ = must(SyncLoop::make(parts), "loop");
    running_ = true;
    thread_ = std::thread([this, workspace, turn = std::move(turn)] {
      must(loop_->start(workspace, ""), "start");
      loop_->run([&](Instant now) {
        synced_ = loop_->host().status(now).status == Status::synced;
        turn();
        return running_.load();
      });
      loop_->stop();
    });
  }
  void stop() {
    running_ = false;
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  bool is_synced() const { return synced_; }

  // 100 bytes or so each; keys as random as UUIDs.
  void insert(std::size_t count, std::size_t rows_each) {
    for (std::size_t done = 0; done < count; done += rows_each) {
      Transaction transaction = must(Transaction::begin(connection()), "begin");
      Statement insert = must(
          connection().prepare("INSERT INTO t(id, a, b, c, d, e) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
          "sql");
      for (std::size_t i = done; i < std::min(done + rows_each, count); ++i) {
        std::uint8_t raw[16];
        keys_.fill(raw);
        const std::string id = to_hex(raw);
        const std::string name = "name " + std::to_string(keys_.below(1'000'000)) + " first";
        const std::string text = "a somewhat longer text " + std::to_string(keys_.next());
        const std::string tag = "tag " + std::to_string(keys_.below(100));
        insert.bind_text(1, id)
            .bind_text(2, name)
            .bind_text(3, text)
            .bind(4, static_cast<std::int64_t>(keys_.below(1'000'000)))
            .bind(5, ValueView::of(static_cast<double>(keys_.below(1'000'000)) / 7))
            .bind_text(6, tag);
        must(insert.run(), "insert");
      }
      must(transaction.commit(), "commit");
    }
  }
  std::int64_t rows() const {
    return must(connection().query_int("SELECT count(*) FROM t"), "count").value_or(0);
  }

 private:
  SystemClock clock_;
  SystemRandom random_;
  SeededRandom keys_{random_.next()};
  std::unique_ptr<Engine> engine_;
  std::optional<Database> database_;
  std::unique_ptr<SyncLoop> loop_;
  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<bool> synced_{false};
};

}  // namespace syncline::bench
