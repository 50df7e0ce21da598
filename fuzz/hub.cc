#include "fuzz/forger.h"
#include "fuzz/hub_house.h"

// A conversation of several people with a whole hub. What they say is valid but for what the input
// makes of single fields or bytes; whatever it is, the hub goes on and serves the others.
using namespace syncline;

namespace {

class Talk final : public Forger {
 public:
  explicit Talk(Choices& choices) : Forger(choices) {}

  void run() {
    if (!choices_.one_in(4)) {
      meet();
    }
    for (int i = 0; i < 40 && !choices_.at_end(); ++i) {
      move();
    }
    house_.check_stored();
    house_.check_served();
    house_.check_stored();
  }

 private:
  // Mostly they are in the middle of a conversation already.
  void meet() {
    for (const std::size_t who : {0U, 2U, 1U, 3U}) {
      Line& line = house_.open(people[who]);
      lines_.push_back(&line);
      line.hello = house_.honest_hello(people[who], people[who].workspace);
      line.hello.replica = sample_replica(static_cast<int>(1 + who));
      line.hello.lineage = house_.lineage();
      house_.say(line, line.hello);
    }
    house_.commit();
    for (Line* line : lines_) {
      SL_CHECK(line->is_welcomed);
      house_.say(*line, Applied{});
    }
  }

  void move() {
    const std::size_t what = choices_.below(20);
    if (what < 2 || lines_.empty()) {
      greet();
      return;
    }
    Line& line = *lines_[choices_.below(lines_.size())];
    const bool is_reader = line.is_welcomed && !line.person->may_write;
    if (is_reader) {
      house_.commit();
    }
    const std::string before = is_reader ? house_.contents() : std::string();
    if (what < 8) {
      push(line);
    } else {
      act(line, what);
    }
    if (choices_.one_in(2) || is_reader) {
      house_.commit();
    }
    const bool is_others = what == 15 || what == 17 || what == 18;
    SL_CHECK(!is_reader || is_others || before == house_.contents());
  }

