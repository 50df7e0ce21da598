#include "ydoc/undo.h"

#include <doctest/doctest.h>

#include "ydoc/awareness.h"
#include "ydoc/position.h"
#include "ydoc/snapshot.h"
#include "ydoc/sync_protocol.h"

namespace syncline::ydoc {

namespace {

DocOptions client(ClientId id) {
  DocOptions options;
  options.client_id = id;
  return options;
}

}  // namespace

TEST_CASE("undo takes back our own edits and leaves what others wrote since") {
  Doc mine(client(1));
  Doc theirs(client(2));
  UndoManager undo(mine, {mine.text("t")}, {});
  REQUIRE(mine.text("t").insert(0, std::string_view("mine")));
  Result<ByteVector> state = mine.encode_state_as_update();
  REQUIRE(state);
  REQUIRE(theirs.apply_update(*state));
  REQUIRE(theirs.text("t").insert(4, std::string_view(" theirs")));
  state = theirs.encode_state_as_update();
  REQUIRE(state);
  REQUIRE(mine.apply_update(*state, "remote"));
  CHECK(undo.undo());
  CHECK(mine.text("t").to_string() == " theirs");
  CHECK(undo.redo());
  CHECK(mine.text("t").to_string() == "mine theirs");
  CHECK_FALSE(undo.redo());
}

TEST_CASE("edits within the capture timeout are one step, later ones another") {
  Doc doc(client(1));
  std::int64_t now = 1000;
  UndoOptions options;
  options.now_ms = [&now] { return now; };
  UndoManager undo(doc, {doc.text("t")}, options);
  REQUIRE(doc.text("t").insert(0, std::string_view("a")));
  now += 100;
  REQUIRE(doc.text("t").insert(1, std::string_view("b")));
  now += 1000;
  REQUIRE(doc.text("t").insert(2, std::string_view("c")));
  CHECK(undo.undo());
  CHECK(doc.text("t").to_string() == "ab");
  CHECK(undo.undo());
  CHECK(doc.text("t").to_string().empty());
  CHECK_FALSE(undo.can_undo());
}

TEST_CASE("a deleted map entry comes back with its nested content") {
  Doc doc(client(1));
  UndoManager undo(doc, {doc.map("m")}, {});
  TypeInput inner;
  inner.kind = TypeKind::array;
  inner.children.emplace_back(Any::number(1));
  REQUIRE(doc.map("m").set("k", inner));
  undo.stop_capturing();
  REQUIRE(doc.map("m").remove("k"));
  CHECK(undo.undo());
  const Result<Any> value = to_any(doc.map("m"));
  REQUIRE(value);
  CHECK(to_json(*value) == R"({"k":[1]})");
}

TEST_CASE("a relative position moves with the text around it") {
  Doc doc(client(1));
  Text text = doc.text("t");
  REQUIRE(text.insert(0, std::string_view("hello")));
  const RelativePosition position = relative_position(text, 2);
  const RelativePosition behind = relative_position(text, 2, -1);
  REQUIRE(text.insert(0, std::string_view("say ")));
  REQUIRE(text.insert(6, std::string_view("|")));
  CHECK(absolute_position(doc, position)->index == 7);
  CHECK(absolute_position(doc, behind)->index == 6);
  const Result<RelativePosition> decoded =
      decode_relative_position(encode_relative_position(position));
  REQUIRE(decoded);
  CHECK(*decoded == position);
  const Result<RelativePosition> parsed =
      relative_position_from_any(relative_position_to_any(text, position));
  REQUIRE(parsed);
  CHECK(parsed->item == position.item);
  RelativePosition unknown;
  unknown.item = Id{77, 5};
  CHECK_FALSE(absolute_position(doc, unknown));
}

TEST_CASE("a snapshot of a document that keeps everything can be restored") {
  DocOptions options = client(1);
  options.collect_garbage = false;
  Doc doc(options);
  REQUIRE(doc.text("t").insert(0, std::string_view("first")));
  const Snapshot before = take_snapshot(doc);
  REQUIRE(doc.text("t").remove(0, 5));
  REQUIRE(doc.text("t").insert(0, std::string_view("second")));
  const Result<Snapshot> decoded = decode_snapshot(encode_snapshot(before));
  REQUIRE(decoded);
  CHECK(*decoded == before);
  const Result<ByteVector> update = update_from_snapshot(doc, before);
  REQUIRE(update);
  Doc restored(client(2));
  REQUIRE(restored.apply_update(*update));
  CHECK(restored.text("t").to_string() == "first");
  const std::vector<DeltaOut> delta = delta_between(doc, doc.text("t"), take_snapshot(doc), before);
  REQUIRE(delta.size() == 2);
  CHECK(delta[0].text == u"first");
  CHECK(to_json(delta[0].attributes.at(0).second) == R"({"type":"removed"})");
  CHECK(delta[1].text == u"second");
  CHECK(to_json(delta[1].attributes.at(0).second) == R"({"type":"added"})");
  Doc collecting(client(3));
  CHECK_FALSE(update_from_snapshot(collecting, before));
}

TEST_CASE("a silent peer is dropped and its clock remembered") {
  Awareness ours(1, Instant{0});
  Awareness theirs(2, Instant{0});
  theirs.set_local(Any::object({{"name", Any::string("Bo")}}), Instant{0});
  const ClientId two[] = {2};
  const ByteVector announced = theirs.encode(two);
  Result<AwarenessChange> change = ours.apply(announced, Instant{0});
  REQUIRE(change);
  CHECK(change->added == std::vector<ClientId>{2});
  CHECK(ours.check(Instant{29999}).removed.empty());
  CHECK(ours.check(Instant{30000}).removed == std::vector<ClientId>{2});
  change = ours.apply(announced, Instant{30001});
  REQUIRE(change);
  CHECK_FALSE(change->is_update());
  CHECK_FALSE(ours.apply(ByteVector{5, 1}, Instant{0}));
}

TEST_CASE("nobody can take our own state away from us") {
  Awareness ours(1, Instant{0});
  Encoder lie;
  lie.var_uint(1);
  lie.var_uint(1);
  lie.var_uint(9);
  lie.string("null");
  const Result<AwarenessChange> change = ours.apply(lie.bytes(), Instant{0});
  REQUIRE(change);
  CHECK(ours.local() != nullptr);
  CHECK(ours.records().at(1).clock == 10);
}

TEST_CASE("two documents meet through sync messages") {
  Doc a(client(1));
  Doc b(client(2));
  REQUIRE(a.text("t").insert(0, std::string_view("from a")));
  const ByteVector hello = frame_step1(b);
  const Result<SyncMessage> asked = read_frame(hello);
  REQUIRE(asked);
  const Result<ByteVector> answer = frame_step2(a, std::get<SyncStep1>(*asked).state);
  REQUIRE(answer);
  const Result<SyncMessage> answered = read_frame(*answer);
  REQUIRE(answered);
  REQUIRE(b.apply_update(std::get<SyncStep2>(*answered).update));
  CHECK(b.text("t").to_string() == "from a");
  CHECK(std::holds_alternative<UnknownMessage>(*read_frame(ByteVector{9, 1, 2})));
  CHECK_FALSE(read_frame(ByteVector{0, 1, 200}));
}

}  // namespace syncline::ydoc
