#include "ydoc/doc.h"

#include <doctest/doctest.h>

#include <memory>

#include "base/random.h"
#include "ydoc/merge.h"
#include "ydoc/store.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

std::unique_ptr<Doc> make_doc(ClientId client, Limits limits = {}) {
  DocOptions options;
  options.client_id = client;
  options.limits = limits;
  return std::make_unique<Doc>(options);
}

ByteVector state_of(Doc& doc) {
  Result<ByteVector> state = doc.encode_state_as_update();
  REQUIRE(state);
  return std::move(*state);
}

void sync(Doc& from, Doc& to) {
  const Result<ByteVector> lacking = from.encode_state_as_update(to.state_vector());
  REQUIRE(lacking);
  REQUIRE(to.apply_update(*lacking));
}

struct Recorder {
  explicit Recorder(Doc& doc) {
    doc.on_update([this](const UpdateEvent& event) { updates.push_back(to_vector(event.update)); });
  }
  std::vector<ByteVector> updates;
};

Any number(double value) { return Any::number(value); }

}  // namespace

TEST_CASE("an empty document is two zero bytes") {
  const auto doc = make_doc(1);
  CHECK(state_of(*doc) == ByteVector{0, 0});
  CHECK(doc->state_vector().encode() == ByteVector{0});
}

TEST_CASE("where an update names a client twice the last time counts, as in Yjs") {
  // First "a" and an "x" after a struct that is missing, then "a" and "b".
  const ByteVector update = {2, 2, 1, 0, 4, 1, 1,   't', 1,   'a',  0x84, 9, 0, 1,   'x',
                             2, 1, 0, 4, 1, 1, 't', 1,   'a', 0x84, 1,    0, 1, 'b', 0};
  const auto doc = make_doc(5);
  REQUIRE(doc->apply_update(update));
  CHECK(doc->text("t").to_string() == "ab");
  CHECK_FALSE(doc->has_pending_structs());
  CHECK(is_covered(update, doc->state_vector()).value());
  const auto again = make_doc(6);
  REQUIRE(again->apply_update(state_of(*doc)));
  CHECK(again->state_vector() == doc->state_vector());
}

TEST_CASE("typing is one struct however many transactions it took") {
  const auto doc = make_doc(1);
  Text text = doc->text("t");
  for (const char c : std::string_view("hello")) {
    REQUIRE(text.insert(text.length(), std::string_view(&c, 1)));
  }
  CHECK(text.to_string() == "hello");
  CHECK(state_of(*doc) == ByteVector{1, 1, 1, 0, 4, 1, 1, 't', 5, 'h', 'e', 'l', 'l', 'o', 0});
}

TEST_CASE("concurrent inserts at one place come out in the order of the client ids everywhere") {
  const auto a = make_doc(1);
  const auto b = make_doc(2);
  REQUIRE(a->text("t").insert(0, std::string_view("aaa")));
  REQUIRE(b->text("t").insert(0, std::string_view("bbb")));
  sync(*a, *b);
  sync(*b, *a);
  CHECK(a->text("t").to_string() == "aaabbb");
  CHECK(b->text("t").to_string() == "aaabbb");
  CHECK(state_of(*a) == state_of(*b));
}

TEST_CASE("updates in any order and any number of times give the same document") {
  const auto writer = make_doc(7);
  Recorder recorder(*writer);
  SeededRandom random(42);
  Text text = writer->text("t");
  for (int i = 0; i < 60; ++i) {
    if (text.length() > 3 && random.chance(1, 3)) {
      REQUIRE(text.remove(random.below(text.length() - 1), 1));
    } else {
      REQUIRE(text.insert(random.below(text.length() + 1), std::string_view("xy")));
    }
  }
  const ByteVector wanted = state_of(*writer);
  for (int round = 0; round < 20; ++round) {
    std::vector<ByteVector> updates = recorder.updates;
    for (std::size_t i = updates.size(); i > 1; --i) {
      std::swap(updates[i - 1], updates[random.below(i)]);
    }
    updates.push_back(updates[random.below(updates.size())]);
    const auto reader = make_doc(8);
    for (const ByteVector& update : updates) {
      REQUIRE(reader->apply_update(update));
    }
    CHECK_FALSE(reader->has_pending_structs());
    CHECK_FALSE(reader->has_pending_deletes());
    CHECK(state_of(*reader) == wanted);
  }
}

