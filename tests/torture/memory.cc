// Transactions of a million rows in little memory: each stage runs in a process of its own, whose
// greatest resident size is taken.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "client/replica_world.h"
#include "tests/torture/arguments.h"

namespace syncline::torture {
namespace {

// Most is taken by telling deletions: what a put replaced follows from the log before it, which
// keeps the version of each death.
constexpr long resident_mib_max = 256;

struct Folder {
  std::string path;
  std::string file(const char* name) const { return path + "/" + name; }
};

constexpr const char* create_sql =
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INTEGER)";

bool done(const std::string& error) {
  if (!error.empty()) {
    std::printf("%s\n", error.c_str());
  }
  return error.empty();
}

bool write_file(const std::string& path, Bytes bytes) {
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  std::size_t at = 0;
  while (file >= 0 && at < bytes.size()) {
    const ssize_t wrote = write(file, bytes.data() + at, bytes.size() - at);
    if (wrote <= 0) {
      break;
    }
    at += static_cast<std::size_t>(wrote);
  }
  close(file);
  return file >= 0 && at == bytes.size();
}

// Rows differ in their keys and are not in order, as random ids would be.
bool insert_rows(const Folder& folder, std::uint64_t rows) {
  WorldReplica replica(1, folder.file("one.db"));
  return done(replica.run(create_sql)) && done(replica.track("t")) &&
         done(replica.run("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 "
                          "FROM n WHERE i < " +
                          std::to_string(rows - 1) +
                          ") SELECT printf('%016x', (i * 2654435761) % 4294967296), 'some words "
                          "for a', 'b', i FROM n"));
}

bool statement(const Folder& folder, const std::string& sql) {
  WorldReplica replica(1, folder.file("one.db"));
  return done(replica.run(sql));
}

bool extract(const Folder& folder, const char* name, bool last_only) {
  WorldReplica replica(1, folder.file("one.db"));
  const ByteVector file = replica.changes(last_only ? replica.version() - 1 : 0);
  return done(replica.last_error()) && write_file(folder.file(name), file);
}

bool apply(const Folder& folder, const char* name, const std::string& expect_sql,
           const std::string& expected) {
  const int file = open(folder.file(name).c_str(), O_RDONLY);
  struct stat info {};
  if (file < 0 || fstat(file, &info) != 0) {
    return false;
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) {
    return false;
  }
  WorldReplica replica(2, folder.file("two.db"));
  (void)replica.run(create_sql);
  if (!done(replica.track("t")) ||
      !done(replica.apply(Bytes(static_cast<const std::uint8_t*>(mapped), size)))) {
    return false;
  }
  const std::string found = joined(replica.rows(expect_sql));
  if (found != expected) {
    std::printf("after %s: %s\n", name, found.c_str());
    return false;
  }
  return true;
}

bool stage(const char* name, const std::function<bool()>& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const bool good = work();
    struct rusage usage {};
    getrusage(RUSAGE_SELF, &usage);
    const long resident_mib = usage.ru_maxrss / 1024;
    std::printf("%s: %ld MiB\n", name, resident_mib);
    std::fflush(stdout);
    _exit(!good ? 1 : resident_mib > resident_mib_max ? 2 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::printf("%s failed: %s\n", name,
                WIFEXITED(status) && WEXITSTATUS(status) == 2 ? "too much memory" : "see above");
    return false;
  }
  return true;
}

bool large_row(const Folder& folder) {
  WorldReplica one(1, folder.file("big_one.db"));
  WorldReplica two(2, folder.file("big_two.db"));
  for (WorldReplica* replica : {&one, &two}) {
    if (!done(replica->run("CREATE TABLE big(id TEXT PRIMARY KEY NOT NULL, a, b)")) ||
        !done(replica->track("big"))) {
      return false;
    }
  }
  const char* sum = "SELECT id, length(a), b, hex(substr(a, -3)) FROM big";
  for (const char* sql :
       {"INSERT INTO big VALUES('x', zeroblob(16777000), 1)", "UPDATE big SET b = 2",
        "UPDATE big SET a = CAST(zeroblob(16776990) || 'end' AS BLOB)", "DELETE FROM big"}) {
    if (!done(one.run(sql)) || !done(two.apply(one.changes())) || one.rows(sum) != two.rows(sum)) {
      std::printf("after %s: %s\n", sql, joined(two.rows(sum)).c_str());
      return false;
    }
  }
  return true;
}

int run(const Arguments& arguments) {
  char path[] = "/tmp/syncline-memory-XXXXXX";
  if (mkdtemp(path) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  const Folder folder{path};
  const std::uint64_t rows = arguments.rounds;
  const std::string count = std::to_string(rows);
  const std::string counting = "SELECT count(*), sum(b = 'other'), sum(c) FROM t";
  const std::string sum = std::to_string(rows * (rows - 1) / 2);
  bool good = stage("capture inserts", [&] { return insert_rows(folder, rows); });
  good = good && stage("tell inserts", [&] { return extract(folder, "inserts", false); });
  good = good && stage("apply inserts",
                       [&] { return apply(folder, "inserts", counting, count + "|0|" + sum); });
  good = good &&
         stage("capture updates", [&] { return statement(folder, "UPDATE t SET b = 'other'"); });
  good = good && stage("tell updates", [&] { return extract(folder, "updates", true); });
  good = good && stage("apply updates", [&] {
           return apply(folder, "updates", counting, count + "|" + count + "|" + sum);
         });
  good = good && stage("capture deletes", [&] {
           return statement(folder, "DELETE FROM t WHERE c % 2 = 1 OR c >= 0");
         });
  good = good && stage("tell deletes", [&] { return extract(folder, "deletes", true); });
  good = good && stage("apply deletes",
                       [&] { return apply(folder, "deletes", "SELECT count(*) FROM t", "0"); });
  for (const char* name : {"one.db", "two.db", "inserts", "updates", "deletes"}) {
    for (const char* end : {"", "-wal", "-shm"}) {
      unlink((folder.file(name) + end).c_str());
    }
  }
  if (!large_row(folder)) {
    good = false;
  }
  for (const char* name : {"big_one.db", "big_two.db"}) {
    for (const char* end : {"", "-wal", "-shm"}) {
      unlink((folder.file(name) + end).c_str());
    }
  }
  rmdir(path);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace syncline::torture

// --rounds is the number of rows.
int main(int count, char** values) {
  return syncline::torture::run(syncline::torture::read_arguments(count, values, {1, 1'000'000}));
}
