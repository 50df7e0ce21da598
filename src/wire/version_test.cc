#include "wire/version.h"

#include <doctest/doctest.h>

using namespace syncline;

TEST_CASE("the highest common version is spoken") {
  CHECK(*negotiate({1, 3}, {2, 9}) == 3);
  CHECK(*negotiate({1, 3}, {1, 2}) == 2);
  CHECK(*negotiate({2, 2}, {2, 2}) == 2);
}

TEST_CASE("without a common version there is no conversation") {
  CHECK(negotiate({1, 3}, {4, 9}).error().code() == ErrorCode::unsupported);
  CHECK(negotiate({4, 9}, {1, 3}).error().code() == ErrorCode::unsupported);
}

TEST_CASE("a range that holds nothing is malformed") {
  CHECK(negotiate({1, 3}, {3, 1}).error().code() == ErrorCode::malformed);
  CHECK(negotiate({1, 3}, {0, 0}).error().code() == ErrorCode::malformed);
}
