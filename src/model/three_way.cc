#include "model/three_way.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/sort.h"

namespace syncline {
namespace {

// --- Documents
// ------------------------------------------------------------------------------------

struct Sides {
  const Json* base = nullptr;
  const Json* ours = nullptr;
  const Json* theirs = nullptr;
};

bool is_object(const Json* value) { return value != nullptr && value->object() != nullptr; }

bool same_json(const Json* a, const Json* b) {
  if (a == nullptr || b == nullptr) {
    return a == b;
  }
  return write_canonical_json(*a) == write_canonical_json(*b);
}

Value text_of(const Json* value) {
  return value == nullptr ? Value() : Value::text(write_canonical_json(*value));
}

// Null when the merged document has no such field.
using Merged = std::optional<Json>;

Merged copy_of(const Json* value) { return value == nullptr ? Merged() : Merged(*value); }

Merged merge_field(const JsonPath& path, const Sides& sides, std::vector<Disagreement>& out);

Json merge_members(const JsonPath& path, const Sides& sides, std::vector<Disagreement>& out) {
  std::map<std::string_view, Sides> members;
  const auto collect = [&members](const Json* from, const Json* Sides::*side) {
    if (is_object(from)) {
      for (const Json::Member& member : *from->object()) {
        members[member.name].*side = &member.value;
      }
    }
  };
  collect(sides.base, &Sides::base);
  collect(sides.ours, &Sides::ours);
  collect(sides.theirs, &Sides::theirs);
  Json::Object merged;
  for (const auto& [name, member] : members) {
    JsonPath below = path;
    below.emplace_back(name);
    if (Merged value = merge_field(below, member, out)) {
      merged.push_back({std::string(name), std::move(*value)});
    }
  }
  return Json(std::move(merged));
}

Merged merge_field(const JsonPath& path, const Sides& sides, std::vector<Disagreement>& out) {
  if (same_json(sides.ours, sides.theirs) || same_json(sides.theirs, sides.base)) {
    return copy_of(sides.ours);
  }
  if (same_json(sides.ours, sides.base)) {
    return copy_of(sides.theirs);
  }
  if (is_object(sides.ours) && is_object(sides.theirs)) {
    return merge_members(path, sides, out);
  }
  out.push_back({path, text_of(sides.base), text_of(sides.ours), text_of(sides.theirs)});
  return copy_of(sides.ours);
}

std::optional<Json> document(const ValueView& value) {
  if (value.type != ValueType::text) {
    return std::nullopt;
  }
  auto read = read_json(value.text(), document_limits());
  if (!read || read->object() == nullptr) {
    return std::nullopt;
  }
  return std::move(*read);
}

// --- Lines
// ----------------------------------------------------------------------------------------

using Lines = std::vector<std::string_view>;

// Each line keeps its line end, so that the lines together are the text.
std::optional<Lines> lines_of(const ValueView& value) {
  if (value.type != ValueType::text) {
    return std::nullopt;
  }
  Lines lines;
  std::string_view rest = value.text();
  while (!rest.empty()) {
    if (lines.size() == three_way_lines_max) {
      return std::nullopt;
    }
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return lines;
}

// Lines [base_begin, base_end) became [side_begin, side_end).
struct Hunk {
  std::size_t base_begin = 0;
  std::size_t base_end = 0;
  std::size_t side_begin = 0;
  std::size_t side_end = 0;
};

// Myers' greedy walk keeps one frontier for each number of edits. Beyond that many edits the two
// texts have so little in common that one hunk says as much.
constexpr std::size_t line_edits_max = 1'000;

// The points (base, side) where a line is common, last first; nothing beyond line_edits_max.
std::optional<std::vector<std::pair<std::size_t, std::size_t>>> common_lines(const Lines& base,
                                                                             const Lines& side) {
  const auto width = static_cast<std::ptrdiff_t>(base.size());
  const auto height = static_cast<std::ptrdiff_t>(side.size());
  const auto edits_max = static_cast<std::ptrdiff_t>(line_edits_max);
  // frontiers[d][k + d] is how far along the base d edits get on diagonal k.
  std::vector<std::vector<std::ptrdiff_t>> frontiers;
  const auto step_down = [&frontiers](std::ptrdiff_t d, std::ptrdiff_t k) {
    const auto& before = frontiers[static_cast<std::size_t>(d - 1)];
    const auto at = [&](std::ptrdiff_t diagonal) {
      return before[static_cast<std::size_t>(diagonal + d - 1)];
    };
    return k == -d || (k != d && at(k - 1) < at(k + 1));
  };
  const auto start = [&](std::ptrdiff_t d, std::ptrdiff_t k) -> std::ptrdiff_t {
    if (d == 0) {
      return 0;
    }
    const auto& before = frontiers[static_cast<std::size_t>(d - 1)];
    return step_down(d, k) ? before[static_cast<std::size_t>(k + 1 + d - 1)]
                           : before[static_cast<std::size_t>(k - 1 + d - 1)] + 1;
  };
  bool is_done = false;
  for (std::ptrdiff_t d = 0; !is_done; ++d) {
    if (d > edits_max) {
      return std::nullopt;
    }
    std::vector<std::ptrdiff_t> frontier(static_cast<std::size_t>(2 * d + 1), -1);
    for (std::ptrdiff_t k = -d; k <= d && !is_done; k += 2) {
      std::ptrdiff_t x = start(d, k);
      while (x < width && x - k < height && x - k >= 0 &&
             base[static_cast<std::size_t>(x)] == side[static_cast<std::size_t>(x - k)]) {
        ++x;
      }
      frontier[static_cast<std::size_t>(k + d)] = x;
      is_done = x >= width && x - k >= height;
    }
    frontiers.push_back(std::move(frontier));
  }
  std::vector<std::pair<std::size_t, std::size_t>> common;
  std::ptrdiff_t x = width;
  std::ptrdiff_t k = width - height;
  for (auto d = static_cast<std::ptrdiff_t>(frontiers.size()) - 1; d >= 0; --d) {
    const std::ptrdiff_t from = start(d, k);
    for (; x > from; --x) {
      common.emplace_back(static_cast<std::size_t>(x - 1), static_cast<std::size_t>(x - 1 - k));
    }
    if (d > 0) {
      const bool is_down = step_down(d, k);
      x = is_down ? from : from - 1;
      k += is_down ? 1 : -1;
    }
  }
  return common;
}

std::vector<Hunk> hunks_between(const Lines& base, const Lines& side) {
  auto common = common_lines(base, side);
  if (!common) {
    return {{0, base.size(), 0, side.size()}};
  }
  std::reverse(common->begin(), common->end());
  common->emplace_back(base.size(), side.size());
  std::vector<Hunk> hunks;
  std::size_t base_at = 0;
  std::size_t side_at = 0;
  for (const auto& [base_line, side_line] : *common) {
    if (base_line > base_at || side_line > side_at) {
      hunks.push_back({base_at, base_line, side_at, side_line});
    }
    base_at = base_line + 1;
    side_at = side_line + 1;
  }
  return hunks;
}

std::string joined(const Lines& lines, std::size_t begin, std::size_t end) {
  std::string out;
  for (std::size_t i = begin; i < end; ++i) {
    out += lines[i];
  }
  return out;
}

// One side of a line merge and how far it was read.
struct Cursor {
  const Lines& lines;
  std::vector<Hunk> hunks;
  std::size_t next = 0;
  // Side line minus base line, outside hunks.
  std::ptrdiff_t shift = 0;

  std::size_t at(std::size_t base_line) const {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(base_line) + shift);
  }
  bool begins_by(std::size_t base_line) const {
    return next < hunks.size() && hunks[next].base_begin <= base_line;
  }
  std::size_t take() {
    const Hunk& hunk = hunks[next++];
    shift = static_cast<std::ptrdiff_t>(hunk.side_end) - static_cast<std::ptrdiff_t>(hunk.base_end);
    return hunk.base_end;
  }
};

std::size_t next_change(const Cursor& cursor, std::size_t none) {
  return cursor.next < cursor.hunks.size() ? cursor.hunks[cursor.next].base_begin : none;
}

ThreeWay merge_hunks(const Lines& base, Cursor ours, Cursor theirs) {
  ThreeWay out;
  std::string text;
  std::size_t at = 0;
  for (;;) {
    const std::size_t begin =
        std::min(next_change(ours, base.size() + 1), next_change(theirs, base.size() + 1));
    if (begin > base.size()) {
      break;
    }
    text += joined(base, at, begin);
    const std::size_t our_begin = ours.at(begin);
    const std::size_t their_begin = theirs.at(begin);
    // A run takes in every change that touches it, of either side.
    std::size_t end = begin;
    while (ours.begins_by(end) || theirs.begins_by(end)) {
      end = std::max(end, ours.begins_by(end) ? ours.take() : theirs.take());
    }
    const std::string from = joined(base, begin, end);
    const std::string our_text = joined(ours.lines, our_begin, ours.at(end));
    const std::string their_text = joined(theirs.lines, their_begin, theirs.at(end));
    ThreeWay run =
        merge_values(ValueView::of(from), ValueView::of(our_text), ValueView::of(their_text));
    text += run.merged.view().text();
    for (Disagreement& one : run.disagreements) {
      out.disagreements.push_back(std::move(one));
    }
    at = end;
  }
  text += joined(base, at, base.size());
  out.merged = Value::text(text);
  return out;
}

}  // namespace

ThreeWay merge_values(const ValueView& base, const ValueView& ours, const ValueView& theirs) {
  if (same_value(ours, theirs) || same_value(theirs, base)) {
    return {Value(ours), {}};
  }
  if (same_value(ours, base)) {
    return {Value(theirs), {}};
  }
  return {Value(ours), {{{}, Value(base), Value(ours), Value(theirs)}}};
}

ThreeWay merge_documents(const ValueView& base, const ValueView& ours, const ValueView& theirs) {
  const auto base_document = document(base);
  const auto our_document = document(ours);
  const auto their_document = document(theirs);
  if (!base_document || !our_document || !their_document) {
    return merge_values(base, ours, theirs);
  }
  ThreeWay out;
  const Json merged =
      merge_members({}, {&*base_document, &*our_document, &*their_document}, out.disagreements);
  syncline::sort(out.disagreements.begin(), out.disagreements.end(),
                 [](const Disagreement& a, const Disagreement& b) { return a.path < b.path; });
  out.merged = Value::text(write_canonical_json(merged));
  return out;
}

ThreeWay merge_lines(const ValueView& base, const ValueView& ours, const ValueView& theirs) {
  const auto base_lines = lines_of(base);
  const auto our_lines = lines_of(ours);
  const auto their_lines = lines_of(theirs);
  if (!base_lines || !our_lines || !their_lines) {
    return merge_values(base, ours, theirs);
  }
  return merge_hunks(*base_lines, {*our_lines, hunks_between(*base_lines, *our_lines)},
                     {*their_lines, hunks_between(*base_lines, *their_lines)});
}

ThreeWay merge_any(const ValueView& base, const ValueView& ours, const ValueView& theirs) {
  ThreeWay merged = merge_documents(base, ours, theirs);
  const bool as_document = std::any_of(merged.disagreements.begin(), merged.disagreements.end(),
                                       [](const Disagreement& d) { return !d.path.empty(); });
  return merged.is_clean() || as_document ? merged : merge_lines(base, ours, theirs);
}

}  // namespace syncline
