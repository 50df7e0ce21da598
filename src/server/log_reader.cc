#include "server/log_reader.h"

#include <map>

#include "base/base64.h"
#include "base/text.h"
#include "base/value_json.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

const char* kind_name(EditKind kind) {
  switch (kind) {
    case EditKind::put:
      return "put";
    case EditKind::set:
      return "set";
    case EditKind::erase:
      return "del";
  }
  return "";
}

Result<void> append_edit(std::string& out, const RowEdit& edit) {
  out += std::string("{\"kind\":\"") + kind_name(edit.kind) + "\",\"key\":[";
  SL_TRY(const std::vector<Value> key, key_values(edit.key.view()));
  for (std::size_t i = 0; i < key.size(); ++i) {
    out += i == 0 ? "" : ",";
    append_value_json(out, key[i].view());
  }
  out += "],\"value\":{";
  for (std::size_t i = 0; i < edit.cells.size(); ++i) {
    out += i == 0 ? "" : ",";
    append_json_string(out, edit.cells[i].column);
    out += ":";
    append_value_json(out, edit.cells[i].value.view());
  }
  out += "}}";
  return {};
}

Result<void> append_tables(std::string& out, const Change& change) {
  std::map<std::string, std::string> tables;
  for (const RowEdit& edit : change.edits) {
    std::string& rows = tables[edit.table];
    rows += rows.empty() ? "" : ",";
    SL_TRY(append_edit(rows, edit));
  }
  bool first = true;
  for (const auto& [table, rows] : tables) {
    out += first ? "" : ",";
    first = false;
    append_json_string(out, table);
    out += ":[" + rows + "]";
  }
  return {};
}

// A statement's rows as a list of objects, named as its columns are.
Result<Json> rows_of(Statement& rows) {
  Json::Array out;
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return Json(std::move(out));
    }
    Json row;
    for (int i = 0; i < rows.column_count(); ++i) {
      const ValueView value = rows.column(i);
      Json shown;
      if (value.type == ValueType::integer) {
        shown = Json::integer(value.integer);
      } else if (value.type == ValueType::text) {
        shown = Json(to_valid_utf8(value.text()));
      } else if (value.type == ValueType::blob) {
        shown = Json(to_hex(value.data));
      }
      row.set(rows.column_name(i), std::move(shown));
    }
    out.push_back(std::move(row));
  }
}

}  // namespace

Result<LogReader> LogReader::open(const std::string& path) {
  OpenOptions options;
  options.create = false;
  options.read_only = true;
  SL_TRY(Database database, Database::open(path, options));
  SL_TRY(database->query_int("SELECT count(*) FROM workspaces"));
  return LogReader(std::move(database));
}

Result<LogReader::Space> LogReader::find(const std::string& workspace) const {
  SL_TRY(Statement row,
         database_->prepare("SELECT id, head, fence FROM workspaces WHERE name = ?1"));
  row.bind_text(1, workspace);
  SL_TRY(const bool found, row.step());
  if (!found) {
    return Error(ErrorCode::not_found, "there is no workspace of that name here");
  }
  return Space{row.column_int(0), ServerVersion(static_cast<std::uint64_t>(row.column_int(1))),
               ServerVersion(static_cast<std::uint64_t>(row.column_int(2)))};
}

