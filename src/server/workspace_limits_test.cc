// What is admitted can be told: limits hold after merging, in the schema, and in every answer.
#include <doctest/doctest.h>

#include "model/cell_content.h"
#include "model/json_cell.h"
#include "server/server_world.h"
#include "server/workspace.h"
#include "wire/limits.h"
#include "wire/state_part.h"

using namespace syncline;

namespace {

constexpr std::int64_t now_ms = 1'000'000;

struct Team {
  std::unique_ptr<SqliteLogStore> store = memory_store();
  Rules rules;
  std::optional<Workspace> workspace;
  Rights writes{true, true, "ann", 0, ""};
  Rights reads{true, false, "bob", 0, ""};
  std::uint64_t sequence = 0;

  Team() {
    REQUIRE(store->begin().has_value());
    workspace = std::move(*Workspace::open(*store, rules, "team"));
  }
  Greeting greet(const Hello& hello, const Rights& rights) {
    auto greeting = workspace->greet(hello, rights, now_ms);
    REQUIRE(greeting.has_value());
    return std::move(*greeting);
  }
  Hello welcomed(int replica) {
    Hello hello = sample_hello(replica);
    hello.lineage = *store->lineage();
    REQUIRE(std::holds_alternative<Welcome>(greet(hello, writes)));
    return hello;
  }
  // The code with which the next change of replica 1 is refused; empty when it is not.
  std::string admit(const Hello& hello, std::vector<RowEdit> edits) {
    Change change;
    change.sequence = ChangeSequence(++sequence);
    change.stamp = sample_stamp(500 + sequence, 1);
    change.edits = std::move(edits);
    const Digest before = workspace->digest({});
    auto admitted = workspace->admit(hello, writes, {encode_change(change)}, now_ms);
    REQUIRE_MESSAGE(admitted.has_value(), admitted.error().message());
    if (admitted->admission == Admission::rejected) {
      CHECK(workspace->digest({}) == before);
      CHECK_FALSE(admitted->rejected.message.empty());
      const Message told = admitted->rejected;
      CHECK(decode_message(*encode_message(told)).has_value());
      return admitted->rejected.code;
    }
    CHECK(admitted->admission == Admission::admitted);
    return "";
  }
  RangeDigests digests(const Hello& hello, const RescanRequest& request) {
    RangeWalk walk;
    walk.request = request;
    WorkMeter meter = plenty();
    auto done = workspace->range_digests(hello, walk, meter);
    REQUIRE(done.has_value());
    REQUIRE(done->has_value());
    return **done;
  }
  // Everything that a replica may ask for, read back as it would be.
  std::uint64_t served(const Hello& hello) {
    std::uint64_t rows = 0;
    const auto count = [&](const std::string&, Bytes, const RowState&) -> Result<void> {
      ++rows;
      return {};
    };
    const auto told = [&](const Message& message) {
      const auto back = decode_message(*encode_message(message));
      REQUIRE_MESSAGE(back.has_value(), back.error().message());
      return *back;
    };
    ByteVector token;
    WorkMeter meter = plenty();
    for (;;) {
      const auto step = workspace->snapshot(hello, token, false, meter);
      REQUIRE(step.has_value());
      if (step->end) {
        break;
      }
      const auto page = std::get<SnapshotPage>(told(*step->page));
      const auto read = read_state_part(page.states, count);
      REQUIRE_MESSAGE(read.has_value(), read.error().message());
      token = page.token;
    }
    std::uint64_t in_ranges = 0;
    const Message listed = told(digests(hello, {}));
    for (const RangeDigest& table : std::get<RangeDigests>(listed).ranges) {
      const std::string name(as_text(table.through));
      told(digests(hello, {name, {}, {}}));
      RangeRequest ask{name, {}, {}};
      for (;;) {
        const auto range = workspace->range_rows(hello, ask, meter);
        REQUIRE(range.has_value());
        const auto answer = std::get<RangeRows>(told(*range));
        const auto read = read_state_part(
            answer.states, [&](const std::string&, Bytes, const RowState&) -> Result<void> {
              ++in_ranges;
              return {};
            });
        REQUIRE_MESSAGE(read.has_value(), read.error().message());
        if (answer.through.empty()) {
          break;
        }
        ask.after = answer.through;
      }
    }
    CHECK(in_ranges == rows);
    Hello other = hello;
    other.replica = sample_replica(77);
    for (const auto& wanted : std::vector<std::vector<std::string>>{{}, {"notes"}}) {
      other.tables = wanted;
      const auto slice =
          workspace->read(other, {{}, 0, std::size_t{1} << 30U}, workspace->head(), meter);
      REQUIRE_MESSAGE(slice.has_value(), slice.error().message());
      for (const LogPart& part : slice->parts) {
        const auto message = decode_message(part.frame);
        REQUIRE(message.has_value());
        const auto change = decode_change(std::get<PullPart>(*message).part);
        REQUIRE_MESSAGE(change.has_value(), change.error().message());
      }
    }
    return rows;
  }
};

RowEdit put(const std::string& table, RowKey key, std::vector<CellEdit> cells = {}) {
  return {EditKind::put, table, std::move(key), {}, std::move(cells)};
}
RowEdit set(const std::string& table, RowKey key, std::vector<CellEdit> cells) {
  return {EditKind::set, table, std::move(key), {}, std::move(cells)};
}

std::vector<CellEdit> columns(const std::string& prefix, std::size_t count) {
  std::vector<CellEdit> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({prefix + std::to_string(i), CellForm::plain, Value::integer(1), {}});
  }
  return out;
}

