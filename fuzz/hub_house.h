#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "fuzz/emptied_store.h"
#include "model/cell_content.h"
#include "model/merge.h"
#include "routes/delta_v2.h"
#include "server/hub.h"
#include "server/row_bytes.h"
#include "wire/change_codec.h"
#include "wire/codec.h"
#include "wire/state_part.h"
#include "wire/wire_samples.h"

// A whole hub on a store in memory, the people who talk to it, and what must hold whatever they
// say.
namespace syncline {

struct Person {
  const char* name;
  const char* workspace;
  bool may_write;
  bool may_administer;
};
// The last two are honest and talk only when everybody else has.
inline constexpr Person people[] = {
    {"ann", "team", true, false},  {"ben", "team", true, false}, {"cat", "team", false, false},
    {"dan", "other", true, false}, {"eve", "team", true, true},  {"fay", "other", false, true},
    {"hal", "*", true, false},     {"hana", "*", false, false},
};
inline constexpr std::size_t guests = 6;
inline constexpr const char* workspaces[] = {"team", "other"};

// What a replica remembers, as far as the server has told it.
struct Device {
  std::uint64_t made = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t acknowledged_time = 0;
  std::uint64_t time = 0;
  // Somebody may have told the server something else under its numbers and times
  // (docs/decisions/0020).
  bool is_told_for = false;
};

struct Line {
  ConnectionId id;
  const Person* person = nullptr;
  Hello hello;
  bool is_up = true;
  bool is_welcomed = false;
  Receipt receipt;
  ByteVector page_token;
  ServerVersion told;  // the newest version that was sent
  std::vector<ByteVector> parts;
  std::map<std::uint64_t, Change> pushed;
  // A frame was changed on its way: what is acknowledged from there on may be what came of it.
  bool is_garbled = false;
  // Numbers under which something was pushed: of two the server may have taken either.
  std::set<std::uint64_t> numbers;
  std::set<std::uint64_t> rejected;
  std::string why;  // it was refused or rejected
  std::uint64_t acks = 0;
  std::uint64_t pages = 0;
  bool has_snapshot = false;
  std::optional<Heartbeat> beat;
  std::map<std::pair<std::string, RowKey>, RowState> rows;  // of honest readers
};

struct HouseClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

class House {
 public:
  House();

  Line& open(const Person& person);
  // What a host would not even read is not said.
  void say(Line& line, Bytes frame);
  void say(Line& line, const Message& message);
  void wake(Line& line, std::int64_t ms);
  void close(Line& line);
  void commit();
  void ask_door(const std::string& method, const std::string& path, const std::string& query,
                const std::string& body);
  void retire();
  void give(const Gift& gift);

  // What the workspaces hold; a reader changes none of it.
  std::string contents();
  // Whose the replica is; empty when nobody's.
  std::string owner(const std::string& workspace, const ReplicaId& replica);
  // Everything that is stored can be told, and is within the limits.
  void check_stored();
  // An honest writer is acknowledged, and an honest reader has everything.
  void check_served();

  static Schema honest_schema();
  Hello honest_hello(const Person& person, const std::string& workspace);
  std::vector<std::unique_ptr<Line>>& lines() { return lines_; }
  Device& device(const Hello& hello) { return devices_[{hello.workspace, hello.replica}]; }
  std::int64_t ms() const { return clock_.ms; }
  LineageId lineage() { return *store_->lineage(); }

 private:
  Rights rights_of(const std::string& token, const std::string& workspace) const;
  void pump();
  void handle_effects();
  void hear(Line& line, Bytes frame);
  void hear_part(Line& line, const PullPart& part);
  void hear_ack(Line& line, std::uint64_t through);
  void check_kept(Line& line, const Change& change);
  void check_log(const WorkspaceRecord& space);
  void check_table(const WorkspaceRecord& space, const std::string& table,
                   const TableTotals& totals);
  void check_served(const std::string& workspace);
  void take_rows(Line& line, Bytes states);

