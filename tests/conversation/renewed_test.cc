// Connections that are open while their file gets another id, and replicas that several servers
// know.
#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

TEST_CASE("a connection that was open while the file got another id goes on under that one") {
  ConversationWorld world("renewed_open");
  Device a(world, "a.db", 1);
  track(a, {"stars=counter"});
  a.start();
  insert(a, 1, "shared");
  a.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
  check_agreed(world, {&a});
  cut_off(a);
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("b.db"));
  a.open();
  a.online = true;
  a.start();
  check_agreed(world, {&a});

  Device b(world, "b.db", 2);
  WorldTime clock;
  clock.follows = &world.time;
  SeededRandom random(7);
  OpenOptions how;
  how.synchronous_full = false;
  std::unique_ptr<Engine> engine;
  auto second = Database::open(b.path, how);
  REQUIRE(second);
  auto attached = Engine::attach({second->connection(), &clock, &random, true});
  REQUIRE(attached);
  engine = std::move(*attached);
  const ReplicaId before = *engine->replica();
  REQUIRE(second->connection().execute("UPDATE notes SET stars = stars + 10 WHERE id = 1"));
  SUBCASE("between two transactions") {
    b.start();
    check_agreed(world, {&a, &b});
    CHECK(b.refusals == std::vector<std::string>{"replica_forked"});
  }
  SUBCASE("between BEGIN and the first write") {
    REQUIRE(second->connection().execute("BEGIN"));
    b.start();
    check_agreed(world, {&a, &b});
    REQUIRE(second->connection().execute("UPDATE notes SET stars = stars + 1000 WHERE id = 1"));
    REQUIRE(second->connection().execute("COMMIT"));
    CHECK(b.refusals == std::vector<std::string>{"replica_forked"});
  }
  REQUIRE(second->connection().execute("UPDATE notes SET stars = stars + 100 WHERE id = 1"));
  CHECK(*engine->replica() == *b.engine->replica());
  CHECK(*engine->replica() != before);
  engine->release();
  world.advance(20'000);
  check_agreed(world, {&a, &b});
  const std::string stars = a.text("SELECT stars FROM notes WHERE id = 1");
  CHECK((stars == "115" || stars == "1115"));
  CHECK(stars == b.text("SELECT stars FROM notes WHERE id = 1"));
  CHECK(b.refusals.size() == 1);
  auto closing = std::move(*second);
}
