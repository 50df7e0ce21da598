#pragma once

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
