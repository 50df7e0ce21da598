#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/change.h"
#include "model/ids.h"

namespace syncline {

// What two replicas must agree on before they exchange rows.

inline constexpr std::size_t schema_tables_max = 4096;
inline constexpr std::size_t schema_columns_max = 2000;  // a table; SQLite's own limit
inline constexpr std::size_t schema_name_bytes_max = 1024;
inline constexpr std::size_t schema_key_columns_max = 64;               // of a table
inline constexpr std::size_t schema_bytes_max = std::size_t{1} << 20U;  // all of it, encoded

// A name as SQLite compares it: the letters A to Z without case, every other byte as it is.
std::string folded_name(std::string_view name);
// Whether a name can be told to everybody: UTF-8, neither empty nor with a zero byte in it.
bool is_plain_name(std::string_view name);

// What SQLite makes of values that are stored in a column; it follows from the declared type.
enum class Affinity : std::uint8_t { blob, text, numeric, integer, real };
Affinity affinity_of(std::string_view declared_type);
std::string_view affinity_name(Affinity affinity);

struct ColumnSchema {
  std::string name;
  std::string type;  // as declared; may be empty
  bool is_not_null = false;
  bool has_default = false;
  MergeRule rule = MergeRule::lww;

  friend bool operator==(const ColumnSchema&, const ColumnSchema&) = default;
};

struct TableSchema {
  std::string name;
  std::vector<ColumnSchema> columns;
  // Names of the primary key's columns, in the key's order.
  std::vector<std::string> key;

  const ColumnSchema* find(std::string_view column) const;
  friend bool operator==(const TableSchema&, const TableSchema&) = default;
};

// 128 bits of a SHA-256. Equal fingerprints mean equal tables.
using SchemaFingerprint = RandomId<struct SchemaFingerprintTag>;

struct Schema {
  // Counts the application's migrations; not part of the fingerprint.
  std::uint32_t version = 0;
  std::vector<TableSchema> tables;

  const TableSchema* find(std::string_view table) const;
  friend bool operator==(const Schema&, const Schema&) = default;
};

// The same schema with tables and columns sorted by the bytes of their names. Rows travel by
// column name, so the order in which an application made them means nothing.
Schema canonical_schema(Schema schema);

// The same for every order of tables and columns.
SchemaFingerprint schema_fingerprint(const Schema& schema);

// Whether rows may travel between the two. Tables and columns that only one side knows are fine
// (P8). Names are compared as SQLite does, and one that both know must be spelled alike: rows
// travel under it. A table that both know must have the same key, of the same affinities, and one
// merge rule a column: otherwise the two would name one row differently, or merge it differently.
// Fails with `schema_mismatch` and the first difference in words.
Result<void> check_compatible(const Schema& ours, const Schema& theirs);

// Whether a schema that was put together is one that everybody can read: within the limits above,
// names plain, and no two of one kind the same to SQLite. Fails with `too_large` or `malformed`.
Result<void> check_schema(const Schema& schema);

// All tables and columns that either knows; the two must be compatible. The bounds are the
// caller's to check.
Schema merge_schemas(const Schema& ours, const Schema& theirs);

// Canonical bytes: docs/storage.md, "Schema". The decoder accepts no other order, nothing twice,
// no key outside the columns.
void encode_schema(Writer& out, const Schema& schema);
Result<Schema> decode_schema(Reader& in);

}  // namespace syncline
