#include "client/engine.h"

#include <doctest/doctest.h>

#include "sqlite/database.h"
#include "wire/state_part.h"

using namespace syncline;

namespace {

class TestClock final : public WallClock {
 public:
  std::int64_t now_ms() override { return now_ += 1; }
  void jump(std::int64_t ms) { now_ += ms; }

 private:
  std::int64_t now_ = 1'700'000'000'000;
};

// A database in memory with an engine, and short names for what tests do with it.
struct Device {
  explicit Device(std::uint64_t seed, TestClock& shared, const std::string& schema,
                  const std::vector<std::string>& rules = {})
      : clock(shared), random(seed) {
    auto opened = Database::open_memory();
    REQUIRE(opened);
    database.emplace(std::move(*opened));
    auto attached = Engine::attach({database->connection(), &clock, &random, true});
    REQUIRE(attached);
    engine = std::move(*attached);
    run(schema);
    track(rules);
  }
  ~Device() {
    engine->release();
    database.reset();
  }

  void track(const std::vector<std::string>& rules) {
    auto options = parse_track_options(rules);
    REQUIRE(options);
    const auto tracked = engine->track("t", *options);
    REQUIRE_MESSAGE(tracked, (tracked ? "" : tracked.error().message()));
  }
  void run(const std::string& sql) {
    const auto done = (*database)->execute(sql);
    REQUIRE_MESSAGE(done, (done ? sql : sql + ": " + done.error().message()));
  }
  std::string text(const std::string& sql) {
    auto found = (*database)->query_text(sql);
    REQUIRE_MESSAGE(found, (found ? sql : sql + ": " + found.error().message()));
    return found->value_or("(none)");
  }
  ByteVector changes(std::uint64_t since = 0) {
    auto file = engine->changes_since(LocalVersion(since));
    REQUIRE_MESSAGE(file, (file ? "" : file.error().message()));
    return *file;
  }
  ApplyReport apply(const ByteVector& file) {
    auto report = engine->apply_file(file);
    REQUIRE_MESSAGE(report, (report ? "" : report.error().message()));
    return *report;
  }
  void pull(Device& other) { apply(other.changes()); }
  std::string digest() {
    auto sum = engine->digest();
    REQUIRE(sum);
    return to_text(*sum);
  }
  Engine::Counts counts() {
    auto counts = engine->counts();
    REQUIRE(counts);
    return *counts;
  }
  LocalVersion version() {
    auto version = engine->version();
    REQUIRE(version);
    return *version;
  }

  TestClock& clock;
  SeededRandom random;
  std::unique_ptr<Engine> engine;
  std::optional<Database> database;
};

const std::string notes =
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, n INTEGER DEFAULT 0)";

}  // namespace

TEST_CASE("rows travel by a file of changes, both ways, and the sums agree") {
  TestClock clock;
  Device ann(1, clock, notes);
  Device bob(2, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3)");
  bob.run("INSERT INTO t VALUES('y', 'uno', NULL, 0)");
  bob.pull(ann);
  ann.pull(bob);
  CHECK(ann.text("SELECT group_concat(id || a, ',') FROM (SELECT * FROM t ORDER BY id)") ==
        "xone,yuno");
  CHECK(bob.text("SELECT group_concat(id || a, ',') FROM (SELECT * FROM t ORDER BY id)") ==
        "xone,yuno");
  CHECK(ann.digest() == bob.digest());
  CHECK(ann.apply(bob.changes()).changes == 0);
}

TEST_CASE("edits of different columns both stay, and of one column the later wins everywhere") {
  TestClock clock;
  Device ann(1, clock, notes);
  Device bob(2, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3)");
  bob.pull(ann);
  ann.run("UPDATE t SET a = 'ann'");
  bob.run("UPDATE t SET b = 'bob'");
  ann.run("UPDATE t SET n = 10");
  bob.run("UPDATE t SET n = 20");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT a || b || n FROM t") == "annbob20");
  CHECK(bob.text("SELECT a || b || n FROM t") == "annbob20");
  CHECK(ann.digest() == bob.digest());
}

