#include "client/collections.h"

#include "sqlite/savepoint.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// True when a table `name` is there and can hold documents; false when there is none.
Result<bool> is_collection(Connection connection, const std::string& name) {
  SL_TRY(Statement columns, connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1, "
                                               "'main') ORDER BY cid"));
  columns.bind_text(1, name);
  bool exists = false;
  bool has_id = false;
  bool has_doc = false;
  for (;;) {
    SL_TRY(const bool row, columns.step());
    if (!row) {
      break;
    }
    exists = true;
    const bool is_key = columns.column_int(1) > 0;
    has_id = has_id || (is_key && columns.column_text(0) == "id");
    has_doc = has_doc || (!is_key && columns.column_text(0) == "doc");
    if (is_key && columns.column_text(0) != "id") {
      has_id = false;
      break;
    }
  }
  if (exists && !(has_id && has_doc)) {
    return Error(
        ErrorCode::already_exists,
        "'" + name + "' exists and is no collection: a collection has the key id and a column doc");
  }
  return exists;
}

}  // namespace

Result<void> make_collection(Engine& engine, const std::string& name) {
  if (name.empty() || name.size() > limits::name_bytes_max ||
      name.find('\0') != std::string::npos) {
    return Error(ErrorCode::invalid_argument, "a collection's name has 1 to " +
                                                  std::to_string(limits::name_bytes_max) +
                                                  " bytes and no NUL");
  }
  const Connection connection = engine.connection();
  SL_TRY(Savepoint savepoint, Savepoint::to_write(connection));
  SL_TRY(const bool exists, is_collection(connection, name));
  if (!exists) {
    SL_TRY(connection.execute("CREATE TABLE main." + quote_identifier(name) +
                              "(id TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL "
                              "CHECK(json_valid(doc)))"));
  }
  TrackOptions options;
  options.column_rules["doc"] = MergeRule::json;
  SL_TRY(engine.track(name, options));
  return savepoint.release();
}

}  // namespace syncline
