#pragma once

#include "sqlite/connection.h"

namespace syncline {

// SQL functions that decode our stored bytes, for the views of own_views_sql(). They look at their
// arguments only. Every connection that opens a replica needs them: SQLite looks through all views
// when a table is renamed, and refuses when one names a function that is not there.
//
//   syncline_key_json(key)            a row's key as a JSON array
//   syncline_state_json(state)        a held row's columns as a JSON object
//   syncline_log_tables(form, body)   the tables of a piece of the log as a JSON array: ids of
//                                     syncline_tables, or names where the change travels by name
Result<void> register_view_functions(Connection connection);

}  // namespace syncline
