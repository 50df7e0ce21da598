#include "ydoc/merge.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "ydoc/doc.h"
#include "ydoc/update_v2.h"

namespace syncline::ydoc {

namespace {

struct Session {
  std::vector<ByteVector> updates;
  ByteVector state;
};

Session edit(ClientId client, int edits) {
  Session out;
  DocOptions options;
  options.client_id = client;
  Doc doc(options);
  doc.on_update(
      [&out](const UpdateEvent& event) { out.updates.push_back(to_vector(event.update)); });
  SeededRandom random(client);
  Text text = doc.text("t");
  for (int i = 0; i < edits; ++i) {
    if (text.length() > 2 && random.chance(1, 4)) {
      REQUIRE(text.remove(random.below(text.length() - 1), 2));
    } else if (random.chance(1, 5)) {
      REQUIRE(text.format(0, text.length(), {{"b", Any::boolean(random.chance(1, 2))}}));
      REQUIRE(text.insert(0, std::string_view("z")));
    } else {
      REQUIRE(text.insert(random.below(text.length() + 1), std::string_view("\xc3\xa9x")));
    }
  }
  Result<ByteVector> state = doc.encode_state_as_update();
  REQUIRE(state);
  out.state = std::move(*state);
  return out;
}

ByteVector merged(const std::vector<ByteVector>& updates) {
  const std::vector<Bytes> views(updates.begin(), updates.end());
  Result<ByteVector> out = merge_updates(views);
  REQUIRE(out);
  return std::move(*out);
}

ByteVector state_after(Bytes update) {
  DocOptions options;
  options.client_id = 99;
  Doc doc(options);
  REQUIRE(doc.apply_update(update));
  CHECK_FALSE(doc.has_pending_structs());
  Result<ByteVector> state = doc.encode_state_as_update();
  REQUIRE(state);
  return std::move(*state);
}

}  // namespace

TEST_CASE("a document made from the merged update is the document made from all of them") {
  const Session session = edit(11, 80);
  CHECK(state_after(merged(session.updates)) == session.state);
  std::vector<ByteVector> backwards(session.updates.rbegin(), session.updates.rend());
  CHECK(state_after(merged(backwards)) == session.state);
}

TEST_CASE("merging groups of updates and then the groups loses nothing") {
  const Session session = edit(12, 60);
  const auto middle = session.updates.begin() + 25;
  const ByteVector first = merged({session.updates.begin(), middle + 5});
  const ByteVector second = merged({middle, session.updates.end()});
  CHECK(state_after(merged({second, first})) == session.state);
}

TEST_CASE("a gap between updates stays visible and keeps the state vector back") {
  const Session session = edit(13, 12);
  const ByteVector gapped = merged({session.updates[0], session.updates[6]});
  const Result<ByteVector> encoded = state_vector_from_update(gapped);
  REQUIRE(encoded);
  const Result<StateVector> state = StateVector::decode(*encoded);
  const Result<ByteVector> first_encoded = state_vector_from_update(session.updates[0]);
  REQUIRE(first_encoded);
  const Result<StateVector> first = StateVector::decode(*first_encoded);
  REQUIRE(state);
  REQUIRE(first);
  CHECK(*state == *first);
}

TEST_CASE("a diff and what was known before make the whole") {
  const Session session = edit(14, 50);
  const ByteVector known = merged({session.updates.begin(), session.updates.begin() + 20});
  const Result<ByteVector> vector = state_vector_from_update(known);
  REQUIRE(vector);
  const Result<StateVector> state = StateVector::decode(*vector);
  REQUIRE(state);
  const Result<ByteVector> lacking = diff_update(merged(session.updates), *state);
  REQUIRE(lacking);
  CHECK(state_after(merged({known, *lacking})) == session.state);
}

TEST_CASE("malformed updates are refused by everything that reads updates") {
  const Session session = edit(15, 10);
  const Bytes cut = Bytes(session.state).first(session.state.size() - 3);
  const Bytes two[] = {cut, Bytes(session.state)};
  CHECK_FALSE(merge_updates(two));
  CHECK_FALSE(diff_update(cut, {}));
  CHECK_FALSE(state_vector_from_update(cut));
  CHECK_FALSE(convert_v1_to_v2(cut));
}

TEST_CASE("the second format says the same as the first") {
  const Session session = edit(16, 60);
  const Result<ByteVector> second = convert_v1_to_v2(session.state, InheritedKeys::marked);
  REQUIRE(second);
  const Result<ByteVector> first = convert_v2_to_v1(*second);
  REQUIRE(first);
  CHECK(*first == session.state);
}

TEST_CASE("a section without structs is left out of the second format") {
  // Client 5 has no structs, client 3 one gc struct.
  const ByteVector update = {2, 0, 5, 0, 1, 3, 0, 0, 1, 0};
  const Result<ByteVector> second = convert_v1_to_v2(update);
  REQUIRE(second);
  const Result<ByteVector> first = convert_v2_to_v1(*second);
  REQUIRE(first);
  CHECK(*first == ByteVector{1, 1, 3, 0, 0, 1, 0});
}

TEST_CASE("a small update of the second format cannot unfold without bound") {
  // One gc struct, its length repeated for ever, two to the fortieth times.
  Encoder update;
  update.var_uint(0);
  for (int column = 0; column < 9; ++column) {
    Encoder bytes;
    if (column == 1 || column == 8) {
      bytes.var_int(Encoder::Sign::minus, 1);
      bytes.var_uint(std::uint64_t{1} << 40U);
    } else if (column == 4) {
      bytes.u8(0);
    } else if (column == 5) {
      bytes.var_uint(0);
    }
    update.blob(bytes.bytes());
  }
  update.var_uint(1);
  update.var_uint(std::uint64_t{1} << 40U);
  update.var_uint(0);
  Limits limits;
  limits.update_bytes_max = 1U << 20U;
  const Result<ByteVector> first = convert_v2_to_v1(update.bytes(), limits);
  REQUIRE_FALSE(first);
  CHECK(first.error().code() == ErrorCode::too_large);
}

}  // namespace syncline::ydoc
