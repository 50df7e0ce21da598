#include <doctest/doctest.h>

#include "tests/conversation/conversation_world.h"

using namespace syncline;

// Replicas that write, part, restart and come back in an order that a seed draws; afterwards all
// are green and hold the same rows. The simulator does this at length; these few seeds tell early
// that a change broke the conversation.
namespace {

constexpr const char* schema =
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, stars INTEGER NOT NULL DEFAULT 0, "
    "code TEXT UNIQUE, doc TEXT, essay TEXT, page BLOB); CREATE TABLE tags(note INTEGER, name "
    "TEXT, n INTEGER, PRIMARY "
    "KEY(note, name)) WITHOUT ROWID; CREATE TABLE parts(id TEXT PRIMARY KEY, note INTEGER "
    "REFERENCES notes(id), body TEXT)";

const std::string all_rows =
    "SELECT (SELECT group_concat(id || ',' || coalesce(title, '-') || ',' || stars || ',' || "
    "coalesce(code, '-') || ',' || coalesce(doc, '-') || ',' || coalesce(essay, '-') || "
    "coalesce(hex(page), '-'), '|') FROM (SELECT * FROM notes ORDER BY "
    "id)) || '#' || coalesce((SELECT group_concat(note || name || n, '|') FROM (SELECT * FROM "
    "tags ORDER BY note, name)), '') || '#' || coalesce((SELECT group_concat(id || coalesce(note, "
    "'-') || coalesce(body, '-'), '|') FROM (SELECT * FROM parts ORDER BY id)), '')";

void track(Device& device) {
  device.run(schema);
  const auto options = parse_track_options(
      std::vector<std::string>{"stars=counter", "doc=json", "essay=text", "page=doc"});
  REQUIRE(options);
  REQUIRE(device.engine->track("notes", *options));
  REQUIRE(device.engine->track("tags", {}));
  REQUIRE(device.engine->track("parts", *parse_track_options(std::vector<std::string>{"manual"})));
}

std::string random_write(Random& random) {
  const std::string id = std::to_string(random.below(30));
  const std::string number = std::to_string(random.below(1000));
  switch (random.below(12)) {
    case 0:
      return "INSERT OR IGNORE INTO notes(id, title) VALUES(" + id + ", 't" + number + "')";
    case 1:
      return "UPDATE notes SET title = 'u" + number + "' WHERE id % 5 = " + id + " % 5";
    case 2:
      return "UPDATE notes SET stars = stars + " + number + " WHERE id = " + id;
    case 3:
      return "DELETE FROM notes WHERE id = " + id;
    case 4:
      return "INSERT OR REPLACE INTO notes(id, title, code) VALUES(" + id + ", 'r', 'c" +
             std::to_string(random.below(4)) + "')";
    case 5:
      return "INSERT INTO tags VALUES(" + id + ", 'x', 1) ON CONFLICT DO UPDATE SET n = n + 1";
    case 6:
      return "DELETE FROM tags WHERE note < " + id;
    case 7:
      return "UPDATE notes SET doc = json_set(coalesce(doc, '{}'), '$.k" +
             std::to_string(random.below(4)) + "', " + number + ") WHERE id = " + id;
    case 8:
      return "INSERT OR REPLACE INTO parts VALUES('p" + id + "', (SELECT min(id) FROM notes), 'b" +
             number + "')";
    case 9:
      return "UPDATE notes SET essay = coalesce(essay, '') || 'w" + number +
             " ' WHERE id % 3 = " + id + " % 3";
    case 10:
      return "UPDATE notes SET essay = replace(essay, substr(essay, 3, 4), ' " + number +
             "') WHERE id < " + id;
    default:
      return "UPDATE parts SET body = 'c" + number + "' WHERE id > 'p" + id + "'";
  }
}

// What a page's own document emits, and what formatting leaves of a text.
void random_edit(Random& random, Engine& engine) {
  const auto id = static_cast<std::int64_t>(random.below(30));
  ydoc::DocOptions options;
  options.client_id = 1 + random.below(1U << 31U);
  ydoc::Doc page(options);
  REQUIRE(page.text("body").insert(0, std::to_string(random.below(100))));
  REQUIRE(page.map("map").set("x", ydoc::Any::number(static_cast<double>(random.below(9)))));
  const ByteVector update = *page.encode_state_as_update();
  // Rows that are not there are refused, which is as good.
  (void)engine.with_documents([&](Documents& documents) -> Result<void> {
    SL_TRY(documents.apply({"notes", {Value::integer(id)}, "page"}, update));
    const Documents::Place essay{"notes", {Value::integer(id)}, "essay"};
    SL_TRY(documents.insert_text(essay, 0, "e"));
    return documents.format_text(essay, 0, 1, R"({"bold":true})");
  });
}

struct Story {
  ConversationWorld world;
  SeededRandom random;
  std::vector<std::unique_ptr<Device>> devices;

  explicit Story(std::uint64_t seed) : world("random_" + std::to_string(seed)), random(seed) {
    for (std::uint64_t i = 0; i < 3; ++i) {
      devices.push_back(std::make_unique<Device>(world, std::to_string(i) + ".db", seed * 10 + i));
      track(*devices.back());
      devices.back()->start();
    }
  }