  HouseClock clock_;
  SqliteLogStore* store_;
  Auth auth_;
  RateLimit limit_;
  Metrics metrics_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<DeltaDoor> door_;
  Instant now_{1000};
  std::optional<Instant> work_at_;
  std::uint64_t requests_ = 0;
  std::uint64_t honest_replicas_ = 200;
  bool is_trimmed_ = false;
  std::vector<std::unique_ptr<Line>> lines_;
  std::map<ConnectionId, Line*> by_id_;
  std::map<std::pair<std::string, ReplicaId>, Device> devices_;
};

// --- Talking
// -------------------------------------------------------------------------------------

inline Schema House::honest_schema() {
  Schema schema;
  schema.version = 1;
  for (const char* name : {"honest", "notes"}) {
    TableSchema table;
    table.name = name;
    table.columns = {{"body", "TEXT", false, false, MergeRule::lww},
                     {"count", "INTEGER", false, false, MergeRule::counter},
                     {"doc", "", false, false, MergeRule::json},
                     {"id", "", true, false, MergeRule::lww}};
    table.key = {"id"};
    schema.tables.push_back(std::move(table));
  }
  return canonical_schema(std::move(schema));
}

inline House::House()
    : store_(&emptied_store(workspaces)),
      auth_(AuthOptions{true, "", ""}),
      limit_(RateLimit::Options{0, 0, 10}) {
  HubOptions options;
  options.rules.read_only_tables = {"fixed"};
  options.memory.unfinished_bytes_max = std::size_t{64} << 20U;
  hub_ = std::make_unique<Hub>(*store_, clock_, options);
  const auto answer = [](RequestId, const Reply& reply) {
    // An answer wraps documents of the greatest depth.
    SL_CHECK(reply.body.empty() || reply.content_type != "application/json" ||
             read_json(reply.body, {.depth_max = 2 * JsonLimits().depth_max}).has_value());
  };
  const auto chunk = [](RequestId, const std::string&, bool) {};
  door_ = std::make_unique<DeltaDoor>(
      DeltaDoor::Parts{hub_.get(), &auth_, &clock_, &limit_, &metrics_, answer, chunk},
      DeltaOptions{});
  // The honest were here first: their tables are known.
  for (const char* workspace : workspaces) {
    check_served(workspace);
  }
}

inline Rights House::rights_of(const std::string& token, const std::string& workspace) const {
  for (const Person& one : people) {
    if (token == one.name && (one.workspace == workspace || one.workspace == std::string("*"))) {
      return {true, one.may_write, one.name, 0, "", one.may_administer};
    }
  }
  return {false, false, token, 0, "no"};
}

inline Line& House::open(const Person& person) {
  lines_.push_back(std::make_unique<Line>());
  Line& line = *lines_.back();
  line.person = &person;
  const auto id = hub_->open(now_);
  SL_CHECK(id.has_value());
  line.id = *id;
  by_id_[line.id] = &line;
  return line;
}

inline void House::say(Line& line, Bytes frame) {
  if (line.is_up && !frame.empty() && frame.size() <= limits::frame_bytes_max) {
    hub_->on_frame(now_, line.id, frame);
    pump();
  }
}

inline void House::say(Line& line, const Message& message) {
  if (const auto frame = encode_message(message)) {
    say(line, *frame);
  }
}

inline void House::wake(Line& line, std::int64_t ms) {
  now_ = now_ + Duration{ms};
  clock_.ms += ms;
  if (line.is_up) {
    hub_->on_wakeup(now_, line.id);
  }
  door_->on_time(now_);
  pump();
}

inline void House::close(Line& line) {
  if (line.is_up) {
    line.is_up = false;
    hub_->on_closed(now_, line.id);
    pump();
  }
}

inline void House::commit() {
  SL_CHECK(hub_->commit(now_));
  pump();
}

inline void House::ask_door(const std::string& method, const std::string& path,
                            const std::string& query, const std::string& body) {
  Request request;
  request.method = method;
  request.path = path;
  request.query = query;
  request.body = body;
  if (door_->takes(path)) {
    door_->on_request(now_, RequestId(++requests_), request);
    pump();
  }
}

inline void House::retire() {
  clock_.ms += std::int64_t{40} * 24 * 3600 * 1000;
  is_trimmed_ = true;
  SL_CHECK(hub_->retire(now_).has_value());
  pump();
}

inline void House::give(const Gift& gift) {
  commit();  // what was acknowledged before is looked at as it was
  (void)hub_->give(now_, gift);
  pump();
}

inline void House::pump() {
  handle_effects();
  while (work_at_ && *work_at_ <= now_) {
    work_at_.reset();
    hub_->work(now_);
    handle_effects();
  }
}

inline void House::handle_effects() {
  while (auto effect = hub_->next_effect()) {
    if (auto* send = std::get_if<HubSend>(&*effect)) {
      hub_->on_sent(now_, send->connection, send->frame.size());  // everybody takes it at once
      hear(*by_id_.at(send->connection), send->frame.view());
    } else if (auto* work = std::get_if<HubWorkWanted>(&*effect)) {
      work_at_ = work->at;
    } else if (auto* ask = std::get_if<HubAuthorise>(&*effect)) {
      hub_->on_authorised(now_, ask->connection, rights_of(ask->token, ask->workspace));
    } else if (auto* bye = std::get_if<HubHangUp>(&*effect)) {
      by_id_.at(bye->connection)->is_up = false;
      hub_->on_closed(now_, bye->connection);
    } else if (auto* visit = std::get_if<HubDoorDone>(&*effect)) {
      door_->on_door_done(now_, visit->ticket, visit->is_durable);
    } else if (auto* moved = std::get_if<HubHeadMoved>(&*effect)) {
      door_->on_head_moved(now_, moved->workspace);
    } else {
      SL_CHECK(!std::holds_alternative<HubBehind>(*effect));  // nothing was put back
    }
  }
}

// --- Hearing
// -------------------------------------------------------------------------------------

inline void House::take_rows(Line& line, Bytes states) {
  if (states.empty()) {
    return;
  }
  const auto read = read_state_part(
      states, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        SL_CHECK(key_values(key).has_value());
        for (const CellState& cell : state.cells) {
          SL_CHECK(check_cell(cell).has_value());
        }
        merge_state(line.rows[{table, RowKey{to_vector(key)}}], state);
        return {};
      });
  SL_CHECK(read.has_value());
}

