#pragma once

#include <string>

#include "client/catalog.h"

namespace syncline {

// The SQL that taps a tracked table. AFTER triggers insert into a virtual table whose buffer joins
// the transaction (client/capture). What the columns of such a row mean:
//
//   c0  what happened (TapKind)     c1  old rowid     c2  new rowid
//   then for each key column, and after these for each other column: old value, new value
//
// Triggers fill only the columns that their kind needs; the others arrive as NULL. Every column
// costs at every row, so inserts into tables that have rowids go to a table that is shared and
// narrow:
//
//   c0  the tracked table and how many columns its own tap has (shared_tap_tag)
//   c1  the row's rowid     c2  the place of a key column that is NULL
enum class TapKind : int {
  inserted = 1,
  updated = 2,
  deleted = 3,
  // A row that an INSERT OR REPLACE or UPDATE OR REPLACE may be about to remove: SQLite fires no
  // delete trigger for it unless recursive triggers are on. It is a deletion only if the row is
  // gone afterwards, because the statement may still be ignored or become an upsert.
  may_vanish = 4,
};

inline constexpr int tap_fixed_columns = 3;
inline int tap_column_count(const TrackedTable& table) {
  return tap_fixed_columns + 2 * static_cast<int>(table.key.size() + table.columns.size());
}

inline constexpr std::size_t tap_old_column(std::size_t index) {
  return static_cast<std::size_t>(tap_fixed_columns) + 2 * index;
}
inline constexpr std::size_t tap_new_column(std::size_t index) { return tap_old_column(index) + 1; }

inline constexpr int shared_tap_columns = 3;
inline constexpr TableId shared_tap = 0;
inline constexpr int shared_tap_bits = 12;  // a table has 2,000 columns at the most
inline std::int64_t shared_tap_tag(const TrackedTable& table) {
  return (table.id << shared_tap_bits) | tap_column_count(table);
}

// Called before a row is inserted that may replace others: the table's id, the row's rowid (-1 when
// SQLite still has to choose it) and what rows_in_way_sql() looks for.
inline constexpr const char* in_way_function = "syncline_extension_in_way";

// Brings JSON documents into the spelling that every replica stores, in the statement that writes
// them.
inline constexpr const char* canonical_json_function = "syncline_json";

// What a document's column becomes when SQL sets it: a document that is set over another joins it,
// since the one that it was made from may be old. NULL in between ends the first.
inline constexpr const char* joined_document_function = "syncline_joined_doc";

// True when a row may be replaced by what runs now. Only then the rows in the way are looked up,
// which costs an insert a tenth of its time.
inline constexpr const char* may_replace_function = "syncline_extension_sees_replace";

// The rowids of the rows that share the rowid ?1, the key or a unique value with a row: ?2 and on,
// as in_way_function gets them.
std::string rows_in_way_sql(const TrackedTable& table);
std::string capture_triggers_sql(const TrackedTable& table);
std::string drop_capture_sql(TableId table);
// Feeds the rows that a table has already to its tap, as if they were inserted now.
std::string adopt_rows_sql(const TrackedTable& table);
// The same for one row, ?1; and the list of all rows: their rowids or numbers.
std::string adopt_row_sql(const TrackedTable& table);
std::string list_rows_sql(const TrackedTable& table);

// Views over our tables for people and programs to read.
std::string own_views_sql();

}  // namespace syncline
