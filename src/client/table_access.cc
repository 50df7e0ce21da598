#include "client/table_access.h"

#include <algorithm>
#include <cmath>

#include "model/schema.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

// Whether SQLite takes the text for a number: sign, digits with a point, exponent, and space around
// them.
bool is_number(std::string_view text) {
  const auto skip = [&](const char* what) {
    const std::size_t count = std::min(text.find_first_not_of(what), text.size());
    text.remove_prefix(count);
    return count;
  };
  const auto sign = [&] {
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
      text.remove_prefix(1);
    }
  };
  constexpr const char* space = " \t\n\v\f\r";
  constexpr const char* digits = "0123456789";
  skip(space);
  sign();
  std::size_t count = skip(digits);
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    count += skip(digits);
  }
  if (count > 0 && !text.empty() && (text[0] == 'e' || text[0] == 'E')) {
    text.remove_prefix(1);
    sign();
    count = skip(digits);
  }
  skip(space);
  return count > 0 && text.empty();
}

bool is_whole(double real) { return std::floor(real) == real && std::fabs(real) < 0x1p63; }

// Whether a key's column stores the value as it is. One that it would convert names another row
// here than on every other replica, and what a writer whose schema is as ours never makes.
bool is_kept(std::string_view declared, const ValueView& value) {
  const bool is_text = value.type == ValueType::text;
  if ((is_text && declared == "TEXT") ||
      (value.type == ValueType::integer && declared == "INTEGER")) {
    return true;
  }
  switch (value.type) {
    case ValueType::null:
    case ValueType::blob:
      return true;
    case ValueType::integer:
    case ValueType::real:
    case ValueType::text:
      break;
  }
  const bool is_integer = value.type == ValueType::integer;
  switch (affinity_of(declared)) {
    case Affinity::blob:
      return true;
    case Affinity::text:
      return is_text;
    case Affinity::integer:
    case Affinity::numeric:
      return is_integer || (is_text ? !is_number(as_text(value.data)) : !is_whole(value.real));
    case Affinity::real:
      return is_text ? !is_number(as_text(value.data)) : !is_integer;
  }
  return true;
}

// `values` are the key's.
bool is_kept(const TrackedTable& table, const std::deque<DecodedValue>& values) {
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    if (!is_kept(table.key_types[i], values[i].view())) {
      return false;
    }
  }
  return true;
}

// Statements kept per set of columns; beyond this the oldest is prepared again when needed.
constexpr std::size_t shapes_kept = 32;

}  // namespace

std::string TableAccess::select_list() const {
  std::string out = table_.without_rowid ? "0" : "t." + table_.rowid_name;
  for (const std::string& column : table_.key) {
    out += ",t." + quote_identifier(column);
  }
  for (const TrackedColumn& column : table_.columns) {
    out += ",t." + quote_identifier(column.name);
  }
  return out;
}

std::string TableAccess::key_condition(int first_parameter) const {
  std::string out;
  for (std::size_t i = 0; i < table_.key.size(); ++i) {
    out += (i == 0 ? "t." : " AND t.") + quote_identifier(table_.key[i]) + " = ?" +
           std::to_string(first_parameter + static_cast<int>(i));
  }
  return out;
}

void TableAccess::load(const Statement& statement) {
  row_.row = statement.column_int(0);
  row_.values.clear();
  const int count = static_cast<int>(table_.key.size() + table_.columns.size());
  for (int i = 0; i < count; ++i) {
    row_.values.push_back(statement.column(i + 1));
  }
}

Result<Bytes> TableAccess::stored_key(RowId row) {
  if (!key_of_) {
    SL_TRY(key_of_, connection_.prepare_kept("SELECT key FROM syncline_keys_" +
                                             std::to_string(table_.id) + " WHERE rid = ?1"));
  }
  const ResetGuard guard(key_of_);
  key_of_.bind(1, row);
  SL_TRY(const bool found, key_of_.step());
  key_ = found ? to_vector(key_of_.column_blob(0)) : ByteVector();
  return Bytes(key_);
}

Result<int> TableAccess::bind_key(Statement& statement, int first_parameter, Bytes key) {
  Reader in(key);
  for (std::size_t i = 0; i < table_.key.size(); ++i) {
    if (i == key_values_.size()) {
      key_values_.emplace_back();
    }
    SL_TRY(key_values_[i].read(in));
    statement.bind(first_parameter++, key_values_[i].view());
  }
  SL_TRY(in.expect_end("the key of table '" + table_.name + "'"));
  return first_parameter;
}

