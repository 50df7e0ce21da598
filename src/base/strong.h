#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace syncline {

// A number that means one thing: an id, a version and a count do not mix even when all are 64 bits
// wide. Tag is any type of its own, usually an incomplete struct.
template <typename T, typename Tag>
class Strong {
 public:
  using value_type = T;

  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(value) {}

  constexpr T get() const { return value_; }
  // The one that follows; for sequences and versions, which count up by one.
  constexpr Strong next() const { return Strong(static_cast<T>(value_ + 1)); }

  friend constexpr bool operator==(Strong, Strong) = default;
  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  T value_{};
};

}  // namespace syncline

template <typename T, typename Tag>
struct std::hash<syncline::Strong<T, Tag>> {
  std::size_t operator()(syncline::Strong<T, Tag> id) const { return std::hash<T>()(id.get()); }
};