inline void House::hear_part(Line& line, const PullPart& part) {
  SL_CHECK(part.version >= line.told);
  line.told = part.version;
  Reader in(part.part);
  const auto header = read_part_header(in);
  SL_CHECK(header.has_value());
  if (header->sequence == ChangeSequence(0)) {
    take_rows(line, part.part);
    return;
  }
  line.parts.push_back(part.part);
  if (!header->last) {
    return;
  }
  const std::vector<Bytes> views(line.parts.begin(), line.parts.end());
  const auto change = decode_parts(views);
  if (!change) {
    std::fprintf(stderr, "a change that does not decode: %s\n", change.error().message().c_str());
  }
  SL_CHECK(change.has_value());
  for (const RowEdit& edit : change->edits) {
    for (const CellEdit& cell : edit.cells) {
      SL_CHECK(check_cell(cell, change->stamp).has_value());
    }
    merge_edit(line.rows[{edit.table, edit.key}], edit, change->stamp);
  }
  line.parts.clear();
}

inline void House::hear_ack(Line& line, std::uint64_t through) {
  Device& known = device(line.hello);
  const auto at = line.pushed.find(through);
  if (at == line.pushed.end()) {
    return;
  }
  ++line.acks;
  if (line.rejected.count(through) == 0 && through > line.hello.acknowledged.get() &&
      !known.is_told_for) {
    check_kept(line, at->second);
  }
  if (through > known.acknowledged) {
    known.acknowledged = through;
    known.acknowledged_time = at->second.stamp.time;
  }
}

// What was acknowledged is in the rows, and only its owner wrote it.
inline void House::check_kept(Line& line, const Change& change) {
  const auto space = store_->find_workspace(line.hello.workspace);
  SL_CHECK(space.has_value() && space->has_value());
  const auto replica = store_->find_replica((*space)->id, change.stamp.replica);
  SL_CHECK(replica.has_value() && replica->has_value());
  SL_CHECK((*replica)->user == line.person->name);
  SL_CHECK(line.person->may_write);
  for (const RowEdit& edit : change.edits) {
    const auto row = store_->find_row((*space)->id, edit.table, edit.key.view());
    SL_CHECK(row.has_value());
    if (!row->has_value() || (*row)->state.life.is_zero()) {
      SL_CHECK(is_trimmed_ || row->has_value());
      continue;
    }
    RowState again = (*row)->state;
    merge_edit(again, edit, change.stamp);
    SL_CHECK(is_trimmed_ || encode_row_state(again) == encode_row_state((*row)->state));
  }
}

