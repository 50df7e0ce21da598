#include "model/json_cell.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "model/merge_world.h"

using namespace syncline;
using merge_world::random_document;

namespace {

Stamp at(std::uint64_t time, char replica = 'a') {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>(replica);
  return stamp;
}

JsonEdit diff(std::string_view before, std::string_view after) {
  const auto edit = diff_documents(before, after);
  REQUIRE(edit);
  return *edit;
}

// A document and what was done to it, merged in the order given.
class Document {
 public:
  Document(std::string base, const Stamp& stamp) : base_(std::move(base)), stamp_(stamp) {}

  Document& change(std::string_view before, std::string_view after, const Stamp& stamp) {
    join_fields(entries_, entries_of(diff(before, after), stamp));
    drop_void_fields(entries_, stamp_, [](const Stamp&) { return false; });
    return *this;
  }
  std::string text() const {
    const Value value = document_of(ValueView::of(base_), entries_);
    return std::string(value.view().text());
  }
  const JsonEntries& entries() const { return entries_; }

 private:
  std::string base_;
  Stamp stamp_;
  JsonEntries entries_;
};

}  // namespace

TEST_CASE("edits of different fields both stay, nested ones too") {
  const std::string base = R"({"a":1,"b":{"c":1,"d":1}})";
  Document document(base, at(1));
  document.change(base, R"({"a":2,"b":{"c":1,"d":1}})", at(3, 'a'));
  document.change(base, R"({"a":1,"b":{"c":2,"d":1}})", at(4, 'b'));
  document.change(base, R"({"a":1,"b":{"c":1}})", at(2, 'c'));
  CHECK(document.text() == R"({"a":2,"b":{"c":2}})");
}

TEST_CASE("of two edits of one field the greater stamp wins, in either order") {
  const std::string base = R"({"a":1})";
  Document one(base, at(1));
  one.change(base, R"({"a":2})", at(3)).change(base, R"({"a":3})", at(2, 'b'));
  Document other(base, at(1));
  other.change(base, R"({"a":3})", at(2, 'b')).change(base, R"({"a":2})", at(3));
  CHECK(one.text() == R"({"a":2})");
  CHECK(one.entries() == other.entries());
}

TEST_CASE("arrays merge whole") {
  const std::string base = R"({"a":[1,2]})";
  Document document(base, at(1));
  document.change(base, R"({"a":[1,2,3]})", at(3)).change(base, R"({"a":[0,1,2]})", at(2, 'b'));
  CHECK(document.text() == R"({"a":[1,2,3]})");
}

TEST_CASE("two replicas that add one object keep the fields of both") {
  Document document("{}", at(1));
  document.change("{}", R"({"a":{"x":1}})", at(2, 'a'));
  document.change("{}", R"({"a":{"y":2}})", at(3, 'b'));
  CHECK(document.text() == R"({"a":{"x":1,"y":2}})");
}

TEST_CASE("an object that was deleted and comes again starts clean") {
  const std::string base = R"({"a":{"x":1}})";
  Document document(base, at(1));
  document.change(base, R"({"a":{"x":5}})", at(2));
  document.change(R"({"a":{"x":5}})", "{}", at(3)).change("{}", R"({"a":{"y":2}})", at(4));
  CHECK(document.text() == R"({"a":{"y":2}})");
}

TEST_CASE("between a field and one above it the greater stamp decides") {
  const std::string base = R"({"a":{"x":1,"y":1}})";
  Document newer_below(base, at(1));
  newer_below.change(base, "{}", at(2)).change(base, R"({"a":{"x":2,"y":1}})", at(3, 'b'));
  CHECK(newer_below.text() == R"({"a":{"x":2}})");
  Document newer_above(base, at(1));
  newer_above.change(base, R"({"a":{"x":2,"y":1}})", at(2, 'b')).change(base, "{}", at(3));
  CHECK(newer_above.text() == "{}");
  Document over_scalar(base, at(1));
  over_scalar.change(base, R"({"a":7})", at(2)).change(base, R"({"a":{"x":2,"y":1}})", at(3, 'b'));
  CHECK(over_scalar.text() == R"({"a":{"x":2}})");
  Document under_scalar(base, at(1));
  under_scalar.change(base, R"({"a":7})", at(2)).change(base, R"({"a":{"y":1}})", at(3, 'b'));
  CHECK(under_scalar.text() == R"({"a":7})");
}

TEST_CASE("empty objects survive, and so do null, numbers as they were written and odd names") {
  Document document("{}", at(1));
  const std::string odd =
      R"({"":{},"a.b":1.0,"n":null,"q\"":1e400,"z\u0000":12345678901234567890,"é":"\ud800"})";
  document.change("{}", odd, at(2));
  CHECK(document.text() == odd);
}

