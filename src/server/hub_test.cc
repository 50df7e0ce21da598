#include "server/hub.h"

#include <doctest/doctest.h>

#include "server/hub_office.h"

using namespace syncline;

TEST_CASE("nothing is acknowledged or told before its commit") {
  Office office;
  const ConnectionId writer = office.follow(1);
  const ConnectionId reader = office.follow(2);
  office.push(writer, change_of(1, 1, 500));
  CHECK(office.commit_wanted);
  CHECK(office.count<Ack>(writer) == 0);
  CHECK(office.count<PullPart>(reader) == 0);
  office.commit();
  CHECK(office.count<Ack>(writer) == 1);
  CHECK(office.count<PullPart>(reader) == 1);
  CHECK(office.count<PullPart>(writer) == 0);
}

TEST_CASE("changes of many workspaces share one commit") {
  Office office;
  std::vector<ConnectionId> writers;
  for (int i = 1; i <= 5; ++i) {
    writers.push_back(office.follow(i, "team " + std::to_string(i)));
  }
  const std::uint64_t before = office.store.commits;
  for (int i = 1; i <= 5; ++i) {
    office.push(writers[static_cast<std::size_t>(i - 1)], change_of(i, 1, 500));
  }
  office.commit();
  CHECK(office.store.commits == before + 1);
  for (const ConnectionId writer : writers) {
    CHECK(office.count<Ack>(writer) == 1);
  }
}

TEST_CASE("a group of changes is committed when it is full") {
  HubOptions options;
  options.group_changes_max = 3;
  Office office(options);
  const ConnectionId writer = office.follow(1);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    office.push(writer, change_of(1, sequence, 500 + sequence));
  }
  CHECK(office.count<Ack>(writer) == 3);
}

TEST_CASE("a workspace whose storage fails takes no other down with it") {
  Office office;
  const ConnectionId sound = office.follow(1, "sound");
  const ConnectionId idle = office.follow(2, "idle");
  const ConnectionId broken = office.follow(3, "broken");
  const ConnectionId beside = office.follow(4, "broken");
  office.store.broken = (*office.store.find_workspace("broken"))->id;
  office.push(sound, change_of(1, 1, 500));
  office.push(broken, change_of(3, 1, 500));
  CHECK_FALSE(office.is_up(broken));
  CHECK(office.is_up(sound));
  CHECK(office.is_up(idle));
  CHECK(office.is_up(beside));
  office.commit();
  CHECK(office.count<Ack>(sound) == 1);
  const WorkspaceId team = (*office.store.find_workspace("sound"))->id;
  CHECK(office.store.find_change(team, sample_replica(1), ChangeSequence(1))->has_value());
}

TEST_CASE("a failed commit sends away whoever had a change in it, and nobody else") {
  Office office;
  const ConnectionId writer = office.follow(1);
  const ConnectionId reader = office.follow(2);
  office.push(writer, change_of(1, 1, 500));
  office.store.commits_fail = true;
  office.commit();
  CHECK_FALSE(office.is_up(writer));
  CHECK(office.count<Ack>(writer) == 0);
  CHECK(office.is_up(reader));
  CHECK(office.count<PullPart>(reader) == 0);
  // It comes again, and what the rollback took back is not taken for known.
  office.store.commits_fail = false;
  const ConnectionId again = office.follow(1);
  office.push(again, change_of(1, 1, 500));
  office.commit();
  CHECK(office.count<Ack>(again) == 1);
  CHECK(office.count<PullPart>(reader) == 1);
}

