#include "server/workspace.h"

#include <doctest/doctest.h>

#include "model/cell_content.h"
#include "model/counter.h"
#include "server/ownership.h"
#include "server/retention.h"
#include "server/server_world.h"
#include "wire/state_part.h"

using namespace syncline;

namespace {

constexpr std::int64_t now_ms = 1'000'000;

// A workspace with its store's transaction open.
struct Team {
  std::unique_ptr<SqliteLogStore> store = memory_store();
  Rules rules;
  std::optional<Workspace> workspace;
  Rights rights{true, true, "ann", 0, ""};

  Team() {
    rules.read_only_tables = {"prices"};
    REQUIRE(store->begin().has_value());
    workspace = std::move(*Workspace::open(*store, rules, "team"));
  }
  Greeting greet(const Hello& hello) {
    auto greeting = workspace->greet(hello, rights, now_ms);
    REQUIRE(greeting.has_value());
    return std::move(*greeting);
  }
  Admitted admit(const Hello& hello, const Change& change, std::int64_t at = now_ms) {
    auto admitted = workspace->admit(hello, rights, {encode_change(change)}, at);
    REQUIRE_MESSAGE(admitted.has_value(), admitted.error().message());
    return std::move(*admitted);
  }
  std::uint64_t alive() {
    std::uint64_t count = 0;
    REQUIRE(store
                ->for_each_row(workspace->id(), "notes", {}, {},
                               [&](const ServerRow& row) -> Result<bool> {
                                 count += row.state.alive ? 1 : 0;
                                 return true;
                               })
                .has_value());
    return count;
  }
  Digest sum() {
    Digest out;
    REQUIRE(store
                ->for_each_row(workspace->id(), "notes", {}, {},
                               [&](const ServerRow& row) -> Result<bool> {
                                 out.add(digest_of(row.table, row.key.view(), row.state));
                                 return true;
                               })
                .has_value());
    return out;
  }
  LineageId lose_lineage() {
    REQUIRE(store->commit().has_value());
    LineageId next;
    next.bytes.fill(9);
    REQUIRE(store->lose_lineage(next).has_value());
    REQUIRE(store->begin().has_value());
    REQUIRE(workspace->reload().has_value());
    return next;
  }
  Hello welcomed(int replica, ChangeSequence last = {}) {
    Hello hello = sample_hello(replica);
    hello.last_sequence = last;
    hello.lineage = *store->lineage();
    REQUIRE(std::holds_alternative<Welcome>(greet(hello)));
    return hello;
  }
};

const Refused* refused(const Greeting& greeting) { return std::get_if<Refused>(&greeting); }

}  // namespace

TEST_CASE("a replica belongs to the user who first said hello with it") {
  Team team;
  const Hello hello = team.welcomed(1);
  CHECK(team.admit(hello, change_of(1, 1, 500)).admission == Admission::admitted);
  // Nobody else, whatever the rights, and nothing of its history is told.
  team.rights.user = "bob";
  const Greeting greeting = team.greet(hello);
  const Refused* why = refused(greeting);
  REQUIRE(why != nullptr);
  CHECK(why->reason == Refusal::not_allowed);
  CHECK(why->message.find("another user") != std::string::npos);
  CHECK(why->known.empty());
  CHECK(why->known_sequence == ChangeSequence(0));
  CHECK(team.admit(hello, change_of(1, 2, 600)).admission == Admission::foreign);
  // Its owner finds it as it was.
  team.rights.user = "ann";
  Hello again = hello;
  again.last_sequence = ChangeSequence(1);
  CHECK(std::holds_alternative<Welcome>(team.greet(again)));
  CHECK(team.admit(hello, change_of(1, 2, 700)).admission == Admission::admitted);
}

TEST_CASE("who may only read takes no replica from whoever writes with it") {
  Team team;
  const Hello hello = sample_hello(1);
  team.rights.user = "reader";
  team.rights.may_write = false;
  REQUIRE(std::holds_alternative<Welcome>(team.greet(hello)));
  team.rights.user = "ann";
  team.rights.may_write = true;
  // The reader's opening was another, which is what a copy looks like; nothing is refused for good.
  Hello own = hello;
  own.epochs_before = {hello.epoch};
  REQUIRE(std::holds_alternative<Welcome>(team.greet(own)));
  CHECK(team.admit(own, change_of(1, 1, 500)).admission == Admission::admitted);
  team.rights.user = "reader";
  team.rights.may_write = false;
  CHECK(refused(team.greet(hello))->reason == Refusal::not_allowed);
}

