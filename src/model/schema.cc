#include "model/schema.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/sort.h"

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

Result<void> check_table(const TableSchema& ours, const TableSchema& theirs) {
  if (ours.key != theirs.key) {
    return mismatch(ours, "the primary key is " + key_text(ours) + " here and " + key_text(theirs) +
                              " on the other side");
  }
  for (const ColumnSchema& column : ours.columns) {
    const ColumnSchema* other = theirs.find(column.name);
    if (other == nullptr) {
      continue;
    }
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
  for (const TableSchema& table : canonical_schema(ours).tables) {
    const TableSchema* other = theirs.find(table.name);
    if (other != nullptr) {
      SL_TRY(check_table(table, *other));
    }
  }
  return {};
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
