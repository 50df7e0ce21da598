// What a replica tells the server for others: rows that files brought while a part of them is on
// its way.
#include "tests/conversation/notes.h"

namespace syncline {
namespace {

void give(Device& from, Device& to) {
  const auto file = from.engine->changes_since(LocalVersion(0));
  REQUIRE_MESSAGE(file, file.error().message());
  const auto report = to.engine->apply_file(*file);
  REQUIRE_MESSAGE(report, report.error().message());
}

}  // namespace

TEST_CASE("what a file brought while a part of what came before is on its way is told, too") {
  ConversationWorld world("told_under_way");
  Device ann(world, "ann.db", 1);
  Device eve(world, "eve.db", 2);
  Device bob(world, "bob.db", 3);
  Device cid(world, "cid.db", 4);
  for (Device* device : {&ann, &eve, &bob, &cid}) {
    track(*device);
  }
  bob.start();
  cid.start();
  check_agreed(world, {&bob, &cid});
  insert(ann, 5, "of ann");
  insert(eve, 3, "of eve");
  give(ann, bob);
  // The answer to the first part comes after the second file.
  bool given = false;
  bob.before_frame = [&](Bytes frame) {
    const auto message = decode_message(frame);
    if (message && std::holds_alternative<RelayAck>(*message) && !given) {
      given = true;
      give(eve, bob);
      ann.run("UPDATE notes SET title = 'ann again' WHERE id = 5");
      give(ann, bob);
      bob.host->on_wakeup(world.now);
    }
  };
  check_converged(world, {&bob, &cid});
  CHECK(given);
  CHECK(cid.text(all_notes) == "3:of eve:-:0|5:ann again:-:0");
  CHECK(bob.engine->counts()->pending == 0);
}

}  // namespace syncline