TEST_CASE("what waits for a missing update is passed on in the state") {
  const auto writer = make_doc(7);
  Recorder recorder(*writer);
  REQUIRE(writer->text("t").insert(0, std::string_view("ab")));
  REQUIRE(writer->text("t").insert(1, std::string_view("x")));
  const auto middle = make_doc(8);
  REQUIRE(middle->apply_update(recorder.updates[1]));
  CHECK(middle->has_pending_structs());
  const auto reader = make_doc(9);
  REQUIRE(reader->apply_update(state_of(*middle)));
  REQUIRE(reader->apply_update(recorder.updates[0]));
  CHECK(reader->text("t").to_string() == "axb");
}

TEST_CASE("content inserted and deleted in one transaction is sent as deleted") {
  const auto doc = make_doc(1);
  Recorder recorder(*doc);
  {
    const Doc::Batch batch = doc->batch();
    REQUIRE(doc->text("t").insert(0, std::string_view("secret")));
    REQUIRE(doc->text("t").remove(0, 6));
  }
  REQUIRE(recorder.updates.size() == 1);
  const std::string_view bytes = as_text(recorder.updates[0]);
  CHECK(bytes.find("secret") == std::string_view::npos);
}

TEST_CASE("a malformed update changes nothing") {
  const auto doc = make_doc(1);
  REQUIRE(doc->text("t").insert(0, std::string_view("kept")));
  const auto other = make_doc(2);
  REQUIRE(other->text("t").insert(0, std::string_view("other")));
  ByteVector update = state_of(*other);
  const ByteVector before = state_of(*doc);
  for (std::size_t size = 0; size + 1 < update.size(); ++size) {
    CHECK_FALSE(doc->apply_update(Bytes(update).first(size)));
    CHECK(state_of(*doc) == before);
  }
}

TEST_CASE("cutting a surrogate pair leaves two replacement characters on every replica") {
  const auto a = make_doc(1);
  const auto b = make_doc(2);
  REQUIRE(a->text("t").insert(0, std::string_view("\xf0\x9f\x98\x80")));
  sync(*a, *b);
  REQUIRE(a->text("t").insert(1, std::string_view("-")));
  sync(*a, *b);
  CHECK(a->text("t").to_string() == "\xef\xbf\xbd-\xef\xbf\xbd");
  CHECK(b->text("t").to_string() == a->text("t").to_string());
}

TEST_CASE("formatting ends where it was told to, and a second one over it adds no marks") {
  const auto doc = make_doc(1);
  Text text = doc->text("t");
  REQUIRE(text.insert(0, std::string_view("hello world")));
  const Attributes bold = {{"bold", Any::boolean(true)}};
  REQUIRE(text.format(0, 5, bold));
  const StateVector state = doc->state_vector();
  REQUIRE(text.format(0, 5, bold));
  CHECK(doc->state_vector() == state);
  const std::vector<DeltaOut> delta = text.to_delta();
  REQUIRE(delta.size() == 2);
  CHECK(delta[0].text == u"hello");
  CHECK(delta[0].attributes.size() == 1);
  CHECK(delta[1].text == u" world");
  CHECK(delta[1].attributes.empty());
}

TEST_CASE("the higher client's value of a map key wins on every replica") {
  const auto a = make_doc(1);
  const auto b = make_doc(2);
  REQUIRE(a->map("m").set("k", number(1)));
  REQUIRE(b->map("m").set("k", number(2)));
  sync(*a, *b);
  sync(*b, *a);
  for (Doc* doc : {a.get(), b.get()}) {
    const std::optional<Content> value = doc->map("m").get("k");
    REQUIRE(value);
    CHECK(std::get<Any>(*value).as_number() == 2);
  }
}

