#include "client/documents.h"

#include <doctest/doctest.h>

#include "client/document_functions.h"
#include "client/test_replica.h"
#include "client/verify.h"

namespace syncline {
namespace {

using Place = Documents::Place;

const Place& body() {
  static const Place place{"notes", {Value::integer(1)}, "body"};
  return place;
}
const Place& page() {
  static const Place place{"notes", {Value::integer(1)}, "page"};
  return place;
}

struct Replica : TestReplica {
  explicit Replica(std::uint64_t seed, const char* rest = "") : TestReplica(seed) {
    REQUIRE(
        execute("CREATE TABLE notes(id INTEGER PRIMARY KEY NOT NULL, body TEXT, page BLOB, "
                "n INT DEFAULT 0)" +
                std::string(rest)));
    TrackOptions options;
    options.column_rules["body"] = MergeRule::text;
    options.column_rules["page"] = MergeRule::doc;
    REQUIRE(engine->track("notes", options));
  }
  std::string body_text() { return text("SELECT body FROM notes WHERE id = 1"); }
  Result<void> insert(std::uint64_t index, std::string_view what) {
    return engine->with_documents(
        [&](Documents& documents) { return documents.insert_text(body(), index, what); });
  }
  Result<void> remove(std::uint64_t index, std::uint64_t count) {
    return engine->with_documents(
        [&](Documents& documents) { return documents.delete_text(body(), index, count); });
  }
  Result<void> format(std::uint64_t index, std::uint64_t count, std::string_view how) {
    return engine->with_documents(
        [&](Documents& documents) { return documents.format_text(body(), index, count, how); });
  }
  Result<void> take_in(const Place& place, Bytes update) {
    return engine->with_documents(
        [&](Documents& documents) { return documents.apply(place, update); });
  }
  std::string delta() {
    const auto out =
        engine->with_documents([&](Documents& documents) { return documents.text_delta(body()); });
    return out ? *out : out.error().message();
  }
  std::string json(const Place& place) {
    const auto out =
        engine->with_documents([&](Documents& documents) { return documents.json(place); });
    return out ? *out : out.error().message();
  }
  ByteVector diff(const Place& place, Bytes state = {}) {
    const auto out =
        engine->with_documents([&](Documents& documents) { return documents.diff(place, state); });
    REQUIRE(out);
    return *out;
  }
  std::string name() {
    const auto out =
        engine->with_documents([&](Documents& documents) { return documents.name(body()); });
    return out ? *out : out.error().message();
  }
  std::uint64_t loads() {
    return *engine->with_documents(
        [](Documents& documents) { return Result<std::uint64_t>(documents.loads()); });
  }
  // What lies beside the table, byte for byte.
  std::string cells() {
    return text(
        "SELECT group_concat(hex(body), '/') FROM (SELECT body FROM syncline_cells "
        "ORDER BY tbl, key, col)");
  }
  void check_sound() {
    const auto problems = verify(*engine);
    REQUIRE(problems);
    CHECK(problems->empty());
  }
};

void meet(Replica& one, Replica& two) {
  REQUIRE(two.pull(one));
  REQUIRE(one.pull(two));
  REQUIRE(two.pull(one));
  CHECK(*one.engine->digest() == *two.engine->digest());
  for (const char* column : {"body", "hex(page)"}) {
    const std::string sql = std::string("SELECT quote(group_concat(") + column + ")) FROM notes";
    CHECK(one.text(sql) == two.text(sql));
  }
  one.check_sound();
  two.check_sound();
}

// What the last change of a replica says on the wire.
std::size_t last_change_bytes(Replica& replica) {
  const auto changes = replica.engine->outbox(LocalVersion(0), std::size_t{64} << 20U);
  REQUIRE(changes);
  std::size_t bytes = 0;
  for (const ByteVector& part : changes->back().parts) {
    bytes += part.size();
  }
  return bytes;
}

TEST_CASE("a text is plain SQL, and concurrent edits of it merge") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'the quick fox')"));
  meet(one, two);
  CHECK(two.body_text() == "the quick fox");
  REQUIRE(one.execute("UPDATE notes SET body = 'the slow fox'"));
  REQUIRE(two.execute("UPDATE notes SET body = body || ' and dogs'"));
  meet(one, two);
  CHECK(one.body_text() == "the slow fox and dogs");
  REQUIRE(two.insert(0, "see "));
  REQUIRE(one.remove(3, 5));
  meet(one, two);
  CHECK(two.body_text() == "see the fox and dogs");
}

