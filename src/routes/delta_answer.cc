#include "routes/delta_answer.h"

#include "base/json.h"

namespace syncline {
namespace {

void append_rejected(std::string& out, const DeltaWritten& written) {
  out += "\"rejected\":[";
  bool first = true;
  for (const DeltaRefusal& one : written.refused) {
    out += first ? "{\"changeId\":" : ",{\"changeId\":";
    first = false;
    append_json_string(out, one.id);
    out += ",\"index\":" + std::to_string(one.index) + ",\"code\":";
    append_json_string(out, one.code);
    out += ",\"reason\":";
    append_json_string(out, one.reason);
    out += "}";
  }
  out += "]";
}

void append_conflicts(std::string& out, const DeltaWritten& written) {
  out += "\"conflicts\":[";
  bool first = true;
  for (const DeltaLanded& one : written.landed) {
    if (one.conflict.empty()) {
      continue;
    }
    out += first ? "{\"changeId\":" : ",{\"changeId\":";
    first = false;
    append_json_string(out, one.id);
    out += ",\"serverVersion\":" + std::to_string(one.version.get()) + ",";
    out.append(one.conflict, 1);
  }
  out += "]";
}

void append_accepted(std::string& out, const DeltaWritten& written) {
  out += "\"accepted\":[";
  bool first = true;
  for (const DeltaLanded& one : written.landed) {
    out += first ? "{\"changeId\":" : ",{\"changeId\":";
    first = false;
    append_json_string(out, one.id);
    out += ",\"serverVersion\":" + std::to_string(one.version.get()) +
           (one.is_repeated ? ",\"repeated\":true}" : "}");
  }
  out += "]";
}

}  // namespace

std::string delta_answer(const DeltaAnswer& answer) {
  static const DeltaWritten nothing;
  const DeltaWritten& written = answer.written == nullptr ? nothing : *answer.written;
  const DeltaPage& page = *answer.page;
  std::string out = "{\"newChanges\":[" + page.changes +
                    "],\"latestServerVersion\":" + std::to_string(page.through.get()) +
                    ",\"headVersion\":" + std::to_string(answer.head.get()) +
                    ",\"hasMore\":" + (page.has_more ? "true," : "false,");
  append_accepted(out, written);
  out += ",";
  append_conflicts(out, written);
  out += ",";
  append_rejected(out, written);
  out += ",\"lineage\":\"" + answer.lineage + "\",\"serverTime\":" + std::to_string(answer.now_ms);
  if (!page.cursor.empty()) {
    out += ",\"cursor\":\"" + page.cursor + "\"";
  }
  return out + (page.is_gone ? ",\"resync\":true}\n" : "}\n");
}

std::string migrate_answer(const DeltaWritten& written, ServerVersion head) {
  std::size_t duplicates = 0;
  for (const DeltaLanded& one : written.landed) {
    duplicates += one.is_repeated ? 1 : 0;
  }
  std::string out = "{\"migrated\":" + std::to_string(written.landed.size() - duplicates) +
                    ",\"duplicates\":" + std::to_string(duplicates) + ",";
  append_conflicts(out, written);
  out += ",";
  append_rejected(out, written);
  return out + ",\"latestServerVersion\":" + std::to_string(head.get()) + "}\n";
}

std::string push_answer(const DeltaWritten& written, ServerVersion head) {
  std::string out = "{\"ok\":true,\"serverVersion\":" + std::to_string(head.get()) + ",";
  append_rejected(out, written);
  return out + "}\n";
}

std::string delta_event(const DeltaAnswer& answer) {
  std::string out = "id: " + std::to_string(answer.page->through.get()) +
                    "\nevent: " + (answer.page->is_gone ? "resync" : "changes") + "\ndata: ";
  out += delta_answer(answer);  // one line
  return out + "\n";
}

void mark_deprecated(Reply& reply) {
  // RFC 9745; the moment is the beginning of 2026.
  reply.headers.push_back({"Deprecation", "@1767225600"});
  reply.headers.push_back({"Link", "</api/sync/v2>; rel=\"successor-version\""});
}

}  // namespace syncline