inline void House::hear(Line& line, Bytes frame) {
  SL_CHECK(frame.size() <= limits::frame_bytes_max);
  const auto message = decode_from_server(frame);
  if (!message) {
    std::fprintf(stderr, "a frame that does not decode: %s\n", message.error().message().c_str());
  }
  SL_CHECK(message.has_value());
  if (std::get_if<Welcome>(&*message) != nullptr) {
    line.is_welcomed = true;
  } else if (const auto* refused = std::get_if<Refused>(&*message)) {
    // What the store cannot take is never anybody's doing.
    SL_CHECK(refused->reason != Refusal::cannot_store);
    line.why = refused->message;
  } else if (const auto* ack = std::get_if<Ack>(&*message)) {
    line.receipt = ack->receipt;
    hear_ack(line, ack->through.get());
  } else if (const auto* rejected = std::get_if<Rejected>(&*message)) {
    line.rejected.insert(rejected->sequence.get());
    line.why = rejected->message;
    Line other;
    take_rows(other, rejected->states);
  } else if (const auto* part = std::get_if<PullPart>(&*message)) {
    hear_part(line, *part);
  } else if (const auto* through = std::get_if<PullThrough>(&*message)) {
    line.told = through->version;
    line.receipt = through->receipt;
  } else if (const auto* page = std::get_if<SnapshotPage>(&*message)) {
    ++line.pages;
    line.page_token = page->token;
    take_rows(line, page->states);
  } else if (const auto* end = std::get_if<SnapshotEnd>(&*message)) {
    line.has_snapshot = true;
    line.told = end->version;
  } else if (const auto* range = std::get_if<RangeRows>(&*message)) {
    Line other;
    take_rows(other, range->states);
  } else if (const auto* beat = std::get_if<Heartbeat>(&*message)) {
    line.beat = *beat;
  }
}

// --- What must hold
// ------------------------------------------------------------------------------

inline std::string House::contents() {
  Writer out;
  for (const char* workspace : workspaces) {
    const auto space = store_->find_workspace(workspace);
    SL_CHECK(space.has_value());
    if (!*space) {
      continue;
    }
    out.varint((*space)->head.get());
    out.u64((*space)->mark);
    out.blob((*space)->schema);
    const auto totals = store_->totals((*space)->id);
    SL_CHECK(totals.has_value());
    for (const auto& [table, sum] : *totals) {
      out.text(table);
      write_digest(out, sum.digest);
      out.varint(sum.rows);
      out.varint(sum.bytes);
    }
  }
  return std::string(as_text(out.bytes()));
}

inline std::string House::owner(const std::string& workspace, const ReplicaId& replica) {
  const auto space = store_->find_workspace(workspace);
  SL_CHECK(space.has_value());
  if (!*space) {
    return "";
  }
  const auto known = store_->find_replica((*space)->id, replica);
  SL_CHECK(known.has_value());
  return *known ? (*known)->user : std::string();
}

inline void House::check_table(const WorkspaceRecord& space, const std::string& table,
                               const TableTotals& totals) {
  SL_CHECK(is_plain_name(table));
  TableTotals found;
  std::optional<std::size_t> width;
  const auto walked =
      store_->for_each_row(space.id, table, {}, {}, [&](const ServerRow& row) -> Result<bool> {
        SL_CHECK(row.key.bytes.size() <= limits::key_bytes_max);
        const auto values = count_key_values(row.key.view());
        SL_CHECK(values.has_value() && *values == width.value_or(*values));
        width = *values;
        SL_CHECK(*width > 0 && *width <= limits::key_columns_max);
        SL_CHECK(row.state.cells.size() <= limits::columns_max);
        SL_CHECK(row.bytes <= limits::row_bytes_max);
        SL_CHECK(row.bytes == row.key.bytes.size() + encode_row_state(row.state).size());
        for (const CellState& cell : row.state.cells) {
          SL_CHECK(is_plain_name(cell.column));
          SL_CHECK(check_cell(cell).has_value() && cell_value(cell).has_value());
          SL_CHECK(!row.state.voids(cell.stamp));
        }
        found.rows += 1;
        found.bytes += row.bytes;
        found.digest.add(digest_of(table, row.key.view(), row.state));
        return true;
      });
  SL_CHECK(walked.has_value());
  SL_CHECK(found.rows == totals.rows && found.bytes == totals.bytes);
  SL_CHECK(found.digest == totals.digest);
}