Result<int> TableAccess::bind_row(Statement& statement, RowId row) {
  if (!table_.without_rowid) {
    statement.bind(1, row);
    return 2;
  }
  SL_TRY(const Bytes key, stored_key(row));
  if (key.empty()) {
    for (int i = 1; i <= static_cast<int>(table_.key.size()); ++i) {
      statement.bind_null(i);
    }
    return static_cast<int>(table_.key.size()) + 1;
  }
  return bind_key(statement, 1, key);
}

Result<const StoredRow*> TableAccess::read(RowId row) {
  if (!read_) {
    SL_TRY(read_,
           connection_.prepare_kept(
               "SELECT " + select_list() + " FROM main." + quote_identifier(table_.name) +
               " t WHERE " +
               (table_.without_rowid ? key_condition(1) : "t." + table_.rowid_name + " = ?1")));
  }
  read_.reset();
  SL_TRY(bind_row(read_, row));
  SL_TRY(const bool found, read_.step());
  if (!found) {
    read_.reset();
    return static_cast<const StoredRow*>(nullptr);
  }
  load(read_);
  row_.row = row;
  return static_cast<const StoredRow*>(&row_);
}

Result<void> TableAccess::start_range(RowId first, RowId last) {
  SL_CHECK(!table_.without_rowid);
  if (!range_) {
    SL_TRY(range_, connection_.prepare_kept("SELECT " + select_list() + " FROM main." +
                                            quote_identifier(table_.name) + " t WHERE t." +
                                            table_.rowid_name + " BETWEEN ?1 AND ?2 ORDER BY t." +
                                            table_.rowid_name));
  }
  range_.reset();
  range_.bind(1, first).bind(2, last);
  return {};
}

Result<const StoredRow*> TableAccess::next_in_range() {
  SL_TRY(const bool found, range_.step());
  if (!found) {
    range_.reset();
    return static_cast<const StoredRow*>(nullptr);
  }
  load(range_);
  return static_cast<const StoredRow*>(&row_);
}

void TableAccess::end_range() {
  range_.reset();
  read_.reset();
  find_.reset();
}

Result<const StoredRow*> TableAccess::find(Bytes key) {
  if (!find_) {
    SL_TRY(find_, connection_.prepare_kept("SELECT " + select_list() + " FROM main." +
                                           quote_identifier(table_.name) + " t WHERE " +
                                           key_condition(1)));
  }
  find_.reset();
  SL_TRY(bind_key(find_, 1, key));
  SL_TRY(const bool found, find_.step());
  if (!found) {
    find_.reset();
    return static_cast<const StoredRow*>(nullptr);
  }
  load(find_);
  scratch_.clear();
  for (std::size_t i = 0; i < table_.key.size(); ++i) {
    write_value(scratch_, row_.values[i]);
  }
  if (!equal_bytes(scratch_.bytes(), key)) {
    find_.reset();
    return static_cast<const StoredRow*>(nullptr);
  }
  if (table_.without_rowid) {
    Statement numbered;
    SL_TRY(numbered, connection_.prepare("SELECT rid FROM syncline_keys_" +
                                         std::to_string(table_.id) + " WHERE key = ?1"));
    numbered.bind_blob(1, key);
    SL_TRY(const bool known, numbered.step());
    row_.row = known ? numbered.column_int(0) : 0;
  }
  return static_cast<const StoredRow*>(&row_);
}

Result<std::optional<RowId>> TableAccess::find_row(Bytes key) {
  if (table_.without_rowid || table_.key_collated) {
    SL_TRY(const StoredRow* stored, find(key));
    const std::optional<RowId> row =
        stored == nullptr ? std::nullopt : std::optional<RowId>(stored->row);
    find_.reset();
    return row;
  }
  if (!find_row_) {
    SL_TRY(find_row_, connection_.prepare_kept("SELECT t." + table_.rowid_name + " FROM main." +
                                               quote_identifier(table_.name) + " t WHERE " +
                                               key_condition(1)));
  }
  const ResetGuard guard(find_row_);
  SL_TRY(bind_key(find_row_, 1, key));
  if (!is_kept(table_, key_values_)) {
    return std::optional<RowId>();
  }
  SL_TRY(const bool found, find_row_.step());
  return found ? std::optional<RowId>(find_row_.column_int(0)) : std::nullopt;
}

