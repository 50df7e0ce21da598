#include "server/audit.h"

#include <cmath>
#include <string>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

std::string text_of(const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      return "null";
    case ValueType::integer:
      return std::to_string(value.integer);
    case ValueType::real:
      return format_double(value.real);
    case ValueType::text:
      return to_valid_utf8(value.text());
    case ValueType::blob:
      return to_base64(value.data);
  }
  return "";
}

void append_json_value(std::string& out, const ValueView& value) {
  if (value.type == ValueType::text || value.type == ValueType::blob) {
    append_json_string(out, text_of(value));
  } else if (value.type == ValueType::real && !std::isfinite(value.real)) {
    out += "\"" + format_double(value.real) + "\"";  // JSON knows no such number
  } else if (value.type == ValueType::real) {
    out += format_js_number(value.real);
  } else {
    out += text_of(value);
  }
}

}  // namespace

std::vector<AuditRow> audit_of(const Change& change) {
  std::vector<AuditRow> out;
  for (const RowEdit& edit : change.edits) {
    AuditRow row;
    row.type = edit.kind == EditKind::put   ? "CREATED"
               : edit.kind == EditKind::set ? "UPDATED"
                                            : "DELETED";
    row.table = edit.table;
    if (const auto values = key_values(edit.key.view())) {
      for (const Value& value : *values) {
        row.entity += (row.entity.empty() ? "" : "/") + text_of(value.view());
      }
    }
    row.data = "{";
    for (const CellEdit& cell : edit.cells) {
      row.data += row.data.size() > 1 ? "," : "";
      append_json_string(row.data, cell.column);
      row.data += ':';
      append_json_value(row.data, cell.value.view());
    }
    row.data += '}';
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace syncline