RowKey long_key(std::size_t bytes) {
  const std::string text(bytes - 4, 'k');
  const ValueView values[] = {ValueView::of(text)};
  RowKey key = make_key(values);
  REQUIRE(key.bytes.size() == bytes);
  return key;
}

ByteVector schema_of(const std::string& prefix, std::size_t tables) {
  Schema schema;
  for (std::size_t i = 0; i < tables; ++i) {
    schema.tables.push_back({prefix + std::to_string(i), {{"id", ""}}, {"id"}});
  }
  Writer out;
  encode_schema(out, canonical_schema(std::move(schema)));
  return out.take();
}

}  // namespace

TEST_CASE("a workspace with rows of very many tables is compared and told") {
  Team team;
  const Hello hello = team.welcomed(1);
  std::vector<RowEdit> edits;
  for (std::size_t i = 0; i < limits::tables_max; ++i) {
    edits.push_back(put("t" + std::to_string(i), sample_key(1)));
  }
  CHECK(team.admit(hello, edits).empty());
  CHECK(team.served(hello) == limits::tables_max);
  // One more is refused; rows of those that are there are not.
  CHECK(team.admit(hello, {put("t7", sample_key(2)), put("more", sample_key(1))}) == "too_large");
  CHECK(team.admit(hello, {put("t7", sample_key(2))}).empty());
}

TEST_CASE("keys of the largest size are told, longer ones do not come in") {
  Team team;
  const Hello hello = team.welcomed(1);
  std::vector<RowEdit> edits;
  for (std::size_t i = 0; i < 130; ++i) {
    edits.push_back(put("notes", long_key(limits::key_bytes_max - i)));
  }
  CHECK(team.admit(hello, edits).empty());
  CHECK(team.served(hello) == 130);
  CHECK(team.admit(hello, {put("notes", long_key(limits::key_bytes_max + 1))}) == "too_large");
  CHECK(team.served(hello) == 130);
}

TEST_CASE("a row grows by many changes up to the most that can be told") {
  Team team;
  const Hello hello = team.welcomed(1);
  const std::string quarter(limits::row_bytes_max / 4, 'x');
  CHECK(team.admit(hello, {put("notes", sample_key(1))}).empty());
  CHECK(team.admit(hello, {put("notes", sample_key(2), columns("small", 3))}).empty());
  for (int i = 0; i < 3; ++i) {
    CHECK(team.admit(hello,
                     {set("notes", sample_key(1),
                          {{"c" + std::to_string(i), CellForm::plain, Value::text(quarter), {}}})})
              .empty());
  }
  CHECK(team.admit(hello, {set("notes", sample_key(3), {{"a", CellForm::plain, {}, {}}}),
                           set("notes", sample_key(1),
                               {{"c4", CellForm::plain, Value::text(quarter), {}}})}) ==
        "too_large");
  CHECK(team.served(hello) == 2);
}

TEST_CASE("a document does not grow beyond a row by being merged") {
  Team team;
  const Hello hello = team.welcomed(1);
  CHECK(team.admit(hello,
                   {put("notes", sample_key(1), {{"doc", CellForm::plain, Value::text("{}"), {}}})})
            .empty());
  const std::string third(limits::row_bytes_max / 3, 'x');
  std::string code;
  for (int i = 0; i < 4 && code.empty(); ++i) {
    const JsonEdit edit{{{"f" + std::to_string(i)}, FieldKind::value, '"' + third + '"'}};
    code = team.admit(hello, {set("notes", sample_key(1),
                                  {{"doc", CellForm::json, encode_json_edit(edit), {}}})});
  }
  CHECK(code == "too_large");
  CHECK(team.served(hello) == 1);
}

TEST_CASE("rows have as many columns as can be told, and differ in them") {
  Team team;
  const Hello hello = team.welcomed(1);
  for (int i = 0; i < 3; ++i) {
    CHECK(team.admit(hello, {put("notes", sample_key(i),
                                 columns("c" + std::to_string(i) + "_", limits::columns_max))})
              .empty());
  }
  CHECK(team.admit(hello, {set("notes", sample_key(1), columns("more", 1))}) == "too_large");
  CHECK(team.served(hello) == 3);
}

