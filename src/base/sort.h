#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>

namespace syncline {

// How sort_steps() sees a range of whatever type: it compares and exchanges places.
struct SortRange {
  void* range;
  bool (*less)(void* range, std::size_t left, std::size_t right);
  void (*swap)(void* range, std::size_t left, std::size_t right);
};

// Sorts `count` places; equal ones keep their order.
void sort_steps(std::size_t count, const SortRange& places);

// std::stable_sort, but in a page by the one function above: the library's own sorts are a kilobyte
// or two for each type that is sorted, and a page loads them all.
template <typename Iterator, typename Less = std::less<>>
void stable_sort(Iterator begin, Iterator end, Less less = {}) {
#ifdef __EMSCRIPTEN__
  struct Range {
    Iterator begin;
    Less& less;
  } range{begin, less};
  sort_steps(static_cast<std::size_t>(end - begin),
             {.range = &range,
              .less =
                  [](void* context, std::size_t left, std::size_t right) {
                    Range& at = *static_cast<Range*>(context);
                    return static_cast<bool>(at.less(at.begin[static_cast<std::ptrdiff_t>(left)],
                                                     at.begin[static_cast<std::ptrdiff_t>(right)]));
                  },
              .swap =
                  [](void* context, std::size_t left, std::size_t right) {
                    Range& at = *static_cast<Range*>(context);
                    std::iter_swap(at.begin + static_cast<std::ptrdiff_t>(left),
                                   at.begin + static_cast<std::ptrdiff_t>(right));
                  }});
#else
  std::stable_sort(begin, end, less);
#endif
}

// The same for std::sort. Equal elements come out in any order.
template <typename Iterator, typename Less = std::less<>>
void sort(Iterator begin, Iterator end, Less less = {}) {
#ifdef __EMSCRIPTEN__
  syncline::stable_sort(begin, end, less);
#else
  std::sort(begin, end, less);
#endif
}

}  // namespace syncline
