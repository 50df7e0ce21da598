#include "routes/delta_state.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "base/value_json.h"
#include "model/cell_content.h"
#include "routes/delta_values.h"

namespace syncline {
namespace {

Error wrong(std::string message) { return Error(ErrorCode::invalid_argument, std::move(message)); }

Result<void> read_tables(Json::Object& tables, DeltaState& out) {
  for (Json::Member& table : tables) {
    if (table.value.array() == nullptr) {
      return wrong("data holds an array of rows for each table");
    }
    for (Json& row : *table.value.array()) {
      const std::size_t index = out.rows.size() + out.refused.size();
      if (!is_delta_name(table.name) || row.object() == nullptr) {
        out.refused.push_back({"", index, "invalid_argument", "a row is an object in a table"});
        continue;
      }
      out.rows.push_back({table.name, std::move(row), index});
    }
  }
  return {};
}

Result<void> read_list(Json::Array& list, DeltaState& out) {
  for (Json& one : list) {
    const std::size_t index = out.rows.size() + out.refused.size();
    const Json* table = one.find("entityType");
    const Json* id = one.find("entityId");
    Json* data = one.find("data");
    if (table == nullptr || table->string() == nullptr || !is_delta_name(*table->string()) ||
        id == nullptr || data == nullptr || data->object() == nullptr) {
      out.refused.push_back(
          {"", index, "invalid_argument", "send {\"entityType\",\"entityId\",\"data\"}"});
      continue;
    }
    Json row = std::move(*data);
    row.set("id", *id);
    out.rows.push_back({*table->string(), std::move(row), index});
  }
  return {};
}

void append_row(std::string& out, const TableSchema* table, Bytes key, const RowState& state) {
  out += "{";
  const auto values = key_values(key);
  for (std::size_t i = 0; values && i < values->size(); ++i) {
    out += i == 0 ? "" : ",";
    append_json_string(out, table != nullptr && i < table->key.size() ? table->key[i] : "id");
    out += ":";
    append_value_json(out, (*values)[i].view());
  }
  for (const CellState& cell : state.cells) {
    const auto value = cell_value(cell);
    out += ",";
    append_json_string(out, cell.column);
    out += ":";
    append_cell_json(out, table == nullptr ? nullptr : table->find(cell.column),
                     value ? value->view() : ValueView());
  }
  out += "}";
}

}  // namespace

Result<DeltaState> read_delta_state(std::string_view body) {
  SL_TRY(Json json, read_json(body, delta_json_limits()));
  DeltaState out;
  Json* data = json.find("data");
  data = data == nullptr ? json.find("entities") : data;
  if (const Json* device = json.find("deviceId");
      device != nullptr && device->string() != nullptr) {
    out.device = device->string()->substr(0, delta_id_bytes_max);
  }
  if (data != nullptr && data->object() != nullptr) {
    SL_TRY(read_tables(*data->object(), out));
  } else if (data != nullptr && data->array() != nullptr) {
    SL_TRY(read_list(*data->array(), out));
  } else {
    return wrong("send {\"data\":{\"notes\":[{\"id\":\"a\",\"body\":\"x\"}]}}");
  }
  if (out.rows.size() > delta_changes_max) {
    return Error(ErrorCode::too_large, std::to_string(out.rows.size()) + " rows; " +
                                           std::to_string(delta_changes_max) +
                                           " is the most in one request: send several");
  }
  return out;
}

Result<DeltaChange> change_of_row(const DeltaStateRow& row, const TableSchema* table,
                                  const std::string& device) {
  DeltaChange out;
  out.table = row.table;
  out.device = device;
  const std::vector<std::string> key =
      table == nullptr ? std::vector<std::string>{"id"} : table->key;
  Json::Array values;
  for (const std::string& name : key) {
    const Json* value = row.row.find(name);
    if (value == nullptr && key.size() == 1) {
      value = row.row.find("id");
    }
    if (value == nullptr || value->is_null()) {
      return wrong("the row lacks its key, " + name);
    }
    values.push_back(*value);
  }
  const Json& first = values.front();
  out.entity = key.size() == 1 && first.string() != nullptr ? *first.string()
               : key.size() == 1 && first.as_int64()        ? std::to_string(*first.as_int64())
                                                            : write_json(Json(values));
  if (out.entity.empty() || out.entity.size() > delta_entity_bytes_max) {
    return wrong("a key must not be empty or longer than " +
                 std::to_string(delta_entity_bytes_max) + " bytes");
  }
  for (const Json::Member& one : *row.row.object()) {
    const bool is_key = std::find(key.begin(), key.end(), one.name) != key.end();
    if (!is_key && !(key.size() == 1 && one.name == "id" && row.row.find(key[0]) == nullptr)) {
      out.data.set(one.name, one.value);
    }
  }
  Writer content;
  content.text(out.table);
  content.text(out.entity);
  content.text(write_canonical_json(out.data));
  out.id = "state:" + to_hex(sha256(content.bytes()));
  out.hash = hash_of(out);
  return out;
}

Result<bool> leave_what_is_new(DeltaEdit& edit, const DeltaChange& change, const DeltaRow& row,
                               DeltaStateMode mode) {
  std::string fields;
  std::vector<CellEdit> left;
  for (CellEdit& cell : edit.edit.cells) {
    const CellState* present = row.state->find(cell.column);
    Value theirs;
    if (present != nullptr) {
      SL_TRY(theirs, cell_value(*present));
    }
    if (cell.form == CellForm::plain && cell.value == theirs) {
      continue;
    }
    if (mode == DeltaStateMode::fill && !theirs.is_null()) {
      const ColumnSchema* column = row.table->find(cell.column);
      fields += fields.empty() ? "" : ",";
      append_json_string(fields, cell.column);
      fields += ":{\"yours\":";
      append_cell_json(fields, column, cell.value.view());
      fields += ",\"theirs\":";
      append_cell_json(fields, column, theirs.view());
      fields += "}";
      continue;
    }
    left.push_back(std::move(cell));
  }
  edit.edit.cells = std::move(left);
  edit.conflict.clear();
  if (!fields.empty()) {
    edit.conflict = "{\"entityType\":";
    append_json_string(edit.conflict, change.table);
    edit.conflict += ",\"entityId\":";
    append_json_string(edit.conflict, change.entity);
    edit.conflict += ",\"reason\":\"differs\",\"winner\":\"theirs\",\"fields\":{" + fields + "}}";
  }
  return edit.edit.cells.empty();
}

Result<std::string> state_answer(Workspace& workspace, std::size_t bytes_max) {
  SL_TRY(const Schema schema, workspace.schema());
  SL_TRY(const auto tables, workspace.store().totals(workspace.id()));
  std::string out = "{\"data\":{";
  bool first_table = true;
  for (const auto& [table, totals] : tables) {
    if (!is_delta_name(table)) {
      continue;
    }
    out += first_table ? "" : ",";
    first_table = false;
    append_json_string(out, table);
    out += ":[";
    bool first = true;
    SL_TRY(workspace.store().for_each_row(
        workspace.id(), table, {}, {}, [&](const ServerRow& row) -> Result<bool> {
          if (row.state.alive) {
            out += first ? "" : ",";
            first = false;
            append_row(out, schema.find(row.table), row.key.view(), row.state);
          }
          if (out.size() > bytes_max) {
            return Error(ErrorCode::too_large,
                         "the state is too large for one answer; use /api/sync/v2");
          }
          return true;
        }));
    out += "]";
  }
  return out + "},\"serverVersion\":" + std::to_string(workspace.head().get()) + "}\n";
}

}  // namespace syncline
