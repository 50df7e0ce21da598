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

std::string schema_of(const Shape& shape, bool has_rowid) {
  return std::string("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, ") + shape.column +
         ", w TEXT, u INT UNIQUE, p TEXT REFERENCES t(id) ON DELETE CASCADE)" +
         (has_rowid ? "" : " WITHOUT ROWID");
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
    "CREATE TRIGGER early BEFORE INSERT ON t WHEN new.u = 3 BEGIN DELETE FROM t WHERE u = 2; END"};

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

std::string some_statement(SeededRandom& random, const Shape& shape, bool has_rowid) {
  const std::string key = "'k" + std::to_string(random.below(4)) + "'";
  const std::string other = "'k" + std::to_string(random.below(4)) + "'";
  static const char* const words[] = {"NULL", "'goes'", "'stays'", "'out'", "'w1'", "'w2'"};
  const std::string word = words[random.below(6)];
  const std::string unique = random.below(2) == 0 ? "NULL" : std::to_string(random.below(4));
  const std::string value = some_value(random, shape);
  const std::string row = "(" + key + ", " + value + ", " + word + ", " + unique + ", " +
                          (random.below(3) == 0 ? other : "NULL") + ")";
  switch (random.below(has_rowid ? 13 : 12)) {
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
  std::string told;

  explicit Trial(std::uint64_t seed)
      : random(seed), shape(shapes[random.below(6)]), has_rowid(random.below(3) != 0) {}

  void prepare(WorldReplica& replica) const {
    const auto options = parse_track_options(
        shape.rules[0] == 0 ? std::vector<std::string>() : std::vector<std::string>{shape.rules});
    REQUIRE(options);
    REQUIRE(replica.track("t", *options) == "");
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
      run(writer, some_statement(random, shape, has_rowid));
      if (undone) {
        run(writer, some_statement(random, shape, has_rowid));
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
  const std::string schema = schema_of(trial.shape, trial.has_rowid);
  trial.told = schema + "; -- " + trial.shape.rules + "\n";
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
    if (trial.random.below(4) == 0) {
      trial.run(writer, trigger);
    }
  }
  if (!tracked_first) {
    trial.prepare(writer);
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
      REQUIRE(reader.stamped_rows("t") == writer.stamped_rows("t"));
    }
    if (trial.random.below(3) == 0) {
      REQUIRE(joined(*verify(writer.engine())) == "");
    }
  }
  CAPTURE(trial.told);
  CAPTURE(tracked_first);
  REQUIRE(late.apply(writer.changes()) == "");
  REQUIRE(late.stamped_rows("t") == writer.stamped_rows("t"));
  REQUIRE(reader.apply(writer.changes()) == "");
  REQUIRE(reader.stamped_rows("t") == writer.stamped_rows("t"));
  REQUIRE(*late.engine().digest() == *writer.engine().digest());
  REQUIRE(*reader.engine().digest() == *writer.engine().digest());
  REQUIRE(joined(*verify(writer.engine())) == "");
}

}  // namespace

TEST_CASE("whatever a transaction does, its change can be read and makes the same rows elsewhere") {
  const char* const first = std::getenv("SYNCLINE_TOLD_FIRST");
  const char* const count = std::getenv("SYNCLINE_TOLD_COUNT");
  const std::uint64_t begin = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  const std::uint64_t trials = count == nullptr ? 150 : std::strtoull(count, nullptr, 10);
  for (std::uint64_t seed = begin; seed < begin + trials; ++seed) {
    run_trial(seed);
  }
}

}  // namespace syncline
