#include "routes/delta_read.h"

#include <algorithm>
#include <map>

#include "base/base64.h"
#include "base/json.h"
#include "model/cell_content.h"
#include "routes/delta_values.h"
#include "wire/limits.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

bool is_ours(const std::string& table) { return table.rfind("syncline_", 0) == 0; }

// What a page says of one row.
struct Touched {
  ServerVersion version;
  Stamp stamp;
  ChangeSequence sequence;
  std::int64_t at_ms = 0;
  std::string user;
  // All of it, not only the columns below.
  bool is_whole = false;
  bool is_put = false;
  std::set<std::string> columns;
};
using TouchedRows = std::map<std::pair<std::string, RowKey>, Touched>;

class PageWriter {
 public:
  PageWriter(Workspace& workspace, const Schema& schema) : workspace_(workspace), schema_(schema) {}

  Result<void> add(const std::string& table, Bytes key, const Touched& touched,
                   const RowState& state) {
    if (!state.alive && state.life.is_zero()) {
      return {};  // cells that wait for their row
    }
    const TableSchema* known = schema_.find(table);
    std::string& out = page_.changes;
    out += page_.rows++ == 0 ? "" : ",";
    out += "{\"serverVersion\":" + std::to_string(touched.version.get()) + ",\"changeId\":\"" +
           touched.stamp.replica.hex() + ":" + std::to_string(touched.sequence.get()) +
           "\",\"type\":\"" +
           (!state.alive     ? "DELETED"
            : touched.is_put ? "CREATED"
                             : "UPDATED") +
           "\",\"entityType\":";
    append_json_string(out, table);
    out += ",\"entityId\":";
    append_json_string(out, entity_from_key(known, key));
    out += ",\"data\":{";
    bool first = true;
    for (const CellState& cell : state.cells) {
      if (!state.alive || (!touched.is_whole && touched.columns.count(cell.column) == 0)) {
        continue;
      }
      // One that cannot be shown is not in the way of the others.
      const auto value = cell_value(cell);
      out += first ? "" : ",";
      first = false;
      append_json_string(out, cell.column);
      out += ':';
      append_cell_json(out, known == nullptr ? nullptr : known->find(cell.column),
                       value ? value->view() : ValueView());
    }
    out += "},\"timestamp\":" + std::to_string(touched.at_ms);
    SL_TRY(const std::string device, device_of(touched.stamp.replica));
    out += ",\"deviceId\":";
    append_json_string(out, device);
    out += ",\"user\":";
    append_json_string(out, touched.user);
    out += "}";
    return {};
  }

  DeltaPage& page() { return page_; }

 private:
  // The name that a device gave itself; a replica's id where it has none.
  Result<std::string> device_of(const ReplicaId& replica) {
    const auto [at, is_new] = devices_.try_emplace(replica);
    if (is_new) {
      SL_TRY(const auto named, workspace_.store().find_device(workspace_.id(), replica));
      at->second = named ? named->name : replica.hex();
    }
    return at->second;
  }

  Workspace& workspace_;
  const Schema& schema_;
  std::map<ReplicaId, std::string> devices_;
  DeltaPage page_;
};

void touch(TouchedRows& rows, const LogEntry& entry, const RowEdit& edit) {
  Touched& row = rows[{edit.table, edit.key}];
  row.version = entry.version;
  row.stamp = entry.stamp;
  row.sequence = entry.sequence;
  row.at_ms = entry.at_ms;
  row.user = entry.user;
  row.is_whole = row.is_whole || edit.kind != EditKind::set;
  row.is_put = row.is_put || edit.kind == EditKind::put;
  for (const CellEdit& cell : edit.cells) {
    row.columns.insert(cell.column);
  }
}

