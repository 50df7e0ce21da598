#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

namespace syncline {

// std::sort, but in a page by way of a heap: the library's own sort is 2 KB for each type that is
// sorted, and a page loads them all. Equal elements come out in any order, as with std::sort.
template <typename Iterator, typename Less = std::less<>>
void sort(Iterator begin, Iterator end, Less less = {}) {
#ifdef __EMSCRIPTEN__
  std::make_heap(begin, end, less);
  std::sort_heap(begin, end, less);
#else
  std::sort(begin, end, less);
#endif
}

// The same for std::stable_sort: equal elements keep their order.
template <typename Iterator, typename Less = std::less<>>
void stable_sort(Iterator begin, Iterator end, Less less = {}) {
#ifdef __EMSCRIPTEN__
  if (end - begin < 2) {
    return;
  }
  const Iterator middle = begin + (end - begin) / 2;
  syncline::stable_sort(begin, middle, less);
  syncline::stable_sort(middle, end, less);
  std::vector<typename std::iterator_traits<Iterator>::value_type> first(
      std::make_move_iterator(begin), std::make_move_iterator(middle));
  Iterator second = middle;
  Iterator out = begin;
  auto at = first.begin();
  while (at != first.end()) {
    if (second != end && less(*second, *at)) {
      *out++ = std::move(*second++);
    } else {
      *out++ = std::move(*at++);
    }
  }
#else
  std::stable_sort(begin, end, less);
#endif
}

}  // namespace syncline
