// A process that writes is killed at random instants, again and again on the same file. Whatever it
// had said was committed must be there, with its entry in the log; what is not there must have
// none.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "client/replica_world.h"
#include "tests/torture/arguments.h"

namespace syncline::torture {
namespace {

// Write number n is a transaction that puts row n into two tables and changes row n / 2: its
// content follows from n, so that the file shows which writes are whole.
std::string transaction(std::uint64_t n) {
  const std::string number = std::to_string(n);
  std::string sql = "BEGIN IMMEDIATE;INSERT INTO notes VALUES('n" + number + "', " + number +
                    ", '" + std::string(n % 700, 'x') + "');INSERT INTO sums VALUES(" + number +
                    ", 'start');UPDATE notes SET n = n + 0.5 WHERE id = 'n" +
                    std::to_string(n / 2) + "';";
  if (n % 5 == 4) {
    sql += "DELETE FROM sums WHERE id = " + std::to_string(n - 4) + ";";
  }
  return sql + "COMMIT";
}

int write_until_killed(const std::string& path, std::uint64_t first, int acknowledge) {
  WorldReplica replica(first + 1, path);
  for (std::uint64_t n = first;; ++n) {
    const std::string error = replica.run(transaction(n));
    if (!error.empty()) {
      std::fprintf(stderr, "write %llu: %s\n", static_cast<unsigned long long>(n), error.c_str());
      return 1;
    }
    if (write(acknowledge, &n, sizeof n) != static_cast<ssize_t>(sizeof n)) {
      return 1;
    }
    if (n % 64 == 63) {
      // Reading the log folds and extracts between the writes.
      (void)replica.changes(replica.version() - 1);
    }
  }
}

struct Found {
  std::uint64_t writes = 0;
  bool good = true;
};

// How many writes the file holds; checks that each of them is whole and in the log.
Found examine(const std::string& path, std::uint64_t seed) {
  Found found;
  WorldReplica replica(seed, path);
  const auto fail = [&](const std::string& what) {
    std::printf("%s\n", what.c_str());
    found.good = false;
  };
  if (replica.rows("PRAGMA integrity_check") != std::vector<std::string>{"text:6f6b"}) {
    fail("integrity_check fails");
  }
  const auto count = replica.connection().query_int("SELECT count(*) FROM notes");
  const auto top = replica.connection().query_int(
      "SELECT coalesce(max(CAST(substr(id, 2) AS "
      "INTEGER)), -1) + 1 FROM notes");
  const auto log = replica.connection().query_int("SELECT count(*) FROM syncline_log");
  const auto numbered =
      replica.connection().query_int("SELECT coalesce(max(own_sequence), 0) FROM syncline_log");
  if (!count || !top || !log || !numbered) {
    fail("the file cannot be read");
    return found;
  }
  found.writes = static_cast<std::uint64_t>(**count);
  if (**top != **count || **log != **count || **numbered != **count) {
    fail(std::to_string(**count) + " rows, the last is " + std::to_string(**top) + ", " +
         std::to_string(**log) + " log entries numbered to " + std::to_string(**numbered));
  }
  const auto left = replica.connection().query_int("SELECT count(*) FROM sums");
  if (!left || static_cast<std::uint64_t>(**left) != found.writes - found.writes / 5) {
    fail("the second table is not in step");
  }
  return found;
}

// What the log tells of every write must be what was written.
bool log_is_exact(const std::string& path, std::uint64_t writes) {
  WorldReplica replica(1, path);
  const DecodedFile file = decode_file(replica.changes(0));
  if (!file.faults.empty() || file.changes.size() != writes) {
    std::printf("the log tells %zu changes of %llu; %s\n", file.changes.size(),
                static_cast<unsigned long long>(writes), replica.last_error().c_str());
    return false;
  }
  for (std::uint64_t n = 0; n < writes; ++n) {
    const std::string told = joined(texts_of(file.changes[static_cast<std::size_t>(n)]));
    if (told.find("put sums[" + std::to_string(n) + "] a=text:7374617274") == std::string::npos ||
        (n > 0 && told.find("set notes[") == std::string::npos) ||
        ((n % 5 == 4) != (told.find("erase sums[") != std::string::npos))) {
      std::printf("write %llu is told as %s\n", static_cast<unsigned long long>(n), told.c_str());
      return false;
    }
  }
  return true;
}

struct Tally {
  std::uint64_t kills = 0;
  std::uint64_t while_writing = 0;  // of a process that had answered a write
  std::uint64_t writes = 0;         // that are in the file
};

// Lets a process write, kills it, and accounts for what it acknowledged. False when something is
// lost or too much.
bool kill_one(const std::string& path, std::uint64_t seed, SeededRandom& random, Tally& tally) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) {
    std::perror("pipe");
    return false;
  }
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    _exit(write_until_killed(path, tally.writes, pipe_ends[1]));
  }
  close(pipe_ends[1]);
  std::uint64_t acknowledged = tally.writes;
  std::uint64_t n = 0;
  const auto hear = [&] {
    const bool heard = read(pipe_ends[0], &n, sizeof n) == static_cast<ssize_t>(sizeof n);
    acknowledged = heard ? n + 1 : acknowledged;
    return heard;
  };
  // Some are killed while they open the file, the others after some writes and in the midst of
  // another one: where exactly, the pause decides, and nothing else depends on it.
  for (std::uint64_t waits = random.below(8); waits > 0 && hear();) {
    --waits;
  }
  std::this_thread::sleep_for(std::chrono::microseconds(random.below(3000)));
  kill(child, SIGKILL);
  while (hear()) {
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  bool good = true;
  if (!WIFSIGNALED(status)) {
    std::printf("the writer ended by itself\n");
    good = false;
  }
  const Found found = examine(path, seed);
  good = good && found.good;
  // One more than acknowledged: killed between the commit and the word.
  if (found.writes < acknowledged || found.writes > acknowledged + 1) {
    std::printf("%llu writes were acknowledged, %llu are there\n",
                static_cast<unsigned long long>(acknowledged),
                static_cast<unsigned long long>(found.writes));
    good = false;
  }
  tally.while_writing += acknowledged > tally.writes ? 1U : 0U;
  tally.writes = found.writes;
  return good;
}