TEST_CASE("a document is written with its members in byte order and without white space") {
  Document document(R"({ "b": 1, "a": {"d": 1, "c": 2} })", at(1));
  document.change("{}", R"({"A":1})", at(2));
  CHECK(document.text() == R"({"A":1,"a":{"c":2,"d":1},"b":1})");
}

TEST_CASE("what is not a JSON object has no fields to compare") {
  for (const char* text : {"[1]", "1", "null", "{", "", R"({"a":1,"a":2})", "{\"a\":\"\xff\"}"}) {
    CAPTURE(text);
    CHECK(!diff_documents("{}", text));
    CHECK(!diff_documents(text, "{}"));
  }
  CHECK(diff(R"({"a":1,"b":2})", R"( {"b":2, "a":1} )").empty());
}

TEST_CASE("a document too deep to be one is a plain value") {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i + 1 < depth; ++i) {
      text += R"({"a":)";
    }
    return text + "{}" + std::string(depth - 1, '}');
  };
  CHECK(diff_documents("{}", nested(json_path_depth_max)));
  CHECK(!diff_documents("{}", nested(json_path_depth_max + 1)));
  const JsonEdit deepest = diff("{}", nested(json_path_depth_max));
  CHECK(decode_json_edit(encode_json_edit(deepest).view()));
}

TEST_CASE("a base that is no document gives way to a field that was set after it") {
  JsonEntries entries = entries_of(diff("{}", R"({"a":1})"), at(3));
  CHECK(document_of(ValueView::of("plain"), entries) == Value::text(R"({"a":1})"));
  CHECK(document_of(ValueView::null(), entries) == Value::text(R"({"a":1})"));
  entries = entries_of(diff(R"({"a":1})", "{}"), at(3));
  CHECK(document_of(ValueView::of("plain"), entries) == Value::text("plain"));
}

TEST_CASE("applying what changed between two documents gives the second, step by step") {
  for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
    SeededRandom random(seed);
    const std::string first = random_document(random);
    Document document(first, at(1));
    std::string present = first;
    for (std::uint64_t time = 2; time < 6; ++time) {
      const std::string next = random_document(random);
      document.change(present, next, at(time));
      const auto canonical = read_json(next);
      REQUIRE(canonical);
      INFO("seed " << seed << ", at " << time << ": " << present << " to " << next);
      REQUIRE(document.text() == write_canonical_json(*canonical));
      present = next;
    }
  }
}

TEST_CASE("a document's edit reads back as it was written, and its bytes are pinned") {
  const JsonEdit edit = diff(R"({"a":1,"b":{"c":[1]}})", R"({"a":{},"b":{"c":[2]},"d":null})");
  const Value value = encode_json_edit(edit);
  CHECK(to_hex(value.view().data) == "010301016102020162016301035b325d01016401046e756c6c");
  const auto back = decode_json_edit(value.view());
  REQUIRE(back);
  CHECK(*back == edit);
}

TEST_CASE("a document's edit that is malformed in any way is refused") {
  const Value good = encode_json_edit(diff("{}", R"({"a":{"b":1},"c":[2]})"));
  const Bytes bytes = good.view().data;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(!decode_json_edit(ValueView::blob(bytes.first(size))));
  }
  const auto refused = [](const JsonEdit& edit) {
    return !decode_json_edit(encode_json_edit(edit).view()).has_value();
  };
  const JsonField a{{"a"}, FieldKind::deleted, {}};
  const JsonField b{{"b"}, FieldKind::deleted, {}};
  CHECK(!refused({a, b}));
  CHECK(refused({b, a}));
  CHECK(refused({a, a}));
  CHECK(refused({{{}, FieldKind::deleted, {}}}));
  CHECK(refused({{{"\xff"}, FieldKind::deleted, {}}}));
  CHECK(refused({{{"a"}, FieldKind::value, "{}"}}));
  CHECK(refused({{{"a"}, FieldKind::value, " 1"}}));
  CHECK(refused({{{"a"}, FieldKind::value, ""}}));
  CHECK(refused({{JsonPath(json_path_depth_max + 1, "a"), FieldKind::deleted, {}}}));
  CHECK(refused({{JsonPath(json_path_depth_max, "a"), FieldKind::object, {}}}));
  CHECK(refused({{JsonPath(json_path_depth_max, "a"), FieldKind::value, "[]"}}));
  CHECK(!decode_json_edit(ValueView::of("text")));
}

TEST_CASE("entries read back as they were written and refuse any other order") {
  const auto read = [](const JsonEntries& entries) {
    Writer out;
    write_json_entries(out, entries);
    Reader in(out.bytes());
    return read_json_entries(in);
  };
  JsonEntries good = entries_of(diff("{}", R"({"a":{"b":1},"c":[2]})"), at(5));
  good[0].cleared = at(3);
  REQUIRE(read(good));
  CHECK(*read(good) == good);
  CHECK(!read({good[1], good[0]}));
  CHECK(!read({good[1], good[1]}));
  good[0].cleared = at(6);
  CHECK(!read(good));
}
