#include <cstdio>
#include <memory>

#include "client/change_file.h"
#include "client/replica_world.h"

using namespace syncline;

namespace {

// One replica for the whole run; what an input did is rolled back after it was looked at.
WorldReplica& replica() {
  static WorldReplica* made = [] {
    auto* out = new WorldReplica(1);
    SL_CHECK(out->run("PRAGMA foreign_keys = ON; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b NOT "
                      "NULL DEFAULT 1); CREATE TABLE u(k TEXT PRIMARY KEY, v UNIQUE, r REFERENCES "
                      "t(id)) WITHOUT ROWID; CREATE TABLE p(x, y COLLATE NOCASE, z, PRIMARY KEY(x, "
                      "y), CHECK(z IS NOT 13))")
                 .empty());
    for (const char* table : {"t", "u", "p"}) {
      SL_CHECK(out->track(table).empty());
    }
    SL_CHECK(out->run("INSERT INTO t VALUES(1, 2, 3); INSERT INTO u VALUES('k', 'v', 1); INSERT "
                      "INTO p VALUES(1, 'a', 5)")
                 .empty());
    return out;
  }();
  return *made;
}

}  // namespace

// The input is parts of changes, each behind its length; they come in a file whose hash fits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  WorldReplica& world = replica();
  ChangeFileWriter file;
  Reader in(Bytes(data, size));
  while (!in.at_end()) {
    const auto part = in.blob();
    if (!part || part->empty()) {
      break;
    }
    if (!file.part(*part)) {
      break;
    }
  }
  const std::vector<std::string> before = world.rows("SELECT * FROM t UNION ALL SELECT * FROM p");
  SL_CHECK(world.run("BEGIN").empty());
  const std::string error = world.apply(file.finish());
  SL_CHECK(!world.connection().autocommit());
  if (!error.empty()) {
    SL_CHECK(before == world.rows("SELECT * FROM t UNION ALL SELECT * FROM p"));
  } else {
    SL_CHECK(world.rows("PRAGMA foreign_key_check").empty());
  }
  const bool told = !world.changes().empty();
  if (!told) {
    std::fprintf(stderr, "cannot tell: %s\n", world.last_error().c_str());
  }
  SL_CHECK(told);
  SL_CHECK(world.run("ROLLBACK").empty());
  SL_CHECK(before == world.rows("SELECT * FROM t UNION ALL SELECT * FROM p"));
  return 0;
}
