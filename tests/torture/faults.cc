// Every Nth read, write, sync or allocation fails once. The operation that meets it either succeeds
// or returns an error and has done nothing; the same connection then does it without trouble, and
// the file is sound.

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "client/replica_world.h"
#include "tests/torture/arguments.h"
#include "tests/torture/faulty_vfs.h"

namespace syncline::torture {
namespace {

struct Operation {
  const char* name;
  // Empty when it worked.
  std::function<std::string(WorldReplica& replica)> run;
  // What it changes shows in the rows; what changes_since() tells must be the same as without
  // faults.
  bool reads_only = false;
};

void copy_file(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  out << in.rdbuf();
}

void remove_all(const std::string& path) {
  for (const char* end : {"", "-wal", "-shm", "-journal"}) {
    unlink((path + end).c_str());
  }
}

// Everything that the file says, ours included.
std::string image(WorldReplica& replica) {
  std::string out;
  for (const char* sql : {"SELECT * FROM t ORDER BY id", "SELECT * FROM u ORDER BY k",
                          "SELECT * FROM late ORDER BY 1",
                          "SELECT version, origin, sequence, form FROM syncline_log ORDER BY 1",
                          "SELECT version, part FROM syncline_log_parts ORDER BY 1, 2",
                          "SELECT tbl, key, reason FROM syncline_held_rows ORDER BY 1, 2",
                          "SELECT name, rule FROM syncline_tables ORDER BY 1",
                          "SELECT replica, seen FROM syncline_replicas ORDER BY id"}) {
    for (const std::string& row : replica.rows(sql)) {
      out += row + "\n";
    }
    out += "--\n";
  }
  return out;
}

constexpr const char* capture_sql =
    "BEGIN; INSERT INTO t(id, a) WITH n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < "
    "160) SELECT i, 'row ' || i FROM n; UPDATE t SET b = a WHERE id % 2; DELETE FROM t WHERE id % "
    "5 "
    "= 0; INSERT OR REPLACE INTO u VALUES('k1', 'again', 3); DELETE FROM u WHERE k = 'k2'; INSERT "
    "INTO u VALUES('new', zeroblob(9000), 77); COMMIT";

class Bench {
 public:
  explicit Bench(const std::string& folder)
      : base_(folder + "/base.db"), work_(folder + "/work.db") {
    OpenOptions options;
    {
      WorldReplica replica(1, base_, options);
      prepare(replica);
      WorldReplica other(2, folder + "/other.db", options);
      prepare(other);
      SL_CHECK(other.apply(replica.changes()).empty());
      SL_CHECK(other
                   .run("UPDATE t SET a = 'theirs' WHERE id < 8; INSERT INTO u VALUES('far', "
                        "zeroblob(20000), 5); DELETE FROM t WHERE id = 9; INSERT INTO u "
                        "VALUES('clash', 1, 99)")
                   .empty());
      for (int i = 200; i < 260; ++i) {
        SL_CHECK(
            other.run("INSERT INTO t(id, a) VALUES(" + std::to_string(i) + ", 'far')").empty());
      }
      SL_CHECK(
          replica.run("UPDATE t SET a = 'ours' WHERE id < 6; INSERT INTO u VALUES('mine', 2, 99)")
              .empty());
      theirs_ = other.changes();
      SL_CHECK(replica.run("PRAGMA wal_checkpoint(TRUNCATE)").empty());
    }
  }

  std::vector<Operation> operations() {
    return {
        {"capture",
         [](WorldReplica& replica) {
           std::string error = replica.run(capture_sql);
           if (!replica.connection().autocommit()) {
             (void)replica.run("ROLLBACK");
           }
           return error;
         }},
        {"apply", [this](WorldReplica& replica) { return replica.apply(theirs_); }},
        {"changes",
         [this](WorldReplica& replica) {
           const ByteVector file = replica.changes();
           if (file.empty()) {
             return replica.last_error();
           }
           told_ = to_hex(file);
           return std::string();
         },
         true},
        {"track", [](WorldReplica& replica) { return replica.track("late"); }},
    };
  }

  // Runs the operation on a fresh copy with the fault that `arm` sets; false when something is
  // wrong. `met` tells whether the fault came to pass.
  bool one(const Operation& operation, const std::string& vfs, const std::function<void()>& arm,
           const std::function<bool()>& disarm, bool& met) {
    remove_all(work_);
    copy_file(base_, work_);
    OpenOptions options;
    options.vfs = vfs;
    std::string after;
    {
      WorldReplica replica(3, work_, options);
      const std::string before = image(replica);
      told_.clear();
      arm();
      const std::string error = operation.run(replica);
      met = disarm();
      if (!replica.connection().autocommit()) {
        return fail(operation, "a transaction is left open after: " + error);
      }
      if (!error.empty() && image(replica) != before) {
        return fail(operation, "it failed (" + error + ") and still did something:\n" + before +
                                   "is now\n" + image(replica));
      }
      const std::string again = error.empty() ? "" : operation.run(replica);
      if (!again.empty()) {
        return fail(operation, "after '" + error + "' it fails without reason: " + again);
      }
      after = image(replica);
      if (!check(operation, operation.reads_only ? told_ : after)) {
        return fail(operation, "its outcome is another after: " + error);
      }
      if (!replica.run("INSERT INTO t(id, a) VALUES(9000, 'later')").empty() ||
          replica.last_change() != "put t[9000] a=text:6c61746572 b=null") {
        return fail(operation, "a later write is not captured: " + replica.last_change());
      }
    }
    WorldReplica reopened(4, work_);
    if (reopened.rows("PRAGMA integrity_check") != std::vector<std::string>{"text:6f6b"}) {
      return fail(operation, "the file is damaged");
    }
    const std::string told = reopened.all_changes();
    if (told.compare(0, 6, "error:") == 0) {
      return fail(operation, "the log is damaged: " + told);
    }
    return true;
  }