TEST_CASE("formatting travels although the text stays what it was") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'bold word')"));
  meet(one, two);
  REQUIRE(one.format(0, 4, R"({"bold":true})"));
  REQUIRE(two.insert(9, "s"));
  meet(one, two);
  const char* expected = R"([{"insert":"bold","attributes":{"bold":true}},{"insert":" words"}])";
  CHECK(one.delta() == expected);
  CHECK(two.delta() == expected);
  REQUIRE(two.execute("UPDATE notes SET body = 'bolder words'"));
  meet(one, two);
  CHECK(one.delta() == R"([{"insert":"bolder","attributes":{"bold":true}},{"insert":" words"}])");
}

TEST_CASE("a change tells what was typed, and neither the text nor its history") {
  Replica one(1);
  REQUIRE(
      one.execute("INSERT INTO notes(id, body) VALUES(1, '" + std::string(100'000, 'x') + "')"));
  REQUIRE(one.insert(50'000, "here"));
  CHECK(last_change_bytes(one) < 200);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(one.remove(static_cast<std::uint64_t>(i) * 7, 1));
  }
  REQUIRE(one.execute("UPDATE notes SET body = body || '!'"));
  CHECK(last_change_bytes(one) < 200);
}

TEST_CASE("all edits of a transaction are one edit, be they SQL or calls") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'one')"));
  meet(one, two);
  REQUIRE(one.execute("BEGIN"));
  REQUIRE(one.insert(3, " two"));
  REQUIRE(one.execute("UPDATE notes SET body = body || ' three'"));
  REQUIRE(one.format(4, 3, R"({"em":1})"));
  REQUIRE(one.insert(13, " four"));
  REQUIRE(one.execute("COMMIT"));
  CHECK(one.body_text() == "one two three four");
  REQUIRE(two.insert(0, "zero "));
  meet(one, two);
  CHECK(two.delta() == R"([{"insert":"zero one "},{"insert":"two","attributes":{"em":1}},)"
                       R"({"insert":" three four"}])");
}

TEST_CASE("a row that is born and edited in one transaction keeps its formatting") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("BEGIN; INSERT INTO notes(id, body) VALUES(1, 'word')"));
  REQUIRE(one.format(0, 4, R"({"bold":true})"));
  REQUIRE(one.execute("COMMIT"));
  meet(one, two);
  CHECK(two.delta() == R"([{"insert":"word","attributes":{"bold":true}}])");
  REQUIRE(two.insert(4, "s"));
  meet(one, two);
  CHECK(one.body_text() == "words");
}

TEST_CASE("what is rolled back was never edited") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  REQUIRE(one.execute("BEGIN"));
  REQUIRE(one.insert(1, "b"));
  REQUIRE(one.execute("SAVEPOINT s"));
  REQUIRE(one.insert(2, "c"));
  REQUIRE(one.execute("ROLLBACK TO s"));
  CHECK(one.body_text() == "ab");
  REQUIRE(one.insert(2, "d"));
  REQUIRE(one.execute("COMMIT"));
  CHECK(one.body_text() == "abd");
  REQUIRE(one.execute("BEGIN"));
  REQUIRE(one.insert(0, "x"));
  REQUIRE(one.execute("ROLLBACK"));
  CHECK(one.body_text() == "abd");
  REQUIRE(one.insert(3, "e"));
  meet(one, two);
  CHECK(two.body_text() == "abde");
  CHECK(two.delta() == R"([{"insert":"abde"}])");
}

