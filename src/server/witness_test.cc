#include "server/witness.h"

#include <doctest/doctest.h>

#include "server/server_world.h"

using namespace syncline;

namespace {

OpeningId opening(int number) {
  OpeningId out;
  out.bytes.fill(static_cast<std::uint8_t>(number));
  return out;
}

struct Standing {
  std::unique_ptr<SqliteLogStore> store = memory_store();

  void write(const std::string& workspace, std::uint64_t head) {
    REQUIRE(store->begin().has_value());
    auto record = *store->find_workspace(workspace);
    if (!record) {
      record = *store->create_workspace(workspace);
    }
    record->head = ServerVersion(head);
    REQUIRE(store->save_workspace(*record).has_value());
    REQUIRE(store->commit().has_value());
  }
  WitnessVerdict judge(const StorePlace& witness) { return *judge_witness(*store, witness); }
};

}  // namespace

TEST_CASE("a store that has what its witness tells of is the same") {
  Standing server;
  CHECK(*judge_witness(*server.store, std::nullopt) == WitnessVerdict::none);
  REQUIRE(server.store->begin_opening(opening(1)).has_value());
  server.write("team", 3);
  const StorePlace then = *server.store->place();
  CHECK(then.heads == 3);
  CHECK(server.judge(then) == WitnessVerdict::same);
  // It went on, and the witness was not written any more.
  server.write("other", 2);
  REQUIRE(server.store->begin_opening(opening(2)).has_value());
  CHECK(server.judge(then) == WitnessVerdict::same);
}

TEST_CASE("a store that lacks an opening, a lineage or a version of its witness was put back") {
  Standing server;
  REQUIRE(server.store->begin_opening(opening(1)).has_value());
  server.write("team", 3);
  server.write("other", 5);
  StorePlace witness = *server.store->place();
  witness.opening = opening(2);
  CHECK(server.judge(witness) == WitnessVerdict::behind);
  witness.opening = opening(1);
  witness.heads = 9;
  CHECK(server.judge(witness) == WitnessVerdict::behind);
  witness.heads = 8;
  CHECK(server.judge(witness) == WitnessVerdict::same);
  witness.lineage.bytes.fill(77);
  CHECK(server.judge(witness) == WitnessVerdict::behind);
}

TEST_CASE("heads of a lineage that ended by command are no reason for another one") {
  Standing server;
  REQUIRE(server.store->begin_opening(opening(1)).has_value());
  server.write("team", 8);
  const StorePlace witness = *server.store->place();
  LineageId next;
  next.bytes.fill(9);
  REQUIRE(server.store->begin_lineage(next).has_value());
  server.write("team", 1);
  CHECK(server.judge(witness) == WitnessVerdict::same);
}

TEST_CASE("a witness of another store says nothing") {
  Standing server;
  StorePlace witness = *server.store->place();
  witness.store.bytes.fill(1);
  CHECK(server.judge(witness) == WitnessVerdict::stranger);
}

TEST_CASE("a witness comes back from its text, and nothing else does") {
  StorePlace place;
  place.store.bytes.fill(1);
  place.lineage.bytes.fill(2);
  place.opening.bytes.fill(3);
  place.heads = 1U << 20U;
  const std::string text = write_witness(place);
  CHECK(*read_witness(text) == place);
  for (const char* bad : {"", "{}", "[]", "{\"format\":1}", "{\"format\":2,\"heads\":1}"}) {
    CHECK_FALSE(read_witness(bad).has_value());
  }
  CHECK_FALSE(read_witness(text.substr(0, text.size() / 2)).has_value());
}
