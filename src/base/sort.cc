#include "base/sort.h"

#include <cstdint>
#include <vector>

namespace syncline {

// Which place's element comes first, second and so on: merged from runs of growing length.
static std::vector<std::uint32_t> order_of(std::size_t count, const SortRange& places) {
  std::vector<std::uint32_t> order(count);
  std::vector<std::uint32_t> merged(count);
  for (std::size_t i = 0; i < count; i++) {
    order[i] = static_cast<std::uint32_t>(i);
  }
  for (std::size_t length = 1; length < count; length *= 2) {
    for (std::size_t begin = 0; begin < count; begin += 2 * length) {
      const std::size_t middle = std::min(begin + length, count);
      const std::size_t end = std::min(middle + length, count);
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t out = begin; out < end; out++) {
        const bool takes_right =
            left == middle || (right < end && places.less(places.range, order[right], order[left]));
        merged[out] = order[takes_right ? right++ : left++];
      }
    }
    order.swap(merged);
  }
  return order;
}

void sort_steps(std::size_t count, const SortRange& places) {
  if (count < 2) {
    return;
  }
  std::vector<std::uint32_t> order = order_of(count, places);
  // Each circle of places that hand their elements on is gone round once.
  for (std::size_t i = 0; i < count; i++) {
    std::size_t place = i;
    while (order[place] != i) {
      const std::size_t from = order[place];
      places.swap(places.range, place, from);
      order[place] = static_cast<std::uint32_t>(place);
      place = from;
    }
    order[place] = static_cast<std::uint32_t>(place);
  }
}

}  // namespace syncline