TEST_CASE("a row that is put again begins its text anew, and says so") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'old')"));
  meet(one, two);
  const std::string before = two.name();
  REQUIRE(two.insert(3, "er"));
  CHECK(two.name() == before);
  REQUIRE(one.execute("DELETE FROM notes"));
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'new')"));
  meet(one, two);
  CHECK(two.body_text() == "new");
  CHECK(two.name() != before);
  CHECK(two.name() == one.name());
  REQUIRE(two.execute("UPDATE notes SET body = NULL"));
  REQUIRE(one.insert(3, "er"));
  meet(one, two);
  CHECK(one.name() == two.name());
}

TEST_CASE("a first text in an empty column merges with another one") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id) VALUES(1)"));
  meet(one, two);
  REQUIRE(one.execute("UPDATE notes SET body = 'one'"));
  REQUIRE(two.insert(0, "two"));
  meet(one, two);
  CHECK(one.body_text().size() == 6);
}

TEST_CASE("values that are no text are plain values, and the newest wins") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  REQUIRE(one.execute("UPDATE notes SET body = x'ff00'"));
  meet(one, two);
  CHECK(two.text("SELECT typeof(body) FROM notes") == "blob");
  CHECK_FALSE(two.insert(0, "x"));
  REQUIRE(two.execute("UPDATE notes SET body = 'text again'"));
  REQUIRE(two.insert(0, "x"));
  meet(one, two);
  CHECK(one.body_text() == "xtext again");
}

TEST_CASE("positions count characters, and a position that is not there is refused") {
  Replica one(1);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a\xF0\x9F\x98\x80\xC3\xA4')"));
  REQUIRE(one.insert(2, "|"));
  CHECK(one.body_text() == "a\xF0\x9F\x98\x80|\xC3\xA4");
  REQUIRE(one.remove(1, 1));
  CHECK(one.body_text() == "a|\xC3\xA4");
  CHECK_FALSE(one.insert(4, "x"));
  CHECK_FALSE(one.remove(2, 2));
  CHECK_FALSE(one.remove(2, UINT64_MAX));
  CHECK_FALSE(one.format(0, 1, "[1]"));
  CHECK_FALSE(one.insert(0, "\xFF"));
  CHECK(one.body_text() == "a|\xC3\xA4");
}

ydoc::DocOptions writer(ydoc::ClientId client) {
  ydoc::DocOptions options;
  options.client_id = client;
  return options;
}

TEST_CASE("a live document's updates go in, and what it lacks comes out") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'hello')"));
  meet(one, two);
  ydoc::Doc live(writer(77));
  REQUIRE(live.apply_update(one.diff(body())));
  CHECK(live.text("text").to_string() == "hello");
  std::vector<ByteVector> updates;
  live.on_update([&](const ydoc::UpdateEvent& event) {
    if (event.from == ydoc::Origin::local) {
      updates.push_back(to_vector(event.update));
    }
  });
  REQUIRE(live.text("text").insert(5, u" world"));
  REQUIRE(live.text("text").format(0, 5, {{"bold", ydoc::Any::boolean(true)}}));
  for (const ByteVector& update : updates) {
    REQUIRE(one.take_in(body(), update));
  }
  CHECK(one.body_text() == "hello world");
  REQUIRE(two.execute("UPDATE notes SET body = 'hello!'"));
  meet(one, two);
  REQUIRE(live.apply_update(one.diff(body(), live.state_vector().encode())));
  CHECK(live.text("text").to_string() == two.body_text());
  CHECK(two.delta() == one.delta());
  // What is here already changes nothing, and is no change.
  const auto before = *one.engine->version();
  REQUIRE(one.take_in(body(), updates[0]));
  CHECK(*one.engine->version() == before);
  CHECK_FALSE(one.take_in(body(), as_bytes("\x01")));
}

