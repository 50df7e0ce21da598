#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "bindings/wasm/page.h"
#include "client/engine.h"
#include "client/live_query.h"
#include "client/replica_host.h"
#include "sqlite/database.h"

namespace syncline {

class PageClock final : public WallClock {
 public:
  std::int64_t now_ms() override { return static_cast<std::int64_t>(page_now_ms()); }
};

class PageRandom final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t out = 0;
    page_random(&out, sizeof out);
    return out;
  }
};

// Hands what a session asks for to the page.
class PageLink final : public ReplicaLink {
 public:
  explicit PageLink(int database) : database_(database) {}
  void dial() override { page_link_dial(database_); }
  void send(ByteVector frame) override { page_link_send(database_, frame.data(), frame.size()); }
  void hang_up(const std::string& reason) override {
    page_link_hang_up(database_, reason.data(), reason.size());
  }
  void wake_at(Instant at) override { page_link_wake_at(database_, static_cast<double>(at.ms)); }
  void work_waits() override { page_link_wake_at(database_, 0); }
  void salvaged(const std::string& reason, Bytes file) override {
    page_link_salvaged(database_, reason.data(), reason.size(), file.data(), file.size());
  }
  void show_presence(const Presence& presence) override {
    const std::string replica = presence.replica.hex();
    page_link_presence(database_, replica.c_str(), presence.key.data(), presence.key.size(),
                       presence.value.data(), presence.value.size());
  }

 private:
  int database_;
};

// A page's database: the engine, its live queries and its end of the conversation. Every call
// leaves its answer, or its error as JSON, in out().
class PageReplica {
 public:
  // `number` is how the page calls it.
  explicit PageReplica(int number) : link_(number) {}
  ~PageReplica();
  PageReplica(const PageReplica&) = delete;
  PageReplica& operator=(const PageReplica&) = delete;

  Result<void> open(const std::string& name);

  // One statement with its rows, or a script of many without.
  Result<void> query(const std::string& sql, Bytes values);
  Result<void> script(const std::string& sql);
  // Answers with the query's number, a f64.
  Result<void> subscribe(const std::string& sql, Bytes values);
  void unsubscribe(std::uint64_t number);
  // { number:f64 rows } of each live query that changed.
  Result<void> poll();
  void events(std::size_t count_max);
  Result<void> status(Instant now);

  // Everything unsent, for a transport of the application's: { version:f64 sequence:f64 parts:u32
  // { size:u32 part } }
  Result<void> outbox(std::uint64_t after, std::size_t bytes_max);
  Result<void> acknowledge(std::uint64_t through);
  // { size:u32 part }
  Result<void> receive(std::uint64_t cursor, Bytes parts);

  Result<void> start(Instant now, const std::string& workspace, std::string token);
  void stop(Instant now);
  // Null before start() and after stop().
  ReplicaHost* host() { return host_.get(); }
  Engine& engine() { return *engine_; }

  bool in_transaction() const { return !database_->connection().autocommit(); }
  bool is_open() const { return engine_ != nullptr; }
  Writer& out() { return out_; }

 private:
  Result<Statement*> prepared(const std::string& sql);

  PageLink link_;
  PageClock clock_;
  PageRandom random_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<LiveQueries> live_;
  std::unique_ptr<ReplicaHost> host_;
  std::uint64_t subscriptions_ = 0;
  std::map<std::uint64_t, LiveQueryId> subscribed_;
  // The newest first.
  struct Kept {
    std::string sql;
    Statement statement;
  };
  std::list<Kept> kept_;
  std::map<std::string_view, std::list<Kept>::iterator> by_sql_;
  Writer out_;
};

}  // namespace syncline