TEST_CASE("a reader whose token is exchanged for a writer's writes with the replica that it has") {
  Team team;
  team.rights.may_write = false;
  const Hello hello = team.welcomed(1);
  team.rights.may_write = true;
  CHECK(team.admit(hello, change_of(1, 1, 500)).admission == Admission::admitted);
  team.rights.user = "bob";
  CHECK(team.admit(hello, change_of(1, 2, 600)).admission == Admission::foreign);
}

TEST_CASE("only the same user relays a replica's changes, and the session of another goes on") {
  Team team;
  const Hello ann = team.welcomed(1);
  CHECK(team.admit(ann, change_of(1, 1, 500)).admission == Admission::admitted);
  const auto relay = [&](const char* user, const Hello& hello, const Change& change) {
    team.rights.user = user;
    auto admitted =
        team.workspace->admit_relayed(hello, team.rights, {encode_change(change)}, now_ms);
    REQUIRE(admitted.has_value());
    CHECK(admitted->relayed);
    return std::move(*admitted);
  };
  team.rights.user = "bob";
  const Hello bob = team.welcomed(2);
  const Admitted forged = relay("bob", bob, change_of(1, 2, 600));
  CHECK(forged.admission == Admission::foreign);
  CHECK(forged.known_sequence == ChangeSequence(1));
  CHECK(team.workspace->head() == ServerVersion(1));
  // Ann's laptop may, and so her phone is no copy for it.
  team.rights.user = "ann";
  const Hello laptop = team.welcomed(3);
  CHECK(relay("ann", laptop, change_of(1, 2, 600)).admission == Admission::admitted);
  // Who never met the server is nobody's yet, and whoever comes with it first has it.
  CHECK(relay("bob", bob, change_of(4, 1, 700)).admission == Admission::admitted);
  team.rights.user = "cid";
  (void)team.welcomed(4, ChangeSequence(1));
  CHECK(relay("bob", bob, change_of(4, 2, 800)).admission == Admission::foreign);
  CHECK(relay("cid", bob, change_of(4, 2, 800)).admission == Admission::admitted);
}

// A device exported what it had not sent, an old file of it was put back, and it went on.
TEST_CASE("a relay is told which of its changes the server has otherwise under their numbers") {
  Team team;
  const Hello phone = team.welcomed(1);
  const Hello laptop = team.welcomed(2);
  for (const std::uint64_t sequence : {1U, 2U, 3U}) {
    CHECK(team.admit(phone, change_of(1, sequence, 500 + sequence)).admission ==
          Admission::admitted);
  }
  const auto answer = [&](std::uint64_t sequence, std::uint64_t time) {
    const Change change = change_of(1, sequence, time);
    auto admitted =
        team.workspace->admit_relayed(laptop, team.rights, {encode_change(change)}, now_ms);
    REQUIRE(admitted.has_value());
    CHECK(admitted->admission == Admission::repeated);
    return admitted->known_sequence.get();
  };
  CHECK(answer(2, 502) == 3);
  CHECK(answer(3, 503) == 3);
  CHECK(answer(2, 600) == 1);
  CHECK(answer(3, 600) == 2);
  CHECK(answer(1, 600) == 0);
  // No server takes these rows in any form.
  constexpr std::int64_t days_ms = std::int64_t{48} * 3600 * 1000;
  CHECK(answer(2, static_cast<std::uint64_t>(now_ms + days_ms)) == 3);
}

TEST_CASE("a hello that was overtaken by a file of later changes is no copy's") {
  Team team;
  const Hello laptop = team.welcomed(2);
  (void)team.welcomed(1);
  Hello phone = sample_hello(1);
  phone.lineage = laptop.lineage;
  CHECK(team.admit(phone, change_of(1, 1, 500)).admission == Admission::admitted);
  const Change second = change_of(1, 2, 600);
  REQUIRE(team.workspace->admit_relayed(laptop, team.rights, {encode_change(second)}, now_ms)
              .has_value());
  phone.last_sequence = ChangeSequence(1);
  CHECK(refused(team.greet(phone)) == nullptr);
  // Its own word is compared, as ever.
  CHECK(team.admit(phone, change_of(1, 2, 601)).admission == Admission::diverged);
  CHECK(team.admit(phone, second).admission == Admission::repeated);
  // What the replica itself said beyond it, a copy has forgotten.
  CHECK(team.admit(phone, change_of(1, 3, 700)).admission == Admission::admitted);
  REQUIRE(refused(team.greet(phone)) != nullptr);
  CHECK(refused(team.greet(phone))->reason == Refusal::replica_forked);
}

