#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>

#include "base/bytes.h"
#include "base/random.h"

namespace syncline {

// A fuzzer's input as a row of choices, for targets that build something valid out of it. When the
// input is used up every choice is the first one, so targets let zero stand for what is honest,
// small, and the end of a list.
class Choices {
 public:
  explicit Choices(Bytes input) : left_(input) {}

  bool at_end() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) {
      return 0;
    }
    const std::uint8_t out = left_[0];
    left_ = left_.subspan(1);
    return out;
  }
  // In [0, bound); bound is at most 256.
  std::size_t below(std::size_t bound) { return byte() % bound; }
  // True for about one in so many choices; false at the end.
  bool one_in(std::size_t many) { return byte() % many == many - 1; }
  template <std::size_t N, typename T>
  const T& pick(const T (&all)[N]) {
    return all[below(N)];
  }
  std::uint64_t u64() {
    std::uint64_t out = 0;
    for (unsigned i = 0; i < 8; ++i) {
      out |= std::uint64_t{byte()} << (8 * i);
    }
    return out;
  }
  Bytes bytes(std::size_t count) {
    const Bytes out = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(out.size());
    return out;
  }
  std::string text(std::size_t count) { return std::string(as_text(bytes(count))); }

 private:
  Bytes left_;
};

// The choices as draws, for generators that tests have already: the first draws follow the input,
// so that a changed byte changes one decision; then it goes on by a seed.
class ChosenRandom final : public Random {
 public:
  explicit ChosenRandom(Choices& choices) : choices_(&choices), rest_(1) {}
  std::uint64_t next() override {
    // High enough that no draw is thrown away, which would never end.
    return choices_->at_end() ? rest_.next() : (std::uint64_t{1} << 40U) + choices_->byte();
  }

 private:
  Choices* choices_;
  SeededRandom rest_;
};

// Sizes below, at and above a limit.
inline std::size_t size_around(Choices& choices, std::size_t limit) {
  const std::size_t sizes[] = {limit / 2, limit / 2 + 1, limit - 1, limit, limit + 1};
  return choices.pick(sizes);
}

// A text of that size, of a few bytes that repeat.
inline std::string repeated(Choices& choices, std::size_t size) {
  std::string pattern = choices.text(1 + choices.below(4));
  if (pattern.empty()) {
    pattern = "a";
  }
  std::string out = pattern.substr(0, size);
  while (out.size() < size) {
    out += out.substr(0, size - out.size());
  }
  return out;
}

}  // namespace syncline
