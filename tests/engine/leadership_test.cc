#include "client/leadership.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace syncline {
namespace {

struct LedFile {
  explicit LedFile(const char* name)
      : path("leadership_test_" + std::to_string(::getpid()) + "_" + name) {
    remove();
  }
  ~LedFile() { remove(); }
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal", "-lead", "-lead-journal"}) {
      std::remove((path + suffix).c_str());
    }
  }
  std::string path;
};

}  // namespace

TEST_CASE("one of several connections on a file leads, and another may once it resigned") {
  const LedFile file("one.db");
  const Database a = *Database::open(file.path);
  const Database b = *Database::open(file.path);
  Leadership first(a.connection());
  CHECK(*first.take());
  CHECK(*first.take());
  {
    Leadership second(b.connection());
    CHECK_FALSE(*second.take());
    CHECK_FALSE(second.leads());
    first.resign();
    CHECK_FALSE(first.leads());
    CHECK(*second.take());
    CHECK_FALSE(*first.take());
  }
  CHECK(*first.take());
  // The database itself is nobody's.
  CHECK(b->execute("CREATE TABLE t(a)"));
}

TEST_CASE("whoever leads stops leading when its process dies") {
  const LedFile file("dies.db");
  int told[2];
  int end[2];
  REQUIRE(::pipe(told) == 0);
  REQUIRE(::pipe(end) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(end[1]);
    const Database own = *Database::open(file.path);
    Leadership leading(own.connection());
    const auto took = leading.take();
    const char answer = took && *took ? 'y' : 'n';
    char byte = 0;
    const bool ready = ::write(told[1], &answer, 1) == 1 && ::read(end[0], &byte, 1) >= 0;
    ::_exit(ready ? 0 : 1);  // nothing is closed in order
  }
  ::close(told[1]);
  char answer = 0;
  REQUIRE(::read(told[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  const Database own = *Database::open(file.path);
  Leadership waiting(own.connection());
  CHECK_FALSE(*waiting.take());
  ::close(end[1]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(*waiting.take());
  ::close(told[0]);
  ::close(end[0]);
}

TEST_CASE("a file that is reached by a link is led once, and a copy of the lock says nothing") {
  const LedFile file("real.db");
  const LedFile link("link.db");
  const LedFile copy("copy.db");
  const Database a = *Database::open(file.path);
  REQUIRE(a->execute("CREATE TABLE t(a)"));
  REQUIRE(::symlink(file.path.c_str(), link.path.c_str()) == 0);
  const Database b = *Database::open(link.path);
  const Database c = *Database::open("./" + file.path);
  Leadership first(a.connection());
  Leadership by_link(b.connection());
  Leadership by_other_name(c.connection());
  REQUIRE(*first.take());
  CHECK(by_link.path() == first.path());
  CHECK_FALSE(*by_link.take());
  CHECK_FALSE(*by_other_name.take());
  // What lies beside the copied file is an empty one.
  std::FILE* lock = std::fopen((copy.path + "-lead").c_str(), "wb");
  REQUIRE(lock != nullptr);
  std::fclose(lock);
  const Database d = *Database::open(copy.path);
  Leadership of_copy(d.connection());
  CHECK(*of_copy.take());
}

TEST_CASE("a database in memory has nobody to share its conversation with") {
  const Database a = *Database::open_memory();
  Leadership leading(a.connection());
  CHECK(*leading.take());
  CHECK(leading.path().empty());
}

}  // namespace syncline