TEST_CASE("what a JSON device writes nobody else says, not even its user as a replica") {
  Team team;
  const Hello phone = sample_hello(9);
  Change made = change_of(9, 0, 500);
  REQUIRE(team.store->save_device(team.workspace->id(), phone.replica, {"ann", "phone"}));
  REQUIRE(team.workspace->write(made, team.rights, now_ms).has_value());
  const Greeting greeting = team.greet(phone);
  REQUIRE(refused(greeting) != nullptr);
  CHECK(refused(greeting)->reason == Refusal::not_allowed);
  const Hello laptop = team.welcomed(3);
  auto relayed = team.workspace->admit_relayed(laptop, team.rights,
                                               {encode_change(change_of(9, 2, 600))}, now_ms);
  REQUIRE(relayed.has_value());
  CHECK(relayed->admission == Admission::foreign);
}

TEST_CASE("a replica can be given to another user, and to whoever comes next") {
  Team team;
  const Hello hello = team.welcomed(1);
  (void)team.welcomed(2);
  const auto give = [&](Gift gift) {
    gift.workspace = "team";
    return give_replicas(*team.store, gift);
  };
  CHECK(give({{}, hello.replica, "", "bob"})->size() == 1);
  CHECK(refused(team.greet(hello)) != nullptr);
  team.rights.user = "bob";
  CHECK(refused(team.greet(hello)) == nullptr);
  CHECK(give({{}, hello.replica, "", ""})->size() == 1);
  team.rights.user = "cid";
  CHECK(refused(team.greet(hello)) == nullptr);
  // Everything of one account.
  CHECK(give({{}, {}, "ann", "cid"})->size() == 1);
  CHECK(refused(team.greet(sample_hello(2))) == nullptr);
  CHECK(give({{}, sample_replica(8), "", "cid"}).error().code() == ErrorCode::not_found);
  REQUIRE(team.store->save_device(team.workspace->id(), sample_replica(9), {"ann", "phone"}));
  CHECK(give({{}, sample_replica(9), "", "cid"}).error().code() == ErrorCode::invalid_argument);
}

TEST_CASE("a workspace that is full says so, and takes deletions alone") {
  Team team;
  team.rules.rows_max = 2;
  const Hello hello = team.welcomed(1);
  const Hello other = team.welcomed(2);
  CHECK(team.admit(hello, change_of(1, 1, 500)).admission == Admission::admitted);
  CHECK(team.admit(hello, change_of(1, 2, 501, {.id = 2})).admission == Admission::admitted);
  const Admitted third = team.admit(hello, change_of(1, 3, 502, {.id = 3}));
  CHECK(third.admission == Admission::rejected);
  CHECK(third.rejected.code == "full");
  CHECK(third.rejected.message.find("2 rows of 2") != std::string::npos);
  auto relayed = team.workspace->admit_relayed(
      other, team.rights, {encode_change(change_of(3, 1, 503, {.id = 4}))}, now_ms);
  REQUIRE(relayed.has_value());
  CHECK(relayed->admission == Admission::repeated);  // waits
  CHECK(relayed->known_sequence == ChangeSequence(0));
  CHECK(team.admit(hello, change_of(1, 4, 504, {.kind = EditKind::erase, .id = 2})).admission ==
        Admission::admitted);
  team.rules.rows_max = 0;
  team.rules.bytes_max = 10;
  CHECK(team.admit(hello, change_of(1, 5, 505, {.id = 3})).rejected.code == "full");
  team.rules.bytes_max = 1 << 20;
  CHECK(team.admit(hello, change_of(1, 6, 506, {.id = 3})).admission == Admission::admitted);
}

TEST_CASE("a change is admitted once, whatever is sent again") {
  Team team;
  const Hello hello = team.welcomed(1);
  const Change change = change_of(1, 1, 500);
  CHECK(team.admit(hello, change).admission == Admission::admitted);
  CHECK(team.admit(hello, change).admission == Admission::repeated);
  CHECK(team.workspace->head() == ServerVersion(1));
}

TEST_CASE("a count that is older than what it counts from is refused, and blocks nothing") {
  Team team;
  const Hello hello = team.welcomed(1);
  Change forged = change_of(1, 1, 500);
  forged.edits[0].cells = {{"body",
                            CellForm::counter,
                            encode_counter_edit({sample_stamp(900, 2), Value::integer(5)}),
                            {}}};
  const Admitted refused = team.admit(hello, forged);
  CHECK(refused.admission == Admission::rejected);
  CHECK(refused.rejected.code == "malformed");
  CHECK(team.admit(hello, change_of(1, 2, 501)).admission == Admission::admitted);
}