Result<void> LogReader::dump(const std::string& workspace, const Line& line) const {
  SL_TRY(const Space space, find(workspace));
  SL_TRY(Statement rows, database_->prepare("SELECT version, user, at_ms, parts, body FROM log "
                                            "WHERE workspace = ?1 ORDER BY version"));
  SL_TRY(Statement more, database_->prepare("SELECT body FROM log_parts WHERE workspace = ?1 AND "
                                            "version = ?2 ORDER BY part"));
  rows.bind(1, space.id);
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return {};
    }
    std::vector<ByteVector> parts{to_vector(rows.column_blob(4))};
    more.bind(1, space.id).bind(2, rows.column_int(0));
    for (;;) {
      SL_TRY(const bool another, more.step());
      if (!another) {
        break;
      }
      parts.push_back(to_vector(more.column_blob(0)));
    }
    more.reset();
    const std::vector<Bytes> views(parts.begin(), parts.end());
    SL_TRY(const Change change, shown_by_parts(views));
    std::string out = "{\"seq\":" + std::to_string(rows.column_int(0)) + ",\"op\":\"" +
                      change.stamp.replica.hex() + ":" + std::to_string(change.sequence.get()) +
                      "\",\"stamp\":\"" + to_text(change.stamp) + "\",\"user\":";
    append_json_string(out, rows.column_text(1));
    out += ",\"at_ms\":" + std::to_string(rows.column_int(2)) + ",\"tables\":{";
    SL_TRY(append_tables(out, change));
    out += "}}";
    SL_TRY(line(out));
  }
}

Result<void> LogReader::audit(const AuditFilter& filter, const Line& line) const {
  SL_TRY(find(filter.workspace));
  SL_TRY(Statement rows,
         database_->prepare(
             std::string(
                 "SELECT change_id, device, user, type, entity_type, entity_id, data, time, "
                 "device_name FROM audit WHERE workspace = ?1 AND change_id > ?2 AND (?3 = '' OR "
                 "device = ?3 OR device_name = ?3) AND (?7 = '' OR user = ?7) AND (?4 = '' OR "
                 "entity_type = ?4) AND (?5 = '' OR "
                 "entity_id = ?5) ORDER BY change_id ") +
             (filter.newest_first ? "DESC" : "ASC") + " LIMIT ?6"));
  rows.bind_text(1, filter.workspace)
      .bind(2, filter.since)
      .bind_text(3, filter.device)
      .bind_text(4, filter.entity_type)
      .bind_text(5, filter.entity_id)
      .bind(6, filter.count_max)
      .bind_text(7, filter.user);
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return {};
    }
    std::string out = "{\"change_id\":" + std::to_string(rows.column_int(0));
    constexpr const char* members[] = {"device", "user", "type", "entity_type", "entity_id"};
    for (int i = 0; i < 5; ++i) {
      out += std::string(",\"") + members[i] + "\":";
      append_json_string(out, rows.column_text(i + 1));
    }
    out += ",\"data\":" + std::string(rows.column_text(6)) + ",\"time\":\"" +
           std::string(rows.column_text(7)) + "\"";
    if (!rows.column(8).is_null()) {
      out += ",\"device_name\":";
      append_json_string(out, rows.column_text(8));
    }
    out += "}";
    SL_TRY(line(out));
  }
}

Result<Json> LogReader::workspaces() const {
  SL_TRY(Statement rows,
         database_->prepare(
             "SELECT w.name AS workspace, w.head, w.fence, coalesce(sum(t.rows), 0) AS rows, "
             "coalesce(sum(t.bytes), 0) AS bytes, (SELECT count(*) FROM replicas r WHERE "
             "r.workspace = w.id) AS devices FROM workspaces w LEFT JOIN totals t ON t.workspace = "
             "w.id GROUP BY w.id ORDER BY w.name LIMIT 10000"));
  return rows_of(rows);
}

Result<Json> LogReader::devices(const std::string& workspace) const {
  SL_TRY(const Space space, find(workspace));
  SL_TRY(Statement rows,
         database_->prepare(
             "SELECT lower(hex(replica)) AS device, user, cursor, ?2 - cursor AS lag, "
             "last_sequence, strftime('%Y-%m-%dT%H:%M:%fZ', seen_ms / 1000.0, 'unixepoch') AS "
             "last_seen FROM replicas WHERE workspace = ?1 ORDER BY seen_ms DESC LIMIT 10000"));
  rows.bind(1, space.id).bind(2, static_cast<std::int64_t>(space.head.get()));
  return rows_of(rows);
}

