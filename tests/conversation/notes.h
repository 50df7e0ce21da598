#pragma once

#include "client/verify.h"
#include "model/change.h"
#include "tests/conversation/conversation_world.h"

// Devices that take notes.
namespace syncline {

inline const std::string all_notes =
    "SELECT group_concat(id || ':' || title || ':' || coalesce(body, '-') || ':' || stars, '|') "
    "FROM (SELECT * FROM notes ORDER BY id)";

inline void track(Device& device, const std::vector<std::string>& rules = {}) {
  device.run(notes_schema);
  const auto options = parse_track_options(rules);
  REQUIRE(options);
  const auto tracked = device.engine->track("notes", *options);
  REQUIRE_MESSAGE(tracked, tracked.error().message());
}

inline void insert(Device& device, std::int64_t id, const std::string& title) {
  device.run("INSERT INTO notes(id, title) VALUES(" + std::to_string(id) + ", '" + title + "')");
}

inline void track_and_start(std::initializer_list<Device*> devices,
                            const std::vector<std::string>& rules = {}) {
  for (Device* device : devices) {
    track(*device, rules);
  }
  for (Device* device : devices) {
    device->start();
  }
}

// Until it is online again.
inline void cut_off(Device& device) {
  device.online = false;
  device.world.cut(device);
}

// Another device, on a copy of the file of one that is closed.
inline Device copied(const Device& device, const std::string& name, std::uint64_t seed) {
  std::filesystem::copy_file(device.path, device.world.folder.file(name));
  return Device(device.world, name, seed);
}

// The device is closed, and finds an older file of its own when it opens.
inline void put_back(const Device& device, const std::string& name) {
  std::filesystem::copy_file(device.world.folder.file(name), device.path,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(device.path + "-wal");
}

// A file of everything that the device knows.
inline ByteVector all_of(Device& device) {
  const auto file = device.engine->changes_since(LocalVersion(0));
  REQUIRE_MESSAGE(file, file.error().message());
  return *file;
}

inline void give(Device& from, Device& to) {
  const auto report = to.engine->apply_file(all_of(from));
  REQUIRE_MESSAGE(report, report.error().message());
}

inline std::uint64_t stamp_time(const ConversationWorld& world, std::int64_t ahead_ms = 0) {
  return static_cast<std::uint64_t>(world.time.ms + ahead_ms) << Stamp::counter_bits;
}

inline ReplicaId stranger() {
  ReplicaId out;
  out.bytes.fill(5);
  return out;
}

// A change that puts a note, as somebody who lies would make it.
inline Change forged_note(std::uint64_t sequence, const Stamp& stamp, std::int64_t id) {
  Change out;
  out.sequence = ChangeSequence(sequence);
  out.stamp = stamp;
  out.schema_version = 1;
  const ValueView key[] = {ValueView::of(id)};
  RowEdit put{EditKind::put, "notes", make_key(key), {}, {}};
  put.cells = {{"title", CellForm::plain, Value::text("forged"), {}}};
  out.edits = {put};
  return out;
}

// Nothing is wrong with its file.
inline void check_sound(Device& device) {
  const auto problems = verify(*device.engine);
  REQUIRE(problems);
  for (const std::string& problem : *problems) {
    FAIL_CHECK(problem);
  }
}

// Everybody is green and has the same rows.
inline void check_converged(ConversationWorld& world, std::initializer_list<Device*> devices) {
  world.advance(10'000);
  const std::string expected = (*devices.begin())->text(all_notes);
  for (Device* device : devices) {
    CAPTURE(device->path);
    CHECK(device->host->last_error() == "");
    CHECK(device->text(all_notes) == expected);
    CHECK(status_name(device->status()) == "synced");
    CHECK(*device->engine->digest() == *(*devices.begin())->engine->digest());
  }
}

// The same, and their digests never differed when they had to be equal.
inline void check_agreed(ConversationWorld& world, std::initializer_list<Device*> devices) {
  check_converged(world, devices);
  for (Device* device : devices) {
    CAPTURE(device->path);
    CHECK(device->host->session().mismatches() == 0);
  }
}

}  // namespace syncline
