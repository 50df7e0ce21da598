#include "net/task_queue.h"

#include <doctest/doctest.h>

#include <string>

namespace syncline {
namespace {

TEST_CASE("one short task is next, however many others brought before") {
  TaskQueue<std::string> queue;
  for (std::uint64_t source = 1; source <= 50; ++source) {
    for (int i = 0; i < 1000; ++i) {
      queue.push(source, 1000, "long");
    }
  }
  (void)queue.take(200'000);
  queue.push(99, 10, "short");
  CHECK(queue.take(60'000)[0] == "short");
  queue.push(98, 10, "short");
  const auto next = queue.take(1);
  REQUIRE(next.size() == 1);
  CHECK(next[0] == "short");
}

TEST_CASE("what one connection brings stays in order, and is taken as far as it goes") {
  TaskQueue<int> queue;
  for (int i = 0; i < 10; ++i) {
    queue.push(1, 10, i);
    queue.push(2, 1, 100 + i);
  }
  int last = -1;
  std::size_t count = 0;
  while (!queue.empty()) {
    for (const int task : queue.take(15)) {
      ++count;
      if (task < 100) {
        CHECK(task == last + 1);
        last = task;
      }
    }
  }
  CHECK(count == 20);
  CHECK(last == 9);
}

TEST_CASE("what is no use any more is dropped, and what follows is done once") {
  TaskQueue<std::string> queue;
  queue.push(1, 1, "frame");
  queue.push(1, 1, "frame");
  queue.push(2, 1, "frame");
  queue.drop(1, [](const std::string& task) { return task == "frame"; });
  queue.push(1, 1, "closed");
  CHECK(queue.size() == 2);
  CHECK(queue.take(100) == std::vector<std::string>{"closed", "frame"});
  CHECK(queue.take(100).empty());
}

TEST_CASE("what one turn can take is taken as it came") {
  TaskQueue<int> queue;
  for (int i = 0; i < 10; ++i) {
    queue.push(static_cast<std::uint64_t>(i % 3), 10, i);
  }
  CHECK(queue.take(100) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(queue.empty());
}

TEST_CASE("a connection of which all was dropped leaves no place behind") {
  TaskQueue<std::string> queue;
  queue.push(1, 1, "frame");
  queue.drop(1, [](const std::string&) { return true; });
  queue.push(1, 1, "closed");
  CHECK(queue.take(100) == std::vector<std::string>{"closed"});
  queue.push(2, 100, "long");
  queue.push(3, 100, "long");
  CHECK(queue.take(1) == std::vector<std::string>{"long"});
  CHECK(queue.take(1) == std::vector<std::string>{"long"});
  CHECK(queue.take(1).empty());
}

}  // namespace
}  // namespace syncline
