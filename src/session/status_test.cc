#include "session/status.h"

#include <doctest/doctest.h>

using namespace syncline;

namespace {

StatusFacts green() {
  StatusFacts facts;
  facts.connected = facts.welcomed = facts.at_head = true;
  facts.heartbeat_fresh = facts.heartbeat_covers_us = facts.digests_equal = true;
  return facts;
}

}  // namespace

TEST_CASE("synced needs every one of its proofs (P4)") {
  CHECK(derive_status(green()) == Status::synced);
  const auto without = [](auto change) {
    StatusFacts facts = green();
    change(facts);
    return derive_status(facts);
  };
  CHECK(without([](StatusFacts& f) { f.connected = false; }) == Status::disconnected);
  CHECK(without([](StatusFacts& f) { f.welcomed = false; }) == Status::connecting);
  CHECK(without([](StatusFacts& f) { f.pending = 1; }) == Status::syncing);
  CHECK(without([](StatusFacts& f) { f.catching_up = true; }) == Status::syncing);
  CHECK(without([](StatusFacts& f) { f.at_head = false; }) == Status::syncing);
  CHECK(without([](StatusFacts& f) { f.heartbeat_fresh = false; }) == Status::syncing);
  CHECK(without([](StatusFacts& f) { f.heartbeat_covers_us = false; }) == Status::syncing);
  CHECK(without([](StatusFacts& f) { f.digests_equal = false; }) == Status::syncing);
}

TEST_CASE("trouble has its own word, and only weather has none") {
  StatusFacts facts = green();
  facts.trouble = Trouble::storage;
  CHECK(derive_status(facts) == Status::stuck);
  facts.trouble = Trouble::schema_incompatible;
  CHECK(derive_status(facts) == Status::incompatible);
  facts.trouble = Trouble::unreachable;
  facts.connected = false;
  CHECK(derive_status(facts) == Status::disconnected);
}
