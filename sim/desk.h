#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/engine.h"
#include "sim/ledger.h"
#include "sim/model_replica.h"
#include "sqlite/database.h"

namespace syncline::sim {

// What a person does in one transaction.
struct PeopleWrites {
  std::vector<ModelReplica::Write> plain;
  std::vector<LedgerWrite> ledger;
};

// One connection of an application to a replica's file, with the engine on it.
class Desk {
 public:
  // `process` is the VFS of the process that it is in. All outlive it.
  Desk(std::string process, WallClock& clock, Random& random, bool has_ledger);
  ~Desk() { close(); }
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  Result<void> open(const char* file);
  // In order as far as its process lives.
  void close();
  bool is_open() const { return engine_ != nullptr; }
  const std::string& process() const { return process_; }
  Engine& engine() { return *engine_; }
  Connection connection() const { return database_->connection(); }

  // `columns`: so many more of them does the application know.
  Result<void> write(const PeopleWrites& writes, std::uint32_t columns);
  // The same in two steps, the transaction left open between them.
  Result<void> begin(const PeopleWrites& writes, std::uint32_t columns);
  Result<void> commit();
  bool holds() const { return holds_; }
  // What commit() would answer.
  const PeopleWrites& held() const { return held_; }

 private:
  Result<void> edit(const ModelReplica::Write& write, std::uint32_t columns) const;

  std::string process_;
  WallClock* clock_;
  Random* random_;
  bool has_ledger_;
  // In this order: the connection goes before the engine that hooks into it.
  std::unique_ptr<Engine> engine_;
  std::optional<Database> database_;
  bool holds_ = false;
  PeopleWrites held_;
};

}  // namespace syncline::sim
