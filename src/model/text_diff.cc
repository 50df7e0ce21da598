#include "model/text_diff.h"

#include <algorithm>
#include <variant>

#include "base/text.h"
#include "ydoc/utf.h"

namespace syncline {
namespace {

using Words = std::vector<std::u16string_view>;

bool is_word_unit(char16_t unit) {
  return unit == u'_' || (unit >= u'0' && unit <= u'9') || (unit >= u'A' && unit <= u'Z') ||
         (unit >= u'a' && unit <= u'z') || unit >= 0xC0;
}

// Words of letters and digits; everything else stands alone. Scripts without spaces make long
// words, whose ends are trimmed later.
Words split_words(std::u16string_view text) {
  Words out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (is_word_unit(text[at])) {
      while (end < text.size() && is_word_unit(text[end])) {
        ++end;
      }
    }
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::size_t common_prefix(std::u16string_view a, std::u16string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t n = 0;
  while (n < most && a[n] == b[n]) {
    ++n;
  }
  // Halves of a pair stay together.
  return n > 0 && ydoc::is_high_surrogate(a[n - 1]) ? n - 1 : n;
}

std::size_t common_suffix(std::u16string_view a, std::u16string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t n = 0;
  while (n < most && a[a.size() - 1 - n] == b[b.size() - 1 - n]) {
    ++n;
  }
  return n > 0 && ydoc::is_low_surrogate(a[a.size() - n]) ? n - 1 : n;
}

// Words of `a` and `b` that are the same, in order, as pairs of indexes: Myers' greedy search. All
// or nothing: nothing when more than diff_steps_max words differ.
std::vector<std::pair<std::size_t, std::size_t>> same_words(const Words& a, const Words& b) {
  const auto n = static_cast<std::ptrdiff_t>(a.size());
  const auto m = static_cast<std::ptrdiff_t>(b.size());
  const auto most = static_cast<std::ptrdiff_t>(diff_steps_max);
  std::vector<std::ptrdiff_t> far(static_cast<std::size_t>(2 * most + 3), 0);
  const auto at = [&](std::ptrdiff_t diagonal) -> std::ptrdiff_t& {
    return far[static_cast<std::size_t>(diagonal + most + 1)];
  };
  std::vector<std::vector<std::ptrdiff_t>> trail;
  const auto comes_down = [&](std::ptrdiff_t diagonal, std::ptrdiff_t steps) {
    return diagonal == -steps || (diagonal != steps && at(diagonal - 1) < at(diagonal + 1));
  };
  const auto walk_back = [&](std::ptrdiff_t steps) {
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    std::ptrdiff_t x = n;
    std::ptrdiff_t y = m;
    for (; steps >= 0; --steps) {
      std::copy(trail[static_cast<std::size_t>(steps)].begin(),
                trail[static_cast<std::size_t>(steps)].end(), &at(-steps - 1));
      const std::ptrdiff_t diagonal = x - y;
      const std::ptrdiff_t before = comes_down(diagonal, steps) ? diagonal + 1 : diagonal - 1;
      const std::ptrdiff_t from_x = steps == 0 ? 0 : at(before);
      const std::ptrdiff_t from_y = steps == 0 ? 0 : from_x - before;
      while (x > from_x && y > from_y) {
        pairs.emplace_back(--x, --y);
      }
      x = from_x;
      y = from_y;
    }
    std::reverse(pairs.begin(), pairs.end());
    return pairs;
  };
  for (std::ptrdiff_t steps = 0; steps <= most; ++steps) {
    trail.emplace_back(&at(-steps - 1), &at(steps + 1) + 1);
    for (std::ptrdiff_t diagonal = -steps; diagonal <= steps; diagonal += 2) {
      std::ptrdiff_t x = comes_down(diagonal, steps) ? at(diagonal + 1) : at(diagonal - 1) + 1;
      std::ptrdiff_t y = x - diagonal;
      while (x < n && y < m && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(y)]) {
        ++x;
        ++y;
      }
      at(diagonal) = x;
      if (x >= n && y >= m) {
        return walk_back(steps);
      }
    }
  }
  return {};
}

void add_change(std::vector<TextChange>& out, std::u16string_view before, std::u16string_view after,
                std::uint64_t index) {
  const std::size_t prefix = common_prefix(before, after);
  before.remove_prefix(prefix);
  after.remove_prefix(prefix);
  const std::size_t suffix = common_suffix(before, after);
  before.remove_suffix(suffix);
  after.remove_suffix(suffix);
  if (!before.empty() || !after.empty()) {
    out.push_back({index + prefix, before.size(), after});
  }
}

// Where the visible characters of a text lie among its units: embeds take a unit and show nothing.
std::vector<std::pair<std::uint64_t, std::uint64_t>> embeds_of(const ydoc::Text& text) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;  // characters before, units so far
  std::uint64_t characters = 0;
  std::uint64_t units = 0;
  for (const ydoc::DeltaOut& part : text.to_delta()) {
    characters += part.text.size();
    units += part.text.size() + part.values.size();
    if (!part.values.empty()) {
      out.emplace_back(characters, units - characters);
    }
  }
  return out;
}

}  // namespace

