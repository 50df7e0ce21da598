#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace syncline {

// Cuts rows into sections of a part that every reader takes: one table each, keys of as many
// values, and together no more columns than limits::columns_max. Each row alone is within the
// limits, but rows of one table may differ in all their columns. Rows of a table stand together
// where they can, and keep their order.
class TableSections {
 public:
  struct Section {
    std::string table;
    std::size_t key_columns = 0;
    std::vector<std::string> columns;  // sorted
    std::vector<std::size_t> rows;     // counted from zero, as they were added
  };

  // The next row. Its columns may come in any order. Returns about how many bytes it adds to the
  // sections' heads.
  std::size_t add(const std::string& table, std::size_t key_columns,
                  std::span<const std::string_view> columns);
  // Empty afterwards.
  std::vector<Section> finish();

 private:
  struct Open {
    std::size_t section = 0;
    std::set<std::string, std::less<>> columns;
    std::vector<std::string> last;  // of the row before, which most rows are like
  };
  void close(Open& open);

  std::vector<Section> sections_;
  std::map<std::pair<std::string, std::size_t>, Open> open_;
  std::size_t rows_ = 0;
};

}  // namespace syncline
