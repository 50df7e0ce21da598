#include "server/fair_order.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace syncline {
namespace {

TEST_CASE("whoever asks for little is next, however much others ask for") {
  FairOrder<int, std::string> order;
  const auto whose = [](int id) { return id % 2 == 0 ? "bob" : "eve"; };
  for (int i = 0; i < 100; ++i) {
    order.enter(i, whose(i));
  }
  // What they have left waits behind what nobody was given yet.
  for (int i = 0; i < 4; ++i) {
    const int id = *order.next();
    order.charge(whose(id), 1000);
    order.enter(id, whose(id));
  }
  order.enter(500, "ann");
  CHECK(order.next() == 500);
  order.charge("ann", 10);
  order.enter(501, "ann");
  CHECK(order.next() == 501);
  CHECK(order.size() == 100);
}

TEST_CASE(
    "who asks for little again and again is not made to wait for a large piece of each other") {
  FairOrder<int, int> order;
  for (int i = 0; i < 20; ++i) {
    order.enter(i, i);
  }
  const auto serve = [&](int id) {
    order.charge(id, id == 99 ? 10 : 4096);
    order.enter(id, id);
  };
  for (int i = 0; i < 60; ++i) {
    serve(*order.next());
  }
  order.enter(99, 99);
  int of_others = 0;
  for (int of_little = 0; of_little < 100;) {
    const int id = *order.next();
    of_little += id == 99 ? 1 : 0;
    of_others += id == 99 ? 0 : 1;
    serve(id);
  }
  CHECK(of_others == 0);
}

TEST_CASE("two who always want something are given the same") {
  FairOrder<int, int> order;
  std::vector<std::uint64_t> given(2);
  order.enter(0, 0);
  order.enter(1, 1);
  for (int i = 0; i < 1000; ++i) {
    const int id = *order.next();
    const std::uint64_t cost = id == 0 ? 700 : 10;
    given[static_cast<std::size_t>(id)] += cost;
    order.charge(id, cost);
    order.enter(id, id);
  }
  CHECK(given[0] <= given[1] + 700);
  CHECK(given[1] <= given[0] + 700);
}

TEST_CASE("nobody saves up by asking for nothing") {
  FairOrder<int, int> order;
  order.enter(0, 0);
  order.enter(1, 1);
  for (int i = 0; i < 100; ++i) {
    const int id = *order.next();
    order.charge(id, 10);
    order.enter(id, id);
  }
  order.enter(2, 2);
  int of_the_late = 0;
  for (int i = 0; i < 30; ++i) {
    const int id = *order.next();
    of_the_late += id == 2 ? 1 : 0;
    order.charge(id, 10);
    order.enter(id, id);
  }
  CHECK(of_the_late <= 11);
}

}  // namespace
}  // namespace syncline