TEST_CASE("other content under a known number is a copy's, and what is known is told") {
  Team team;
  const Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  team.admit(hello, change_of(1, 2, 501));
  const Admitted same_time = team.admit(hello, change_of(1, 2, 501, {.body = "other"}));
  CHECK(same_time.admission == Admission::diverged);
  const Admitted other_time = team.admit(hello, change_of(1, 1, 499));
  CHECK(other_time.admission == Admission::diverged);
  CHECK(other_time.known_sequence == ChangeSequence(2));
  const auto hash = [](const Change& change) {
    return hash_of_parts(std::vector<ByteVector>{encode_change(change)});
  };
  CHECK(other_time.known ==
        std::vector<KnownChange>{{sample_stamp(500, 1).time, hash(change_of(1, 1, 500))},
                                 {sample_stamp(501, 1).time, hash(change_of(1, 2, 501))}});
}

TEST_CASE("a change in another replica's name is not admitted") {
  Team team;
  const Hello hello = team.welcomed(1);
  CHECK(team.admit(hello, change_of(2, 1, 500)).admission == Admission::out_of_order);
  CHECK(team.workspace->head() == ServerVersion(0));
}

TEST_CASE("a change behind a hole waits for what is missing") {
  Team team;
  Hello hello = team.welcomed(1);
  CHECK(team.admit(hello, change_of(1, 2, 500)).admission == Admission::out_of_order);
}

TEST_CASE("after a restore a replica goes on behind what it knows to be acknowledged") {
  Team team;
  Hello hello = team.welcomed(1);
  hello.acknowledged = ChangeSequence(7);
  CHECK(team.admit(hello, change_of(1, 8, 500)).admission == Admission::admitted);
}