TEST_CASE("a delete beats an older edit, and a new row of the same key begins clean") {
  TestClock clock;
  Device ann(1, clock, notes);
  Device bob(2, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3)");
  bob.pull(ann);
  bob.run("UPDATE t SET a = 'edit'");
  ann.run("DELETE FROM t");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT count(*) FROM t") == "0");
  CHECK(bob.text("SELECT count(*) FROM t") == "0");
  bob.run("INSERT INTO t(id, b) VALUES('x', 'again')");
  ann.pull(bob);
  CHECK(ann.text("SELECT coalesce(a, 'null') || b || n FROM t") == "nullagain0");
  CHECK(ann.digest() == bob.digest());
}

TEST_CASE("a counter adds up what was counted apart") {
  TestClock clock;
  Device ann(1, clock, notes, {"n=counter"});
  Device bob(2, clock, notes, {"n=counter"});
  ann.run("INSERT INTO t VALUES('x', '', '', 100)");
  bob.pull(ann);
  ann.run("UPDATE t SET n = n + 5");
  ann.run("UPDATE t SET n = n + 5");
  bob.run("UPDATE t SET n = n - 30");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT n FROM t") == "80");
  CHECK(bob.text("SELECT n FROM t") == "80");
  bob.run("UPDATE t SET n = n + 1");
  ann.pull(bob);
  ann.pull(bob);
  CHECK(ann.text("SELECT n FROM t") == "81");
  Device cat(3, clock, notes, {"n=counter"});
  cat.pull(ann);
  CHECK(cat.text("SELECT n FROM t") == "81");
  cat.run("UPDATE t SET n = n + 9");
  ann.run("UPDATE t SET n = n + 10");
  ann.pull(cat);
  cat.pull(ann);
  bob.pull(cat);
  CHECK(ann.text("SELECT n FROM t") == "100");
  CHECK(cat.text("SELECT n FROM t") == "100");
  CHECK(bob.text("SELECT n FROM t") == "100");
}

TEST_CASE("a document merges field by field and is stored in one spelling") {
  TestClock clock;
  Device ann(1, clock, notes, {"a=json"});
  Device bob(2, clock, notes, {"a=json"});
  ann.run("INSERT INTO t(id, a) VALUES('x', '{\"z\": 1, \"b\": {\"c\": [1, 2]}}')");
  CHECK(ann.text("SELECT a FROM t") == "{\"b\":{\"c\":[1,2]},\"z\":1}");
  bob.pull(ann);
  ann.run("UPDATE t SET a = json_set(a, '$.z', 2)");
  bob.run("UPDATE t SET a = json_set(a, '$.b.d', 'new')");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT a FROM t") == "{\"b\":{\"c\":[1,2],\"d\":\"new\"},\"z\":2}");
  CHECK(bob.text("SELECT a FROM t") == ann.text("SELECT a FROM t"));
}

TEST_CASE(
    "under rule manual both sides of a conflict are kept, and resolving closes it everywhere") {
  TestClock clock;
  Device ann(1, clock, notes, {"manual"});
  Device bob(2, clock, notes, {"manual"});
  ann.run("INSERT INTO t VALUES('x', 'base', '', 0)");
  bob.pull(ann);
  ann.run("UPDATE t SET a = 'from ann'");
  bob.run("UPDATE t SET a = 'from bob'");
  ann.pull(bob);
  bob.pull(ann);
  const auto listed = ann.engine->conflicts();
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  const ConflictRow& row = listed->front();
  CHECK(row.base == Value::text("base"));
  CHECK(row.winner == Value::text("from bob"));
  CHECK(row.loser == Value::text("from ann"));
  CHECK(bob.counts().conflicts == 1);
  REQUIRE(ann.engine->resolve(row.id, Resolution::mine, ValueView()));
  CHECK(ann.text("SELECT a FROM t") == "from ann");
  bob.pull(ann);
  CHECK(bob.text("SELECT a FROM t") == "from ann");
  CHECK(bob.counts().conflicts == 0);
  CHECK(ann.counts().conflicts == 0);
}

