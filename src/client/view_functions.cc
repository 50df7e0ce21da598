#include "client/view_functions.h"

#include "base/json.h"
#include "base/value_json.h"
#include "client/log_tables.h"
#include "client/row_store.h"
#include "sqlite/function.h"

namespace syncline {
namespace {

Result<SqlValue> state_json(std::span<const ValueView> arguments) {
  Reader in(arguments[0].data);
  SL_TRY(const RowState state, read_row_state(in));
  std::string out = "{";
  for (const CellState& cell : state.cells) {
    out += out.size() == 1 ? "" : ",";
    append_json_string(out, cell.column);
    out += ":";
    append_value_json(out, cell.value.view());
  }
  out += "}";
  return out;
}

Result<SqlValue> log_tables(std::span<const ValueView> arguments) {
  LogTables tables;
  SL_TRY(add_log_tables(static_cast<LogForm>(arguments[0].integer), arguments[1].data, tables));
  std::string out = "[";
  for (const TableId id : tables.ids) {
    out += (out.size() == 1 ? "" : ",") + std::to_string(id);
  }
  for (const std::string& name : tables.names) {
    out += out.size() == 1 ? "" : ",";
    append_json_string(out, name);
  }
  out += "]";
  return out;
}

}  // namespace

Result<std::string> key_json(Bytes key) {
  SL_TRY(const auto values, key_values(key));
  std::string out = "[";
  for (const Value& value : values) {
    out += out.size() == 1 ? "" : ",";
    append_value_json(out, value.view());
  }
  out += "]";
  return out;
}

std::string events_json(std::span<const Event> events) {
  std::string out = "[";
  for (const Event& event : events) {
    out += out.size() == 1 ? "{\"name\":" : ",{\"name\":";
    append_json_string(out, event.name);
    out += ",\"at\":" + std::to_string(event.at_ms) + ",\"payload\":" + event.payload + "}";
  }
  out += "]";
  return out;
}

Result<void> register_view_functions(Connection connection, Events& events) {
  SL_TRY(register_function(connection, "syncline_queued_events", 0, Purity::pure,
                           [&events](std::span<const ValueView>) -> Result<SqlValue> {
                             events.start_queue();
                             const std::vector<Event> queued(events.queued().begin(),
                                                             events.queued().end());
                             return events_json(queued);
                           }));
  SL_TRY(register_function(connection, "syncline_key_json", 1, Purity::pure,
                           [](std::span<const ValueView> arguments) -> Result<SqlValue> {
                             SL_TRY(std::string key, key_json(arguments[0].data));
                             return key;
                           }));
  SL_TRY(register_function(connection, "syncline_state_json", 1, Purity::pure, state_json));
  return register_function(connection, "syncline_log_tables", 2, Purity::pure, log_tables);
}

}  // namespace syncline