TEST_CASE("documents of any shape merge, by update or by setting the column") {
  Replica one(1);
  Replica two(2);
  ydoc::Doc live(writer(77));
  REQUIRE(live.map("map").set("x", ydoc::Any::number(1)));
  REQUIRE(one.execute("INSERT INTO notes(id) VALUES(1)"));
  REQUIRE(one.take_in(page(), *live.encode_state_as_update()));
  meet(one, two);
  CHECK(two.json(page()) == R"({"map":{"x":1}})");
  // A page that loads the column, edits, and sets it whole while others edited.
  ydoc::Doc other(writer(78));
  REQUIRE(other.apply_update(two.diff(page())));
  REQUIRE(other.array("list").push(std::vector<ydoc::Input>{ydoc::Any::string("item")}));
  REQUIRE(live.map("map").set("y", ydoc::Any::null()));
  REQUIRE(one.take_in(page(), *live.encode_state_as_update()));
  const ByteVector whole = *other.encode_state_as_update();
  REQUIRE(two.execute("UPDATE notes SET page = x'" + to_hex(whole) + "'"));
  meet(one, two);
  CHECK(one.json(page()) == R"({"list":["item"],"map":{"x":1,"y":null}})");
  // A document from before joins what is there.
  REQUIRE(one.execute("UPDATE notes SET page = x'" + to_hex(whole) + "'"));
  CHECK(one.json(page()) == R"({"list":["item"],"map":{"x":1,"y":null}})");
  meet(one, two);
  REQUIRE(one.execute("UPDATE notes SET page = NULL"));
  REQUIRE(one.execute("UPDATE notes SET page = x'" + to_hex(whole) + "'"));
  CHECK(one.json(page()) == R"({"list":["item"],"map":{"x":1}})");
  meet(one, two);
}

TEST_CASE("a document's column is for documents: others are refused, with the reason") {
  Replica one(1);
  REQUIRE(one.execute("CREATE TABLE wrong(id INTEGER PRIMARY KEY NOT NULL, body INT, page TEXT)"));
  TrackOptions options;
  options.column_rules["body"] = MergeRule::text;
  auto done = one.engine->track("wrong", options);
  REQUIRE_FALSE(done);
  CHECK(done.error().message() ==
        "cannot sync table 'wrong': column 'body' has rule 'text' and must be declared TEXT");
  options = {};
  options.column_rules["page"] = MergeRule::doc;
  CHECK_FALSE(one.engine->track("wrong", options));
  CHECK_FALSE(one.take_in({"notes", {Value::integer(1)}, "n"}, as_bytes("x")));
  CHECK_FALSE(one.take_in({"notes", {Value::integer(9)}, "body"}, as_bytes("x")));
  CHECK_FALSE(one.take_in({"notes", {}, "body"}, as_bytes("x")));
  CHECK_FALSE(one.take_in({"other", {Value::integer(1)}, "body"}, as_bytes("x")));
}

TEST_CASE("whoever shows a document hears that others changed it") {
  Replica one(1);
  Replica two(2);
  two.engine->events().start_queue();
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  REQUIRE(two.pull(one));
  two.engine->events().drain(100);
  REQUIRE(one.insert(1, "b"));
  REQUIRE(two.pull(one));
  std::vector<std::string> payloads;
  for (const Event& event : two.engine->events().drain(100)) {
    if (event.name == event_name::document_changed) {
      payloads.push_back(event.payload);
    }
  }
  CHECK(payloads == std::vector<std::string>{R"({"table":"notes","key":[1],"column":"body"})"});
}

