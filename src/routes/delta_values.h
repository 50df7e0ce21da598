#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "model/row_state.h"
#include "model/schema.h"
#include "model/value.h"
#include "model/value_codec.h"

namespace syncline {

// Values and keys between JSON and SQLite: docs/delta.md, "Values". What goes out reads back as the
// same value.

inline constexpr std::size_t delta_key_json_bytes_max = std::size_t{4} << 10U;
inline constexpr std::size_t delta_document_bytes_max = std::size_t{16} << 20U;

// Numbers without point and exponent are integers, true and false are 1 and 0, and what JSON has no
// form for comes as in base/value_json.h. Arrays and objects are their canonical text. Fails with
// `invalid_argument`.
Result<Value> value_from_json(const Json& json);
// What SQLite would make of the value in a column of that type, so that no replica stores another.
Value with_affinity(Value value, Affinity affinity);

// A row's primary key. A key of one text or integer column is that text or number; any other is a
// JSON array of the key's values. `table` may be null: then the key is one text.
Result<RowKey> key_from_entity(const TableSchema* table, const std::string& entity);
std::string entity_from_key(const TableSchema* table, Bytes key);

// A cell's value as it goes out; documents of rule `json` as JSON, not as text.
void append_cell_json(std::string& out, const ColumnSchema* column, const ValueView& value);

// Whether so far only this door has spoken of the table, so that whatever columns it names exist.
bool is_open_table(const TableSchema& table);
// The table as this door makes it up: one text key.
TableSchema open_table(const std::string& name);

}  // namespace syncline
