#include "model/schema.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/digest.h"
#include "base/sort.h"
#include "base/text.h"

namespace syncline {
namespace {

constexpr std::uint8_t schema_format = 1;
constexpr std::uint8_t flag_not_null = 1;
constexpr std::uint8_t flag_default = 2;

template <typename Named>
const Named* find_named(const std::vector<Named>& all, std::string_view name) {
  const auto at =
      std::find_if(all.begin(), all.end(), [name](const Named& one) { return one.name == name; });
  return at == all.end() ? nullptr : &*at;
}

template <typename Named>
void sort_by_name(std::vector<Named>& all) {
  syncline::sort(all.begin(), all.end(),
                 [](const Named& a, const Named& b) { return a.name < b.name; });
}

// ASCII only, as SQLite compares type names.
std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') {
      c = static_cast<char>(c - 'a' + 'A');
    }
  }
  return out;
}

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

std::string key_text(const TableSchema& table) {
  std::string out = "(";
  for (const std::string& column : table.key) {
    out += (out.size() > 1 ? ", " : "") + column;
  }
  return out + ")";
}

Error mismatch(const TableSchema& table, const std::string& what) {
  return Error(ErrorCode::schema_mismatch, "table " + quoted(table.name) + ": " + what);
}

template <typename Named>
std::map<std::string, const Named*> by_folded_name(const std::vector<Named>& all) {
  std::map<std::string, const Named*> out;
  for (const Named& one : all) {
    out.emplace(folded_name(one.name), &one);
  }
  return out;
}

Result<void> check_spelling(const TableSchema& ours, const std::string& what,
                            const std::string& name, const std::string& other) {
  if (name == other) {
    return {};
  }
  return mismatch(ours, what + quoted(name) + " is spelled " + quoted(other) +
                            " on the other side, which is the same name to SQLite and another " +
                            "one to everybody else");
}

Result<void> check_table(const TableSchema& ours, const TableSchema& theirs) {
  SL_TRY(check_spelling(ours, "the name ", ours.name, theirs.name));
  if (ours.key != theirs.key) {
    return mismatch(ours, "the primary key is " + key_text(ours) + " here and " + key_text(theirs) +
                              " on the other side");
  }
  const auto others = by_folded_name(theirs.columns);
  for (const ColumnSchema& column : ours.columns) {
    const auto at = others.find(folded_name(column.name));
    if (at == others.end()) {
      continue;
    }
    const ColumnSchema* other = at->second;
    SL_TRY(check_spelling(ours, "column ", column.name, other->name));
    if (column.rule != other->rule) {
      return mismatch(ours, "column " + quoted(column.name) + " merges by the rule " +
                                quoted(merge_rule_name(column.rule)) + " here and by " +
                                quoted(merge_rule_name(other->rule)) + " on the other side");
    }
    const bool is_key = std::find(ours.key.begin(), ours.key.end(), column.name) != ours.key.end();
    if (is_key && affinity_of(column.type) != affinity_of(other->type)) {
      return mismatch(ours, "key column " + quoted(column.name) + " has the type " +
                                quoted(column.type) + " here and " + quoted(other->type) +
                                " on the other side, which store the same key differently");
    }
  }
  return {};
}

Result<void> check_count(const std::string& where, const std::string& what, std::size_t count,
                         std::size_t max) {
  if (count <= max) {
    return {};
  }
  return Error(ErrorCode::too_large, where + " would have " + std::to_string(count) + " " + what +
                                         "; " + std::to_string(max) + " is the most");
}

template <typename Named>
Result<void> check_names(const std::string& where, const std::vector<Named>& all) {
  std::set<std::string> seen;
  for (const Named& one : all) {
    if (!is_plain_name(one.name)) {
      return Error(ErrorCode::malformed, where + " has a name that is no text");
    }
    if (!seen.insert(folded_name(one.name)).second) {
      return Error(ErrorCode::malformed,
                   where + " has two names that SQLite takes for one: " + quoted(one.name));
    }
  }
  return {};
}

