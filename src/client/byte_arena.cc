#include "client/byte_arena.h"

#include <algorithm>

namespace syncline {
namespace {

constexpr std::size_t first_block_bytes = std::size_t{16} << 10U;
constexpr std::size_t block_bytes = std::size_t{1} << 20U;

}  // namespace

std::uint64_t ByteArena::append(Bytes bytes) {
  if (blocks_.empty() || blocks_.back().capacity - blocks_.back().used < bytes.size()) {
    Block block;
    block.start = size();
    block.capacity = std::max(blocks_.empty() ? first_block_bytes : block_bytes, bytes.size());
    block.data = std::make_unique<std::uint8_t[]>(block.capacity);
    blocks_.push_back(std::move(block));
  }
  Block& last = blocks_.back();
  const std::uint64_t offset = last.end();
  if (!bytes.empty()) {
    std::memcpy(last.data.get() + last.used, bytes.data(), bytes.size());
  }
  last.used += bytes.size();
  return offset;
}

bool ByteArena::extend(Bytes bytes) {
  if (blocks_.empty() || blocks_.back().capacity - blocks_.back().used < bytes.size()) {
    return false;
  }
  append(bytes);
  return true;
}

Bytes ByteArena::at(std::uint64_t offset, std::uint64_t size) const {
  if (size == 0) {
    return {};
  }
  const auto after =
      std::upper_bound(blocks_.begin(), blocks_.end(), offset,
                       [](std::uint64_t value, const Block& block) { return value < block.start; });
  SL_CHECK(after != blocks_.begin());
  const Block& block = *(after - 1);
  SL_CHECK(offset + size <= block.end());
  return Bytes(block.data.get() + (offset - block.start), static_cast<std::size_t>(size));
}

void ByteArena::truncate(std::uint64_t size) {
  while (blocks_.size() > 1 && blocks_.back().start >= size) {
    blocks_.pop_back();
  }
  if (!blocks_.empty()) {
    SL_CHECK(size >= blocks_.back().start);
    blocks_.back().used = static_cast<std::size_t>(size - blocks_.back().start);
  }
}

void ByteArena::clear() {
  // The first block stays for the next transaction, unless one huge row made it.
  if (!blocks_.empty() && blocks_[0].capacity <= block_bytes) {
    while (blocks_.size() > 1) {
      blocks_.pop_back();
    }
    blocks_[0].used = 0;
  } else {
    blocks_.clear();
  }
}

}  // namespace syncline