 private:
  static void prepare(WorldReplica& replica) {
    SL_CHECK(replica
                 .run("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE TABLE u(k TEXT PRIMARY "
                      "KEY, v, w UNIQUE) WITHOUT ROWID; CREATE TABLE late(x TEXT PRIMARY KEY NOT "
                      "NULL, y)")
                 .empty());
    SL_CHECK(replica.track("t").empty() && replica.track("u").empty());
    SL_CHECK(replica
                 .run("INSERT INTO t(id, a) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                      "WHERE i < 40) SELECT i, 'first' FROM n")
                 .empty());
    SL_CHECK(replica
                 .run("INSERT OR IGNORE INTO u VALUES('k1', 'one', 1), ('k2', 'two', 2); INSERT "
                      "INTO late VALUES('a', 1), ('b', 2)")
                 .empty());
  }

  bool check(const Operation& operation, const std::string& outcome) {
    const auto [known, is_new] = outcomes_.try_emplace(operation.name, outcome);
    return is_new || known->second == outcome;
  }
  static bool fail(const Operation& operation, const std::string& what) {
    std::printf("%s: %s\n", operation.name, what.c_str());
    return false;
  }

  std::string base_;
  std::string work_;
  ByteVector theirs_;
  std::string told_;
  std::map<std::string, std::string> outcomes_;
};

struct Fault {
  const char* name;
  FaultPlan::Kind kind;
  bool reads;
  bool writes;
  bool syncs;
};

bool disk_faults(Bench& bench, const Operation& operation, std::uint64_t stride) {
  static constexpr Fault faults[] = {
      {"read error", FaultPlan::Kind::io_error, true, false, false},
      {"write error", FaultPlan::Kind::io_error, false, true, false},
      {"disk full", FaultPlan::Kind::disk_full, false, true, false},
      {"sync error", FaultPlan::Kind::io_error, false, false, true},
  };
  FaultPlan& plan = faulty_vfs();
  for (const Fault& fault : faults) {
    std::uint64_t met_count = 0;
    bool met = true;
    for (std::uint64_t n = 1; met; n += stride) {
      const auto arm = [&] {
        plan = FaultPlan();
        plan.kind = fault.kind;
        plan.reads = fault.reads;
        plan.writes = fault.writes;
        plan.syncs = fault.syncs;
        plan.countdown = n;
      };
      const auto disarm = [&] {
        const bool failed = plan.failed > 0;
        plan = FaultPlan();
        return failed;
      };
      if (!bench.one(operation, "faulty", arm, disarm, met)) {
        std::printf("  with %s number %llu\n", fault.name, static_cast<unsigned long long>(n));
        return false;
      }
      met_count += met ? 1U : 0U;
    }
    std::printf("%s: %llu times %s\n", operation.name, static_cast<unsigned long long>(met_count),
                fault.name);
  }
  return true;
}

bool allocation_faults(Bench& bench, const Operation& operation, std::uint64_t stride) {
  AllocationPlan& plan = faulty_allocations();
  std::uint64_t met_count = 0;
  bool met = true;
  for (std::uint64_t n = 1; met; n += n < 100 ? 1 : stride) {
    const auto arm = [&] { plan = {n, 0, 0}; };
    const auto disarm = [&] {
      const bool failed = plan.failed > 0;
      plan = AllocationPlan();
      return failed;
    };
    if (!bench.one(operation, "", arm, disarm, met)) {
      std::printf("  with allocation %llu\n", static_cast<unsigned long long>(n));
      return false;
    }
    met_count += met ? 1U : 0U;
  }
  std::printf("%s: %llu times out of memory\n", operation.name,
              static_cast<unsigned long long>(met_count));
  return true;
}

int run(const Arguments& arguments) {
  faulty_allocations();
  faulty_vfs();
  char folder[] = "/tmp/syncline-faults-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  bool good = true;
  {
    Bench bench(folder);
    for (const Operation& operation : bench.operations()) {
      bool met = true;
      good = good &&
             bench.one(
                 operation, "", [] {}, [] { return false; }, met) &&
             disk_faults(bench, operation, arguments.rounds) &&
             allocation_faults(bench, operation, arguments.rounds * 7);
    }
  }
  for (const char* name : {"/base.db", "/work.db", "/other.db"}) {
    remove_all(std::string(folder) + name);
  }
  rmdir(folder);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace syncline::torture

// --rounds is the step from one fault to the next: 1 tries each.
int main(int count, char** values) {
  return syncline::torture::run(syncline::torture::read_arguments(count, values, {1, 3}));
}