void encode_table(Writer& out, const TableSchema& table) {
  out.text(table.name);
  out.varint(table.columns.size());
  for (const ColumnSchema& column : table.columns) {
    out.text(column.name);
    out.text(column.type);
    out.u8(static_cast<std::uint8_t>((column.is_not_null ? flag_not_null : 0U) |
                                     (column.has_default ? flag_default : 0U)));
    out.u8(static_cast<std::uint8_t>(column.rule));
  }
  out.varint(table.key.size());
  for (const std::string& column : table.key) {
    out.text(column);
  }
}

void encode_tables(Writer& out, const Schema& schema) {
  const Schema canonical = canonical_schema(schema);
  out.varint(canonical.tables.size());
  for (const TableSchema& table : canonical.tables) {
    encode_table(out, table);
  }
}

// Names in one list rise, so that nothing stands twice and equal schemas have equal bytes.
template <typename Named>
Result<void> read_next_name(Reader& in, const std::vector<Named>& before, std::string& name) {
  SL_TRY(const std::string_view text, in.text(schema_name_bytes_max));
  name = std::string(text);
  if (!before.empty() && name <= before.back().name) {
    return Error(ErrorCode::malformed, "names in a schema are not in order");
  }
  return {};
}

Result<ColumnSchema> read_column(Reader& in, const TableSchema& table) {
  ColumnSchema column;
  SL_TRY(read_next_name(in, table.columns, column.name));
  SL_TRY(const std::string_view type, in.text(schema_name_bytes_max));
  column.type = std::string(type);
  SL_TRY(const std::uint8_t flags, in.u8());
  if (flags > (flag_not_null | flag_default)) {
    return Error(ErrorCode::malformed, "unknown flags of a column");
  }
  column.is_not_null = (flags & flag_not_null) != 0;
  column.has_default = (flags & flag_default) != 0;
  SL_TRY(const std::uint8_t rule, in.u8());
  if (rule > static_cast<std::uint8_t>(MergeRule::doc)) {
    return Error(ErrorCode::unsupported, "unknown merge rule " + std::to_string(rule));
  }
  column.rule = static_cast<MergeRule>(rule);
  return column;
}

Result<void> read_key(Reader& in, TableSchema& table) {
  SL_TRY(const std::uint64_t count, in.varint_at_most(table.columns.size()));
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(const std::string_view text, in.text(schema_name_bytes_max));
    std::string name(text);
    if (table.find(name) == nullptr ||
        std::find(table.key.begin(), table.key.end(), name) != table.key.end()) {
      return Error(ErrorCode::malformed, "a key names a column twice or one that is not there");
    }
    table.key.push_back(std::move(name));
  }
  if (table.key.empty()) {
    return Error(ErrorCode::malformed, "a table without a key");
  }
  return {};
}

}  // namespace

std::string folded_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return out;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= schema_name_bytes_max && is_utf8(name) &&
         name.find('\0') == std::string_view::npos;
}

Affinity affinity_of(std::string_view declared_type) {
  // SQLite's rules, in SQLite's order: https://www.sqlite.org/datatype3.html, section 3.1.
  const std::string type = upper(declared_type);
  const auto has = [&type](std::string_view part) { return type.find(part) != std::string::npos; };
  if (has("INT")) {
    return Affinity::integer;
  }
  if (has("CHAR") || has("CLOB") || has("TEXT")) {
    return Affinity::text;
  }
  if (has("BLOB") || type.empty()) {
    return Affinity::blob;
  }
  return has("REAL") || has("FLOA") || has("DOUB") ? Affinity::real : Affinity::numeric;
}

std::string_view affinity_name(Affinity affinity) {
  switch (affinity) {
    case Affinity::blob:
      return "blob";
    case Affinity::text:
      return "text";
    case Affinity::numeric:
      return "numeric";
    case Affinity::integer:
      return "integer";
    case Affinity::real:
      return "real";
  }
  return "unknown";
}

