#include "client/foreign_keys.h"

#include <algorithm>

#include "base/sort.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string key_list(const TrackedTable& table) {
  std::string out;
  for (const std::string& column : table.key) {
    out += (out.empty() ? "c." : ", c.") + quote_identifier(column);
  }
  return out;
}

}  // namespace

Result<void> ForeignKeys::load() {
  if (loaded_) {
    return {};
  }
  references_.clear();
  SL_TRY(Statement keys,
         connection_.prepare("SELECT s.name, f.id, f.\"table\", f.\"from\", f.\"to\" FROM "
                             "main.sqlite_schema s, pragma_foreign_key_list(s.name, 'main') f "
                             "WHERE s.type = 'table' ORDER BY s.name, f.id, f.seq"));
  std::int64_t id = -1;
  for (;;) {
    SL_TRY(const bool more, keys.step());
    if (!more) {
      break;
    }
    if (references_.empty() || references_.back().child != keys.column_text(0) ||
        id != keys.column_int(1)) {
      references_.emplace_back();
      references_.back().child = keys.column_text(0);
      references_.back().parent = keys.column_text(2);
      id = keys.column_int(1);
    }
    references_.back().from.emplace_back(keys.column_text(3));
    references_.back().to.emplace_back(keys.column_text(4));
  }
  SL_TRY(load_parent_keys());
  loaded_ = true;
  return {};
}

// A foreign key that names no columns of its parent means the primary key.
Result<void> ForeignKeys::load_parent_keys() {
  SL_TRY(Statement key, connection_.prepare("SELECT name FROM pragma_table_info(?1, 'main') WHERE "
                                            "pk > 0 ORDER BY pk"));
  for (Reference& reference : references_) {
    if (!reference.to[0].empty()) {
      continue;
    }
    reference.to.clear();
    const ResetGuard guard(key);
    key.bind_text(1, reference.parent);
    for (;;) {
      SL_TRY(const bool more, key.step());
      if (!more) {
        break;
      }
      reference.to.emplace_back(key.column_text(0));
    }
  }
  // One that does not fit its parent is an error that SQLite reports at every write.
  std::erase_if(references_, [](const Reference& r) { return r.to.size() != r.from.size(); });
  return {};
}

Result<void> ForeignKeys::collect(Statement& rows, const TrackedTable& table, std::size_t count_max,
                                  std::vector<Row>& out) {
  Writer key;
  while (out.size() < count_max) {
    SL_TRY(const bool more, rows.step());
    if (!more) {
      break;
    }
    key.clear();
    for (int i = 0; i < rows.column_count(); ++i) {
      write_value(key, rows.column(i));
    }
    out.push_back({table.id, to_vector(key.bytes())});
  }
  return {};
}

Result<std::vector<ForeignKeys::Row>> ForeignKeys::children(const TrackedTable& parent, Bytes key,
                                                            std::size_t count_max) {
  SL_TRY(load());
  SL_TRY(const std::vector<Value> values, key_values(key));
  std::vector<Row> out;
  for (const Reference& reference : references_) {
    if (!same_name(reference.parent, parent.name)) {
      continue;
    }
    SL_TRY(const TrackedTable* child, catalog_.find(reference.child));
    if (child == nullptr) {
      continue;
    }
    std::string sql = "SELECT " + key_list(*child) + " FROM main." + quote_identifier(parent.name) +
                      " p JOIN main." + quote_identifier(child->name) + " c ON ";
    for (std::size_t i = 0; i < reference.from.size(); ++i) {
      sql += (i == 0 ? "p." : " AND p.") + quote_identifier(reference.to[i]) + " = c." +
             quote_identifier(reference.from[i]);
    }
    for (std::size_t i = 0; i < parent.key.size(); ++i) {
      sql += (i == 0 ? " WHERE p." : " AND p.") + quote_identifier(parent.key[i]) + " = ?" +
             std::to_string(i + 1) + " COLLATE BINARY";
    }
    SL_TRY(Statement rows, connection_.prepare(sql));
    for (std::size_t i = 0; i < values.size(); ++i) {
      rows.bind(static_cast<int>(i) + 1, values[i].view());
    }
    SL_TRY(collect(rows, *child, count_max, out));
  }
  // A row that points to itself goes with itself.
  std::erase_if(
      out, [&](const Row& row) { return row.table == parent.id && equal_bytes(row.key, key); });
  return out;
}

Result<bool> ForeignKeys::has_untracked_children(const TrackedTable& parent) {
  SL_TRY(load());
  for (const Reference& reference : references_) {
    if (same_name(reference.parent, parent.name)) {
      SL_TRY(const TrackedTable* child, catalog_.find(reference.child));
      if (child == nullptr) {
        return true;
      }
    }
  }
  return false;
}

Result<std::vector<ForeignKeys::Row>> ForeignKeys::dangling(std::size_t count_max) {
  SL_TRY(load());
  std::vector<Row> out;
  for (const Reference& reference : references_) {
    SL_TRY(const TrackedTable* child, catalog_.find(reference.child));
    if (child == nullptr) {
      continue;
    }
    std::string condition;
    std::string match;
    for (std::size_t i = 0; i < reference.from.size(); ++i) {
      const std::string column = "c." + quote_identifier(reference.from[i]);
      condition += (condition.empty() ? "" : " AND ") + column + " IS NOT NULL";
      // As SQLite does it: the parent's affinity and collation decide.
      match +=
          (match.empty() ? "p." : " AND p.") + quote_identifier(reference.to[i]) + " = +" + column;
    }
    SL_TRY(Statement parent_there,
           connection_.prepare("SELECT 1 FROM pragma_table_info(?1, 'main') LIMIT 1"));
    parent_there.bind_text(1, reference.parent);
    SL_TRY(const bool there, parent_there.step());
    std::string sql = "SELECT " + key_list(*child) + " FROM main." + quote_identifier(child->name) +
                      " c WHERE " + condition;
    if (there) {
      sql += " AND NOT EXISTS (SELECT 1 FROM main." + quote_identifier(reference.parent) +
             " p WHERE " + match + ")";
    }
    SL_TRY(Statement rows, connection_.prepare(sql));
    SL_TRY(collect(rows, *child, count_max, out));
  }
  syncline::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace syncline
