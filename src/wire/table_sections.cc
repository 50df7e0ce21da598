#include "wire/table_sections.h"

#include <algorithm>

#include "wire/limits.h"

namespace syncline {

std::size_t TableSections::add(const std::string& table, std::size_t key_columns,
                               std::span<const std::string_view> columns) {
  std::size_t bytes = 0;
  const auto [at, is_new] = open_.try_emplace({table, key_columns});
  Open& open = at->second;
  const auto begin = [&] {
    open.section = sections_.size();
    sections_.push_back({table, key_columns, {}, {}});
    bytes += table.size() + 8;
  };
  if (is_new) {
    begin();
  }
  if (!std::equal(columns.begin(), columns.end(), open.last.begin(), open.last.end())) {
    const auto added = std::count_if(columns.begin(), columns.end(), [&](std::string_view name) {
      return open.columns.find(name) == open.columns.end();
    });
    if (open.columns.size() + static_cast<std::size_t>(added) > limits::columns_max &&
        !sections_[open.section].rows.empty()) {
      close(open);
      begin();
    }
    open.last.assign(columns.begin(), columns.end());
    for (const std::string_view name : columns) {
      if (open.columns.emplace(name).second) {
        bytes += name.size() + 2;
      }
    }
  }
  sections_[open.section].rows.push_back(rows_++);
  return bytes;
}

void TableSections::close(Open& open) {
  sections_[open.section].columns.assign(open.columns.begin(), open.columns.end());
  open.columns.clear();
  open.last.clear();
}

std::vector<TableSections::Section> TableSections::finish() {
  for (auto& [name, open] : open_) {
    close(open);
  }
  open_.clear();
  rows_ = 0;
  return std::exchange(sections_, {});
}

}  // namespace syncline
