#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "apps/syncline/replica.h"
#include "net/sync_loop.h"
#include "routes/http.h"

namespace syncline::cli {

// What the demonstration page (examples/chat-web) needs beside syncing: its files, a script that
// writes SQL on the server's machine, and a server that is rebuilt. For --demo only.
class Demo {
 public:
  // `web` holds the page and schema.sql, which says what the script's database is made of; its
  // database lies in `data`.
  Demo(std::string web, std::string data) : web_(std::move(web)), data_(std::move(data)) {}
  ~Demo();
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

  // The server's own address, for the script's database, which syncs like any other.
  void set_url(const std::string& url) { url_ = url; }

  // Nothing when the request is for somebody else.
  std::optional<Reply> answer(const Request& request);
  // The server's log is to be thrown away and begun anew.
  bool wants_rebuild() const { return wants_rebuild_; }

 private:
  Reply file(const Request& request) const;
  Result<Reply> script(const Request& request);
  Result<void> start_script_database();
  void run_loop();

  std::string web_;
  std::string data_;
  std::string url_;
  // Answers come from one thread, and the script's database is kept in step by another, on a
  // connection of its own.
  std::unique_ptr<Replica> loop_replica_;
  std::unique_ptr<SyncLoop> loop_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> wants_rebuild_{false};
};

// The server's log, without a trace; what else lies in the folder stays.
Result<void> throw_log_away(const std::string& data);

}  // namespace syncline::cli