TEST_CASE("nothing behind a change that ends its session is admitted") {
  Office office;
  // A restored server: the replica knows more to be acknowledged, and numbers may have gaps.
  Hello hello = sample_hello(1);
  hello.acknowledged = hello.last_sequence = ChangeSequence(40);
  const ConnectionId writer = office.meet(hello);
  office.push(writer, change_of(1, 13, office.clock.ms + 90'000));
  office.push(writer, change_of(1, 14, 500));
  office.commit();
  CHECK_FALSE(office.is_up(writer));
  const WorkspaceId team = (*office.store.find_workspace("team"))->id;
  CHECK_FALSE(office.store.find_change(team, sample_replica(1), ChangeSequence(14))->has_value());
}

TEST_CASE("a greeting that cannot be stored is no greeting") {
  Office office;
  const ConnectionId other = office.follow(1);
  office.store.commits_fail = true;
  const ConnectionId id = *office.hub.open(office.now);
  office.say(id, sample_hello(2));
  CHECK(office.is_up(id));
  office.commit();
  CHECK(office.count<Welcome>(id) == 0);
  CHECK_FALSE(office.is_up(id));
  CHECK(office.is_up(other));
}

TEST_CASE("replicas that come at once share the commit of their greetings") {
  Office office;
  std::vector<ConnectionId> ids;
  for (int i = 1; i <= 50; ++i) {
    ids.push_back(*office.hub.open(office.now));
    office.say(ids.back(), sample_hello(i, "team" + std::to_string(i % 5)));
  }
  CHECK(office.store.commits == 0);
  office.commit();
  CHECK(office.store.commits == 1);
  for (const ConnectionId id : ids) {
    CHECK(office.count<Welcome>(id) == 1);
  }
}

TEST_CASE("a greeting is given though another workspace's change fails beside it") {
  Office office;
  const ConnectionId writer = office.follow(1, "broken");
  office.store.broken = (*office.store.find_workspace("broken"))->id;
  const ConnectionId id = *office.hub.open(office.now);
  office.say(id, sample_hello(2, "other"));
  office.push(writer, change_of(1, 1, 500));
  CHECK_FALSE(office.is_up(writer));
  office.commit();
  CHECK(office.count<Welcome>(id) == 1);
}

TEST_CASE("cursors of readers are kept though nobody writes any more") {
  Office office;
  const ConnectionId writer = office.follow(1);
  const ConnectionId reader = office.follow(2);
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  office.say(reader, Applied{ServerVersion(1)});
  const WorkspaceId team = (*office.store.find_workspace("team"))->id;
  const auto cursor = [&] { return (*office.store.find_replica(team, sample_replica(2)))->cursor; };
  CHECK(cursor() == ServerVersion(0));
  office.hub.settle(office.now);
  CHECK(cursor() == ServerVersion(1));
  const std::uint64_t before = office.store.commits;
  office.hub.settle(office.now);
  CHECK(office.store.commits == before);
}

TEST_CASE("a workspace that was reset is empty, and the others are as they were") {
  Office office;
  const ConnectionId writer = office.follow(1);
  const ConnectionId other = office.follow(2, "other");
  office.push(writer, change_of(1, 1, 500));
  office.push(other, change_of(2, 1, 500));
  office.commit();
  LineageId lineage;
  lineage.bytes.fill(9);
  const auto nothing = office.hub.reset(office.now, "nothing", lineage);
  REQUIRE(!nothing);
  CHECK(nothing.error().code() == ErrorCode::not_found);
  CHECK(office.is_up(writer));
  REQUIRE(office.hub.reset(office.now, "team", lineage));
  office.pump();
  CHECK_FALSE(office.is_up(writer));
  CHECK_FALSE(office.is_up(other));
  CHECK(*office.store.lineage() == lineage);
  CHECK_FALSE(office.store.find_workspace("team")->has_value());
  CHECK((*office.store.find_workspace("other"))->head == ServerVersion(1));
  const ConnectionId again = office.follow(3);
  office.push(again, change_of(3, 1, 500));
  office.commit();
  CHECK((*office.store.find_workspace("team"))->head == ServerVersion(1));
}

TEST_CASE("halves of large changes are bounded for all connections together") {
  HubOptions options;
  options.memory.unfinished_bytes_max = 100'000;
  Office office(options);
  const auto half = [](int replica) {
    PartHeader header;
    header.stamp = sample_stamp(500, replica);
    header.sequence = ChangeSequence(1);
    header.schema_version = 1;
    header.last = false;
    Writer out;
    write_part_header(out, header);
    out.raw(ByteVector(40'000, 0));
    return out.take();
  };
  std::vector<ConnectionId> ids;
  for (int i = 1; i <= 3; ++i) {
    ids.push_back(office.follow(i));
    office.say(ids.back(), PushPart{half(i)});
  }
  CHECK(office.is_up(ids[0]));
  CHECK(office.is_up(ids[1]));
  CHECK_FALSE(office.is_up(ids[2]));
  office.hub.on_closed(office.now, ids[0]);
  const ConnectionId again = office.follow(3);
  office.say(again, PushPart{half(3)});
  CHECK(office.is_up(again));
}

TEST_CASE("a newer connection of a replica takes over") {
  Office office;
  const ConnectionId first = office.follow(1);
  const ConnectionId second = office.follow(1);
  CHECK_FALSE(office.is_up(first));
  CHECK(office.is_up(second));
}

TEST_CASE("what a replica sends behind a newer greeting of it does not get in beside it") {
  Office office;
  const ConnectionId older = office.follow(1);
  // A copy of its file says hello, and is judged by what the server knows now.
  const ConnectionId newer = *office.hub.open(office.now);
  office.say(newer, sample_hello(1));
  office.push(older, change_of(1, 1, 500));
  office.commit();
  CHECK(office.count<Welcome>(newer) == 1);
  CHECK_FALSE(office.is_up(older));
  CHECK(office.count<Ack>(older) == 0);
  office.push(newer, change_of(1, 1, 600));
  office.commit();
  CHECK(office.count<Ack>(newer) == 1);
}

TEST_CASE("all readers of a change get the same frame, encoded once") {
  Office office;
  const ConnectionId writer = office.follow(1);
  std::vector<ConnectionId> readers;
  for (int i = 2; i <= 6; ++i) {
    readers.push_back(office.follow(i));
  }
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  const SharedBytes& first = office.sent[readers[0]].back();
  for (const ConnectionId reader : readers) {
    CHECK(office.sent[reader].back().shares_with(first));
  }
}

TEST_CASE("a reader that does not keep up is sent no more than its window") {
  Office office;
  const ConnectionId writer = office.follow(1);
  const ConnectionId slow = office.follow(2);
  const std::string body(200'000, 'x');
  for (std::uint64_t sequence = 1; sequence <= 100; ++sequence) {
    office.push(writer, change_of(1, sequence, 500 + sequence, {.body = body}));
    office.commit();
  }
  std::size_t bytes = 0;
  for (const SharedBytes& frame : office.sent[slow]) {
    bytes += frame.size();
  }
  // One slice may overshoot by its last change.
  CHECK(bytes <= limits::pull_window_bytes + limits::pull_read_bytes);
  CHECK(office.is_up(slow));
  // It goes on where it stopped once it has applied what it has.
  const std::size_t before = office.count<PullPart>(slow);
  office.say(slow, Applied{ServerVersion(before)});
  CHECK(office.count<PullPart>(slow) > before);
}

TEST_CASE("presence is told to newcomers and goes with its connection") {
  Office office;
  const ConnectionId one = office.follow(1);
  const ConnectionId two = office.follow(2);
  office.say(one, Presence{sample_replica(1), "cursor", {1, 2}});
  CHECK(office.count<Presence>(two) == 1);
  const ConnectionId three = office.follow(3);
  CHECK(office.count<Presence>(three) == 1);
  office.say(one, Bye{Farewell::done, ""});
  CHECK(office.count<Presence>(two) == 2);
}

TEST_CASE("connections that end in one commit each take their own presence with them") {
  Office office;
  const ConnectionId one = office.follow(1);
  const ConnectionId two = office.follow(2);
  const ConnectionId three = office.follow(3);
  office.say(one, Presence{sample_replica(1), "cursor", {1, 2}});
  office.say(two, Presence{sample_replica(2), "cursor", {3, 4}});
  CHECK(office.count<Presence>(three) == 2);
  // In the commit that ends the first, because it came again, the second is sent away.
  office.push(two, change_of(2, 1, static_cast<std::uint64_t>(office.clock.ms) + 90'000));
  office.say(*office.hub.open(office.now), sample_hello(1));
  office.commit();
  CHECK_FALSE(office.is_up(one));
  CHECK_FALSE(office.is_up(two));
  CHECK(office.count<Presence>(three) == 4);
  // Nothing of it is left for who comes later.
  CHECK(office.count<Presence>(office.follow(4)) == 0);
}

TEST_CASE("a connection too many is not opened") {
  HubOptions options;
  options.connections_max = 1;
  Office office(options);
  CHECK(office.hub.open(office.now).has_value());
  CHECK_FALSE(office.hub.open(office.now).has_value());
}

TEST_CASE("what a door writes is told after its commit, and shares it with replicas") {
  Office office;
  const ConnectionId reader = office.follow(2);
  const ConnectionId writer = office.follow(1);
  const std::uint64_t before = office.store.commits;
  REQUIRE(office.enter(1, 500).has_value());
  REQUIRE(office.enter(2, 501).has_value());
  office.push(writer, change_of(1, 1, 502));
  CHECK(office.done.empty());
  CHECK(office.count<PullPart>(reader) == 0);
  office.moved.clear();
  office.commit();
  CHECK(office.store.commits == before + 1);
  CHECK(office.done == std::map<DoorTicket, bool>{{DoorTicket(1), true}, {DoorTicket(2), true}});
  CHECK(office.count<PullPart>(reader) == 3);
  CHECK(office.count<PullPart>(writer) == 2);
  CHECK(office.moved == std::vector<std::string>{"team"});
  const auto looked = office.hub.look(office.now, "team", [](Workspace& workspace) -> Result<void> {
    CHECK(workspace.head() == ServerVersion(3));
    return {};
  });
  CHECK(looked.has_value());
}

TEST_CASE("a door hears when what it wrote was taken back") {
  Office office;
  const ConnectionId reader = office.follow(2);
  REQUIRE(office.enter(1, 500).has_value());
  office.store.commits_fail = true;
  office.commit();
  CHECK(office.done == std::map<DoorTicket, bool>{{DoorTicket(1), false}});
  CHECK(office.count<PullPart>(reader) == 0);
  office.store.commits_fail = false;
  REQUIRE(office.enter(2, 500).has_value());
  office.commit();
  CHECK(office.done.at(DoorTicket(2)));
  CHECK((*office.store.find_workspace("team"))->head == ServerVersion(1));
}

TEST_CASE("a door whose work fails takes only its own workspace's changes back") {
  Office office;
  const ConnectionId other = office.follow(1, "other");
  (void)office.follow(2);
  office.push(other, change_of(1, 1, 500));
  office.store.broken = (*office.store.find_workspace("team"))->id;
  CHECK_FALSE(office.enter(1, 500).has_value());
  CHECK(office.done.empty());
  office.commit();
  CHECK(office.count<Ack>(other) == 1);
}

TEST_CASE("a greeting that fails takes nobody else's change, visit or greeting back") {
  Office office;
  const ConnectionId writer = office.follow(1, "sound");
  const ConnectionId beside = office.follow(2, "broken");
  const WorkspaceId broken = (*office.store.find_workspace("broken"))->id;
  office.push(writer, change_of(1, 1, 500));
  office.push(beside, change_of(2, 1, 500));
  REQUIRE(office.enter(7, 600, "sound").has_value());
  const ConnectionId waits = *office.hub.open(office.now);
  office.say(waits, sample_hello(4, "broken"));
  office.store.unknown = sample_replica(3);
  office.store.broken = broken;
  office.store.appends_fail = false;
  const ConnectionId culprit = *office.hub.open(office.now);
  office.say(culprit, sample_hello(3, "broken"));
  CHECK_FALSE(office.is_up(culprit));
  office.commit();
  CHECK(office.count<Ack>(writer) == 1);
  CHECK(office.count<Ack>(beside) == 1);
  CHECK(office.count<Welcome>(waits) == 1);
  CHECK(office.done.at(DoorTicket(7)));
  CHECK((*office.store.find_workspace("sound"))->head == ServerVersion(2));
}

TEST_CASE("of many changes in one workspace the one that cannot be stored fails alone") {
  Office office;
  std::vector<ConnectionId> writers;
  for (int i = 1; i <= 4; ++i) {
    writers.push_back(office.follow(i));
  }
  office.store.broken = (*office.store.find_workspace("team"))->id;
  office.store.broken_author = sample_replica(3);
  for (int i = 1; i <= 4; ++i) {
    office.push(writers[static_cast<std::size_t>(i - 1)], change_of(i, 1, 500));
  }
  REQUIRE(office.enter(7, 600).has_value());
  office.commit();
  for (int i = 1; i <= 4; ++i) {
    const ConnectionId writer = writers[static_cast<std::size_t>(i - 1)];
    CHECK(office.is_up(writer) == (i != 3));
    CHECK(office.count<Ack>(writer) == (i == 3 ? 0 : 1));
  }
  CHECK(office.done.at(DoorTicket(7)));
  CHECK((*office.store.find_workspace("team"))->head == ServerVersion(4));
}

TEST_CASE("a visit that fails takes no change of its workspace back") {
  Office office;
  const ConnectionId writer = office.follow(1);
  office.push(writer, change_of(1, 1, 500));
  const auto failed = office.hub.enter(
      office.now, DoorTicket(8), "team",
      [](Workspace& workspace) -> Result<std::vector<Workspace::Written>> {
        SL_TRY(workspace.write(change_of(9, 0, 700), {true, true, "ann", 0, ""}, 1'000'000));
        return Error(ErrorCode::too_large, "too much of it");
      });
  CHECK(failed.error().code() == ErrorCode::too_large);
  office.commit();
  CHECK(office.count<Ack>(writer) == 1);
  CHECK((*office.store.find_workspace("team"))->head == ServerVersion(1));
}

TEST_CASE("a receipt for more than the server has ends the lineage, and everybody comes anew") {
  Office office;
  const LineageId before = *office.store.lineage();
  const ConnectionId writer = office.follow(1);
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  const ConnectionId knows = *office.hub.open(office.now);
  const Hello hello = office.shows(2, office.receipt(5));
  office.say(knows, hello);
  REQUIRE(office.behind.size() == 1);
  CHECK(office.behind[0].workspace == "team");
  CHECK(office.behind[0].head == ServerVersion(1));
  CHECK(office.behind[0].shown == ServerVersion(5));
  LineageId next;
  next.bytes.fill(9);
  REQUIRE(office.hub.lose_lineage(office.now, next).has_value());
  office.pump();
  CHECK_FALSE(office.is_up(writer));
  CHECK_FALSE(office.is_up(knows));
  CHECK(office.count<Welcome>(knows) == 0);
  CHECK(*office.store.lineage() == next);
  // It is known in the new one, and compares its rows.
  const ConnectionId again = *office.hub.open(office.now);
  office.say(again, hello);
  office.commit();
  CHECK(office.count<Refused>(again) == 1);
  Hello rescans = hello;
  rescans.catch_up = CatchUp::rescan;
  office.meet(rescans);
  CHECK(office.behind.size() == 1);
  CHECK(before != next);
}

TEST_CASE("another history at the same version is shown by its mark") {
  Office office;
  const ConnectionId writer = office.follow(1);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    office.push(writer, change_of(1, sequence, 500 + sequence));
  }
  office.commit();
  const ConnectionId knows = *office.hub.open(office.now);
  office.say(knows, office.shows(2, office.receipt(2)));
  CHECK(office.behind.size() == 1);
}

TEST_CASE("what this server did not seal, or not for this, moves nobody") {
  Office office;
  const ConnectionId writer = office.follow(1);
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  Receipt forged = office.receipt(5);
  forged.seal.bytes[12] ^= 1;
  Receipt higher = office.receipt(5);
  higher.version = ServerVersion(6);
  Hello of_another_lineage = office.shows(2, office.receipt(5));
  of_another_lineage.lineage.bytes.fill(3);
  for (const Hello& hello :
       {office.shows(2, forged), office.shows(2, higher), office.shows(2, Receipt()),
        office.shows(2, office.receipt(5, "other")), of_another_lineage}) {
    const ConnectionId liar = *office.hub.open(office.now);
    office.say(liar, hello);
    office.commit();
    // It may be refused itself.
    CHECK(office.behind.empty());
    CHECK(office.is_up(writer));
  }
}

TEST_CASE("what a replica was told of what is there shows nothing wrong") {
  Office office;
  const ConnectionId writer = office.follow(1);
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  office.push(writer, change_of(1, 2, 600));
  office.commit();
  std::size_t receipts = 0;
  for (const SharedBytes& frame : std::vector<SharedBytes>(office.sent[writer])) {
    const Message message = *decode_message(frame);
    const auto* ack = std::get_if<Ack>(&message);
    const auto* through = std::get_if<PullThrough>(&message);
    if (ack == nullptr && through == nullptr) {
      continue;
    }
    const Receipt& receipt = ack != nullptr ? ack->receipt : through->receipt;
    CHECK(receipt.version > ServerVersion(0));
    ++receipts;
    office.meet(office.shows(2, receipt));
    CHECK(office.behind.empty());
  }
  CHECK(receipts >= 3);
}

TEST_CASE("a store that takes nothing is known by its cause until it takes something again") {
  Office office;
  const ConnectionId writer = office.follow(1);
  CHECK(office.hub.probe(office.now).has_value());
  office.store.commits_fail = true;
  office.push(writer, change_of(1, 1, 500));
  office.commit();
  REQUIRE(office.hub.trouble().has_value());
  CHECK(office.hub.trouble()->code() == ErrorCode::full);
  CHECK(office.hub.failures() == 1);
  CHECK_FALSE(office.is_up(writer));
  CHECK(office.count<Ack>(writer) == 0);
  // It is asked again at most once a second.
  CHECK_FALSE(office.hub.probe(office.now).has_value());
  CHECK(office.hub.failures() == 1);
  office.now = office.now + Duration{1000};
  CHECK_FALSE(office.hub.probe(office.now).has_value());
  CHECK(office.hub.failures() == 2);
  office.store.commits_fail = false;
  office.now = office.now + Duration{1000};
  CHECK(office.hub.probe(office.now).has_value());
  CHECK_FALSE(office.hub.trouble().has_value());
  const ConnectionId again = office.follow(1);
  office.push(again, change_of(1, 1, 500));
  office.commit();
  CHECK(office.count<Ack>(again) == 1);
}