Result<DeltaPage> read_log(Workspace& workspace, const DeltaAsk& ask, const Schema& schema) {
  TouchedRows rows;
  ServerVersion through = ask.known;
  std::size_t bytes = 0;
  SL_TRY(workspace.store().for_each_entry(
      workspace.id(), ask.known, workspace.head(), [&](LogEntry& entry) -> Result<bool> {
        through = entry.version;
        // What is skipped was read, too.
        for (const ByteVector& part : entry.parts) {
          bytes += part.size();
        }
        if (ask.own.count(entry.stamp.replica) != 0 || ask.own_versions.count(entry.version) != 0) {
          return bytes < ask.bytes_max;
        }
        const std::vector<Bytes> parts(entry.parts.begin(), entry.parts.end());
        SL_TRY(const Change change, shown_by_parts(parts));
        for (const RowEdit& edit : change.edits) {
          if (!is_ours(edit.table)) {
            touch(rows, entry, edit);
          }
        }
        return rows.size() < ask.rows_max && bytes < ask.bytes_max;
      }));
  std::vector<TouchedRows::const_iterator> order;
  for (auto at = rows.cbegin(); at != rows.cend(); ++at) {
    order.push_back(at);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](auto a, auto b) { return a->second.version < b->second.version; });
  PageWriter writer(workspace, schema);
  for (const auto& at : order) {
    SL_TRY(const auto row,
           workspace.store().find_row(workspace.id(), at->first.first, at->first.second.view()));
    if (row) {
      SL_TRY(writer.add(at->first.first, at->first.second.view(), at->second, row->state));
    }
  }
  writer.page().through = through;
  writer.page().has_more = through < workspace.head();
  return std::move(writer.page());
}

// Where a reader of the state stands: the version it began at, and the row it had last.
struct Place {
  ServerVersion version;
  std::string table;
  ByteVector key;
};

std::string cursor_of(const Place& place) {
  Writer out;
  out.varint(place.version.get());
  out.text(place.table);
  out.blob(place.key);
  return to_base64url(out.bytes());
}

Result<Place> place_of(const std::string& cursor) {
  SL_TRY(const ByteVector bytes, from_base64url(cursor));
  Reader in(bytes);
  Place out;
  SL_TRY(const std::uint64_t version, in.varint());
  out.version = ServerVersion(version);
  SL_TRY(const std::string_view table, in.text(limits::name_bytes_max));
  out.table = table;
  SL_TRY(const Bytes key, in.blob(limits::key_bytes_max));
  out.key = to_vector(key);
  SL_TRY(in.expect_end("a cursor"));
  return out;
}

Result<DeltaPage> read_state(Workspace& workspace, const DeltaAsk& ask, const Schema& schema) {
  Place place;
  place.version = workspace.head();
  if (!ask.cursor.empty()) {
    // One that does not read, or is older than the log, begins anew.
    const auto known = place_of(ask.cursor);
    if (known && known->version >= workspace.fence() && known->version <= workspace.head()) {
      place = *known;
    }
  }
  PageWriter writer(workspace, schema);
  const ServerVersion began = place.version;
  bool is_full = false;
  SL_TRY(const auto tables, workspace.store().totals(workspace.id()));
  for (const auto& [table, totals] : tables) {
    if (table < place.table || is_ours(table) || is_full) {
      continue;
    }
    const ByteVector after = table == place.table ? place.key : ByteVector();
    SL_TRY(workspace.store().for_each_row(
        workspace.id(), table, after, {}, [&](const ServerRow& row) -> Result<bool> {
          Touched touched;
          touched.version = began;
          touched.stamp = row.state.newest();
          touched.at_ms = static_cast<std::int64_t>(touched.stamp.ms());
          touched.is_whole = true;
          touched.is_put = true;
          if (row.state.alive) {
            SL_TRY(writer.add(row.table, row.key.view(), touched, row.state));
          }
          place.table = row.table;
          place.key = row.key.bytes;
          is_full =
              writer.page().rows >= ask.rows_max || writer.page().changes.size() >= ask.bytes_max;
          return !is_full;
        }));
  }
  DeltaPage& page = writer.page();
  page.has_more = is_full || began < workspace.head();
  page.through = is_full ? ServerVersion(0) : began;
  page.cursor = is_full ? cursor_of(place) : "";
  return std::move(page);
}

}  // namespace

Result<DeltaPage> read_delta(Workspace& workspace, const DeltaAsk& ask) {
  SL_TRY(const Schema schema, workspace.schema());
  if (ask.known.get() == 0 && workspace.fence().get() > 0) {
    return read_state(workspace, ask, schema);
  }
  if (ask.known < workspace.fence() || ask.known > workspace.head()) {
    DeltaPage page;
    page.is_gone = true;
    page.has_more = true;
    return page;
  }
  return read_log(workspace, ask, schema);
}

}  // namespace syncline
