// Whatever SQL does inside a transaction, what capture makes of it can be told and read, and makes
// the same rows elsewhere.
#include <doctest/doctest.h>

#include "client/replica_world.h"
#include "client/verify.h"

namespace syncline {
namespace {

// One table of each rule, with and without rowids.
struct Shape {
  const char* rules;
  const char* column;
};
const Shape shapes[] = {{"", "v INT DEFAULT 0"},         {"row", "v INT DEFAULT 0"},
                        {"manual", "v INT DEFAULT 0"},   {"v=counter", "v INT DEFAULT 0"},
                        {"v=json", "v TEXT DEFAULT ''"}, {"v=text", "v TEXT DEFAULT ''"}};
const char* const keys[] = {
    "id TEXT PRIMARY KEY NOT NULL", "id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL",
    "id INTEGER PRIMARY KEY NOT NULL", "id BLOB PRIMARY KEY ON CONFLICT REPLACE NOT NULL"};
const char* const actions[] = {"ON DELETE CASCADE", "ON DELETE SET NULL ON UPDATE CASCADE",
                               "ON UPDATE CASCADE ON DELETE CASCADE",
                               "ON DELETE SET DEFAULT ON UPDATE SET NULL", "ON UPDATE SET DEFAULT"};
// More columns and indexes of the table.
const char* const extras[] = {"", ", g INT AS (length(w)) UNIQUE", ", g TEXT AS (id || '!') STORED",
                              ", UNIQUE(w, u) ON CONFLICT REPLACE"};

std::string schema_of(SeededRandom& random, const Shape& shape, bool has_rowid) {
  const bool is_plain = random.below(2) == 0;
  const char* const key = is_plain ? keys[0] : keys[random.below(4)];
  const char* const action = is_plain ? actions[0] : actions[random.below(5)];
  const char* const extra = is_plain ? extras[0] : extras[random.below(4)];
  std::string sql = std::string("CREATE TABLE t(") + key + ", " + shape.column +
                    ", w TEXT, u INT UNIQUE, p TEXT DEFAULT 'k1' REFERENCES t(id) " + action +
                    extra + ")" + (has_rowid ? "" : " WITHOUT ROWID");
  if (random.below(4) == 0) {
    sql += "; CREATE UNIQUE INDEX part ON t(v) WHERE w = 'w1'";
  }
  return sql + "; CREATE TABLE side(id INTEGER PRIMARY KEY, t REFERENCES t(id) " +
         actions[random.below(5)] + ", n INT)";
}

// Triggers that write rows which are being written, made before or after tracking.
const char* const triggers[] = {
    "CREATE TRIGGER fill AFTER INSERT ON t WHEN new.w IS NULL BEGIN UPDATE t SET w = 'filled' "
    "WHERE "
    "id = new.id; END",
    "CREATE TRIGGER clamp AFTER UPDATE OF v ON t WHEN length(new.v) > 9 OR (typeof(new.v) = "
    "'integer' AND new.v > 6) BEGIN UPDATE t SET v = 3 WHERE id = new.id; END",
    "CREATE TRIGGER queue AFTER INSERT ON t WHEN new.w = 'goes' BEGIN DELETE FROM t WHERE id = "
    "new.id; END",
    "CREATE TRIGGER stay AFTER DELETE ON t WHEN old.w = 'stays' BEGIN INSERT INTO t(id, w) "
    "VALUES(old.id, 'again'); END",
    "CREATE TRIGGER out AFTER UPDATE OF w ON t WHEN new.w = 'out' BEGIN DELETE FROM t WHERE id = "
    "new.id; END",
    "CREATE TRIGGER count AFTER UPDATE OF w ON t WHEN typeof(new.v) = 'integer' BEGIN UPDATE t SET "
    "v = v + 1 WHERE id = new.id; END",
    "CREATE TRIGGER early BEFORE INSERT ON t WHEN new.u = 3 BEGIN DELETE FROM t WHERE u = 2; END",
    "CREATE TRIGGER rename AFTER UPDATE OF u ON t WHEN new.u = 1 BEGIN UPDATE OR REPLACE t SET id "
    "= "
    "'k2' WHERE id = new.id; END",
    "CREATE TRIGGER again AFTER UPDATE OF u ON t WHEN new.u = 2 BEGIN REPLACE INTO t(id, w, u) "
    "VALUES(new.id, 'w1', 2); END",
    "CREATE TRIGGER twin AFTER INSERT ON t WHEN new.w = 'w2' BEGIN INSERT OR REPLACE INTO t(id, u) "
    "VALUES('k3', new.u); END",
    "CREATE TRIGGER before BEFORE UPDATE OF v ON t WHEN new.u = 0 BEGIN UPDATE OR IGNORE t SET u = "
    "3 WHERE id "
    "<> new.id; END",
    "CREATE TRIGGER doomed BEFORE DELETE ON t WHEN old.u = 1 BEGIN UPDATE t SET u = NULL, w = "
    "'doomed' WHERE id = old.id; END",
    "CREATE TRIGGER side_gone AFTER DELETE ON side BEGIN INSERT OR IGNORE INTO t(id, w) "
    "VALUES(old.t, 'back'); END",
    "CREATE TRIGGER side_set AFTER UPDATE OF t ON side BEGIN UPDATE t SET w = 'moved' WHERE id = "
    "new.t; UPDATE t SET w = 'left' WHERE id = old.t; END",
    "CREATE TEMP TRIGGER passing AFTER INSERT ON main.t WHEN new.u = 0 BEGIN UPDATE t SET w = "
    "'passing' WHERE id = new.id; END",
    "CREATE TEMP TRIGGER sweeping AFTER UPDATE OF v ON main.t WHEN new.w = 'w1' BEGIN DELETE FROM "
    "t "
    "WHERE id = new.id; END",
    // These stop statements in the middle, or take them back.
    "CREATE TRIGGER leaves AFTER INSERT ON t WHEN new.w = 'w1' BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER fails AFTER UPDATE OF u ON t WHEN new.u = 3 BEGIN SELECT RAISE(FAIL, 'x'); END",
    "CREATE TRIGGER stops AFTER DELETE ON t WHEN old.u = 2 BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER skips BEFORE INSERT ON t WHEN new.u = 1 BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER aborts BEFORE UPDATE OF w ON t WHEN new.w = 'w2' BEGIN SELECT RAISE(ABORT, "
    "'x'); END",
    "CREATE TRIGGER undoes AFTER INSERT ON t WHEN new.w = 'out' BEGIN SELECT RAISE(ROLLBACK, 'x'); "
    "END",
    "CREATE TRIGGER side_fails AFTER DELETE ON side BEGIN SELECT RAISE(FAIL, 'x'); END",
    "CREATE TEMP TRIGGER leaving AFTER UPDATE ON main.t WHEN new.u = 1 BEGIN SELECT RAISE(IGNORE); "
    "END"};

std::string some_value(SeededRandom& random, const Shape& shape) {
  if (std::string(shape.rules) == "v=json") {
    static const char* const texts[] = {"'{}'", "'{\"b\": 1, \"a\": 2}'", "'{\"a\":[1, 2]}'",
                                        "NULL", "'no json'"};
    return texts[random.below(5)];
  }
  if (std::string(shape.rules) == "v=text") {
    static const char* const texts[] = {"''", "'milk'", "'milk and tea'", "NULL", "7"};
    return texts[random.below(5)];
  }
  return std::to_string(random.below(9));
}

std::string some_key(SeededRandom& random, bool is_number) {
  const std::string number = std::to_string(random.below(4));
  return is_number ? number : (random.below(8) == 0 ? "'K" : "'k") + number + "'";
}

// Statements that write in less usual ways.
std::string rare_statement(SeededRandom& random, const std::string& row, const std::string& key,
                           const std::string& other) {
  switch (random.below(14)) {
    case 0:
      return "INSERT INTO t VALUES" + row + " ON CONFLICT(id) DO UPDATE SET id = " + other;
    case 1:
      return "INSERT INTO t VALUES" + row +
             " ON CONFLICT DO UPDATE SET u = NULL, w = 'w1' RETURNING id";
    case 2:
      return "UPDATE OR REPLACE t SET (id, u) = (" + other + ", 1) WHERE id = " + key;
    case 3:
      return "UPDATE OR REPLACE t SET u = u + 1";
    case 4:
      return "INSERT OR REPLACE INTO t(id, u) SELECT " + key + ", 1 UNION ALL SELECT " + other +
             ", 1";
    case 5:
      return "REPLACE INTO t(id, v, w, u) SELECT " + other + ", v, w, u FROM t WHERE id = " + key;
    case 6:
      return "UPDATE OR REPLACE t SET u = (SELECT max(u) FROM t) WHERE id > " + key +
             " RETURNING id";
    case 7:
      return "INSERT OR REPLACE INTO side VALUES(" + std::to_string(random.below(3)) + ", " + key +
             ", 1)";
    case 8:
      return "DELETE FROM side WHERE t = " + key;
    case 10:
      return "INSERT OR FAIL INTO t VALUES" + row + ", (" + other + ", NULL, 'w1', 3, NULL)";
    case 11:
      return "UPDATE OR FAIL t SET u = u + 1, w = 'w2'";
    case 12:
      return "UPDATE OR FAIL t SET id = " + other + ", u = 3 WHERE id = " + key;
    case 13:
      return "UPDATE OR ROLLBACK t SET u = u + 1 WHERE id <> " + key;
    default:
      return "UPDATE side SET t = " + other + " WHERE t = " + key;
  }
}

std::string some_statement(SeededRandom& random, const Shape& shape, bool has_rowid,
                           bool is_number) {
  const std::string key = some_key(random, is_number);
  const std::string other = some_key(random, is_number);
  static const char* const words[] = {"NULL", "'goes'", "'stays'", "'out'", "'w1'", "'w2'"};
  const std::string word = words[random.below(6)];
  const std::string unique = random.below(2) == 0 ? "NULL" : std::to_string(random.below(4));
  const std::string value = some_value(random, shape);
  const std::string row = "(" + key + ", " + value + ", " + word + ", " + unique + ", " +
                          (random.below(3) == 0 ? other : "NULL") + ")";
  if (random.below(4) == 0) {
    return rare_statement(random, row, key, other);
  }
  switch (random.below(has_rowid ? 14 : 12)) {
    case 0:
    case 1:
      return "INSERT INTO t VALUES" + row;
    case 2:
      return "INSERT OR REPLACE INTO t VALUES" + row;
    case 3:
      return "INSERT OR IGNORE INTO t VALUES" + row;
    case 4:
      return "INSERT INTO t VALUES" + row + " ON CONFLICT(id) DO UPDATE SET v = excluded.v";
    case 5:
      return "UPDATE t SET v = " + value + " WHERE id = " + key;
    case 6:
      return "UPDATE t SET w = " + word + ", v = " + value + " WHERE id = " + key;
    case 7:
      return "UPDATE OR REPLACE t SET u = " + unique + " WHERE id = " + key;
    case 8:
      return "UPDATE OR REPLACE t SET id = " + other + " WHERE id = " + key;
    case 9:
      return "UPDATE t SET v = v + 1 WHERE typeof(v) = 'integer' AND id <> " + key;
    case 10:
      return "DELETE FROM t WHERE id = " + key;
    case 11:
      return random.below(4) == 0 ? "DELETE FROM t" : "DELETE FROM t WHERE id < " + key;
    case 12:
      return "UPDATE OR REPLACE t SET rowid = " + std::to_string(random.below(6)) +
             " WHERE id = " + key;
    default:
      return "UPDATE OR IGNORE t SET rowid = " + std::to_string(random.below(6)) +
             " WHERE id = " + key;
  }
}

void check_told(WorldReplica& writer) {
  const auto waiting = writer.engine().outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE_MESSAGE(waiting, waiting.error().message());
  for (const OutboxChange& change : *waiting) {
    const std::vector<Bytes> parts(change.parts.begin(), change.parts.end());
    const auto read = decode_parts(parts);
    REQUIRE_MESSAGE(read, read.error().message());
  }
}

struct Trial {
  SeededRandom random;
  Shape shape;
  bool has_rowid;
  std::string schema;
  bool is_number;
  std::string told;