int run(const Arguments& arguments) {
  SeededRandom random(arguments.seed);
  char folder[] = "/tmp/syncline-crash-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  const std::string path = std::string(folder) + "/replica.db";
  {
    WorldReplica replica(1, path);
    SL_CHECK(replica
                 .run("CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, n, body); CREATE TABLE "
                      "sums(id INTEGER PRIMARY KEY, a)")
                 .empty());
    SL_CHECK(replica.track("notes").empty() && replica.track("sums").empty());
  }
  Tally tally;
  bool good = true;
  while (good && tally.kills < arguments.rounds) {
    ++tally.kills;
    good = kill_one(path, arguments.seed + tally.kills, random, tally);
  }
  good = good && log_is_exact(path, tally.writes);
  if (good && tally.while_writing < arguments.rounds * 3 / 4) {
    std::printf("only %llu kills met a process that was writing\n",
                static_cast<unsigned long long>(tally.while_writing));
    good = false;
  }
  if (good) {
    for (const char* end : {"", "-wal", "-shm"}) {
      unlink((path + end).c_str());
    }
    rmdir(folder);
    std::printf("%llu kills, %llu of them while writing, %llu writes, none lost\n",
                static_cast<unsigned long long>(tally.kills),
                static_cast<unsigned long long>(tally.while_writing),
                static_cast<unsigned long long>(tally.writes));
    return 0;
  }
  std::printf("after %llu kills, seed %llu; the file is kept: %s\n",
              static_cast<unsigned long long>(tally.kills),
              static_cast<unsigned long long>(arguments.seed), path.c_str());
  return 1;
}

}  // namespace
}  // namespace syncline::torture

int main(int count, char** values) {
  return syncline::torture::run(syncline::torture::read_arguments(count, values, {1, 220}));
}
