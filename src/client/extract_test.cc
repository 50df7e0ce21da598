// What extract promises: a change that was told once is told byte for byte the same for ever.
#include "client/extract.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "client/test_replica.h"
#include "wire/change_codec.h"

using namespace syncline;

namespace {

// How own changes were told first; whoever tells one otherwise is found out.
class Told {
 public:
  void listen(TestReplica& replica) {
    const auto changes = replica.engine->outbox(LocalVersion(0), SIZE_MAX);
    REQUIRE_MESSAGE(changes.has_value(), (changes ? "" : changes.error().message()));
    const ReplicaId own = *replica.engine->replica();
    for (const OutboxChange& change : *changes) {
      if (change.stamp.replica != own) {
        continue;
      }
      const auto [first, is_new] =
          parts_.try_emplace({change.sequence.get(), change.stamp.time}, change.parts);
      CAPTURE(change.sequence.get());
      REQUIRE(first->second == change.parts);
    }
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<ByteVector>> parts_;
};

// The stamp that the first row of the replica's last change replaced.
Stamp last_replaced(TestReplica& replica) {
  const auto changes = replica.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(changes.has_value());
  const std::vector<Bytes> parts(changes->back().parts.begin(), changes->back().parts.end());
  const auto change = decode_parts(parts);
  REQUIRE(change.has_value());
  return change->edits.at(0).replaced;
}

void setup(TestReplica& replica) {
  REQUIRE(replica.execute("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v, n INTEGER DEFAULT 0)"));
  REQUIRE(replica.engine->track("t", {}));
}

}  // namespace

// Makes a tomb of 'k' known to the replica.
void bury(int how, TestReplica& other, TestReplica& replica) {
  if (how == 2) {  // an own one
    REQUIRE(replica.execute("INSERT INTO t(id, v) VALUES('k', 'first')"));
    REQUIRE(replica.execute("DELETE FROM t"));
    return;
  }
  REQUIRE(other.execute("INSERT INTO t(id, v) VALUES('k', 'theirs')"));
  REQUIRE(other.execute("DELETE FROM t"));
  if (how == 1) {  // it comes as a state
    REQUIRE(other.execute("INSERT INTO t(id, v) VALUES('o', 'other')"));
    REQUIRE(other.engine->acknowledge(*other.engine->version()));
    other.clock.ms += std::int64_t{30} * 24 * 60 * 60 * 1000;
    REQUIRE(other.engine->collect_garbage(0));
    other.clock.ms = replica.clock.ms;
  }
  REQUIRE(replica.pull(other));
}

TEST_CASE("a put names the death of its key that it had seen, whatever became of the key since") {
  for (int how = 0; how < 3; ++how) {
    for (int then = 0; then < 5; ++then) {
      CAPTURE(how);
      CAPTURE(then);
      TestReplica other(1);
      TestReplica replica(2);
      setup(other);
      setup(replica);
      bury(how, other, replica);
      Told told;
      replica.clock.ms += 1000;
      told.listen(replica);
      REQUIRE(replica.execute("INSERT INTO t(id, v) VALUES('k', 'ours')"));
      CHECK_FALSE(last_replaced(replica).is_zero());
      told.listen(replica);
      if (then == 0 || then == 1 || then == 2) {
        REQUIRE(replica.execute("DELETE FROM t WHERE id = 'k'"));
      }
      if (then == 1 || then == 3) {
        REQUIRE(replica.engine->collect_garbage(replica.clock.ms + 1'000'000));
      }
      if (then == 2) {
        REQUIRE(replica.execute("INSERT INTO t(id, v) VALUES('k', 'again')"));
        REQUIRE(replica.execute("DELETE FROM t WHERE id = 'k'"));
      }
      if (then == 4) {
        REQUIRE(other.pull(replica));
        other.clock.ms += 5000;
        REQUIRE(other.execute("DELETE FROM t WHERE id = 'k'"));
        REQUIRE(replica.pull(other));
      }
      told.listen(replica);
    }
  }
}

TEST_CASE("a put of a key that was never dead is told the same after its key died") {
  TestReplica replica(1);
  setup(replica);
  Told told;
  REQUIRE(replica.execute("INSERT INTO t(id) VALUES('x')"));
  REQUIRE(replica.execute("DELETE FROM t"));
  REQUIRE(replica.execute("INSERT INTO t(id) VALUES('k'), ('l'), ('m')"));
  told.listen(replica);
  REQUIRE(replica.execute("DELETE FROM t WHERE id = 'l'"));
  told.listen(replica);
  REQUIRE(replica.execute("INSERT INTO t(id) VALUES('l')"));
  REQUIRE(replica.execute("UPDATE t SET v = 1"));
  told.listen(replica);
}

TEST_CASE("a change is told the same after its table's columns came and went") {
  for (int how = 0; how < 4; ++how) {
    CAPTURE(how);
    TestReplica replica(1);
    setup(replica);
    Told told;
    REQUIRE(replica.execute("INSERT INTO t(id, v) VALUES('a', 1), ('b', 2)"));
    REQUIRE(replica.execute("UPDATE t SET v = 3 WHERE id = 'a'"));
    told.listen(replica);
    if (how == 0) {
      REQUIRE(replica.engine->alter_begin());
      REQUIRE(replica.execute("ALTER TABLE t ADD COLUMN more DEFAULT 7"));
      REQUIRE(replica.engine->alter_commit());
    } else if (how == 1) {
      REQUIRE(replica.execute("ALTER TABLE t ADD COLUMN more DEFAULT 7"));
      REQUIRE(replica.engine->alter_commit());
    } else if (how == 2) {
      REQUIRE(replica.execute("ALTER TABLE t ADD COLUMN more DEFAULT 7"));
      REQUIRE(replica.engine->track("t", {}));
    } else {
      REQUIRE(replica.engine->untrack("t"));
      told.listen(replica);
      REQUIRE(replica.engine->track("t", {}));
    }
    told.listen(replica);
    REQUIRE(replica.execute("UPDATE t SET v = 4"));
    REQUIRE(replica.execute("DELETE FROM t WHERE id = 'b'"));
    told.listen(replica);
  }
}

TEST_CASE("a migration in a transaction that wrote before it does not change what was told") {
  TestReplica replica(1);
  setup(replica);
  Told told;
  REQUIRE(replica.execute("INSERT INTO t(id, v) VALUES('a', 1), ('b', 2)"));
  told.listen(replica);
  REQUIRE(replica.execute("BEGIN; UPDATE t SET v = 5; DELETE FROM t WHERE id = 'b'"));
  REQUIRE(replica.engine->alter_begin());
  REQUIRE(replica.execute("ALTER TABLE t ADD COLUMN more"));
  REQUIRE(replica.engine->alter_commit());
  REQUIRE(replica.execute("COMMIT"));
  told.listen(replica);
}

TEST_CASE("whatever happens meanwhile, a change is told the same for as long as it is in the log") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    TestReplica other(seed * 2 + 1000);
    TestReplica replica(seed * 2 + 1001);
    TrackOptions options;
    if (random.chance(1, 3)) {
      options.rule = MergeRule::row;
    }
    if (random.chance(1, 2) && options.rule != MergeRule::row) {
      options.column_rules["n"] = MergeRule::counter;
    }
    for (TestReplica* each : {&other, &replica}) {
      REQUIRE(
          each->execute("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v, n INTEGER DEFAULT 0)"));
      REQUIRE(each->engine->track("t", options));
    }
    Told told;
    int columns = 0;
    const auto write = [&](TestReplica& at) {
      const std::string key = "'" + std::string(1, static_cast<char>('a' + random.below(5))) + "'";
      const std::string value = std::to_string(random.below(100));
      switch (random.below(6)) {
        case 0:
        case 1:
          (void)at.execute("INSERT INTO t(id, v) VALUES(" + key + ", " + value + ")");
          break;
        case 2:
          REQUIRE(at.execute("DELETE FROM t WHERE id = " + key));
          break;
        case 3:
          REQUIRE(at.execute("UPDATE t SET v = " + value + " WHERE id >= " + key));
          break;
        case 4:
          REQUIRE(at.execute("UPDATE t SET n = n + 1 WHERE id = " + key));
          break;
        default:
          REQUIRE(at.execute("INSERT OR REPLACE INTO t(id, v) VALUES(" + key + ", " + value + ")"));
          break;
      }
    };
    for (int step = 0; step < 60; ++step) {
      CAPTURE(step);
      replica.clock.ms += 10;
      other.clock.ms += 10;
      const std::uint64_t what = random.below(20);
      if (what < 8) {
        write(replica);
      } else if (what < 12) {
        write(other);
      } else if (what < 14) {
        REQUIRE(replica.pull(other));
      } else if (what == 14) {
        REQUIRE(other.pull(replica));
      } else if (what == 15) {
        REQUIRE(replica.engine->collect_garbage(random.chance(1, 2) ? replica.clock.ms : 0));
      } else if (what == 16 && columns < 3) {
        const std::string add = "ALTER TABLE t ADD COLUMN c" + std::to_string(columns++);
        if (random.chance(1, 2)) {
          REQUIRE(replica.engine->alter_begin());
          REQUIRE(replica.execute(add));
        } else {
          REQUIRE(replica.execute(add));
        }
        REQUIRE(replica.engine->alter_commit());
      } else if (what == 17) {
        replica.engine->release();
      } else {
        told.listen(replica);
      }
    }
    told.listen(replica);
  }
}