TEST_CASE("a list keeps its elements through inserts, deletes and a reload") {
  const auto doc = make_doc(1);
  Array list = doc->array("a");
  std::vector<double> model;
  SeededRandom random(5);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t at = random.below(model.size() + 1);
    if (!model.empty() && random.chance(1, 3)) {
      const std::uint64_t gone = random.below(model.size());
      REQUIRE(list.remove(gone, 1));
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(gone));
    } else {
      const Input values[] = {number(i)};
      REQUIRE(list.insert(at, values));
      model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), i);
    }
  }
  const auto again = make_doc(2);
  REQUIRE(again->apply_update(state_of(*doc)));
  for (Array each : {list, again->array("a")}) {
    const std::vector<Content> values = each.values();
    REQUIRE(values.size() == model.size());
    for (std::size_t i = 0; i < model.size(); ++i) {
      CHECK(std::get<Any>(values[i]).as_number() == model[i]);
      const Result<Content> one = each.get(i);
      REQUIRE(one);
      CHECK(std::get<Any>(*one).as_number() == model[i]);
    }
  }
  CHECK_FALSE(list.get(model.size()));
  CHECK_FALSE(list.remove(model.size(), 1));
}

TEST_CASE("a deleted type reads as empty and refuses writes") {
  const auto doc = make_doc(1);
  TypeInput inner;
  inner.kind = TypeKind::array;
  inner.children.emplace_back(number(1));
  REQUIRE(doc->map("m").set("k", inner));
  const Type type = std::get<Type>(*doc->map("m").get("k"));
  CHECK(Array(type).length() == 1);
  REQUIRE(doc->map("m").remove("k"));
  CHECK(type.deleted());
  CHECK(Array(type).values().empty());
  CHECK_FALSE(Array(type).insert(0, {}));
}

TEST_CASE("types nested deeper than any stack are deleted and collected") {
  const auto doc = make_doc(1);
  const auto reader = make_doc(2);
  Encoder update;
  constexpr std::uint64_t depth = 200000;
  update.var_uint(1);
  update.var_uint(depth);
  update.var_uint(5);
  update.var_uint(0);
  for (std::uint64_t i = 0; i < depth; ++i) {
    update.u8(7);
    update.var_uint(i == 0 ? 1 : 0);
    if (i == 0) {
      update.string("a");
    } else {
      update.var_uint(5);
      update.var_uint(i - 1);
    }
    update.var_uint(0);
  }
  update.var_uint(0);
  REQUIRE(doc->apply_update(update.bytes()));
  CHECK_FALSE(to_any(doc->array("a")));
  REQUIRE(doc->array("a").remove(0, 1));
  CHECK(state_of(*doc).size() < 40);
}

TEST_CASE("an observer sees what changed and where") {
  const auto doc = make_doc(1);
  TypeInput inner;
  inner.kind = TypeKind::text;
  REQUIRE(doc->map("m").set("note", inner));
  std::vector<Event> seen;
  doc->observe_deep(doc->map("m"), [&seen](const std::vector<Event>& events) {
    seen.insert(seen.end(), events.begin(), events.end());
  });
  const Type note = std::get<Type>(*doc->map("m").get("note"));
  REQUIRE(Text(note).insert(0, std::string_view("hi")));
  REQUIRE(Text(note).insert(2, std::string_view("!")));
  REQUIRE(doc->map("m").set("n", number(3)));
  REQUIRE(seen.size() == 3);
  CHECK(std::get<std::string>(seen[0].path.at(0)) == "note");
  CHECK(seen[0].delta.at(0).text == u"hi");
  CHECK(seen[1].delta.at(0).count == 2);
  CHECK(seen[1].delta.at(1).text == u"!");
  CHECK(seen[2].path.empty());
  CHECK(seen[2].keys.at(0).key == "n");
}