TEST_CASE("a stamp from too far ahead is refused") {
  Team team;
  const Hello hello = team.welcomed(1);
  const Admitted ahead = team.admit(hello, change_of(1, 1, now_ms + 60'001));
  CHECK(ahead.admission == Admission::skewed);
  CHECK(team.admit(hello, change_of(1, 1, now_ms + 60'000)).admission == Admission::admitted);
}

TEST_CASE("a change that the rules refuse is rejected once and for ever, and blocks nothing") {
  Team team;
  const Hello hello = team.welcomed(1);
  const Change bad = change_of(1, 1, 500, {.table = "prices"});
  for (int round = 0; round < 2; ++round) {
    const Admitted again = team.admit(hello, bad);
    CHECK(again.admission == Admission::rejected);
    CHECK(again.rejected.code == "not_allowed");
    CHECK_FALSE(again.rejected.states.empty());
  }
  CHECK(team.admit(hello, change_of(1, 2, 501)).admission == Admission::admitted);
}

TEST_CASE("an edit that no replica could merge is rejected, and blocks nobody") {
  Team team;
  const Hello hello = team.welcomed(1);
  SampleEdit set;
  set.kind = EditKind::set;
  std::uint64_t sequence = 1;
  for (const CellForm form : {CellForm::counter, CellForm::json, CellForm::doc}) {
    Change bad = change_of(1, sequence, 500 + sequence, set);
    bad.edits[0].cells[0].form = form;
    bad.edits[0].cells[0].value = Value::blob(as_bytes("?"));
    const Admitted refused = team.admit(hello, bad);
    CHECK(refused.admission == Admission::rejected);
    CHECK(refused.rejected.code != "not_allowed");
    ++sequence;
  }
  Change torn = change_of(1, sequence, 500 + sequence, set);
  torn.edits[0].cells[0].form = CellForm::doc;
  torn.edits[0].cells[0].value =
      encode_doc_edit({DocKind::text, {sample_stamp(400, 1), 0}, "\x01\x01"});
  CHECK(team.admit(hello, torn).rejected.code == "malformed");
  CHECK(team.admit(hello, change_of(1, 5, 510)).admission == Admission::admitted);
}

TEST_CASE("who may only read, and a change of too many rows, are refused") {
  Rules rules;
  rules.edits_max = 1;
  Change change = change_of(1, 1, 500);
  CHECK(check_rules(rules, {true, true, "ann", 0, ""}, change).has_value());
  CHECK(check_rules(rules, {true, false, "ann", 0, ""}, change).error().code() ==
        ErrorCode::not_allowed);
  change.edits.push_back(change.edits[0]);
  CHECK(check_rules(rules, {true, true, "ann", 0, ""}, change).error().code() ==
        ErrorCode::too_large);
}

TEST_CASE("the digest is the sum over the rows, also after a deletion and a restart") {
  Team team;
  const Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500, {.id = 1}));
  team.admit(hello, change_of(1, 2, 501, {.id = 2}));
  team.admit(hello, change_of(1, 3, 502, {.kind = EditKind::set, .id = 2, .body = "new"}));
  team.admit(hello, change_of(1, 4, 503, {.kind = EditKind::erase, .id = 1}));
  CHECK(team.workspace->digest({}) == team.sum());
  CHECK(team.workspace->digest({"tags"}) == Digest());
  const auto reopened = Workspace::open(*team.store, team.rules, "team");
  CHECK(reopened->digest({}) == team.sum());
}

TEST_CASE("what a replica does not know to be acknowledged it is to send again") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  team.admit(hello, change_of(1, 2, 501, {.table = "prices"}));
  hello.last_sequence = ChangeSequence(2);
  const Greeting greeting = team.greet(hello);
  REQUIRE(std::holds_alternative<Welcome>(greeting));
  CHECK(std::get<Welcome>(greeting).known_sequence == ChangeSequence(0));
}

TEST_CASE("a copy is recognised by its epoch, its numbers, its times and what it forgot") {
  Team team;
  Hello hello = team.welcomed(1);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    team.admit(hello, change_of(1, sequence, 500 + sequence));
  }
  hello.last_sequence = hello.acknowledged = ChangeSequence(3);
  hello.acknowledged_time = sample_stamp(503, 1).time;
  CHECK(refused(team.greet(hello)) == nullptr);
  SUBCASE("another opening was here since") {
    hello.epoch.bytes.fill(9);
    CHECK(refused(team.greet(hello))->reason == Refusal::replica_forked);
    hello.epochs_before = {sample_hello(1).epoch};
    CHECK(refused(team.greet(hello)) == nullptr);
  }
  SUBCASE("it has not made all changes that are known of it") {
    hello.last_sequence = hello.acknowledged = ChangeSequence(2);
    CHECK(refused(team.greet(hello))->reason == Refusal::replica_forked);
  }
  SUBCASE("its last acknowledged change was made at another time") {
    hello.acknowledged_time += 1;
    CHECK(refused(team.greet(hello))->reason == Refusal::replica_forked);
  }
  SUBCASE("it once knew more to be acknowledged") {
    hello.last_sequence = ChangeSequence(9);
    hello.acknowledged = ChangeSequence(1);
    hello.acknowledged_time = sample_stamp(501, 1).time;
    const Greeting greeting = team.greet(hello);
    REQUIRE(refused(greeting) != nullptr);
    CHECK(refused(greeting)->reason == Refusal::replica_forked);
    CHECK(refused(greeting)->known.size() == 2);
  }
}

TEST_CASE("a copy that leaves a bequest is compared change by change, and takes nobody's place") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 501));
  team.admit(hello, change_of(1, 2, 502, {.table = "prices"}));
  team.admit(hello, change_of(1, 3, 503));
  // The original knows it all.
  hello.last_sequence = hello.acknowledged = ChangeSequence(3);
  hello.acknowledged_time = sample_stamp(503, 1).time;
  CHECK(refused(team.greet(hello)) == nullptr);
  // The copy was made before.
  Hello copy = hello;
  copy.epoch.bytes.fill(9);
  copy.last_sequence = ChangeSequence(5);
  copy.acknowledged = ChangeSequence(1);
  copy.acknowledged_time = sample_stamp(501, 1).time;
  CHECK(refused(team.greet(copy))->reason == Refusal::replica_forked);
  copy.catch_up = CatchUp::bequest;
  const Greeting greeting = team.greet(copy);
  REQUIRE(std::holds_alternative<Welcome>(greeting));
  CHECK(std::get<Welcome>(greeting).known_sequence == ChangeSequence(1));
  CHECK(team.admit(copy, change_of(1, 2, 502, {.table = "prices"})).admission ==
        Admission::rejected);
  CHECK(team.admit(copy, change_of(1, 3, 503)).admission == Admission::repeated);
  CHECK(team.admit(copy, change_of(1, 4, 504)).admission == Admission::admitted);
  SUBCASE("the original goes on where it agrees") {
    hello.last_sequence = ChangeSequence(4);
    CHECK(refused(team.greet(hello)) == nullptr);
    CHECK(team.admit(hello, change_of(1, 4, 504)).admission == Admission::repeated);
  }
  SUBCASE("the original is the one that is renamed where it does not") {
    CHECK(team.admit(hello, change_of(1, 4, 505)).admission == Admission::diverged);
  }
  SUBCASE("what differs is its own") {
    const Admitted other = team.admit(copy, change_of(1, 4, 506));
    CHECK(other.admission == Admission::diverged);
    CHECK(other.known_sequence == ChangeSequence(4));
  }
  SUBCASE("it is no way around what both were told") {
    copy.acknowledged_time += 1;
    CHECK(refused(team.greet(copy))->reason == Refusal::replica_forked);
  }
}