TEST_CASE("under rule manual two who wrote the same have no conflict") {
  TestClock clock;
  Device ann(1, clock, notes, {"manual"});
  Device bob(2, clock, notes, {"manual"});
  ann.run("INSERT INTO t VALUES('x', 'base', '', 0)");
  bob.pull(ann);
  for (Device* device : {&ann, &bob}) {
    device->engine->events().start_queue();
    device->run("UPDATE t SET a = 'the same'");
  }
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.counts().conflicts == 0);
  CHECK(bob.counts().conflicts == 0);
  for (const Event& event : ann.engine->events().drain(100)) {
    CHECK(event.name != event_name::conflict_detected);
  }
}

TEST_CASE("one conflict is one event, however many columns it has and however often it is told") {
  TestClock clock;
  Device ann(1, clock, notes);
  Device bob(2, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'base', '', 0)");
  bob.pull(ann);
  ann.engine->events().start_queue();
  ann.run("UPDATE t SET a = 'from ann', b = 'b of ann', n = 1");
  bob.run("UPDATE t SET a = 'from bob', b = 'b of bob', n = 2");
  ann.pull(bob);
  ann.pull(bob);
  std::vector<std::string> told;
  for (const Event& event : ann.engine->events().drain(100)) {
    if (event.name == event_name::conflict_detected) {
      told.push_back(event.payload);
    }
  }
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("\"columns\":[\"a\",\"b\",\"n\"]") != std::string::npos);
}

TEST_CASE("a key that SQLite chooses is warned of, and others are not") {
  TestClock clock;
  Device ann(1, clock, notes);
  CHECK(*ann.engine->tracking_warning("t") == "");
  for (const char* key : {"INTEGER PRIMARY KEY AUTOINCREMENT", "integer primary key"}) {
    Device bob(2, clock, "CREATE TABLE t(id " + std::string(key) + ", a)");
    CHECK(bob.engine->tracking_warning("t")->find("randomblob") != std::string::npos);
  }
  Device eve(3, clock, "CREATE TABLE t(id INTEGER PRIMARY KEY, a) WITHOUT ROWID");
  CHECK(*eve.engine->tracking_warning("t") == "");
}

TEST_CASE("what somebody has to look at is said beside the counts") {
  CHECK(Engine::attention_text({}) == "");
  CHECK(Engine::attention_text({5, 1, 2, 0}) == "1 change was refused, 2 rows are held");
  CHECK(Engine::attention_text({0, 0, 0, 1}) == "1 conflict is open");
}

TEST_CASE("rule row: the newest record wins whole, also over a delete") {
  TestClock clock;
  Device ann(1, clock, notes, {"row"});
  Device bob(2, clock, notes, {"row"});
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3)");
  bob.pull(ann);
  ann.run("DELETE FROM t");
  bob.run("UPDATE t SET a = 'kept'");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT a || b FROM t") == "kepttwo");
  CHECK(bob.text("SELECT a || b FROM t") == "kepttwo");
}

TEST_CASE("an unsent change is told exactly as it was, whatever was written over it") {
  TestClock clock;
  Device ann(1, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'first', 'b', 1)");
  ann.run("UPDATE t SET a = 'second'");
  ann.run("DELETE FROM t");
  ann.run("INSERT INTO t VALUES('x', 'third', 'c', 2)");
  ann.run("UPDATE t SET id = 'moved'");
  const auto waiting = ann.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(waiting);
  REQUIRE(waiting->size() == 5);
  const auto decoded = [&](std::size_t index) {
    auto change = decode_change((*waiting)[index].parts.at(0));
    REQUIRE(change);
    return *change;
  };
  CHECK(decoded(0).edits.at(0).cells.at(0).value == Value::text("first"));
  CHECK(decoded(1).edits.at(0).cells.at(0).value == Value::text("second"));
  CHECK(decoded(1).edits.at(0).cells.at(0).replaced == decoded(0).stamp);
  CHECK(decoded(2).edits.at(0).kind == EditKind::erase);
  CHECK(decoded(2).edits.at(0).replaced == decoded(1).stamp);
  CHECK(decoded(3).edits.at(0).cells.at(0).value == Value::text("third"));
  CHECK(decoded(3).edits.at(0).replaced == decoded(2).stamp);
  CHECK(decoded(4).edits.size() == 2);
}