TEST_CASE("a partial replica is told a change whose rows differ in their columns") {
  Team team;
  const Hello hello = team.welcomed(1);
  // Two parts of one table in one frame, as another program might write them.
  Change change;
  change.sequence = ChangeSequence(++team.sequence);
  change.stamp = sample_stamp(501, 1);
  change.edits = {put("notes", sample_key(1), columns("a", 1500)),
                  put("notes", sample_key(2), columns("b", 1500)), put("tags", sample_key(1))};
  REQUIRE(team.workspace->admit(hello, team.writes, {encode_change(change)}, now_ms).has_value());
  CHECK(team.served(hello) == 3);
}

TEST_CASE("a table's keys have as many values as it was declared with, or began with") {
  Team team;
  const Hello hello = team.welcomed(1);
  RowKey wide = sample_key(1);
  wide.bytes.push_back(0x41);
  CHECK(team.admit(hello, {put("notes", wide)}) == "schema_mismatch");
  CHECK(team.admit(hello, {put("tags", wide)}).empty());
  CHECK(team.admit(hello, {put("tags", sample_key(1))}) == "schema_mismatch");
  CHECK(team.admit(hello, {put("one", wide), put("one", sample_key(1))}) == "schema_mismatch");
  const auto again = Workspace::open(*team.store, team.rules, "team");
  REQUIRE(again.has_value());
  CHECK(team.served(hello) == 1);
}

TEST_CASE("nobody declares a table otherwise than the rows that it has already") {
  Team team;
  const Hello hello = team.welcomed(1);
  RowKey wide = sample_key(1);
  wide.bytes.push_back(0x41);
  CHECK(team.admit(hello, {put("late0", wide)}).empty());
  CHECK(team.admit(hello, {put("late1", sample_key(1))}).empty());
  const auto declare = [&](std::size_t tables, const Rights& rights) {
    Hello other = sample_hello(2);
    other.schema = schema_of("late", tables);
    const Greeting answer = team.greet(other, rights);
    const Refused* refused = std::get_if<Refused>(&answer);
    return refused == nullptr ? std::string() : refused->message;
  };
  for (const Rights& rights : {team.writes, team.reads}) {
    CHECK(declare(1, rights) == "the keys of table late0 have 2 value(s) in this workspace, not 1");
  }
  const ByteVector bytes = schema_of("late", 1);
  Reader read(bytes);
  CHECK(team.workspace->widen_schema(*decode_schema(read)).error().code() ==
        ErrorCode::schema_mismatch);
  // Whoever knows it as it is declares it.
  Schema schema;
  schema.tables = {{"late0", {{"id", ""}, {"at", ""}}, {"id", "at"}},
                   {"late1", {{"id", ""}}, {"id"}}};
  CHECK(team.workspace->widen_schema(canonical_schema(std::move(schema))).has_value());
  CHECK(team.served(hello) == 2);
}

TEST_CASE("names that SQLite takes for a declared one, or that are no text, do not come in") {
  Team team;
  const Hello hello = team.welcomed(1);
  CHECK(team.admit(hello, {put("NOTES", sample_key(1))}) == "schema_mismatch");
  CHECK(team.admit(hello, {put("notes", sample_key(1), columns("BODY", 0))}).empty());
  CHECK(team.admit(hello, {set("notes", sample_key(1),
                               {{"Body", CellForm::plain, Value::text("x"), {}}})}) ==
        "schema_mismatch");
  CHECK(team.admit(hello, {put("no\xfftes", sample_key(1))}) == "malformed");
}

TEST_CASE("a counter takes no more replicas than every reader bears, and loses none") {
  Team team;
  const Hello hello = team.welcomed(1);
  const Stamp life = sample_stamp(501, 1);
  CHECK(team.admit(hello,
                   {put("notes", sample_key(1), {{"n", CellForm::plain, Value::integer(10), {}}})})
            .empty());
  const auto bring = [&](std::size_t replicas, int name) {
    CellContent content;
    for (std::size_t i = 0; i < replicas; ++i) {
      Stamp stamp = sample_stamp(600, 9);
      for (std::size_t byte = 0; byte < 3; ++byte) {
        stamp.replica.bytes[byte] = static_cast<std::uint8_t>(i >> (16U - 8U * byte));
      }
      content.counts.push_back({life, stamp, Value::integer(1)});
    }
    RowState state;
    state.cells = {*cell_of("n", content)};
    StatePartWriter part(sample_replica(name));
    part.row("notes", sample_key(1).view(), state);
    return team.workspace->admit_relayed(hello, team.writes, {part.finish()}, now_ms)->admission;
  };
  const auto shown = [&] {
    const auto row = team.store->find_row(team.workspace->id(), "notes", sample_key(1).view());
    return cell_value(*(*row)->state.find("n"))->view().integer;
  };
  CHECK(bring(counter_replicas_max, 40) == Admission::rejected);
  CHECK(shown() == 10);
  CHECK(bring(counter_replicas_max / 2, 41) == Admission::admitted);
  CHECK(shown() == 10 + static_cast<std::int64_t>(counter_replicas_max / 2));
  const auto count = [&] {
    return team.admit(
        hello,
        {set("notes", sample_key(1),
             {{"n", CellForm::counter, encode_counter_edit({life, Value::integer(1)}), {}}})});
  };
  CHECK(count() == "too_large");
  CHECK(shown() == 10 + static_cast<std::int64_t>(counter_replicas_max / 2));
  // Set to its value, it counts anew.
  CHECK(team.admit(hello, {set("notes", sample_key(1),
                               {{"n", CellForm::plain, Value::integer(shown()), {}}})})
            .empty());
}