TEST_CASE("an unsent text is told exactly, whatever was typed since") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  REQUIRE(one.insert(1, "b"));
  REQUIRE(one.insert(2, "c"));
  REQUIRE(one.remove(0, 1));
  const ByteVector file = *one.engine->export_pending();
  REQUIRE(two.engine->apply_file(file));
  CHECK(two.body_text() == "bc");
  meet(one, two);
}

TEST_CASE("an edit by somebody whose schema lacks the column's row waits, and arrives") {
  Replica one(1);
  Replica two(2, " STRICT");
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  const auto first = *one.engine->version();
  REQUIRE(one.insert(1, "b"));
  // The later change alone: it travels as the document that it left.
  REQUIRE(two.engine->apply_file(*one.engine->changes_since(first)));
  meet(one, two);
  CHECK(two.body_text() == "ab");
}

TEST_CASE("documents of rows in a table without rowids merge too") {
  Replica one(1);
  Replica two(2);
  for (Replica* replica : {&one, &two}) {
    REQUIRE(
        replica->execute("CREATE TABLE bare(a TEXT, b INT, t TEXT, PRIMARY KEY(a, b)) WITHOUT "
                         "ROWID"));
    TrackOptions options;
    options.column_rules["t"] = MergeRule::text;
    REQUIRE(replica->engine->track("bare", options));
  }
  const Place place{"bare", {Value::text("k"), Value::integer(1)}, "t"};
  REQUIRE(one.execute("INSERT INTO bare VALUES('k', 1, 'x')"));
  meet(one, two);
  for (Replica* replica : {&one, &two}) {
    REQUIRE(replica->engine->with_documents(
        [&](Documents& documents) { return documents.insert_text(place, 0, "y"); }));
  }
  meet(one, two);
  CHECK(one.text("SELECT t FROM bare") == "yyx");
  CHECK(two.text("SELECT t FROM bare") == "yyx");
}

