#include "model/change.h"

#include <array>
#include <utility>

namespace syncline {
namespace {

constexpr std::array<std::pair<MergeRule, std::string_view>, 7> rule_names{{
    {MergeRule::lww, "lww"},
    {MergeRule::row, "row"},
    {MergeRule::manual, "manual"},
    {MergeRule::counter, "counter"},
    {MergeRule::json, "json"},
    {MergeRule::text, "text"},
    {MergeRule::doc, "doc"},
}};

}  // namespace

std::string_view merge_rule_name(MergeRule rule) {
  for (const auto& [value, name] : rule_names) {
    if (value == rule) {
      return name;
    }
  }
  return "unknown";
}

Result<MergeRule> merge_rule_from_name(std::string_view name) {
  for (const auto& [value, text] : rule_names) {
    if (text == name) {
      return value;
    }
  }
  return Error(ErrorCode::invalid_argument,
               "unknown merge rule '" + std::string(name) +
                   "'; the rules are lww, row, manual, counter, json, text and doc");
}

}  // namespace syncline
