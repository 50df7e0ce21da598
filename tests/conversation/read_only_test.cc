// Devices that may only read: what they write is said to be refused, and nothing waits for ever.
#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

// One who writes, and one whose right to write comes and goes.
struct Two {
  ConversationWorld world{"read_only"};
  Device author{world, "author.db", 1};
  Device reader{world, "reader.db", 2};

  Two() {
    track(author);
    track(reader);
  }
  void reader_starts_without_right() {
    world.rights.may_write = false;
    reader.start();
  }
  void reader_comes_back_with_right() {
    reader.close();
    world.rights.may_write = true;
    reader.open();
    reader.start();
    world.advance(2'000);
  }
};

std::string rejected_of(Device& device) {
  return device.text(
      "SELECT coalesce(group_concat(code || ' ' || sequence, ','), '') FROM syncline_rejected");
}

}  // namespace

TEST_CASE_FIXTURE(Two, "what a device that may only read writes is refused here, and taken back") {
  author.start();
  insert(author, 1, "theirs");
  world.advance(2'000);
  reader_starts_without_right();
  world.advance(2'000);
  CHECK(reader.text("SELECT count(*) FROM notes") == "1");

  insert(reader, 2, "mine");
  world.advance(5'000);
  CHECK(reader.host->status(world.now).status == Status::synced);
  CHECK(reader.host->status(world.now).pending == 0);
  CHECK(reader.engine->counts()->pending == 0);
  CHECK(reader.engine->counts()->rejected == 1);
  CHECK(rejected_of(reader) == "read_only 1");
  CHECK(reader.text("SELECT group_concat(id) FROM notes") == "1");
  CHECK(reader.engine->status_json()->find("\"read_only\":true") != std::string::npos);

  // Allowed again, it may be done again; the server misses no number.
  reader_comes_back_with_right();
  CHECK(reader.engine->status_json()->find("\"read_only\":false") != std::string::npos);
  REQUIRE(reader.engine->rejected().retry(reader.engine->rejected().list(10)->at(0).id));
  check_converged(world, {&author, &reader});
  CHECK(author.text("SELECT group_concat(id) FROM notes") == "1,2");
  CHECK(reader.engine->counts()->rejected == 0);
}

TEST_CASE_FIXTURE(
    Two,
    "what waits when the right to write is taken away is refused, and the rest stays as it was") {
  author.start();
  reader.start();
  insert(author, 1, "theirs");
  insert(reader, 2, "sent");
  check_agreed(world, {&author, &reader});
  reader.close();
  reader.open();
  insert(reader, 3, "unsent");
  reader.run("UPDATE notes SET title = 'changed' WHERE id = 1");
  CHECK(reader.engine->counts()->pending == 2);
  reader_starts_without_right();
  world.advance(5'000);
  CHECK(reader.host->status(world.now).status == Status::synced);
  CHECK(rejected_of(reader) == "read_only 2,read_only 3");
  CHECK(reader.text("SELECT group_concat(title) FROM (SELECT * FROM notes ORDER BY id)") ==
        "theirs,sent");
  CHECK(reader.engine->counts()->pending == 0);
}

TEST_CASE("a comparison that is asked for while syncing is paused is made when it goes on") {
  ConversationWorld world("paused_rescan");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "note");
  check_agreed(world, {&a});
  CHECK(a.events(event_name::rescan_completed).empty());
  a.host->stop(world.now);
  a.host->rescan_now(world.now);
  world.advance(2'000);
  a.start();
  check_agreed(world, {&a});
  CHECK(a.events(event_name::rescan_completed).size() == 1);
  CHECK_FALSE(a.engine->facts({})->wants_rescan);
}

TEST_CASE_FIXTURE(Two, "a file of unsent changes is refused where nobody would ever send them") {
  insert(author, 1, "unsent");
  const ByteVector file = *author.engine->export_pending();
  reader_starts_without_right();
  world.advance(2'000);
  const auto refused = reader.engine->import_pending(file);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::not_allowed);
  CHECK(refused.error().message().find("may only read") != SIZE_MAX);
  CHECK(reader.text("SELECT count(*) FROM notes") == "0");

  // Allowed again, it takes them and tells them.
  reader_comes_back_with_right();
  REQUIRE(reader.engine->import_pending(file));
  author.start();
  check_converged(world, {&author, &reader});
  CHECK(reader.text("SELECT group_concat(title) FROM notes") == "unsent");
}

TEST_CASE_FIXTURE(
    Two, "what was imported before the right to write was taken away is never silently gone") {
  insert(author, 1, "unsent");
  REQUIRE(reader.engine->import_pending(*author.engine->export_pending()));
  CHECK(reader.engine->counts()->pending == 1);
  reader_starts_without_right();
  world.advance(60'000);
  const bool is_listed =
      reader.text("SELECT group_concat(code) FROM syncline_rejected") == "read_only";
  const bool is_kept = reader.engine->counts()->pending == 1 &&
                       reader.text("SELECT group_concat(title) FROM notes") == "unsent" &&
                       reader.host->status(world.now).status != Status::synced;
  CHECK((is_listed || is_kept));
}

TEST_CASE_FIXTURE(
    Two, "rows that a file brought to a device that may only read are listed when they go") {
  insert(author, 1, "known to the server");
  author.start();
  world.advance(2'000);
  author.close();
  author.open();
  insert(author, 2, "from a file");
  reader_starts_without_right();
  world.advance(2'000);
  REQUIRE(reader.engine->apply_file(*author.engine->changes_since(LocalVersion(0))));
  world.advance(60'000);
  CHECK(reader.text("SELECT group_concat(title) FROM notes") == "known to the server");
  CHECK(status_name(reader.status()) == "synced");
  CHECK(reader.engine->counts()->pending == 0);
  CHECK(rejected_of(reader) == "read_only 1");
  CHECK(reader.engine->rejected().read(reader.engine->rejected().list(1)->at(0).id)->edits.size() ==
        1);
}
