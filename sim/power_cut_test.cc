#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "client/engine.h"
#include "sim/disk.h"
#include "sqlite/database.h"
#include "wire/change_codec.h"

using namespace syncline;
using namespace syncline::sim;

namespace {

class StandingTime final : public WallClock {
 public:
  std::int64_t now_ms() override { return 1'700'000'000'000; }
};

// A replica on a disk that forgets what was not synced.
struct Forgetful {
  SeededRandom random{7};
  StandingTime time;
  Disk disk{"forgetful", random};
  std::unique_ptr<Engine> engine;
  std::optional<Database> database;

  Forgetful() { open(); }
  ~Forgetful() { close(); }
  Connection sql() const { return database->connection(); }
  void open() {
    disk.restart();
    OpenOptions options;
    options.vfs = "forgetful";
    auto opened = Database::open("app.db", options);
    REQUIRE(opened);
    database.emplace(std::move(*opened));
    auto attached = Engine::attach({sql(), &time, &random, true});
    REQUIRE(attached);
    engine = std::move(*attached);
  }
  void close() {
    engine->release();
    database.reset();
    engine.reset();
  }
  void cut_power() {
    disk.crash();
    close();
    open();
  }
  std::int64_t number(const std::string& query) { return sql().query_int(query)->value_or(-1); }
  // A note that somebody else wrote, from the server, which counts to `sequence`.
  void hear(std::uint64_t sequence, const std::string& title) {
    REQUIRE(try_to_hear(sequence, title));
  }
  bool try_to_hear(std::uint64_t sequence, const std::string& title) {
    ReplicaId other;
    other.bytes[0] = 9;
    Change change;
    change.sequence = ChangeSequence(sequence);
    change.stamp =
        Stamp{(std::uint64_t{1'700'000'000'000} << Stamp::counter_bits) + sequence, other};
    change.schema_version = 1;
    const ValueView key[] = {ValueView::of(static_cast<std::int64_t>(sequence))};
    RowEdit edit{EditKind::put, "notes", make_key(key), {}, {}};
    edit.cells = {{"title", CellForm::plain, Value::text(title), {}}};
    change.edits = {edit};
    const ByteVector bytes = encode_change(change);
    const Bytes parts[] = {bytes};
    return engine->apply_remote(parts, ServerVersion(sequence)).has_value();
  }
};

}  // namespace

TEST_CASE("a power cut may take back what the server has, whole, and nothing that was made here") {
  Forgetful replica;
  REQUIRE(replica.engine->initialise());
  REQUIRE(
      replica.sql().execute("CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT);"
                            "CREATE TABLE seen(note INTEGER PRIMARY KEY);"
                            "CREATE TRIGGER sees AFTER INSERT ON notes WHEN new.title = 'seen'"
                            " BEGIN INSERT INTO seen VALUES(new.id); END"));
  REQUIRE(replica.engine->track("notes", {}));
  REQUIRE(replica.engine->track("seen", {}));
  REQUIRE(replica.engine->open_session("team"));
  std::uint64_t forgotten = 0;
  std::uint64_t sequence = 0;
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    replica.hear(++sequence, "plain");
    CHECK(replica.number("PRAGMA synchronous") == 2);
    replica.cut_power();
    // The rows and the place in the log go together.
    const std::int64_t stands = replica.number("SELECT count(*) FROM notes");
    CHECK(replica.number("SELECT value FROM syncline_meta WHERE name = 'cursor'") ==
          (stands == 0 ? -1 : stands));
    CHECK(replica.number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = "
                         "'ok'") == 1);
    forgotten += static_cast<std::int64_t>(sequence) > stands ? 1 : 0;
    sequence = static_cast<std::uint64_t>(stands);
    // What the application's trigger made of the next one is work of this replica.
    replica.hear(++sequence, "seen");
    const ChangeSequence own = replica.engine->log_head()->own_sequence;
    replica.cut_power();
    CHECK(replica.number("SELECT count(*) FROM notes") == static_cast<std::int64_t>(sequence));
    CHECK(replica.number("SELECT count(*) FROM seen WHERE note = " + std::to_string(sequence)) ==
          1);
    CHECK(replica.engine->log_head()->own_sequence == own);
  }
  CHECK(forgotten > 0);
}

TEST_CASE("a disk that fails or is full leaves no transaction open, whichever write it was") {
  Forgetful replica;
  REQUIRE(replica.engine->initialise());
  REQUIRE(replica.sql().execute("CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT)"));
  REQUIRE(replica.engine->track("notes", {}));
  REQUIRE(replica.engine->open_session("team"));
  std::uint64_t sequence = 0;
  int failures = 0;
  for (std::uint64_t round = 1; round <= 200; ++round) {
    CAPTURE(round);
    replica.disk.set_full(round % 3 == 0);
    replica.disk.fail_writes(replica.random.below(12));
    for (int again = 0; again < 4; ++again) {
      const bool heard = replica.try_to_hear(sequence + 1, "plain");
      sequence += heard ? 1 : 0;
      failures += heard ? 0 : 1;
      CHECK(replica.sql().autocommit());
      CHECK(replica.number("PRAGMA synchronous") == 2);
      // The application writes meanwhile, and gives up when it fails.
      if (!replica.sql().execute("BEGIN IMMEDIATE; INSERT INTO notes(id) VALUES(-1 - " +
                                 std::to_string(round * 10 + static_cast<std::uint64_t>(again)) +
                                 "); COMMIT") &&
          !replica.sql().autocommit()) {
        (void)replica.sql().execute("ROLLBACK");
      }
      CHECK(replica.sql().autocommit());
    }
    replica.disk.set_full(false);
    replica.disk.fail_writes(0);
    replica.hear(++sequence, "after it");
    CHECK(replica.number("SELECT count(*) FROM notes WHERE id > 0") ==
          static_cast<std::int64_t>(sequence));
  }
  CHECK(failures > 0);
}
