// A server's folder of which somebody puts an older copy back, and whom it takes for whom.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

// While nobody has it open.
void copy_folder(ConversationWorld& world) {
  world.close_server();
  std::filesystem::copy_file(world.folder.file("server.db"), world.folder.file("copy.db"));
  world.open_server();
}

void put_folder_back(ConversationWorld& world) {
  world.close_server();
  std::filesystem::remove(world.folder.file("server.db-wal"));
  std::filesystem::copy_file(world.folder.file("copy.db"), world.folder.file("server.db"),
                             std::filesystem::copy_options::overwrite_existing);
  world.open_server();
}

void open_again(Device& device) {
  device.close();
  device.open();
  device.start();
}

}  // namespace

TEST_CASE(
    "a server that was put back knows a replica that was opened since, though it lacks nothing") {
  ConversationWorld world("put_back_openings");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  const ReplicaId name = *a.engine->replica();
  copy_folder(world);
  for (int opening = 0; opening < 5; ++opening) {
    open_again(a);
    check_agreed(world, {&a});
  }
  put_folder_back(world);
  insert(a, 2, "since");
  world.advance(60'000);
  check_agreed(world, {&a});
  CHECK(a.refusals.empty());
  CHECK(*a.engine->replica() == name);
}

TEST_CASE("a server that was put back a second time is healed by replicas under their names") {
  ConversationWorld world("put_back_twice");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b}, {"stars=counter"});
  insert(a, 1, "shared");
  check_agreed(world, {&a, &b});
  const ReplicaId name = *a.engine->replica();
  copy_folder(world);
  check_agreed(world, {&a, &b});
  open_again(a);
  a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
  check_agreed(world, {&a, &b});
  put_folder_back(world);
  world.advance(60'000);
  check_converged(world, {&a, &b});
  open_again(a);
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  check_converged(world, {&a, &b});
  put_folder_back(world);
  a.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text("SELECT stars FROM notes") == "111");
  CHECK(*a.engine->replica() == name);
  CHECK(std::count(a.refusals.begin(), a.refusals.end(), "replica_forked") == 0);
}
