#include "server/budget.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

TEST_CASE("whoever holds most goes when all is used up, and nobody else") {
  Budget budget(100);
  Budget::Share small(budget, ConnectionId(1));
  Budget::Share large(budget, ConnectionId(2));
  Budget::Share other(budget, ConnectionId(3));
  small.belongs_to("ann");
  large.belongs_to("bob");
  other.belongs_to("bob");
  large.take(45);
  small.take(50);
  CHECK_FALSE(budget.over().has_value());
  CHECK(budget.is_scarce());
  other.take(10);
  // Bob's two hold 55, Ann's one 50.
  CHECK(budget.over() == ConnectionId(2));
  large.set(20);
  CHECK_FALSE(budget.over().has_value());
  CHECK(budget.all() == 80);
}

TEST_CASE("what a connection held is given back at its end") {
  Budget budget(100);
  Budget::Share stays(budget, ConnectionId(1));
  {
    Budget::Share goes(budget, ConnectionId(2));
    goes.take(90);
    stays.take(20);
    goes.belongs_to("bob");
    CHECK(budget.over() == ConnectionId(2));
  }
  CHECK(budget.all() == 20);
  CHECK_FALSE(budget.over().has_value());
  stays.give_back(20);
  CHECK(budget.all() == 0);
}

}  // namespace
}  // namespace syncline
