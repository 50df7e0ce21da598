// An own change that nobody could read: there should be none, and if there is one it keeps nothing
// back.
#include "client/verify.h"
#include "tests/conversation/notes.h"

namespace syncline {
namespace {

// Hex of a log row that erases a row without saying which, and puts the row at `rowid`.
std::string damage(Device& device, int rowid) {
  const std::string table = device.text("SELECT id FROM syncline_tables WHERE name = 'notes'");
  char hex[64];
  (void)std::snprintf(hex, sizeof hex, "00%02x03000001%02x01", std::stoi(table), 2 * rowid);
  return hex;
}

void damage_newest(Device& device, int rowid) {
  device.run("UPDATE syncline_log SET body = x'" + damage(device, rowid) +
             "' WHERE version = (SELECT max(version) FROM syncline_log)");
}

}  // namespace

TEST_CASE("an own change that nobody could read is set aside, and what follows it arrives") {
  // One that can be told and not read, and one that cannot even be told.
  for (const int rowid : {1, 50}) {
    CAPTURE(rowid);
    ConversationWorld world("unreadable");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    for (Device* device : {&ann, &bob}) {
      track(*device);
      device->start();
    }
    check_agreed(world, {&ann, &bob});
    cut_off(ann);
    insert(ann, 1, "before");
    insert(ann, 9, "ends behind it");
    ann.run("UPDATE notes SET title = 'in it' WHERE id = 1");
    damage_newest(ann, rowid);
    insert(ann, 2, "after");
    ann.run("DELETE FROM notes WHERE id = 9");
    ann.close();
    ann.open();
    const auto problems = verify(*ann.engine);
    REQUIRE(problems);
    CHECK(problems->size() == 1);
    ann.online = true;
    ann.start();
    world.advance(10'000);
    CHECK(status_name(ann.status()) == "synced");
    CHECK(*ann.engine->digest() == *bob.engine->digest());
    CHECK(bob.text("SELECT title FROM notes WHERE id = 2") == "after");
    CHECK(bob.text("SELECT count(*) FROM notes") == "2");
    CHECK(ann.text(all_notes) == bob.text(all_notes));
    CHECK(ann.engine->counts()->rejected == 1);
    CHECK(ann.text("SELECT code FROM syncline_rejected") == "corrupt");
    CHECK(ann.salvages.size() == (rowid == 1 ? 1U : 0U));
    if (rowid == 1) {
      CHECK(bob.text("SELECT title FROM notes WHERE id = 1") == "in it");
    }
    insert(ann, 3, "later");
    world.advance(2'000);
    CHECK(bob.text("SELECT title FROM notes WHERE id = 3") == "later");
    CHECK(verify(*ann.engine)->empty());
  }
}

}  // namespace syncline
