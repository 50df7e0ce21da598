#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"

namespace syncline {

// Bytes that are appended and cut off at the end, in blocks: no copy when it grows, so a large
// transaction needs its size once and not twice. Each append stays in one piece.
class ByteArena {
 public:
  // Where `bytes` now begin.
  std::uint64_t append(Bytes bytes);
  // Appends in place of a run that ends where the arena ends, when there is room; false otherwise.
  bool extend(Bytes bytes);
  Bytes at(std::uint64_t offset, std::uint64_t size) const;
  std::uint64_t size() const { return blocks_.empty() ? 0 : blocks_.back().end(); }
  void truncate(std::uint64_t size);
  void clear();

 private:
  struct Block {
    std::uint64_t start = 0;
    std::size_t used = 0;
    std::size_t capacity = 0;
    std::unique_ptr<std::uint8_t[]> data;
    std::uint64_t end() const { return start + used; }
  };
  std::vector<Block> blocks_;
};

}  // namespace syncline