TEST_CASE("what is told of a copy leaves out what was refused") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  team.admit(hello, change_of(1, 2, 501, {.table = "prices"}));
  team.admit(hello, change_of(1, 3, 502));
  hello.epoch.bytes.fill(9);
  hello.last_sequence = ChangeSequence(3);
  const Greeting greeting = team.greet(hello);
  REQUIRE(refused(greeting) != nullptr);
  REQUIRE(refused(greeting)->known.size() == 3);
  CHECK(refused(greeting)->known[0].time == sample_stamp(500, 1).time);
  CHECK(refused(greeting)->known[1] == KnownChange());
  CHECK(refused(greeting)->known[2].time == sample_stamp(502, 1).time);
}

TEST_CASE("identities outlive the log until their replica has confirmed them") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  team.admit(hello, change_of(1, 2, 501));
  REQUIRE(team.workspace->trim(ServerVersion(2), sample_stamp(600, 1).time).has_value());
  CHECK(team.admit(hello, change_of(1, 2, 499)).admission == Admission::diverged);
  CHECK(team.admit(hello, change_of(1, 2, 501)).admission == Admission::repeated);
  hello.last_sequence = hello.acknowledged = ChangeSequence(2);
  hello.acknowledged_time = sample_stamp(501, 1).time;
  hello.cursor = ServerVersion(2);
  CHECK(refused(team.greet(hello)) == nullptr);
  CHECK_FALSE(team.store->find_change(team.workspace->id(), sample_replica(1), ChangeSequence(2))
                  ->has_value());
}

// The fence (P7 of deleted rows: they stay deleted). A tombstone of 502 is forgotten.
TEST_CASE("behind the fence nothing comes back") {
  Team team;
  const Hello one = team.welcomed(1);
  const Hello two = team.welcomed(2);
  team.admit(one, change_of(1, 1, 500));
  team.admit(one, change_of(1, 2, 502, {.kind = EditKind::erase}));
  REQUIRE(team.workspace->trim(ServerVersion(2), sample_stamp(600, 1).time).has_value());
  CHECK(team.alive() == 0);
  SUBCASE("an old put of a row that its writer knew is rejected") {
    const SampleEdit put{.replaced = sample_stamp(500, 1)};
    const Admitted late = team.admit(two, change_of(2, 1, 550, put));
    CHECK(late.admission == Admission::rejected);
    CHECK(late.rejected.code == "not_found");
  }
  SUBCASE("an old insert is to be stamped anew, for others may hold the tombstone") {
    CHECK(team.admit(two, change_of(2, 1, 501)).admission == Admission::skewed);
    CHECK(team.admit(two, change_of(2, 1, 601)).admission == Admission::admitted);
    CHECK(team.alive() == 1);
  }
  SUBCASE("an older deletion leaves no tombstone that a put between the two would pass") {
    team.admit(two, change_of(2, 1, 490, {.kind = EditKind::erase}));
    CHECK(team.admit(two, change_of(2, 2, 495)).admission == Admission::skewed);
  }
  SUBCASE("an edit whose put was forgotten does not open the door either") {
    team.admit(two, change_of(2, 1, 490, {.kind = EditKind::set}));
    CHECK(team.admit(two, change_of(2, 2, 495)).admission == Admission::skewed);
  }
  CHECK(team.workspace->digest({}) == team.sum());
}

TEST_CASE("a cursor below the fence has to compare rows first") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  team.admit(hello, change_of(1, 2, 501));
  REQUIRE(team.workspace->trim(ServerVersion(2), 0).has_value());
  Hello late = team.welcomed(2);
  late.catch_up = CatchUp::resume;
  late.cursor = ServerVersion(1);
  CHECK(refused(team.greet(late))->reason == Refusal::cursor_expired);
  late.catch_up = CatchUp::rescan;
  CHECK(refused(team.greet(late)) == nullptr);
  WorkMeter meter = plenty();
  CHECK(team.workspace->read(late, {ServerVersion(1), 0, 1000}, ServerVersion(2), meter)->gone);
}

TEST_CASE("a cursor of a lineage that this server never was is refused") {
  Team team;
  Hello hello = team.welcomed(1);
  hello.lineage.bytes.fill(77);
  CHECK(refused(team.greet(hello))->reason == Refusal::unknown_lineage);
}