const ColumnSchema* TableSchema::find(std::string_view column) const {
  return find_named(columns, column);
}

const TableSchema* Schema::find(std::string_view table) const { return find_named(tables, table); }

Schema canonical_schema(Schema schema) {
  sort_by_name(schema.tables);
  for (TableSchema& table : schema.tables) {
    sort_by_name(table.columns);
  }
  return schema;
}

SchemaFingerprint schema_fingerprint(const Schema& schema) {
  Writer out;
  out.u8(schema_format);
  encode_tables(out, schema);
  const Sha256Digest digest = sha256(out.bytes());
  SchemaFingerprint fingerprint;
  std::copy_n(digest.begin(), fingerprint.bytes.size(), fingerprint.bytes.begin());
  return fingerprint;
}

Result<void> check_compatible(const Schema& ours, const Schema& theirs) {
  const auto others = by_folded_name(theirs.tables);
  for (const TableSchema& table : canonical_schema(ours).tables) {
    const auto at = others.find(folded_name(table.name));
    if (at != others.end()) {
      SL_TRY(check_table(table, *at->second));
    }
  }
  return {};
}

Result<void> check_schema(const Schema& schema) {
  SL_TRY(check_count("a schema", "tables", schema.tables.size(), schema_tables_max));
  SL_TRY(check_names("a schema", schema.tables));
  for (const TableSchema& table : schema.tables) {
    const std::string where = "table " + quoted(table.name);
    SL_TRY(check_count(where, "columns", table.columns.size(), schema_columns_max));
    SL_TRY(check_count(where, "key columns", table.key.size(), schema_key_columns_max));
    SL_TRY(check_names(where, table.columns));
  }
  Writer bytes;
  encode_schema(bytes, schema);
  return check_count("a schema", "bytes", bytes.size(), schema_bytes_max);
}

Schema merge_schemas(const Schema& ours, const Schema& theirs) {
  Schema out = ours;
  out.version = std::max(ours.version, theirs.version);
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < out.tables.size(); ++i) {
    places.emplace(out.tables[i].name, i);
  }
  for (const TableSchema& table : theirs.tables) {
    const auto known = places.find(table.name);
    if (known == places.end()) {
      out.tables.push_back(table);
      continue;
    }
    std::vector<ColumnSchema>& columns = out.tables[known->second].columns;
    std::set<std::string> names;
    for (const ColumnSchema& column : columns) {
      names.insert(column.name);
    }
    for (const ColumnSchema& column : table.columns) {
      if (names.insert(column.name).second) {
        columns.push_back(column);
      }
    }
  }
  return canonical_schema(std::move(out));
}

void encode_schema(Writer& out, const Schema& schema) {
  out.u8(schema_format);
  out.varint(schema.version);
  encode_tables(out, schema);
}

Result<Schema> decode_schema(Reader& in) {
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != schema_format) {
    return Error(ErrorCode::unsupported, "unknown schema format " + std::to_string(format));
  }
  Schema schema;
  SL_TRY(const std::uint64_t version, in.varint_at_most(UINT32_MAX));
  schema.version = static_cast<std::uint32_t>(version);
  SL_TRY(const std::uint64_t tables, in.varint_at_most(schema_tables_max));
  for (std::uint64_t i = 0; i < tables; ++i) {
    TableSchema table;
    SL_TRY(read_next_name(in, schema.tables, table.name));
    SL_TRY(const std::uint64_t columns, in.varint_at_most(schema_columns_max));
    for (std::uint64_t j = 0; j < columns; ++j) {
      SL_TRY(ColumnSchema column, read_column(in, table));
      table.columns.push_back(std::move(column));
    }
    SL_TRY(read_key(in, table));
    schema.tables.push_back(std::move(table));
  }
  return schema;
}

}  // namespace syncline
