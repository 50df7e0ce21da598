#include "model/change.h"

#include <doctest/doctest.h>

using namespace syncline;

TEST_CASE("every merge rule has a name that leads back to it, and other names are refused") {
  for (const char* name : {"lww", "row", "manual", "counter", "json", "text", "doc"}) {
    const auto rule = merge_rule_from_name(name);
    REQUIRE(rule);
    CHECK(merge_rule_name(*rule) == name);
  }
  for (const char* name : {"", "LWW", "unknown", "lww "}) {
    CHECK(!merge_rule_from_name(name));
  }
}
