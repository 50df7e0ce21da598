#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "model/ids.h"
#include "model/schema.h"
#include "sqlite/database.h"

namespace syncline {

// Reads a log in an SQLite file that somebody else (a server, perhaps in another process) writes:
// for operators, audits and tests. Lines are JSON objects.
class LogReader {
 public:
  static Result<LogReader> open(const std::string& path);

  // From any thread: what is being read ends with `cancelled`.
  void interrupt() const { database_.connection().interrupt(); }

  using Line = std::function<Result<void>(std::string_view line)>;

  // The log in its order: {"seq","op","stamp","user","at_ms","tables":{table:[row...]}}, an edit as
  // {"kind","key","value"}. Fails with `not_found`.
  Result<void> dump(const std::string& workspace, const Line& line) const;

  struct AuditFilter {
    std::string workspace;
    std::int64_t since = 0;
    std::string device;  // its id or its name
    std::string user;
    std::string entity_type;
    std::string entity_id;
    std::int64_t count_max = -1;
    bool newest_first = false;
  };
  // {"change_id","device","user","type","entity_type","entity_id","data","time"}, and
  // "device_name" where a device has one.
  Result<void> audit(const AuditFilter& filter, const Line& line) const;

  Result<Json> workspaces() const;
  // With cursor, lag behind the head, and when each was last seen.
  Result<Json> devices(const std::string& workspace) const;
  // Changes and bytes of each day (UTC), the newest first.
  Result<Json> volume(const std::string& workspace) const;
  // The conflicts that are open, as the workspace's replicas recorded them.
  Result<Json> conflicts(const std::string& workspace) const;

  // What the authors of JSON changes were told of conflicts, with both values, the newest first.
  Result<Json> told_conflicts(const std::string& workspace) const;

  struct Space {
    std::int64_t id = 0;
    ServerVersion head;
    ServerVersion fence;
  };
  Result<Space> find(const std::string& workspace) const;

  // {"site_id","schema_name","schema_version","lineage","head","fence","fingerprint","schema"}: the
  // server's lineage is its site id, and the schema is model/schema's bytes as base64.
  Result<Json> meta(const std::string& workspace) const;
  Result<Schema> schema(const std::string& workspace) const;
  // The living rows of a table, by key.
  using Row = std::function<Result<void>(Bytes key, Bytes state)>;
  Result<void> rows(const Space& space, const std::string& table, const Row& row) const;

 private:
  explicit LogReader(Database database) : database_(std::move(database)) {}
  Database database_;
};

}  // namespace syncline
