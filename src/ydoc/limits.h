#pragma once

#include <cstddef>
#include <cstdint>

namespace syncline::ydoc {

// What a document accepts from outside. Beyond a limit there is an Error of code too_large, never a
// crash and never work or memory out of proportion to the bytes received.
struct Limits {
  // One update, before anything in it is looked at.
  std::size_t update_bytes_max = std::size_t{64} << 20U;
  // Structs in one document: at about a hundred bytes each, this bounds its memory.
  std::size_t structs_max = std::size_t{8} << 20U;
  // Ranges of deleted units in one update. Those of what has not come yet wait one by one.
  std::size_t delete_ranges_max = std::size_t{4} << 20U;
  // Clients one document knows of; one named by structs and deletions alike counts twice when its
  // update is checked.
  std::size_t clients_max = std::size_t{1} << 20U;
  // Steps that one update may spend on ordering concurrent inserts at one place, in excess of
  // 64 for each of its bytes. An honest update needs a few steps a struct; a hostile one could
  // ask for the product of two lists.
  std::uint64_t conflict_steps_max = 20'000'000;
};

// How deep arrays and objects may nest in one value.
inline constexpr int value_depth_max = 256;
// How deep types may nest before a reader that follows them gives up. Documents may be deeper:
// nothing else recurses.
inline constexpr int type_depth_max = 256;

}  // namespace syncline::ydoc