inline void House::check_log(const WorkspaceRecord& space) {
  std::uint64_t next = space.fence.get();
  const auto walked = store_->for_each_entry(
      space.id, space.fence, space.head, [&](LogEntry& entry) -> Result<bool> {
        SL_CHECK(entry.version.get() == ++next);
        const std::vector<Bytes> views(entry.parts.begin(), entry.parts.end());
        SL_CHECK(shown_by_parts(views).has_value());
        for (const ByteVector& part : entry.parts) {
          SL_CHECK(part.size() <= limits::part_bytes_max);
        }
        return true;
      });
  SL_CHECK(walked.has_value() && next == space.head.get());
}

inline void House::check_stored() {
  commit();
  for (const char* workspace : workspaces) {
    const auto space = store_->find_workspace(workspace);
    SL_CHECK(space.has_value() && space->has_value());
    SL_CHECK((*space)->schema.size() <= limits::schema_bytes_max);
    Reader in((*space)->schema);
    const auto schema = decode_schema(in);
    SL_CHECK(schema.has_value() && in.at_end() && check_schema(*schema).has_value());
    const auto totals = store_->totals((*space)->id);
    SL_CHECK(totals.has_value() && totals->size() <= limits::tables_max);
    for (const auto& [table, sum] : *totals) {
      check_table(**space, table, sum);
    }
    check_log(**space);
  }
}

inline Hello House::honest_hello(const Person& person, const std::string& workspace) {
  Hello hello;
  hello.protocol = protocol_spoken;
  hello.workspace = workspace;
  hello.replica = sample_replica(static_cast<int>(honest_replicas_++ % 256));
  hello.replica.bytes[1] = static_cast<std::uint8_t>(honest_replicas_ / 256);
  hello.epoch.bytes.fill(1);
  const Schema schema = honest_schema();
  hello.schema_version = 1;
  hello.fingerprint = schema_fingerprint(schema);
  Writer out;
  encode_schema(out, schema);
  hello.schema = out.take();
  hello.catch_up = CatchUp::bootstrap;
  hello.token = person.name;
  return hello;
}

// For whoever looks into a failure.
inline void tell(const Line& line) {
  if (!line.why.empty()) {
    std::fprintf(stderr, "%s: %s\n", line.person->name, line.why.c_str());
  }
}

inline void House::check_served(const std::string& workspace) {
  const auto greet = [&](const Person& person) -> Line& {
    Line& line = open(person);
    line.hello = honest_hello(person, workspace);
    say(line, line.hello);
    commit();
    tell(line);
    SL_CHECK(line.is_up && line.is_welcomed);
    return line;
  };
  Line& writer = greet(people[guests]);
  Line& reader = greet(people[guests + 1]);
  // Everything, by a snapshot and the changes since.
  say(reader, SnapshotRequest{});
  for (std::uint64_t pages = 0; !reader.has_snapshot; ++pages) {
    SL_CHECK(reader.is_up && reader.pages > pages);
    say(reader, SnapshotRequest{reader.page_token});
  }
  say(reader, Applied{reader.told});
  Change change;
  change.sequence = ChangeSequence(1);
  clock_.ms += 1;  // later than what retention may just have forgotten
  change.stamp = {static_cast<std::uint64_t>(clock_.ms) << Stamp::counter_bits,
                  writer.hello.replica};
  change.schema_version = 1;
  RowEdit edit{EditKind::put, "honest", {}, {}, {}};
  const std::string name = "of " + writer.hello.replica.hex();
  const ValueView key[] = {ValueView::of(name)};
  edit.key = make_key(key);
  edit.cells = {{"body", CellForm::plain, Value::text("kept"), {}}};
  change.edits = {edit};
  writer.pushed[1] = change;
  say(writer, PushPart{encode_change(change)});
  commit();
  tell(writer);
  SL_CHECK(writer.is_up && writer.acks == 1 && writer.rejected.empty());
  say(reader, Applied{reader.told});
  const auto row = reader.rows.find({"honest", edit.key});
  SL_CHECK(reader.is_up && row != reader.rows.end() && row->second.alive);
  // The two agree.
  reader.beat.reset();
  wake(reader, 1000);
  SL_CHECK(reader.is_up && reader.beat.has_value());
  Digest digest;
  for (const auto& [whose, state] : reader.rows) {
    digest.add(digest_of(whose.first, whose.second.view(), state));
  }
  SL_CHECK(reader.beat->digest == digest);
  close(writer);
  close(reader);
}

inline void House::check_served() {
  for (const char* workspace : workspaces) {
    check_served(workspace);
  }
}

}  // namespace syncline
