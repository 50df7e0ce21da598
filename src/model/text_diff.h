#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ydoc/types.h"

namespace syncline {

// What a person might have done to come from one text to the other: found by words, since letters
// that two unrelated words share mean nothing. Beyond diff_steps_max differing words the middle is
// replaced whole.
inline constexpr std::size_t diff_steps_max = 512;

struct TextChange {
  // In UTF-16 units of the text before; changes rise and do not touch. Never between the halves of
  // a pair.
  std::uint64_t index = 0;
  std::uint64_t removed = 0;
  std::u16string_view inserted;  // borrowed from the text after

  friend bool operator==(const TextChange&, const TextChange&) = default;
};
std::vector<TextChange> diff_texts(std::u16string_view before, std::u16string_view after);

// Makes a document's text `after` by such changes. What stands beside the characters (embeds) stays
// where it is. Fails when `after` is no UTF-8.
Result<void> change_text(ydoc::Text& text, std::string_view after);

}  // namespace syncline
