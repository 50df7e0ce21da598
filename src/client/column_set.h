#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace syncline {

// A set of column ids of one table. Equal sets have equal words (no trailing zero words).
class ColumnSet {
 public:
  void clear() { words_.clear(); }
  bool empty() const { return words_.empty(); }

  void insert(std::size_t column) {
    const std::size_t word = column / 64;
    if (word >= words_.size()) {
      words_.resize(word + 1);
    }
    words_[word] |= std::uint64_t{1} << (column % 64);
  }
  bool contains(std::size_t column) const {
    const std::size_t word = column / 64;
    return word < words_.size() && (words_[word] >> (column % 64) & 1U) != 0;
  }
  std::size_t size() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) {
      count += static_cast<std::size_t>(std::popcount(word));
    }
    return count;
  }
  void insert_all(const ColumnSet& other) {
    if (other.words_.size() > words_.size()) {
      words_.resize(other.words_.size());
    }
    for (std::size_t i = 0; i < other.words_.size(); ++i) {
      words_[i] |= other.words_[i];
    }
  }

  bool contains_all(const ColumnSet& other) const {
    bool all = true;
    other.for_each([&](std::size_t column) { all = all && contains(column); });
    return all;
  }

  // Calls visit(column) in rising order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
    }
  }

  void write(Writer& out) const;
  static Result<ColumnSet> read(Reader& in);

  friend bool operator==(const ColumnSet&, const ColumnSet&) = default;

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace syncline