TEST_CASE(
    "what the server refuses is kept with its reason, and the rows are what the server says") {
  TestClock clock;
  Device ann(1, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'good', 'b', 1)");
  const auto first = ann.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(first);
  REQUIRE(ann.engine->acknowledge(first->back().version));
  CHECK(ann.counts().pending == 0);
  ann.run("UPDATE t SET a = 'bad'");
  ann.run("UPDATE t SET b = 'fine'");
  const auto waiting = ann.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(waiting);
  REQUIRE(waiting->size() == 2);
  const Stamp made = first->front().stamp;
  const ValueView key[] = {ValueView::of(std::string_view("x"))};
  RowState row;
  row.life = made;
  row.alive = true;
  row.cells = {{"a", CellForm::plain, made, Value::text("good"), {}},
               {"b", CellForm::plain, made, Value::text("b"), {}},
               {"n", CellForm::plain, made, Value::integer(1), {}}};
  StatePartWriter states(made.replica);
  states.row("t", make_key(key).view(), row);
  const auto rejected = ann.engine->reject(
      {waiting->front().sequence, "not_allowed", "no such right", states.finish()});
  REQUIRE_MESSAGE(rejected, (rejected ? "" : rejected.error().message()));
  CHECK(*rejected);
  CHECK(ann.text("SELECT a || b FROM t") == "goodfine");
  CHECK(ann.counts().rejected == 1);
  const auto kept = ann.engine->rejected().list(10);
  REQUIRE(kept);
  REQUIRE(ann.engine->rejected().retry(kept->front().id));
  CHECK(ann.text("SELECT a FROM t") == "bad");
  CHECK(ann.counts().rejected == 0);
}

TEST_CASE(
    "a schema change keeps unsent work, clocks of a rebuilt table and cells that came early") {
  TestClock clock;
  Device ann(1, clock, notes);
  Device bob(2, clock,
             "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, n INTEGER DEFAULT 0, "
             "extra TEXT)");
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3), ('y', 'uno', 'due', 4)");
  ann.run("DELETE FROM t WHERE id = 'x'");
  ann.run("UPDATE t SET a = 'changed'");
  bob.run("INSERT INTO t VALUES('z', 'a', 'b', 1, 'early')");
  bob.pull(ann);
  ann.pull(bob);
  const std::string before = ann.digest();
  const auto begun = ann.engine->alter_begin();
  REQUIRE_MESSAGE(begun, (begun ? "" : begun.error().message()));
  ann.run("ALTER TABLE t RENAME TO old");
  ann.run("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, extra TEXT, b TEXT, n INTEGER DEFAULT 0)");
  ann.run("INSERT INTO t(id, b, n) SELECT id, b, n FROM old ORDER BY id DESC");
  ann.run("DROP TABLE old");
  const auto ended = ann.engine->alter_commit();
  REQUIRE_MESSAGE(ended, (ended ? "" : ended.error().message()));
  CHECK(ann.text("SELECT extra FROM t WHERE id = 'z'") == "early");
  const auto waiting = ann.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(waiting);
  REQUIRE(waiting->size() == 3);
  const auto change = decode_change(waiting->at(2).parts.at(0));
  REQUIRE(change);
  CHECK(change->edits.at(0).cells.at(0).value == Value::text("changed"));
  bob.run("UPDATE t SET b = 'later' WHERE id = 'y'");
  ann.pull(bob);
  CHECK(ann.text("SELECT b FROM t WHERE id = 'y'") == "later");
  ann.run("UPDATE t SET extra = 'new' WHERE id = 'y'");
  bob.pull(ann);
  CHECK(bob.text("SELECT extra FROM t WHERE id = 'y'") == "new");
  CHECK(bob.text("SELECT a FROM t WHERE id = 'y'") == "changed");
}