std::vector<TextChange> diff_texts(std::u16string_view before, std::u16string_view after) {
  const std::size_t prefix = common_prefix(before, after);
  std::u16string_view old_middle = before.substr(prefix);
  std::u16string_view new_middle = after.substr(prefix);
  const std::size_t suffix = common_suffix(old_middle, new_middle);
  old_middle.remove_suffix(suffix);
  new_middle.remove_suffix(suffix);
  std::vector<TextChange> out;
  if (old_middle.empty() || new_middle.empty()) {
    add_change(out, old_middle, new_middle, prefix);
    return out;
  }
  const Words a = split_words(old_middle);
  const Words b = split_words(new_middle);
  const char16_t* old_at = old_middle.data();
  const char16_t* new_at = new_middle.data();
  const auto change_up_to = [&](const char16_t* old_end, const char16_t* new_end) {
    add_change(out, {old_at, static_cast<std::size_t>(old_end - old_at)},
               {new_at, static_cast<std::size_t>(new_end - new_at)},
               static_cast<std::uint64_t>(old_at - before.data()));
  };
  for (const auto& [left, right] : same_words(a, b)) {
    change_up_to(a[left].data(), b[right].data());
    old_at = a[left].data() + a[left].size();
    new_at = b[right].data() + b[right].size();
  }
  change_up_to(old_middle.data() + old_middle.size(), new_middle.data() + new_middle.size());
  return out;
}

Result<void> change_text(ydoc::Text& text, std::string_view after) {
  SL_TRY(const std::u16string wanted, utf8_to_utf16(after));
  const std::u16string present = text.to_utf16();
  const auto embeds = text.length() == present.size()
                          ? std::vector<std::pair<std::uint64_t, std::uint64_t>>()
                          : embeds_of(text);
  const auto unit_of = [&embeds](std::uint64_t character) {
    std::uint64_t unit = character;
    for (const auto& [before, shift] : embeds) {
      if (before > character) {
        break;
      }
      unit = character + shift;
    }
    return unit;
  };
  std::vector<TextChange> changes = diff_texts(present, wanted);
  std::reverse(changes.begin(), changes.end());
  for (const TextChange& change : changes) {
    for (std::uint64_t left = change.removed; left > 0; --left) {
      if (embeds.empty()) {
        SL_TRY(text.remove(change.index, left));
        break;
      }
      SL_TRY(text.remove(unit_of(change.index + left - 1), 1));
    }
    if (!change.inserted.empty()) {
      SL_TRY(text.insert(change.removed > 0 || change.index == 0 ? unit_of(change.index)
                                                                 : unit_of(change.index - 1) + 1,
                         change.inserted));
    }
  }
  return {};
}

}  // namespace syncline