TEST_CASE("an observer may write, and unsubscribe itself, while it runs") {
  const auto doc = make_doc(1);
  Subscription subscription = 0;
  int calls = 0;
  subscription = doc->observe(doc->text("t"), [&](const Event&) {
    calls += 1;
    doc->unsubscribe(subscription);
    REQUIRE(doc->map("m").set("seen", Any::boolean(true)));
  });
  Recorder recorder(*doc);
  REQUIRE(doc->text("t").insert(0, std::string_view("a")));
  REQUIRE(doc->text("t").insert(1, std::string_view("b")));
  CHECK(calls == 1);
  CHECK(recorder.updates.size() == 3);
}

TEST_CASE("a document whose id is written by somebody else takes another one") {
  const auto mine = make_doc(5);
  const auto clone = make_doc(5);
  REQUIRE(clone->text("t").insert(0, std::string_view("x")));
  sync(*clone, *mine);
  CHECK(mine->client_id() != 5);
}

TEST_CASE("a position index that grew and shrank still agrees with the list") {
  const auto doc = make_doc(1);
  Text text = doc->text("t");
  std::u16string model;
  SeededRandom random(9);
  for (int i = 0; i < 6000; ++i) {
    const std::uint64_t at = random.below(model.size() + 1);
    const bool shrinks = i > 3000 ? random.chance(2, 3) : random.chance(1, 3);
    if (shrinks && !model.empty()) {
      const std::uint64_t from = random.below(model.size());
      const std::uint64_t count = 1 + random.below(std::min<std::size_t>(5, model.size() - from));
      REQUIRE(text.remove(from, count));
      model.erase(from, count);
    } else {
      const std::u16string word(1 + random.below(3), static_cast<char16_t>(u'a' + i % 26));
      REQUIRE(text.insert(at, std::u16string_view(word)));
      model.insert(at, word);
    }
  }
  CHECK(text.to_utf16() == model);
  CHECK(text.length() == model.size());
}

TEST_CASE("a hundred megabytes of anything are refused at once") {
  const auto doc = make_doc(1);
  const ByteVector update(100'000'000, 1);
  const Result<void> applied = doc->apply_update(update);
  REQUIRE_FALSE(applied);
  CHECK(applied.error().code() == ErrorCode::too_large);
  CHECK(doc->memory_bytes() < 100'000);
}

TEST_CASE("an update with more structs than a document may hold is refused before any is taken") {
  const auto doc = make_doc(1);
  Encoder update;
  constexpr std::uint64_t count = 10'000'000;
  update.var_uint(1);
  update.var_uint(count);
  update.var_uint(5);
  update.var_uint(0);
  for (std::uint64_t i = 0; i < count; ++i) {
    update.u8(0);
    update.u8(1);
  }
  update.var_uint(0);
  const Result<void> applied = doc->apply_update(update.bytes());
  REQUIRE_FALSE(applied);
  CHECK(applied.error().code() == ErrorCode::too_large);
  CHECK(doc->memory_bytes() < 100'000);
  CHECK(doc->state_vector().entries().empty());
}

TEST_CASE("an update that asks for the product of two lists is refused") {
  const auto a = make_doc(1);
  const auto b = make_doc(2);
  for (int i = 0; i < 1500; ++i) {
    REQUIRE(a->text("t").insert(0, std::string_view("a")));
    REQUIRE(b->text("t").insert(0, std::string_view("b")));
  }
  Limits tight;
  tight.conflict_steps_max = 1000;
  const auto strict = make_doc(3, tight);
  REQUIRE(strict->apply_update(state_of(*a)));
  const Result<void> applied = strict->apply_update(state_of(*b));
  REQUIRE_FALSE(applied);
  CHECK(applied.error().code() == ErrorCode::too_large);
  const auto lenient = make_doc(4);
  REQUIRE(lenient->apply_update(state_of(*a)));
  CHECK(lenient->apply_update(state_of(*b)));
}

TEST_CASE(
    "a root XML element has the name that Yjs gives it, and one that was made with a name its "
    "own") {
  const auto doc = make_doc(1);
  const Type root = doc->root("page", TypeKind::xml_element);
  CHECK(root.name() == "UNDEFINED");
  CHECK(*to_xml(root) == "<undefined></undefined>");
  CHECK(doc->root("other", TypeKind::xml_fragment).name().empty());
}

}  // namespace syncline::ydoc
