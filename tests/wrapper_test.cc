#include <doctest/doctest.h>

#include <syncline.hpp>

namespace {

using syncline::Database;
using syncline::Rows;

void open_replica(Database& db) {
  REQUIRE(db.open(":memory:"));
  REQUIRE(db.exec("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v)"));
  REQUIRE(db.track("t", {"manual"}));
}

TEST_CASE("values go in and come out as they were") {
  Database db;
  open_replica(db);
  const syncline::Blob blob = {0, 1};
  REQUIRE(db.exec("INSERT INTO t VALUES(?1, ?2)", {"a", std::int64_t{7}}));
  REQUIRE(db.exec("INSERT INTO t VALUES(?1, ?2)", {"b", blob}));
  REQUIRE(db.exec("INSERT INTO t VALUES(?1, ?2)", {"c", 1.5}));
  auto rows = db.query("SELECT id, v FROM t WHERE id >= ?1 ORDER BY id", {"a"});
  REQUIRE(rows);
  CHECK(rows->name(1) == "v");
  REQUIRE(rows->next());
  CHECK(rows->text(0) == "a");
  CHECK(rows->integer(1) == 7);
  REQUIRE(rows->next());
  CHECK(rows->value(1) == syncline::SqlValue(blob));
  REQUIRE(rows->next());
  CHECK(rows->value(1) == syncline::SqlValue(1.5));
  CHECK_FALSE(rows->next());
  CHECK(rows->status().ok());
}

TEST_CASE("documents are edited, read and carried to a live copy") {
  Database db;
  REQUIRE(db.open(":memory:"));
  REQUIRE(db.exec("CREATE TABLE notes(id INTEGER PRIMARY KEY NOT NULL, body TEXT, page BLOB)"));
  REQUIRE(db.track("notes", {"body=text", "page=doc"}));
  REQUIRE(db.exec("INSERT INTO notes(id, body) VALUES(1, 'hello')"));
  const Database::Place body{"notes", {std::int64_t{1}}, "body"};
  const Database::Place page{"notes", {std::int64_t{1}}, "page"};
  REQUIRE(db.text_insert(body, 5, " world"));
  REQUIRE(db.text_delete(body, 0, 1));
  REQUIRE(db.text_format(body, 0, 4, R"({"em":true})"));
  std::string text;
  REQUIRE(db.text_delta(body, text));
  CHECK(text == R"([{"insert":"ello","attributes":{"em":true}},{"insert":" world"}])");
  syncline::Blob state;
  syncline::Blob update;
  REQUIRE(db.doc_state_vector(page, state));
  REQUIRE(db.doc_diff(body, state, update));
  REQUIRE(db.doc_apply(page, update));
  REQUIRE(db.doc_json(page, text));
  CHECK(text == R"({"text":"ello world"})");
  std::string name;
  REQUIRE(db.doc_name(page, name));
  CHECK_FALSE(name.empty());
  CHECK(db.text_insert(page, 0, "x").code() == SYNCLINE_INVALID_ARGUMENT);
}

TEST_CASE("errors carry their code and words") {
  Database db;
  open_replica(db);
  const syncline::Status status = db.track("nowhere");
  CHECK_FALSE(status.ok());
  CHECK(status.code() == SYNCLINE_NOT_FOUND);
  CHECK(std::string(status.name()) == "not_found");
  CHECK(status.text().find("nowhere") != std::string::npos);
  CHECK_FALSE(db.query("SELECT * FROM nowhere"));
  CHECK(db.last_error().text().find("nowhere") != std::string::npos);
}

TEST_CASE("two databases sync; live queries and events tell of it") {
  Database one;
  Database two;
  open_replica(one);
  open_replica(two);
  std::string last;
  int events = 0;
  std::uint64_t id = 0;
  two.on_event([&](std::string_view name, std::string_view payload) {
    ++events;
    CHECK(name.substr(0, 5) == "sync.");
    CHECK(payload.front() == '{');
  });
  REQUIRE(two.subscribe(
      "SELECT v FROM t ORDER BY id", {},
      [&](Rows rows) {
        last.clear();
        while (rows.next()) {
          last += rows.text(0) + ",";
        }
      },
      id));
  REQUIRE(one.exec("INSERT INTO t VALUES('a', 'x'), ('b', 'y')"));
  syncline::Blob changes;
  REQUIRE(one.changes(0, changes));
  syncline_report report{};
  REQUIRE(two.apply(changes, &report));
  CHECK(report.rows == 2);
  REQUIRE(two.poll());
  CHECK(last == "x,y,");
  CHECK(events > 0);
  two.unsubscribe(id);
  std::string digests[2];
  REQUIRE(one.digest(digests[0]));
  REQUIRE(two.digest(digests[1]));
  CHECK(digests[0] == digests[1]);
  std::string json;
  REQUIRE(two.status_json(json));
  CHECK(json.front() == '{');
}

TEST_CASE("a conflict is settled with a value") {
  Database one;
  Database two;
  open_replica(one);
  open_replica(two);
  syncline::Blob changes;
  REQUIRE(one.exec("INSERT INTO t VALUES('a', 'x')"));
  REQUIRE(one.changes(0, changes));
  REQUIRE(two.apply(changes));
  REQUIRE(one.exec("UPDATE t SET v = 'one'"));
  REQUIRE(two.exec("UPDATE t SET v = 'two'"));
  REQUIRE(two.changes(0, changes));
  REQUIRE(one.apply(changes));
  syncline_counts counts{};
  REQUIRE(one.counts(counts));
  CHECK(counts.conflicts == 1);
  std::string id;
  {
    auto rows = one.query("SELECT id FROM syncline_conflicts");
    REQUIRE(rows);
    REQUIRE(rows->next());
    id = rows->text(0);
  }
  CHECK_FALSE(one.resolve(id, "nonsense"));
  REQUIRE(one.resolve_with(id, "both"));
  REQUIRE(one.counts(counts));
  CHECK(counts.conflicts == 0);
}

}  // namespace