  void step() {
    Device& device = *devices[random.below(devices.size())];
    if (resyncs && random.chance(1, 20)) {
      REQUIRE(device.engine->resync());
    }
    switch (random.below(20)) {
      case 0:
        world.cut(device);
        break;
      case 1:
        device.online = !device.online;
        if (!device.online) {
          world.cut(device);
        }
        break;
      case 2:
        device.close();
        device.open();
        device.start();
        break;
      case 3:
        device.frames_left = static_cast<int>(random.below(6));
        break;
      case 4:
        device.host->rescan_now(world.now);
        break;
      case 5:
        world.advance(static_cast<std::int64_t>(random.below(3000)));
        break;
      default:
        world.time.ms += 1;
        // Some are refused by a constraint, which is as good.
        if (random.chance(1, 8)) {
          random_edit(random, *device.engine);
        } else {
          (void)device.database->connection().execute(random_write(random));
        }
        device.host->on_wakeup(world.now);
        break;
    }
    if (random.chance(1, 3)) {
      world.settle_now();
    }
  }

  // What befalls databases, servers and clocks as a whole.
  void disaster() {
    Device& device = *devices[random.below(devices.size())];
    const std::string copy = world.folder.file("copy.db");
    switch (random.below(6)) {
      case 0:  // the server restarts
        world.close_server();
        world.open_server();
        break;
      case 1:  // a month passes, and the server forgets what lies behind it
        world.time.ms += std::int64_t{40} * 24 * 60 * 60 * 1000;
        REQUIRE(world.hub->retire(world.now));
        break;
      case 2:  // a copy of a file is made
        device.close();
        std::filesystem::copy_file(device.path, copy,
                                   std::filesystem::copy_options::overwrite_existing);
        copied = &device;
        device.open();
        device.start();
        break;
      case 3:  // and put back, or over another replica's
        if (copied != nullptr) {
          device.close();
          std::filesystem::remove(device.path + "-wal");
          std::filesystem::copy_file(copy, device.path,
                                     std::filesystem::copy_options::overwrite_existing);
          device.open();
          device.start();
        }
        break;
      case 4:  // the server is restored from a backup
        if (backup.empty() || random.chance(1, 2)) {
          backup = "backup" + std::to_string(++backups) + ".db";
          REQUIRE(world.store->backup(world.folder.file(backup)));
        } else {
          world.close_server();
          world.server_file = backup;
          world.open_server();
          REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
          backup.clear();
        }
        break;
      default:  // a clock goes wrong
        device.clock.offset =
            (static_cast<std::int64_t>(random.below(400)) - 200) * 24 * 60 * 60 * 1000;
        break;
    }
  }
  bool disasters = false;
  bool resyncs = false;
  std::int64_t patience_ms = 120'000;
  std::string backup;  // the newest that was not restored yet
  int backups = 0;
  const Device* copied = nullptr;

  void end() {
    for (const auto& device : devices) {
      device->online = true;
      device->frames_left = -1;
      device->host->sync_now(world.now);
    }
    world.advance(patience_ms);
    const std::string expected = devices[0]->text(all_rows);
    for (const auto& device : devices) {
      CAPTURE(device->path);
      CAPTURE(device->host->status(world.now).message);
      CAPTURE(device->host->last_error());
      CHECK((disasters || device->host->last_error() == ""));
      CHECK(status_name(device->status()) == "synced");
      CHECK(device->text(all_rows) == expected);
      CHECK((disasters || device->host->session().mismatches() == 0));
      CHECK(to_text(*device->engine->digest()) == to_text(*device->engine->digest_of_tables({})));
      CHECK(device->engine->counts()->pending == 0);
      CHECK(device->engine->counts()->held == devices[0]->engine->counts()->held);
    }
  }
};

}  // namespace

TEST_CASE("whatever order replicas write, part and come back in, they agree in the end") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Story story(seed);
    for (int i = 0; i < 150; ++i) {
      story.step();
    }
    story.end();
  }
}

TEST_CASE("they agree in the end after copies, restored servers, wrong clocks and long absence") {
  for (std::uint64_t seed = 101; seed <= 112; ++seed) {
    CAPTURE(seed);
    Story story(seed);
    story.disasters = true;
    story.patience_ms = 400'000;
    for (int i = 0; i < 150; ++i) {
      story.step();
      if (story.random.chance(1, 20)) {
        story.disaster();
      }
    }
    story.end();
  }
}

TEST_CASE("they agree in the end though each begins anew now and then") {
  for (std::uint64_t seed = 201; seed <= 216; ++seed) {
    CAPTURE(seed);
    Story story(seed);
    story.resyncs = true;
    story.disasters = seed % 2 == 0;
    story.patience_ms = story.disasters ? 400'000 : 120'000;
    for (int i = 0; i < 150; ++i) {
      story.step();
      if (story.disasters && story.random.chance(1, 20)) {
        story.disaster();
      }
    }
    story.end();
  }
}

TEST_CASE("a write takes no unique value from a held row with an older life, here or elsewhere") {
  ConversationWorld world("random_unique");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->start();
  }
  world.settle_now();
  world.cut(b);
  a.run("INSERT INTO notes(id, code) VALUES(24, 'c1')");
  world.time.ms += 5;
  b.run("INSERT INTO notes(id, code) VALUES(26, 'c1')");
  world.advance(60'000);
  CHECK(b.text("SELECT group_concat(id) FROM notes") == "24");
  CHECK(b.engine->counts()->held == 1);
  b.run("INSERT OR REPLACE INTO notes(id, code) VALUES(30, 'c1')");
  world.advance(60'000);
  for (Device* device : {&a, &b}) {
    CAPTURE(device->path);
    CHECK(device->text("SELECT group_concat(id) FROM notes") == "26");
    CHECK(device->engine->counts()->held == 1);
    CHECK(status_name(device->status()) == "synced");
  }
}