TEST_CASE("retention keeps what is young, and what a replica that was seen lately still needs") {
  Team team;
  const Hello hello = team.welcomed(1);
  const Hello reader = team.welcomed(2);
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
    team.admit(hello, change_of(1, sequence, 500 + sequence),
               now_ms + static_cast<std::int64_t>(sequence) * 1000);
  }
  const RetentionOptions options{.keep_ms = 10'000};
  const auto retire_at = [&](std::int64_t at) {
    REQUIRE(retire(*team.store, *team.workspace, options, at).has_value());
    return team.workspace->fence();
  };
  REQUIRE(team.workspace->save_cursor(hello.replica, ServerVersion(4), now_ms + 4000).has_value());
  REQUIRE(team.workspace->save_cursor(reader.replica, ServerVersion(1), now_ms + 4000).has_value());
  CHECK(retire_at(now_ms + 5000) == ServerVersion(0));
  // The reader's cursor stands at 1, and it was seen within the time that is kept.
  CHECK(retire_at(now_ms + 13'500) == ServerVersion(1));
  // Then it counts no longer, and a fence never moves back.
  CHECK(retire_at(now_ms + 60'000) == ServerVersion(4));
  CHECK(retire_at(now_ms + 5000) == ServerVersion(4));
}

namespace {

ByteVector states_of_row(std::int64_t ms, const char* title, int name) {
  RowState state;
  state.life = sample_stamp(static_cast<std::uint64_t>(ms), 5);
  state.alive = true;
  state.cells = {{"title", CellForm::plain, state.life, Value::text(title), {}}};
  StatePartWriter writer(sample_replica(name));
  writer.row("notes", sample_key(7).view(), state);
  return writer.finish();
}

}  // namespace

TEST_CASE("rows that the server lacks are taken in once, whoever brings them") {
  Team team;
  const Hello one = team.welcomed(1);
  const Hello two = team.welcomed(2);
  const auto bring = [&](const Hello& hello, ByteVector part) {
    auto admitted = team.workspace->admit_relayed(hello, team.rights, {std::move(part)}, now_ms);
    REQUIRE_MESSAGE(admitted.has_value(), admitted.error().message());
    CHECK(admitted->relayed);
    return admitted->admission;
  };
  CHECK(bring(one, states_of_row(500, "kept", 40)) == Admission::admitted);
  CHECK(team.workspace->head() == ServerVersion(1));
  CHECK(team.alive() == 1);
  CHECK(team.workspace->digest({}) == team.sum());
  // Again under its name, and by another under another one.
  CHECK(bring(one, states_of_row(500, "kept", 40)) == Admission::repeated);
  CHECK(bring(two, states_of_row(500, "kept", 41)) == Admission::repeated);
  // A name that was used says nothing else.
  CHECK(bring(two, states_of_row(600, "other", 40)) == Admission::repeated);
  CHECK(team.workspace->head() == ServerVersion(1));
  // What is newer is news.
  CHECK(bring(two, states_of_row(600, "newer", 42)) == Admission::admitted);
  CHECK(team.workspace->digest({}) == team.sum());
  WorkMeter meter = plenty();
  const auto read = team.workspace->read(one, {{}, 0, 1 << 20}, ServerVersion(2), meter);
  REQUIRE(read);
  CHECK(read->parts.size() == 2);
}

TEST_CASE("rows that are brought keep to rules, clocks and sound cells") {
  Team team;
  const Hello hello = team.welcomed(1);
  const auto bring = [&](ByteVector part) {
    auto admitted = team.workspace->admit_relayed(hello, team.rights, {std::move(part)}, now_ms);
    REQUIRE(admitted.has_value());
    return admitted->admission;
  };
  CHECK(bring(states_of_row(now_ms + 120'000, "from the future", 40)) == Admission::rejected);
  RowState state;
  state.life = sample_stamp(500, 5);
  state.alive = true;
  StatePartWriter prices(sample_replica(41));
  prices.row("prices", sample_key(1).view(), state);
  CHECK(bring(prices.finish()) == Admission::rejected);
  state.cells = {{"title", CellForm::counter, state.life, Value::text("no content"), {}}};
  StatePartWriter damaged(sample_replica(42));
  damaged.row("notes", sample_key(1).view(), state);
  CHECK(bring(damaged.finish()) == Admission::rejected);
  ByteVector cut = states_of_row(500, "kept", 43);
  cut.resize(cut.size() - 2);
  CHECK(bring(std::move(cut)) == Admission::rejected);
  CHECK(team.workspace->head() == ServerVersion(0));
}

TEST_CASE("after the lineage was lost a replica goes on where both histories are one") {
  Team team;
  const Hello author = team.welcomed(1);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    CHECK(team.admit(author, change_of(1, sequence, 500 + sequence)).admission ==
          Admission::admitted);
  }
  Hello reader = team.welcomed(2);
  const Receipt told = team.workspace->receipt();
  const LineageId next = team.lose_lineage();
  reader.catch_up = CatchUp::resume;
  reader.cursor = ServerVersion(2);
  reader.receipt = told;
  const Greeting common = team.greet(reader);
  REQUIRE(std::holds_alternative<Welcome>(common));
  CHECK(std::get<Welcome>(common).resume_after == ServerVersion(2));
  CHECK(std::get<Welcome>(common).lineage == next);
  // Without a receipt, or beyond it, nobody knows.
  for (const bool shows : {false, true}) {
    reader.lineage = author.lineage;
    reader.cursor = ServerVersion(shows ? 4 : 2);
    reader.receipt = shows ? told : Receipt();
    const Greeting unknown = team.greet(reader);
    REQUIRE(refused(unknown) != nullptr);
    CHECK(refused(unknown)->reason == Refusal::cursor_expired);
  }
}

TEST_CASE("a hello of before the lineage was lost confirms nothing in the new one") {
  Team team;
  Hello hello = team.welcomed(1);
  team.admit(hello, change_of(1, 1, 500));
  const Receipt told = team.workspace->receipt();
  const LineageId next = team.lose_lineage();
  // It was acknowledged two there, and this server has but one.
  hello.last_sequence = hello.acknowledged = ChangeSequence(2);
  hello.acknowledged_time = sample_stamp(501, 1).time;
  hello.receipt = told;
  hello.catch_up = CatchUp::rescan;
  const Greeting greeting = team.greet(hello);
  REQUIRE(std::holds_alternative<Welcome>(greeting));
  CHECK(std::get<Welcome>(greeting).known_sequence == ChangeSequence(1));
  Hello known = hello;
  known.lineage = next;
  known.acknowledged = ChangeSequence(1);
  known.acknowledged_time = sample_stamp(500, 1).time;
  CHECK(team.admit(known, change_of(1, 2, 501)).admission == Admission::admitted);
  // The old hello again, late; its acknowledgement of the second has not arrived.
  REQUIRE(std::holds_alternative<Welcome>(team.greet(hello)));
  CHECK(std::holds_alternative<Welcome>(team.greet(known)));
}

TEST_CASE("digests that were read in slices are those that were read at once") {
  Team team;
  const Hello hello = team.welcomed(1);
  for (int i = 0; i < 300; ++i) {
    SampleEdit edit;
    edit.id = i;
    team.admit(hello, change_of(1, static_cast<std::uint64_t>(i + 1),
                                500 + static_cast<std::uint64_t>(i), edit));
  }
  const auto read = [&](std::size_t units) {
    RangeWalk walk;
    walk.request.table = "notes";
    for (;;) {
      WorkMeter meter(units);
      auto done = team.workspace->range_digests(hello, walk, meter);
      REQUIRE(done.has_value());
      if (*done) {
        return **done;
      }
    }
  };
  const RangeDigests whole = read(1'000'000);
  CHECK(whole.ranges.size() == 5);
  CHECK(whole == read(7));
  CHECK(whole == read(300));
}

TEST_CASE("a change is told part by part, and the same with every cut") {
  Team team;
  const Hello writer = team.welcomed(1);
  const Hello hello = team.welcomed(2);
  team.admit(writer, change_of(1, 1, 500));
  Change wide = change_of(1, 2, 501);
  std::vector<ByteVector> parts;
  for (std::uint64_t i = 0; i < 5; ++i) {
    PartHeader header;
    header.stamp = wide.stamp;
    header.sequence = wide.sequence;
    header.schema_version = 1;
    header.index = i;
    header.last = i == 4;
    SampleEdit edit;
    edit.id = static_cast<int>(i);
    const ByteVector encoded = encode_change(change_of(1, 2, 501, edit));
    Reader in(encoded);
    REQUIRE(read_part_header(in).has_value());
    Writer out;
    write_part_header(out, header);
    out.raw(in.rest());
    parts.push_back(out.take());
  }
  REQUIRE(team.workspace->admit(writer, team.rights, parts, now_ms)->admission ==
          Admission::admitted);
  team.admit(writer, change_of(1, 3, 502));
  const auto read = [&](std::size_t units) {
    std::vector<std::pair<ServerVersion, ByteVector>> out;
    effect::ReadLog ask{{}, 0, std::size_t{1} << 20U};
    while (ask.after < ServerVersion(3)) {
      WorkMeter meter(units);
      auto slice = team.workspace->read(hello, ask, ServerVersion(3), meter);
      REQUIRE(slice.has_value());
      for (const LogPart& part : slice->parts) {
        out.emplace_back(part.version, part.frame);
      }
      ask.after = slice->through.version;
      ask.begun = slice->begun;
    }
    return out;
  };
  const auto whole = read(1'000'000);
  CHECK(whole.size() == 7);
  CHECK(whole == read(1));
  CHECK(whole == read(5));
}