Result<Json> LogReader::volume(const std::string& workspace) const {
  SL_TRY(const Space space, find(workspace));
  SL_TRY(Statement rows,
         database_->prepare("SELECT date(at_ms / 1000, 'unixepoch') AS day, count(*) AS changes, "
                            "sum(length(body)) AS bytes FROM log WHERE workspace = ?1 GROUP BY day "
                            "ORDER BY day DESC LIMIT 400"));
  rows.bind(1, space.id);
  return rows_of(rows);
}

Result<Json> LogReader::conflicts(const std::string& workspace) const {
  SL_TRY(const Space space, find(workspace));
  // Conflicts are rows that sync; the newest word about each tells whether it is open.
  SL_TRY(Statement rows,
         database_->prepare(
             "SELECT a.entity_id AS conflict, a.device, a.user, a.data, max(a.version) AS "
             "change_id FROM audit_rows a WHERE a.workspace = ?1 AND a.entity_type = "
             "'syncline_conflict_rows' GROUP BY a.entity_id HAVING a.type = 'CREATED' ORDER BY "
             "change_id DESC LIMIT 1000"));
  rows.bind(1, space.id);
  return rows_of(rows);
}

Result<Json> LogReader::told_conflicts(const std::string& workspace) const {
  SL_TRY(find(workspace));
  SL_TRY(Statement rows,
         database_->prepare("SELECT change_id, user, author_change_id, entity_type, entity_id, "
                            "reason, winner, fields FROM audit_conflicts WHERE workspace = ?1 "
                            "ORDER BY change_id DESC LIMIT 1000"));
  rows.bind_text(1, workspace);
  SL_TRY(Json out, rows_of(rows));
  for (Json& row : *out.array()) {
    SL_TRY(Json fields, read_json(*row.find("fields")->string()));
    row.set("fields", std::move(fields));
  }
  return out;
}

Result<Schema> LogReader::schema(const std::string& workspace) const {
  SL_TRY(const Space space, find(workspace));
  SL_TRY(Statement row, database_->prepare("SELECT schema FROM workspaces WHERE id = ?1"));
  row.bind(1, space.id);
  SL_TRY(const bool found, row.step());
  if (!found || row.column_blob(0).empty()) {
    return Schema();
  }
  Reader in(row.column_blob(0));
  return decode_schema(in);
}

Result<Json> LogReader::meta(const std::string& workspace) const {
  SL_TRY(const Space space, find(workspace));
  SL_TRY(const Schema known, schema(workspace));
  SL_TRY(const auto lineage,
         database_->query_text("SELECT lower(hex(lineage)) FROM lineages ORDER BY number DESC"));
  Writer bytes;
  encode_schema(bytes, known);
  Json out;
  out.set("site_id", Json(lineage.value_or("")));
  out.set("schema_name", Json(workspace));
  out.set("schema_version", Json::integer(known.version));
  out.set("lineage", Json(lineage.value_or("")));
  out.set("head", Json::integer(static_cast<std::int64_t>(space.head.get())));
  out.set("fence", Json::integer(static_cast<std::int64_t>(space.fence.get())));
  out.set("fingerprint", Json(schema_fingerprint(known).hex()));
  out.set("schema", Json(to_base64(bytes.bytes())));
  return out;
}

Result<void> LogReader::rows(const Space& space, const std::string& table, const Row& row) const {
  SL_TRY(Statement select,
         database_->prepare("SELECT key, state FROM state_rows WHERE workspace = ?1 AND tbl = ?2 "
                            "AND alive = 1 ORDER BY key"));
  select.bind(1, space.id).bind_text(2, table);
  for (;;) {
    SL_TRY(const bool found, select.step());
    if (!found) {
      return {};
    }
    SL_TRY(row(select.column_blob(0), select.column_blob(1)));
  }
}

}  // namespace syncline