TEST_CASE("a row that a UNIQUE constraint refuses is held, and the older life keeps its place") {
  const std::string schema = "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE)";
  TestClock clock;
  Device ann(1, clock, schema);
  Device bob(2, clock, schema);
  ann.run("INSERT INTO t VALUES('a', 'same')");
  bob.run("INSERT INTO t VALUES('b', 'same')");
  bob.run("INSERT INTO t VALUES('c', 'other')");
  ann.pull(bob);
  bob.pull(ann);
  CHECK(ann.text("SELECT group_concat(id, '') FROM (SELECT id FROM t ORDER BY id)") == "ac");
  CHECK(bob.text("SELECT group_concat(id, '') FROM (SELECT id FROM t ORDER BY id)") == "ac");
  CHECK(ann.counts().held == 1);
  CHECK(bob.counts().held == 1);
  CHECK(ann.digest() == bob.digest());
  ann.run("UPDATE t SET name = 'free' WHERE id = 'a'");
  bob.pull(ann);
  CHECK(bob.text("SELECT group_concat(id, '') FROM (SELECT id FROM t ORDER BY id)") == "abc");
  const auto retried = ann.engine->retry_held();
  REQUIRE(retried);
  CHECK(*retried == 1);
  CHECK(ann.digest() == bob.digest());
}

TEST_CASE("unsent work survives by export and import, under its own identity, and is sent on") {
  TestClock clock;
  Device ann(1, clock, notes);
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3)");
  ann.run("UPDATE t SET a = 'uno'");
  const auto file = ann.engine->export_pending();
  REQUIRE(file);
  Device bob(2, clock, notes);
  const auto imported = bob.engine->import_pending(*file);
  REQUIRE_MESSAGE(imported, (imported ? "" : imported.error().message()));
  CHECK(bob.text("SELECT a FROM t") == "uno");
  CHECK(bob.counts().pending == 2);
  const auto waiting = bob.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(waiting);
  REQUIRE(waiting->size() == 2);
  CHECK(waiting->front().stamp.replica == *ann.engine->replica());
  CHECK(waiting->front().sequence == ChangeSequence(1));
  const auto again = bob.engine->import_pending(*file);
  REQUIRE(again);
  CHECK(again->changes == 0);
  CHECK(bob.counts().pending == 2);
}

TEST_CASE("a pruned log still tells everything, as a snapshot, with its tombs") {
  TestClock clock;
  Device ann(1, clock, notes, {"n=counter"});
  ann.run("INSERT INTO t VALUES('x', 'one', 'two', 3), ('y', '', '', 1)");
  ann.run("UPDATE t SET n = n + 1 WHERE id = 'x'");
  Device bob(2, clock, notes, {"n=counter"});
  bob.pull(ann);
  ann.run("DELETE FROM t WHERE id = 'y'");
  REQUIRE(ann.engine->acknowledge(ann.version()));
  clock.jump(std::int64_t{8} * 24 * 3600 * 1000);
  ann.run("UPDATE t SET a = 'new'");
  REQUIRE(ann.engine->collect_garbage(0));
  CHECK(ann.text("SELECT count(*) FROM syncline_log") == "1");
  Device cat(3, clock, notes, {"n=counter"});
  cat.pull(ann);
  bob.pull(ann);
  CHECK(cat.text("SELECT id || a || n FROM t") == "xnew4");
  CHECK(bob.text("SELECT id || a || n FROM t") == "xnew4");
  CHECK(cat.digest() == ann.digest());
  CHECK(bob.digest() == ann.digest());
}

TEST_CASE("rows that were written behind capture's back are found") {
  TestClock clock;
  Device ann(1, clock, notes);
  const bool before = ann.database->connection().set_triggers(false);
  CHECK(before);
  ann.run("INSERT INTO t VALUES('x', 'unseen', '', 0)");
  ann.database->connection().set_triggers(true);
  CHECK(ann.counts().pending == 0);
  const auto found = ann.engine->rescan();
  REQUIRE(found);
  CHECK(*found == 1);
  Device bob(2, clock, notes);
  bob.pull(ann);
  CHECK(bob.text("SELECT a FROM t") == "unseen");
}