TEST_CASE("what is stored and does not decode stays as it is, and is refused with a reason") {
  Team team;
  const Hello hello = team.welcomed(1);
  ServerRow row;
  row.table = "notes";
  row.key = sample_key(1);
  row.state.life = sample_stamp(400, 2);
  row.state.alive = true;
  row.state.cells = {
      {"n", CellForm::counter, sample_stamp(450, 2), Value::blob(as_bytes("?")), {}}};
  REQUIRE(team.store->save_row(team.workspace->id(), row, ServerVersion(1)).has_value());
  CHECK(team.admit(hello, {set("notes", sample_key(1),
                               {{"n", CellForm::plain, Value::integer(1), {}}})}) == "corrupt");
  const auto stored = team.store->find_row(team.workspace->id(), "notes", sample_key(1).view());
  CHECK((*stored)->state == row.state);
}

TEST_CASE("numbers do not jump, so that none is used up") {
  Team team;
  Hello hello = team.welcomed(1);
  const auto push = [&](std::uint64_t sequence) {
    hello.acknowledged = ChangeSequence(sequence - 1);
    return team.workspace
        ->admit(hello, team.writes, {encode_change(change_of(1, sequence, 500))}, now_ms)
        ->admission;
  };
  CHECK(push(limits::sequence_max) == Admission::out_of_order);
  CHECK(push(limits::sequence_gap_max + 1) == Admission::out_of_order);
  CHECK(push(limits::sequence_gap_max) == Admission::admitted);
}

TEST_CASE("a door's author that has no number left is told so") {
  Team team;
  ReplicaRecord record;
  record.last_sequence = ChangeSequence(limits::sequence_max);
  record.last_time = sample_stamp(400, 9).time;
  REQUIRE(team.store->save_replica(team.workspace->id(), sample_replica(9), record).has_value());
  const auto used_up = team.workspace->write(change_of(9, 0, 500), team.writes, now_ms);
  CHECK(used_up.error().code() == ErrorCode::too_large);
  record.last_sequence = ChangeSequence(1);
  REQUIRE(team.store->save_replica(team.workspace->id(), sample_replica(9), record).has_value());
  const auto late = team.workspace->write(change_of(9, 0, 400), team.writes, now_ms);
  CHECK(late.error().code() == ErrorCode::out_of_order);
}

TEST_CASE("readers leave nothing in a schema") {
  Team team;
  Hello reader = sample_hello(2);
  reader.schema = schema_of("evil", 4000);
  CHECK(std::holds_alternative<Welcome>(team.greet(reader, team.reads)));
  CHECK(team.workspace->schema()->tables.empty());
  team.welcomed(1);
  CHECK(team.workspace->schema()->tables.size() == 1);
  // What they bring is compared all the same.
  Schema other;
  other.tables.push_back({"notes", {{"key", "TEXT"}}, {"key"}});
  Writer bytes;
  encode_schema(bytes, other);
  reader.schema = bytes.take();
  CHECK(std::get<Refused>(team.greet(reader, team.reads)).reason == Refusal::schema_incompatible);
}

TEST_CASE("a writer that would make the schema unreadable is refused, and nobody else") {
  Team team;
  Hello hello = team.welcomed(1);
  Hello first = sample_hello(2);
  first.schema = schema_of("a", 4000);
  CHECK(std::holds_alternative<Welcome>(team.greet(first, team.writes)));
  Hello second = sample_hello(3);
  second.schema = schema_of("b", 4000);
  const auto refused = team.greet(second, team.writes);
  CHECK(std::get<Refused>(refused).reason == Refusal::schema_incompatible);
  CHECK(std::holds_alternative<Welcome>(team.greet(hello, team.writes)));
  CHECK(Workspace::open(*team.store, team.rules, "team").has_value());
}