Result<bool> TableAccess::insert(Bytes key, const ColumnSet& columns,
                                 std::span<const ValueView> values) {
  Shaped* shaped = nullptr;
  for (Shaped& candidate : inserts_) {
    if (candidate.columns == columns) {
      shaped = &candidate;
      break;
    }
  }
  if (shaped == nullptr) {
    std::string names;
    std::string parameters;
    int parameter = 0;
    for (const std::string& column : table_.key) {
      names += (names.empty() ? "" : ",") + quote_identifier(column);
      parameters += (parameters.empty() ? "?" : ",?") + std::to_string(++parameter);
    }
    columns.for_each([&](std::size_t column) {
      names += "," + quote_identifier(
                         table_.columns[static_cast<std::size_t>(table_.positions[column])].name);
      parameters += ",?" + std::to_string(++parameter);
    });
    std::string conflict;
    for (const std::string& column : table_.key) {
      conflict += (conflict.empty() ? "" : ",") + quote_identifier(column);
    }
    if (inserts_.size() >= shapes_kept) {
      inserts_.erase(inserts_.begin());
    }
    inserts_.push_back({columns, Statement()});
    shaped = &inserts_.back();
    auto prepared = connection_.prepare_kept(
        "INSERT " + or_abort() + "INTO main." + quote_identifier(table_.name) + "(" + names +
        ") VALUES(" + parameters + ") ON CONFLICT(" + conflict + ") DO NOTHING");
    if (!prepared) {
      inserts_.pop_back();
      return std::move(prepared).error();
    }
    shaped->statement = std::move(*prepared);
  }
  Statement& statement = shaped->statement;
  SL_TRY(int parameter, bind_key(statement, 1, key));
  if (!is_kept(table_, key_values_)) {
    return Error(ErrorCode::constraint,
                 "a key of another type than that of its column in table '" + table_.name + "'");
  }
  for (const ValueView& value : values) {
    statement.bind(parameter++, value);
  }
  SL_TRY(statement.run());
  return connection_.changes() > 0;
}

Result<void> TableAccess::update(RowId row, const ColumnSet& columns,
                                 std::span<const ValueView> values) {
  Shaped* shaped = nullptr;
  for (Shaped& candidate : updates_) {
    if (candidate.columns == columns) {
      shaped = &candidate;
      break;
    }
  }
  const int key_parameters = table_.without_rowid ? static_cast<int>(table_.key.size()) : 1;
  if (shaped == nullptr) {
    std::string sets;
    int parameter = key_parameters;
    columns.for_each([&](std::size_t column) {
      sets += (sets.empty() ? "" : ",") +
              quote_identifier(
                  table_.columns[static_cast<std::size_t>(table_.positions[column])].name) +
              "=?" + std::to_string(++parameter);
    });
    if (updates_.size() >= shapes_kept) {
      updates_.erase(updates_.begin());
    }
    updates_.push_back({columns, Statement()});
    shaped = &updates_.back();
    auto prepared = connection_.prepare_kept(
        "UPDATE " + or_abort() + "main." + quote_identifier(table_.name) + " AS t SET " + sets +
        " WHERE " + (table_.without_rowid ? key_condition(1) : "t." + table_.rowid_name + " = ?1"));
    if (!prepared) {
      updates_.pop_back();
      return std::move(prepared).error();
    }
    shaped->statement = std::move(*prepared);
  }
  SL_TRY(int parameter, bind_row(shaped->statement, row));
  for (const ValueView& value : values) {
    shaped->statement.bind(parameter++, value);
  }
  return shaped->statement.run();
}

Result<void> TableAccess::erase(RowId row) {
  if (!erase_) {
    SL_TRY(erase_,
           connection_.prepare_kept(
               "DELETE FROM main." + quote_identifier(table_.name) + " AS t WHERE " +
               (table_.without_rowid ? key_condition(1) : "t." + table_.rowid_name + " = ?1")));
  }
  SL_TRY(bind_row(erase_, row));
  return erase_.run();
}

std::string TableAccess::select_keys_sql() const {
  std::string keys;
  for (const std::string& column : table_.key) {
    keys += (keys.empty() ? "" : ",") + quote_identifier(column);
  }
  return "SELECT " + keys + " FROM main." + quote_identifier(table_.name) + " ORDER BY " + keys;
}

Result<Value> TableAccess::default_value(const TrackedColumn& column) const {
  if (column.default_sql.empty()) {
    return Value();
  }
  SL_TRY(Statement select, connection_.prepare("SELECT " + column.default_sql));
  SL_TRY(select.step());
  return Value(select.column(0));
}

}  // namespace syncline