  explicit Trial(std::uint64_t seed)
      : random(seed),
        shape(shapes[random.below(6)]),
        has_rowid(random.below(3) != 0),
        schema(schema_of(random, shape, has_rowid)),
        is_number(schema.find("id INTEGER PRIMARY KEY NOT") != std::string::npos),
        told(schema + "; -- " + shape.rules + "\n") {}

  void prepare(WorldReplica& replica) const {
    const auto options = parse_track_options(
        shape.rules[0] == 0 ? std::vector<std::string>() : std::vector<std::string>{shape.rules});
    REQUIRE(options);
    REQUIRE(replica.track("t", *options) == "");
    REQUIRE(replica.track("side") == "");
  }
  void run(WorldReplica& writer, const std::string& sql) {
    told += sql + ";\n";
    (void)writer.run(sql);
  }
  void transaction(WorldReplica& writer) {
    run(writer, "BEGIN");
    const std::uint64_t statements = 1 + random.below(5);
    for (std::uint64_t i = 0; i < statements; ++i) {
      const bool undone = random.below(6) == 0;
      run(writer, undone ? "SAVEPOINT s" : "SELECT 1");
      if (random.below(20) == 0) {
        run(writer, triggers[random.below(std::size(triggers))]);
      }
      run(writer, some_statement(random, shape, has_rowid, is_number));
      if (undone) {
        run(writer, some_statement(random, shape, has_rowid, is_number));
        run(writer, random.below(2) == 0 ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
      }
    }
    run(writer, random.below(8) == 0 ? "ROLLBACK" : "COMMIT");
    if (!writer.connection().autocommit()) {
      run(writer, "ROLLBACK");
    }
  }
};

void run_trial(std::uint64_t seed) {
  CAPTURE(seed);
  Trial trial(seed);
  WorldReplica writer(1);
  WorldReplica reader(2);
  WorldReplica late(3);
  const std::string& schema = trial.schema;
  if (trial.random.below(2) == 0) {
    trial.run(writer, "PRAGMA foreign_keys = ON");
  }
  if (trial.random.below(2) == 0) {
    trial.run(writer, "PRAGMA recursive_triggers = ON");
  }
  REQUIRE(writer.run(schema) == "");
  const bool tracked_first = trial.random.below(2) == 0;
  if (tracked_first) {
    trial.prepare(writer);
  }
  for (const char* trigger : triggers) {
    if (trial.random.below(5) == 0) {
      trial.run(writer, trigger);
    }
  }
  if (!tracked_first) {
    trial.prepare(writer);
  }
  if (trial.random.below(8) == 0) {
    trial.run(writer, "CREATE UNIQUE INDEX late ON t(w, v)");
  }
  for (WorldReplica* replica : {&reader, &late}) {
    REQUIRE(replica->run(schema) == "");
    trial.prepare(*replica);
  }
  for (int i = 0; i < 12; ++i) {
    trial.transaction(writer);
    CAPTURE(trial.told);
    CAPTURE(tracked_first);
    check_told(writer);
    if (trial.random.below(3) == 0) {
      REQUIRE(reader.apply(writer.changes()) == "");
      CAPTURE(writer.last_change());
      REQUIRE(joined(reader.stamped_rows("t")) == joined(writer.stamped_rows("t")));
    }
    if (trial.random.below(3) == 0) {
      REQUIRE(joined(*verify(writer.engine())) == "");
    }
  }
  CAPTURE(trial.told);
  CAPTURE(tracked_first);
  REQUIRE(late.apply(writer.changes()) == "");
  REQUIRE(joined(late.stamped_rows("t")) == joined(writer.stamped_rows("t")));
  REQUIRE(reader.apply(writer.changes()) == "");
  REQUIRE(joined(reader.stamped_rows("t")) == joined(writer.stamped_rows("t")));
  REQUIRE(*late.engine().digest() == *writer.engine().digest());
  REQUIRE(*reader.engine().digest() == *writer.engine().digest());
  REQUIRE(joined(*verify(writer.engine())) == "");
}

}  // namespace

TEST_CASE("whatever a transaction does, its change can be read and makes the same rows elsewhere") {
  const char* const first = std::getenv("SYNCLINE_TOLD_FIRST");
  const char* const count = std::getenv("SYNCLINE_TOLD_COUNT");
  const std::uint64_t begin = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  const std::uint64_t trials = count == nullptr ? 250 : std::strtoull(count, nullptr, 10);
  for (std::uint64_t seed = begin; seed < begin + trials; ++seed) {
    run_trial(seed);
  }
}

}  // namespace syncline