  void act(Line& line, std::size_t what) {
    switch (what) {
      case 8:
        say(line, Applied{version(line)});
        return;
      case 9:
        say(line, SnapshotRequest{choices_.one_in(3) ? to_vector(choices_.bytes(choices_.below(60)))
                                                     : line.page_token});
        return;
      case 10:
        say(line, RescanRequest{table(), key().bytes, key().bytes});
        return;
      case 11:
        say(line, RangeRequest{table(), choices_.one_in(2) ? key().bytes : ByteVector(),
                               choices_.one_in(2) ? key().bytes : ByteVector()});
        return;
      case 12:
        say(line, Presence{choices_.one_in(8) ? replica() : line.hello.replica,
                           choices_.text(choices_.below(3)), to_vector(choices_.bytes(2))});
        return;
      case 13:
        relay(line);
        return;
      case 14:
        relay_states(line);
        return;
      case 15:
        ask_door();
        return;
      case 16:
        say(line, Subscribe{{table(), table()}});
        return;
      case 17:
        house_.wake(line, choices_.one_in(4) ? 40'000 : 500);
        return;
      case 18:
        operate();
        return;
      default:
        leave(line);
    }
  }

  void leave(Line& line) {
    switch (choices_.below(4)) {
      case 0:
        house_.close(line);
        return;
      case 1:
        say(line, Bye{Farewell::done, ""});
        return;
      case 2:
        say(line, TokenRefresh{people[choices_.below(guests)].name});
        return;
      default:
        // Anything that is a message: it may be one that only servers send.
        say(line, Heartbeat{ServerVersion(choices_.u64()), 0, {}});
        raw(line, choices_.bytes(choices_.below(64)));
    }
  }

  void operate() {
    if (choices_.one_in(2)) {
      house_.retire();
      return;
    }
    Gift gift;
    gift.workspace = "team";
    gift.replica = replica();
    gift.to = people[choices_.below(guests)].name;
    house_.give(gift);
  }

  // --- What is said
  // ---------------------------------------------------------------------------

  void say(Line& line, const Message& message) {
    if (auto frame = encode_message(message)) {
      raw(line, *frame);
    }
  }

  void raw(Line& line, Bytes frame) {
    ByteVector bytes = to_vector(frame);
    if (choices_.one_in(16) && !bytes.empty()) {
      for (std::size_t left = 1 + choices_.below(3); left > 0; --left) {
        const std::size_t at = choices_.below(256) * (1 + choices_.below(2) * bytes.size() / 256);
        bytes[at % bytes.size()] = choices_.byte();
      }
      if (choices_.one_in(4)) {
        bytes.resize(bytes.size() - choices_.below(bytes.size()));
      }
      line.pushed.clear();
      line.is_garbled = true;
    }
    house_.say(line, bytes);
  }

  void greet() {
    const Person& person = people[choices_.below(guests)];
    Line& line = house_.open(person);
    lines_.push_back(&line);
    Hello& hello = line.hello;
    hello.protocol = protocol_spoken;
    hello.workspace = person.workspace;
    hello.replica = sample_replica(static_cast<int>(1 + (&person - people)));
    if (choices_.one_in(3)) {
      hello.replica = replica();
    }
    hello.epoch.bytes.fill(1);
    hello.token = person.name;
    hello.catch_up = static_cast<CatchUp>(1 + (choices_.below(3) + 1) % 3);
    hello.lineage = choices_.one_in(8) ? LineageId() : house_.lineage();
    const Device& device = house_.device(hello);
    hello.last_sequence = ChangeSequence(device.made);
    hello.acknowledged = ChangeSequence(device.acknowledged);
    hello.acknowledged_time = device.acknowledged_time;
    Schema schema = House::honest_schema();
    if (choices_.one_in(3)) {
      change_schema(schema);
    }
    Writer out;
    encode_schema(out, schema);
    hello.schema = out.take();
    hello.schema_version = schema.version;
    hello.fingerprint = schema_fingerprint(schema);
    if (choices_.one_in(3)) {
      change_field(hello);
    }
    say(line, hello);
    if (choices_.one_in(4)) {
      return;  // it is not even waited for the welcome
    }
    house_.commit();
    if (choices_.one_in(2)) {
      say(line, Applied{version(line)});
    }
  }

  void change_field(Hello& hello) {
    switch (choices_.below(10)) {
      case 0:
        hello.last_sequence = ChangeSequence(sequence(hello.last_sequence.get()));
        break;
      case 1:
        hello.acknowledged = ChangeSequence(sequence(hello.acknowledged.get()));
        hello.acknowledged_time = choices_.one_in(2) ? choices_.u64() : hello.acknowledged_time;
        break;
      case 2:
        hello.cursor = ServerVersion(sequence(1));
        break;
      case 3:
        hello.receipt.version = ServerVersion(choices_.byte());
        hello.receipt.seal.bytes[0] = choices_.byte();
        break;
      case 4:
        hello.epoch.bytes.fill(choices_.byte());
        break;
      case 5:
        hello.tables = {table(), table()};
        break;
      case 6:
        hello.protocol = {choices_.byte(), choices_.byte()};
        break;
      case 7:
        hello.workspace = choices_.one_in(2) ? "team" : "other";
        break;
      case 8:
        hello.schema = to_vector(choices_.bytes(choices_.below(64)));
        break;
      default:
        hello.lineage.bytes[0] = choices_.byte();
    }
  }

  void change_schema(Schema& schema) {
    schema.version = choices_.byte();
    const std::size_t columns[] = {1, 2, 3, 1999, 2000, 2001};
    const std::size_t tables[] = {1, 2, 3, 4093, 4094, 4095};
    const bool is_wide = choices_.one_in(8);
    const std::size_t count = is_wide ? choices_.pick(columns) : 1 + choices_.below(3);
    TableSchema table;
    table.name = this->table();
    for (std::size_t i = 0; i < count; ++i) {
      table.columns.push_back({i == 0 ? "id" : column() + (i < 3 ? "" : std::to_string(i)), "",
                               false, false, static_cast<MergeRule>(choices_.below(7))});
    }
    table.key = {"id"};
    const auto known = std::find_if(schema.tables.begin(), schema.tables.end(),
                                    [&](const auto& one) { return one.name == table.name; });
    if (known != schema.tables.end()) {
      *known = table;
    } else {
      schema.tables.push_back(table);
    }
    const std::size_t more = choices_.one_in(16) ? choices_.pick(tables) : choices_.below(2);
    for (std::size_t i = 0; i < more; ++i) {
      table.name = "more" + std::to_string(i);
      table.columns.resize(1);
      schema.tables.push_back(table);
    }
    schema = canonical_schema(std::move(schema));
  }

  // --- Changes
  // ----------------------------------------------------------------------------

  void push(Line& line) {
    Change change = this->change(line, line.hello.replica);
    const std::vector<ByteVector> parts = parts_of(change);
    if (!line.numbers.insert(change.sequence.get()).second) {
      line.pushed.erase(change.sequence.get());
    } else if (parts.size() == 1 && change.stamp.replica == line.hello.replica &&
               !line.is_garbled) {
      line.pushed.emplace(change.sequence.get(), change);
    }
    Device& device = house_.device(line.hello);
    if (line.person->may_write && change.sequence.get() == device.made + 1) {
      device.made += 1;
      device.time = change.stamp.time;
    }
    for (const ByteVector& part : parts) {
      say(line, PushPart{part});
    }
  }

  void relay(Line& line) {
    const ReplicaId author = replica();
    Change change = this->change(line, author);
    Hello as_author = line.hello;
    as_author.replica = author;
    house_.device(as_author).is_told_for = true;
    if (!choices_.one_in(3)) {
      change.sequence = ChangeSequence(house_.device(as_author).made + 1);
    }
    house_.commit();
    const std::string owner = house_.owner(line.hello.workspace, change.stamp.replica);
    const std::string before = house_.contents();
    // Bytes that were changed may be another's change.
    const bool is_whole = choices_.one_in(2);
    for (const ByteVector& part : parts_of(change)) {
      is_whole ? house_.say(line, RelayPart{part}) : say(line, RelayPart{part});
    }
    house_.commit();
    const bool is_foreign = !owner.empty() && owner != line.person->name;
    SL_CHECK(!is_whole || !is_foreign || before == house_.contents());
  }

  void relay_states(Line& line) {
    StatePartWriter out(replica());
    const std::size_t rows = 1 + choices_.below(3);
    for (std::size_t i = 0; i < rows; ++i) {
      out.row(table(), key().bytes, state({.lifeless = 4, .dead = 3, .counted = 2, .document = 2}));
    }
    say(line, RelayPart{out.finish()});
  }

  Change change(Line& line, const ReplicaId& author) {
    const Device& device = house_.device(line.hello);
    Change out;
    out.sequence = ChangeSequence(device.made + 1);
    out.stamp = {next_time(device), author};
    out.schema_version = 1;
    if (choices_.one_in(12)) {
      out.sequence = ChangeSequence(sequence(device.made));
    }
    if (choices_.one_in(8)) {
      const std::uint64_t times[] = {out.stamp.time + (std::uint64_t{59'000} << 16U),
                                     out.stamp.time + (std::uint64_t{61'000} << 16U),
                                     1,
                                     device.time,
                                     UINT64_MAX,
                                     std::uint64_t{1} << 63U};
      out.stamp.time = choices_.pick(times);
    }
    if (choices_.one_in(32)) {
      out.stamp.replica = replica();
    }
    const std::size_t edits = choices_.one_in(8) ? 40 : 1 + choices_.below(3);
    for (std::size_t i = 0; i < edits; ++i) {
      out.edits.push_back(edit(out.stamp));
    }
    return out;
  }

  std::uint64_t next_time(const Device& device) {
    return std::max(static_cast<std::uint64_t>(house_.ms()) << Stamp::counter_bits,
                    device.time + 1);
  }

  RowEdit edit(const Stamp& stamp) {
    RowEdit out = bare_edit();
    if (out.kind == EditKind::erase || !choices_.one_in(32)) {
      add_cells(out, stamp);
      return out;
    }
    const std::size_t count = std::min<std::size_t>(2000, size_around(choices_, 2000));
    const std::string prefix = column();
    for (std::size_t i = 0; i < count; ++i) {
      out.cells.push_back(
          {prefix + std::to_string(10'000 + i), CellForm::plain, Value::integer(1), {}});
    }
    return out;
  }

  Form form(const std::string& /*column*/) override {
    static constexpr Form forms[] = {Form::plain, Form::counter, Form::json,  Form::document,
                                     Form::wrong, Form::counter, Form::json,  Form::plain,
                                     Form::plain, Form::plain,   Form::plain, Form::plain};
    return choices_.pick(forms);
  }

  // --- Fields
  // -----------------------------------------------------------------------------

  ReplicaId replica() { return sample_replica(static_cast<int>(1 + choices_.below(8))); }

  Stamp counted_from() override { return choices_.one_in(4) ? stamp() : Stamp{1, replica()}; }

  Stamp stamp() override {
    const std::uint64_t now = static_cast<std::uint64_t>(house_.ms()) << Stamp::counter_bits;
    const std::uint64_t times[] = {1, 2, now - 1, now, 3, 4, now + 1, UINT64_MAX};
    return {choices_.pick(times), replica()};
  }

  std::uint64_t sequence(std::uint64_t honest) {
    const std::uint64_t all[] = {0,
                                 1,
                                 honest,
                                 honest + 2,
                                 std::uint64_t{1} << 40U,
                                 (std::uint64_t{1} << 40U) + 1,
                                 limits::sequence_max - 1,
                                 limits::sequence_max,
                                 limits::sequence_max + 1,
                                 UINT64_MAX - 1,
                                 UINT64_MAX};
    return choices_.pick(all);
  }

  ServerVersion version(const Line& line) {
    return choices_.one_in(8) ? ServerVersion(sequence(line.told.get())) : line.told;
  }

  std::string table() override {
    static constexpr const char* names[] = {"notes", "u", "tags",  "honest", "more1",
                                            "notes", "u", "tags",  "notes",  "u",
                                            "Notes", "U", "fixed", "HONEST"};
    if (choices_.one_in(16)) {
      return choices_.one_in(2) ? choices_.text(choices_.below(6))
                                : std::string(limits::name_bytes_max + choices_.below(2), 't');
    }
    return choices_.pick(names);
  }

  std::string column() override {
    static constexpr const char* names[] = {"body", "count", "doc", "a",    "b",  "body",
                                            "a",    "b",     "doc", "Body", "id", "A"};
    if (choices_.one_in(16)) {
      return choices_.one_in(2) ? choices_.text(choices_.below(6))
                                : std::string(limits::name_bytes_max + choices_.below(2), 'c');
    }
    return choices_.pick(names);
  }

  RowKey key() override {
    if (!choices_.one_in(8)) {
      return sample_key(static_cast<std::int64_t>(choices_.below(5)));
    }
    std::vector<ValueView> values;
    switch (choices_.below(4)) {
      case 0:
        values.assign(choices_.one_in(2) ? 2 : 63 + choices_.below(3), ValueView::null());
        return make_key(values);
      case 1: {
        const std::string text(limits::key_bytes_max - 6 + choices_.below(6), 'k');
        values.push_back(ValueView::of(text));
        return make_key(values);
      }
      case 2:
        values.push_back(ValueView::of(static_cast<double>(choices_.byte())));
        return make_key(values);
      default: {
        const std::string text = choices_.text(choices_.below(8));
        values.push_back(ValueView::of(text));
        return make_key(values);
      }
    }
  }

  // --- The door of JSON
  // ------------------------------------------------------------------------------

  void ask_door() {
    static constexpr const char* kinds[] = {"CREATED", "UPDATED", "DELETED", "created", "X"};
    static constexpr const char* paths[] = {delta_path, "/api/sync/v2/events", "/api/sync/push",
                                            "/api/sync/pull", "/api/sync/v2/migrate"};
    const std::string workspace = choices_.one_in(4) ? "other" : "team";
    Json body{Json::Object{}};
    Json::Array changes;
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      Json change{Json::Object{}};
      change.set("changeId", Json("c" + std::to_string(choices_.below(8))));
      change.set("type", Json(choices_.pick(kinds)));
      change.set("entityType", Json(printable(table())));
      change.set("entityId", Json(printable(choices_.text(choices_.below(4)))));
      Json data{Json::Object{}};
      for (std::size_t more = choices_.below(4); more > 0; --more) {
        data.set(printable(column()), merge_world::random_json(random_, 2));
      }
      change.set("data", std::move(data));
      if (choices_.one_in(4)) {
        change.set("timestamp", Json::integer(static_cast<std::int64_t>(choices_.u64())));
      }
      changes.push_back(std::move(change));
    }
    body.set("deviceId", Json("d" + std::to_string(choices_.below(3))));
    body.set("lastKnownServerVersion", Json::integer(choices_.byte()));
    body.set("changes", Json(std::move(changes)));
    std::string text = write_json(body);
    if (choices_.one_in(16)) {
      text[choices_.byte() % text.size()] = static_cast<char>(choices_.byte());
    }
    const char* path = choices_.one_in(4) ? choices_.pick(paths) : delta_path;
    house_.ask_door(choices_.one_in(8) ? "GET" : "POST", path, "workspace=" + workspace, text);
  }

  static std::string printable(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
  }

  House house_;
  std::vector<Line*> lines_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(Bytes(data, size));
  Talk(choices).run();
  return 0;
}