TEST_CASE("edit after edit of one document builds it once, and writes down what was typed") {
  Replica one(1);
  Replica two(2);
  REQUIRE(
      one.execute("INSERT INTO notes(id, body) VALUES(1, '" + std::string(100'000, 'x') + "')"));
  REQUIRE(two.pull(one));
  const std::uint64_t loads = one.loads();
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::string at = std::to_string(i * 1'000 + 1);
    REQUIRE(one.insert(i * 700, "call"));
    REQUIRE(one.execute("UPDATE notes SET body = substr(body, 1, " + at + ") || 'sql' || substr(" +
                        "body, " + at + " + 1)"));
    CHECK_FALSE(one.diff(body()).empty());
  }
  CHECK(one.loads() == loads + 1);
  // The text was kept once, when it was a plain value that nobody had sent; never since.
  CHECK(one.text("SELECT max(version) > 100 FROM syncline_log") == "1");
  CHECK(one.text("SELECT count(*) FROM syncline_log WHERE length(body) > 1000") == "1");
  const std::uint64_t other_loads = two.loads();
  REQUIRE(two.pull(one));
  CHECK(two.loads() <= other_loads + 2);
  meet(one, two);
}

TEST_CASE("a document's mark is another one whenever the document is") {
  Replica one(1);
  Replica two(2);
  const char* mark = "SELECT coalesce(syncline_doc_mark('notes', 1, 'body'), 'none')";
  REQUIRE(register_document_functions(*one.engine));
  CHECK(one.text(mark) == "none");
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'ab')"));
  const std::string begun = one.text(mark);
  REQUIRE(one.execute("UPDATE notes SET n = 7"));
  CHECK(one.text(mark) == begun);
  REQUIRE(one.format(0, 1, R"({"b":true})"));
  const std::string formatted = one.text(mark);
  CHECK(formatted != begun);
  meet(one, two);
  CHECK(one.text(mark) == formatted);
  REQUIRE(two.remove(0, 1));
  meet(one, two);
  CHECK(one.text(mark) != formatted);
  // Begun anew, with the same text.
  REQUIRE(one.execute("DELETE FROM notes; INSERT INTO notes(id, body) VALUES(1, 'ab')"));
  CHECK(one.text(mark) != begun);
}

TEST_CASE("what a rollback took back is not in the document that stays open") {
  Replica one(1);
  Replica two(2);
  REQUIRE(one.execute("INSERT INTO notes(id, body) VALUES(1, 'a')"));
  REQUIRE(one.insert(1, "b"));
  REQUIRE(one.execute("BEGIN"));
  REQUIRE(one.insert(2, "gone"));
  REQUIRE(one.execute("SAVEPOINT s"));
  REQUIRE(one.insert(0, "too"));
  REQUIRE(one.execute("ROLLBACK TO s"));
  CHECK(one.delta() == R"([{"insert":"abgone"}])");
  REQUIRE(one.insert(6, "!"));
  CHECK(one.body_text() == "abgone!");
  REQUIRE(one.execute("ROLLBACK"));
  CHECK(one.delta() == R"([{"insert":"ab"}])");
  REQUIRE(one.insert(2, "c"));
  CHECK(one.body_text() == "abc");
  // A statement that fails takes its own edit back only.
  REQUIRE(
      one.execute("CREATE TRIGGER stop BEFORE UPDATE ON notes WHEN new.body LIKE '%bad%' "
                  "BEGIN SELECT RAISE(ABORT, 'no'); END"));
  CHECK_FALSE(one.insert(0, "bad"));
  REQUIRE(one.insert(3, "d"));
  CHECK(one.body_text() == "abcd");
  meet(one, two);
}

TEST_CASE("whoever writes a document keeps the bytes that whoever merges it keeps") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SeededRandom random(seed);
    Replica writer(seed * 2);
    Replica merger(seed * 2 + 1);
    const bool has_base = seed % 2 == 0;
    REQUIRE(writer.execute(has_base
                               ? "INSERT INTO notes(id, body) VALUES(1, 'gr\xC3\xBC\xC3\x9F dich')"
                               : "INSERT INTO notes(id) VALUES(1)"));
    REQUIRE(merger.pull(writer));
    for (int step = 0; step < 60; ++step) {
      const bool many = random.next() % 8 == 0;
      REQUIRE(writer.execute(many ? "BEGIN" : "SELECT 1"));
      for (int i = many ? 3 : 1; i > 0; --i) {
        const auto length = static_cast<std::uint64_t>(
            std::stoll("0" + writer.text("SELECT length(coalesce(body, '')) FROM notes")));
        const std::uint64_t at = random.next() % (length + 1);
        switch (random.next() % 6) {
          case 0:
          case 1:
            REQUIRE(writer.insert(at, "ab\xF0\x9F\x98\x80"));
            break;
          case 2:
            if (at < length) {
              REQUIRE(writer.remove(at, 1));
            }
            break;
          case 3:
            if (at < length) {
              REQUIRE(writer.format(at, 1, R"({"b":true})"));
            }
            break;
          case 4:
            REQUIRE(writer.execute("UPDATE notes SET body = coalesce(body, '') || 'z', n = n + 1"));
            break;
          case 5:
            REQUIRE(writer.execute("UPDATE notes SET body = replace(body, 'a', '')"));
            break;
        }
      }
      REQUIRE(writer.execute(many ? (random.next() % 4 == 0 ? "ROLLBACK" : "COMMIT") : "SELECT 1"));
      if (random.next() % 10 == 0) {
        REQUIRE(merger.insert(0, "m"));
        REQUIRE(writer.pull(merger));
      }
    }
    meet(writer, merger);
    CHECK(writer.cells() == merger.cells());
    // And neither lacks anything that a replica which sees it all at once has.
    Replica late(seed * 2 + 1'000);
    REQUIRE(late.pull(writer));
    CHECK(late.cells() == writer.cells());
  }
}

}  // namespace
}  // namespace syncline
