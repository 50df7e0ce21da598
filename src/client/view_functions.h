#pragma once

#include <span>
#include <string>

#include "client/events.h"
#include "sqlite/connection.h"

namespace syncline {

// SQL functions that decode our stored bytes, for the views of own_views_sql(). Every connection
// that opens a replica needs them: SQLite looks through all views when a table is renamed, and
// refuses when one names a function that is not there.
//
//   syncline_queued_events()          events not drained yet as a JSON array; starts the queue
//   syncline_key_json(key)            a row's key as a JSON array
//   syncline_state_json(state)        a held row's columns as a JSON object
//   syncline_log_tables(form, body)   the tables of a piece of the log as a JSON array: ids of
//                                     syncline_tables, or names where the change travels by name
Result<void> register_view_functions(Connection connection, Events& events);

// A row's key as a JSON array.
Result<std::string> key_json(Bytes key);
// Events as a JSON array of {"name","at","payload"}.
std::string events_json(std::span<const Event> events);

}  // namespace syncline
