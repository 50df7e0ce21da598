#pragma once

#include <mutex>
#include <string>

#include "base/result.h"
#include "net/system.h"
#include "server/log_store.h"
#include "server/witness.h"

namespace syncline::cli {

// Where a server keeps its witness when nobody says so: beside the data folder, not in it.
std::string witness_path(const std::string& data);

// The witness of one running server, as a file. look() and settle() run where the store does,
// write() anywhere else: a sync of this file never holds a commit up.
class WitnessFile {
 public:
  // All outlive it. `path` empty: none is kept.
  WitnessFile(std::string path, LogStore& store, Random& random, JsonLog& log)
      : path_(std::move(path)), store_(store), random_(random), log_(log) {}

  // Before anybody is served: begins a new lineage when the store was put back, and an opening.
  // Fails when it would have to and cannot.
  Result<void> open();
  // Notes where the store stands, between two of its transactions; `admitted` counts all changes
  // that became durable since open().
  void look(std::uint64_t admitted);
  // Stores what was noted, if that is news.
  void write();

 private:
  Result<std::optional<StorePlace>> read() const;

  std::string path_;
  LogStore& store_;
  Random& random_;
  JsonLog& log_;
  bool is_opened_ = false;
  // `place_.heads` without what was admitted since open().
  std::uint64_t base_ = 0;
  std::mutex mutex_;
  StorePlace place_;    // under the mutex
  StorePlace written_;  // write()'s
  bool told_ = false;   // that it cannot be written
};

}  // namespace syncline::cli
