#include "base/sort.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace syncline;

namespace {

using Pair = std::pair<std::uint32_t, std::string>;

bool less_at(void* range, std::size_t left, std::size_t right) {
  auto& pairs = *static_cast<std::vector<Pair>*>(range);
  return pairs[left].first < pairs[right].first;
}

void swap_at(void* range, std::size_t left, std::size_t right) {
  auto& pairs = *static_cast<std::vector<Pair>*>(range);
  std::swap(pairs[left], pairs[right]);
}

}  // namespace

TEST_CASE("what a page sorts with keeps the order of equal elements, as the library does") {
  std::uint32_t state = 1;
  for (std::size_t count = 0; count < 300; count++) {
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < count; i++) {
      state = state * 1664525 + 1013904223;
      pairs.emplace_back((state >> 16) % 40, std::to_string(i));
    }
    std::vector<Pair> wanted = pairs;
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const Pair& a, const Pair& b) { return a.first < b.first; });
    sort_steps(pairs.size(), {.range = &pairs, .less = less_at, .swap = swap_at});
    REQUIRE(pairs == wanted);
  }
}
