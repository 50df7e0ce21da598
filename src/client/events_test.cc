#include "client/events.h"

#include <doctest/doctest.h>

using namespace syncline;

TEST_CASE("identical notifications within fifteen seconds are one") {
  Events events;
  events.start_queue();
  events.notify(event_name::error, 1'000, "a", "{}");
  events.notify(event_name::error, 15'999, "a", "{}");
  events.notify(event_name::error, 2'000, "b", "{}");
  events.notify(event_name::conflict_detected, 2'000, "a", "{}");
  CHECK(events.drain(10).size() == 3);
  events.notify(event_name::error, 16'000, "a", "{}");
  CHECK(events.drain(10).size() == 1);
}

TEST_CASE("while it is quiet nobody is notified, and other events are told") {
  Events events;
  events.start_queue();
  events.set_quiet(true);
  events.notify(event_name::error, 1'000, "a", "{}");
  events.add(event_name::rescan_progressed, 1'000, "{}");
  CHECK(events.drain(10).size() == 1);
  events.set_quiet(false);
  events.notify(event_name::error, 1'001, "a", "{}");
  CHECK(events.drain(10).size() == 1);
}
