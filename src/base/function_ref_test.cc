#include "base/function_ref.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace syncline {
namespace {

int sum_of(const std::vector<int>& numbers, FunctionRef<int(int)> each) {
  int sum = 0;
  for (const int number : numbers) {
    sum += each(number);
  }
  return sum;
}

std::string hand_on(FunctionRef<std::string(std::unique_ptr<int>)> taker) {
  return taker(std::make_unique<int>(7));
}

int negated(int number) { return -number; }

int twice(FunctionRef<int(int)> inner) { return sum_of({1, 2}, inner) + inner(10); }

}  // namespace

TEST_CASE("a reference calls what it was made of, and changes it") {
  int calls = 0;
  CHECK(sum_of({1, 2, 3}, [&](int number) {
          ++calls;
          return number * 2;
        }) == 12);
  CHECK(calls == 3);
  const auto constant = [](int) { return 5; };
  CHECK(sum_of({1, 2}, constant) == 10);
  CHECK(sum_of({1, 2}, &negated) == -3);
}

TEST_CASE("a reference hands on what can only be moved") {
  CHECK(hand_on([](std::unique_ptr<int> number) { return std::to_string(*number); }) == "7");
}

TEST_CASE("a copy of a reference calls the same, not the reference") {
  struct Counter {
    int calls = 0;
    int operator()(int number) {
      ++calls;
      return number;
    }
  } counter;
  CHECK(twice(counter) == 13);
  CHECK(counter.calls == 3);
}

}  // namespace syncline
