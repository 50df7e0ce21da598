// Invariants 5 and 6 of the hub: what connections make it keep, and how long others wait.
#include <doctest/doctest.h>

#include "server/hub_office.h"
#include "wire/limits.h"

using namespace syncline;

namespace {

HubOptions small_memory(std::size_t waiting_bytes) {
  HubOptions options;
  options.memory.waiting_bytes_max = waiting_bytes;
  return options;
}

// A workspace of so many rows of so many bytes.
void fill(Office& office, int rows, std::size_t bytes) {
  const ConnectionId writer = office.follow(1);
  for (int i = 0; i < rows; i += 500) {
    Change change =
        change_of(1, static_cast<std::uint64_t>(i / 500 + 1), 500 + static_cast<std::uint64_t>(i));
    change.edits.clear();
    for (int row = i; row < std::min(rows, i + 500); ++row) {
      SampleEdit edit;
      edit.id = row;
      edit.body = std::string(bytes, 'x');
      change.edits.push_back(change_of(1, 1, 500, edit).edits[0]);
    }
    office.push(writer, change);
  }
  office.commit();
  office.work();
  office.hub.on_closed(office.now, writer);
}

TEST_CASE("nothing is read for who does not take what was read for it") {
  Office office;
  fill(office, 2000, 4000);
  const ConnectionId reader = office.meet(sample_hello(2));
  office.slow.insert(reader);
  for (int i = 0; i < 500; ++i) {
    office.say(reader, RangeRequest{"notes", {}, {}});
  }
  office.work();
  const std::size_t unread = office.sent_bytes(reader);
  CHECK(unread >= bounds::credit_bytes);
  CHECK(unread < bounds::credit_bytes + 2 * limits::range_rows_bytes);
  CHECK(office.is_up(reader));
  // It is listened to again once it took what there is.
  const std::size_t before = office.count<RangeRows>(reader);
  office.slow.clear();
  office.hub.on_sent(office.now, reader, unread);
  office.pump();
  office.work();
  CHECK(office.count<RangeRows>(reader) == 500);
  CHECK(before < 10);
  CHECK(office.hub.waiting_bytes() == 0);
}

TEST_CASE("one wide comparison is read in slices, and others are answered between them") {
  Office office;
  fill(office, 30'000, 10);
  const ConnectionId wide = office.meet(sample_hello(2));
  const ConnectionId other = office.meet(sample_hello(3));
  office.work();
  for (int i = 0; i < 20; ++i) {
    office.say(wide, RescanRequest{"notes", {}, {}});
  }
  // The first slice was read at once, and nothing else.
  CHECK(office.count<RangeDigests>(wide) == 0);
  CHECK(office.taken_bytes == 0);
  REQUIRE(office.work_at.has_value());
  office.say(other, RangeRequest{"notes", {}, {}});
  office.work_at.reset();
  office.hub.work(office.now);
  office.pump();
  CHECK(office.count<RangeRows>(other) == 1);
  CHECK(office.count<RangeDigests>(wide) == 0);
  CHECK(office.work() > 20);
  CHECK(office.count<RangeDigests>(wide) == 20);
  CHECK(office.is_up(wide));
}

TEST_CASE("who asks for little does not wait for all who ask for much") {
  Office office;
  fill(office, 30'000, 10);
  std::vector<ConnectionId> greedy;
  for (int i = 0; i < 40; ++i) {
    greedy.push_back(*office.hub.open(office.now));
    office.users[greedy.back()] = i % 2 == 0 ? "eve" : "mallory";
    office.say(greedy.back(), sample_hello(10 + i));
    office.commit();
  }
  const ConnectionId good = office.follow(3);
  office.work();
  for (const ConnectionId id : greedy) {
    for (int i = 0; i < 20; ++i) {
      office.say(id, RescanRequest{"notes", {}, {}});
    }
  }
  for (int i = 0; i < 3; ++i) {
    office.hub.work(office.now);
    office.pump();
  }
  // Its change and its question are both behind theirs.
  for (std::uint64_t i = 1; i <= 5; ++i) {
    office.say(good, RescanRequest{"", {}, {}});
    office.push(good, change_of(3, i, 1000 + i));
    office.hub.work(office.now);
    office.pump();
    office.commit();
    CHECK(office.count<RangeDigests>(good) == i);
    CHECK(office.count<Ack>(good) == i);
  }
  CHECK(office.count<RangeDigests>(greedy[0]) == 0);
  office.work();
  CHECK(office.count<RangeDigests>(greedy[0]) == 20);
}

TEST_CASE("the log of others is read in slices even where nothing of it is wanted") {
  Office office;
  fill(office, 30'000, 100);
  Hello hello = sample_hello(2);
  hello.tables = {"tags"};
  const ConnectionId reader = office.meet(hello);
  office.work();
  office.say(reader, Applied{ServerVersion(0)});
  CHECK(office.count<Heartbeat>(reader) == 0);
  CHECK(office.work() > 2);
  const auto last = decode_message(office.sent[reader].back());
  CHECK(std::get<PullPart>(*last).version == ServerVersion(60));
}

TEST_CASE("presence to who does not read does not grow, and is the latest when it reads again") {
  Office office;
  const ConnectionId loud = office.follow(1);
  const ConnectionId reader = office.follow(2);
  const ConnectionId slow = office.follow(3);
  office.work();
  office.slow.insert(slow);
  ByteVector value;
  for (int i = 0; i < 2000; ++i) {
    value.assign(16'000, static_cast<std::uint8_t>(i % 251 + 1));
    office.say(loud, Presence{sample_replica(1), "cursor", value});
    office.now = office.now + Duration{i % 10 == 0 ? 1 : 0};
    office.work();
  }
  CHECK(office.sent_bytes(slow) < bounds::presence_credit_bytes + 40'000);
  CHECK(office.hub.waiting_bytes() < bounds::presence_credit_bytes + 80'000);
  CHECK(office.is_up(slow));
  // Who reads is told more than that, but not all of it.
  CHECK(office.count<Presence>(reader) > 100);
  CHECK(office.count<Presence>(reader) < 2000);
  office.slow.clear();
  office.hub.on_sent(office.now, slow, office.sent_bytes(slow));
  office.pump();
  office.now = office.now + Duration{1000};
  office.work();
  for (const ConnectionId id : {reader, slow}) {
    const auto last = decode_message(office.sent[id].back());
    CHECK(std::get<Presence>(*last).value == value);
  }
  office.hub.on_closed(office.now, loud);
  office.pump();
  office.work();
  const auto last = decode_message(office.sent[slow].back());
  CHECK(std::get<Presence>(*last).value.empty());
}

TEST_CASE("nobody works for who missed presence and has no room for it") {
  Office office;
  const ConnectionId loud = office.follow(1);
  const ConnectionId slow = office.follow(2);
  office.work();
  office.slow.insert(slow);
  for (int i = 0; i < 20; ++i) {
    office.say(loud,
               Presence{sample_replica(1), "cursor" + std::to_string(i), ByteVector(16'000, 1)});
    office.now = office.now + Duration{1000};
    office.work();
  }
  // It takes a little, which is not enough.
  office.hub.on_sent(office.now, slow, 1000);
  office.pump();
  office.work_at.reset();
  office.hub.work(office.now);
  office.pump();
  CHECK(!office.work_at.has_value());
  office.slow.clear();
  office.hub.on_sent(office.now, slow, office.sent_bytes(slow));
  office.pump();
  office.work();
  CHECK(office.count<Presence>(slow) == 20);
}

TEST_CASE("when too much waits to be sent, who holds most is cut, and nobody else") {
  Office office(small_memory(std::size_t{4} << 20U));
  fill(office, 1000, 4000);
  std::vector<ConnectionId> greedy;
  for (int i = 0; i < 20; ++i) {
    greedy.push_back(*office.hub.open(office.now));
    office.users[greedy.back()] = "eve";
    office.say(greedy.back(), sample_hello(10 + i));
    office.commit();
    office.slow.insert(greedy.back());
  }
  const ConnectionId good = office.follow(2);
  for (const ConnectionId id : greedy) {
    for (int i = 0; i < 20; ++i) {
      office.say(id, RangeRequest{"notes", {}, {}});
    }
    office.work();
    CHECK(office.hub.waiting_bytes() <= std::size_t{4} << 20U);
  }
  CHECK(office.is_up(good));
  CHECK(office.hub.cuts() > 0);
  for (const auto& [id, at_once] : office.cut_off) {
    CHECK(at_once);
  }
  office.say(good, RangeRequest{"notes", {}, {}});
  office.work();
  CHECK(office.count<RangeRows>(good) == 1);
}

// A log of so many changes of a row that is large each.
void fill_large(Office& office, int rows, std::size_t bytes) {
  const ConnectionId writer = office.follow(1);
  for (int i = 1; i <= rows; ++i) {
    SampleEdit edit;
    edit.id = i;
    edit.body = std::string(bytes, 'x');
    office.push(writer, change_of(1, static_cast<std::uint64_t>(i),
                                  500 + static_cast<std::uint64_t>(i), edit));
    office.commit();
  }
  office.work();
  office.hub.on_closed(office.now, writer);
}

// Followers of users of their own, who take nothing by themselves.
std::vector<ConnectionId> slow_followers(Office& office, int count) {
  std::vector<ConnectionId> out;
  for (int i = 0; i < count; ++i) {
    const ConnectionId id = *office.hub.open(office.now);
    out.push_back(id);
    office.users[id] = "user" + std::to_string(i);
    office.slow.insert(id);
    office.say(id, sample_hello(10 + i));
    office.commit();
    office.say(id, Applied{ServerVersion(0)});
    office.work();
  }
  return out;
}

TEST_CASE("many who ask for what is large at once get it one after the other") {
  constexpr std::size_t all = std::size_t{8} << 20U;
  Office office(small_memory(all));
  fill_large(office, 2, 1'500'000);
  const std::vector<ConnectionId> followers = slow_followers(office, 20);
  std::map<ConnectionId, std::size_t> taken;
  std::size_t most = 0;
  for (int turn = 0; turn < 200; ++turn) {
    for (const ConnectionId id : followers) {
      const std::size_t sent = office.sent_bytes(id);
      most = std::max(most, office.hub.waiting_bytes());
      office.hub.on_sent(office.now, id, sent - taken[id]);
      taken[id] = sent;
      office.pump();
      office.work();
    }
  }
  for (const ConnectionId id : followers) {
    CHECK(office.count<PullPart>(id) == 2);
    CHECK(office.is_up(id));
  }
  CHECK(office.hub.cuts() == 0);
  CHECK(most <= all);
}

TEST_CASE("who takes nothing does not keep room from others for long") {
  Office office(small_memory(std::size_t{8} << 20U));
  fill_large(office, 2, 1'500'000);
  const std::vector<ConnectionId> holders = slow_followers(office, 5);
  const ConnectionId good = office.follow(2);
  CHECK(office.count<PullPart>(good) == 0);
  for (int i = 0; i < 30; ++i) {
    office.now = office.now + Duration{1000};
    office.work();
  }
  CHECK(office.count<PullPart>(good) == 2);
  CHECK(office.is_up(good));
  CHECK(office.hub.cuts() >= 1);
  CHECK(office.hub.cuts() <= 2);
}

TEST_CASE("frames of a connection that ended are not worked on") {
  Office office;
  fill(office, 30'000, 10);
  const ConnectionId wide = office.meet(sample_hello(2));
  office.work();
  for (int i = 0; i < 60; ++i) {
    office.say(wide, RescanRequest{"notes", {}, {}});
  }
  office.hub.on_closed(office.now, wide);
  CHECK(office.work() <= 1);
  CHECK(office.hub.waiting_bytes() == 0);
}

TEST_CASE("what is kept for close followers is bounded over all workspaces") {
  HubOptions options;
  options.memory.recent_bytes_max = 100'000;
  Office office(options);
  for (int i = 0; i < 10; ++i) {
    const ConnectionId one = office.follow(1, "w" + std::to_string(i));
    SampleEdit edit;
    edit.body = std::string(30'000, 'x');
    office.push(one, change_of(1, 1, 500, edit));
    office.commit();
    CHECK(office.hub.recent_bytes() <= 100'000);
  }
  CHECK(office.hub.recent_bytes() > 50'000);
}

}  // namespace
