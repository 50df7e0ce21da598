#include "tests/ydoc/vector_case.h"

#include <cmath>
#include <cstdlib>
#include <memory>

#include "ydoc/awareness.h"
#include "ydoc/merge.h"
#include "ydoc/position.h"
#include "ydoc/snapshot.h"
#include "ydoc/sync_protocol.h"
#include "ydoc/undo.h"
#include "ydoc/utf.h"

namespace syncline::ydoc_test {

using namespace ydoc;

namespace {

constexpr ClientId replica_client = 4294967295;

std::string same_bytes(const char* what, Bytes got, Bytes wanted) {
  if (equal_bytes(got, wanted)) {
    return {};
  }
  return std::string(what) + ": got " + to_base64(got) + ", wanted " + to_base64(wanted);
}

std::string same_tree(const char* what, const Any& got, const Any& wanted) {
  if (Any::deep_equal(got, wanted)) {
    return {};
  }
  return std::string(what) + ": got " + to_json(got) + ", wanted " + to_json(wanted);
}

#define CHECK_STEP(expression)          \
  do {                                  \
    std::string trouble = (expression); \
    if (!trouble.empty()) {             \
      return trouble;                   \
    }                                   \
  } while (false)

ByteVector bytes_at(const Any& object, std::string_view key) {
  return from_base64(text_of(at(object, key)));
}

Any dump_roots(Doc& doc, const Any& roots) {
  Any::Object out;
  for (const auto& [name, kind] : roots.as_object()) {
    out.emplace_back(name, dump(doc.root(name, kind_of_root(kind.as_string()))));
  }
  return Any::object(std::move(out));
}

Any json_roots(Doc& doc, const Any& roots) {
  Any::Object out;
  for (const auto& [name, kind] : roots.as_object()) {
    out.emplace_back(name, json_of(doc.root(name, kind_of_root(kind.as_string()))));
  }
  return Any::object(std::move(out));
}

std::unique_ptr<Doc> make_doc(const Any& test, ClientId client, bool cleans) {
  DocOptions options;
  options.client_id = client;
  const Any& gc = at(test, "gc");
  options.collect_garbage = gc.kind() != Any::Kind::boolean || gc.as_boolean();
  options.clean_formatting = cleans;
  auto doc = std::make_unique<Doc>(options);
  for (const auto& [name, kind] : at(test, "roots").as_object()) {
    doc->root(name, kind_of_root(kind.as_string()));
  }
  return doc;
}

std::string refused(const char* what, const Error& error) {
  return std::string(what) + " refused: " + error.message();
}

// --- events

Any event_values(const std::vector<Content>& values) {
  Any::Array out;
  for (const Content& value : values) {
    if (const Type* type = std::get_if<Type>(&value)) {
      out.push_back(Any::object({{"$t", Any::string(kind_name(type->kind()))}}));
    } else {
      out.push_back(tag_content(value));
    }
  }
  return Any::array(std::move(out));
}

Any event_delta(const std::vector<DeltaOut>& delta) {
  Any::Array out;
  for (const DeltaOut& op : delta) {
    Any::Object step;
    if (op.kind == DeltaOut::Kind::retain) {
      step.emplace_back("retain", Any::number(static_cast<double>(op.count)));
    } else if (op.kind == DeltaOut::Kind::remove) {
      step.emplace_back("delete", Any::number(static_cast<double>(op.count)));
    } else {
      step.emplace_back(
          "insert", op.values.empty() ? Any::string(to_wtf8(op.text)) : event_values(op.values));
    }
    // Inserts are compared without attributes: that is how the cases were written.
    if (!op.attributes.empty() && op.kind != DeltaOut::Kind::insert) {
      step.emplace_back("attributes", tag(Any::object(op.attributes)));
    }
    out.push_back(Any::object(std::move(step)));
  }
  return Any::array(std::move(out));
}

Any event_to_any(const std::string& root, const Event& event) {
  Any::Array path;
  for (const PathStep& step : event.path) {
    const auto* index = std::get_if<std::uint64_t>(&step);
    path.push_back(index != nullptr ? Any::number(static_cast<double>(*index))
                                    : Any::string(std::get<std::string>(step)));
  }
  Any::Object out{{"root", Any::string(root)},
                  {"path", Any::array(std::move(path))},
                  {"type", Any::string(kind_name(event.target.kind()))}};
  Any::Object keys;
  for (const KeyChange& change : event.keys) {
    const char* action = change.action == KeyChange::Action::add      ? "add"
                         : change.action == KeyChange::Action::update ? "update"
                                                                      : "delete";
    const bool plain = std::holds_alternative<Any>(change.old_value);
    keys.emplace_back(change.key,
                      Any::object({{"action", Any::string(action)},
                                   {"old", plain ? tag_content(change.old_value)
                                                 : Any::object({{"$t", Any::string("any")}})}}));
  }
  if (!keys.empty()) {
    out.emplace_back("keys", Any::object(std::move(keys)));
  }
  if (!event.delta.empty()) {
    out.emplace_back("delta", event_delta(event.delta));
  }
  return Any::object(std::move(out));
}

// --- levels A and C

struct Replica {
  std::unique_ptr<Doc> doc;
  Any::Array events;
};

std::string compare_check(Doc& doc, const Any& test, const Any& check) {
  CHECK_STEP(same_bytes("check svb", doc.state_vector().encode(), bytes_at(check, "svb")));
  if (doc.has_pending_structs() != at(check, "pendingStructs").as_boolean()) {
    return "check: pending structs differ";
  }
  if (doc.has_pending_deletes() != at(check, "pendingDs").as_boolean()) {
    return "check: pending deletes differ";
  }
  return same_tree("check tree", dump_roots(doc, at(test, "roots")), at(check, "tree"));
}

std::string feed(Replica& replica, const Any& test, const std::vector<ByteVector>& updates) {
  const Any& expect = at(test, "expect");
  std::size_t done = 0;
  for (const Any& index : at(test, "order").as_array()) {
    replica.events.push_back(Any::array({}));
    const Result<void> applied = replica.doc->apply_update(updates[count_of(index)], "remote");
    if (!applied) {
      return refused("update", applied.error());
    }
    done += 1;
    for (const Any& check : at(expect, "checks").as_array()) {
      if (count_of(at(check, "after")) == done) {
        CHECK_STEP(compare_check(*replica.doc, test, check));
      }
    }
  }
  return {};
}

std::string check_state(Replica& replica, const Any& test) {
  const Any& expect = at(test, "expect");
  Doc& doc = *replica.doc;
  const StateVector state = doc.state_vector();
  const Any& sv = at(expect, "sv");
  if (sv.as_object().size() != state.entries().size()) {
    return "sv: wrong number of clients";
  }
  for (const auto& [client, clock] : sv.as_object()) {
    if (state.clock_of(std::strtoull(client.c_str(), nullptr, 10)) != count_of(clock)) {
      return "sv: wrong clock of " + client;
    }
  }
  CHECK_STEP(same_bytes("svb", state.encode(), bytes_at(expect, "svb")));
  CHECK_STEP(same_tree("tree", dump_roots(doc, at(test, "roots")), at(expect, "tree")));
  CHECK_STEP(same_tree("json", json_roots(doc, at(test, "roots")), at(expect, "json")));
  if (expect.find("events") != nullptr) {
    CHECK_STEP(same_tree("events", Any::array(replica.events), at(expect, "events")));
  }
  const Result<ByteVector> bytes = doc.encode_state_as_update();
  if (!bytes) {
    return refused("state", bytes.error());
  }
  CHECK_STEP(same_bytes("state", *bytes, bytes_at(expect, "state")));
  return same_bytes("snapshot", encode_snapshot(take_snapshot(doc)), bytes_at(expect, "snapshot"));
}

std::string check_diffs(Replica& replica, const Any& test, Bytes merged) {
  const Any& expect = at(test, "expect");
  for (const Any& diff : at(expect, "diffs").as_array()) {
    const Result<StateVector> state = StateVector::decode(bytes_at(diff, "svb"));
    if (!state) {
      return refused("svb", state.error());
    }
    const Result<ByteVector> lacking = diff_update(merged, *state);
    if (!lacking) {
      return refused("diff", lacking.error());
    }
    CHECK_STEP(same_bytes("diff", *lacking, bytes_at(diff, "diff")));
    const Result<ByteVector> from_doc = replica.doc->encode_state_as_update(*state);
    if (!from_doc) {
      return refused("stateDiff", from_doc.error());
    }
    CHECK_STEP(same_bytes("stateDiff", *from_doc, bytes_at(diff, "stateDiff")));
    const std::unique_ptr<Doc> doc = make_doc(test, replica_client, false);
    for (const Bytes part : {Bytes(merged), Bytes(*lacking)}) {
      if (!doc->apply_update(part)) {
        return "a diff on top of everything is refused";
      }
    }
    CHECK_STEP(
        same_tree("tree after diff", dump_roots(*doc, at(test, "roots")), at(expect, "tree")));
  }
  return {};
}

std::string check_merged(Replica& replica, const Any& test,
                         const std::vector<ByteVector>& updates) {
  const Any& expect = at(test, "expect");
  std::vector<Bytes> ordered;
  for (const Any& index : at(test, "order").as_array()) {
    ordered.push_back(updates[count_of(index)]);
  }
  const Result<ByteVector> merged =
      ordered.empty() ? Result<ByteVector>(ByteVector{0, 0}) : merge_updates(ordered);
  if (!merged) {
    return refused("merge", merged.error());
  }
  CHECK_STEP(same_bytes("merged", *merged, bytes_at(expect, "merged")));
  const Result<ByteVector> state = state_vector_from_update(*merged);
  if (!state) {
    return refused("svMerged", state.error());
  }
  CHECK_STEP(same_bytes("svMerged", *state, bytes_at(expect, "svMerged")));
  const std::unique_ptr<Doc> doc = make_doc(test, replica_client, false);
  if (!doc->apply_update(*merged)) {
    return "the merged update is refused";
  }
  CHECK_STEP(same_tree("tree of merged", dump_roots(*doc, at(test, "roots")), at(expect, "tree")));
  return check_diffs(replica, test, *merged);
}

std::string check_positions(Replica& replica, const Any& test) {
  const Any* positions = at(test, "expect").find("rel");
  if (positions == nullptr) {
    return {};
  }
  for (const Any& each : positions->as_array()) {
    const Result<RelativePosition> position = decode_relative_position(bytes_at(each, "b"));
    if (!position) {
      return refused("relative position", position.error());
    }
    CHECK_STEP(
        same_bytes("relative position", encode_relative_position(*position), bytes_at(each, "b")));
    const std::optional<AbsolutePosition> found = absolute_position(*replica.doc, *position);
    const Any& index = at(each, "index");
    const bool agrees = found ? index.kind() == Any::Kind::number && found->index == count_of(index)
                              : index.is_null();
    if (!agrees) {
      return "relative position resolves to " +
             (found ? std::to_string(found->index) : std::string("nothing")) + ", wanted " +
             to_json(index);
    }
  }
  return {};
}

std::string check_snapshots(Replica& replica, const Any& test) {
  const Any* snapshots = at(test, "expect").find("snaps");
  if (snapshots == nullptr) {
    return {};
  }
  std::optional<Snapshot> before;
  for (const Any& each : snapshots->as_array()) {
    Result<Snapshot> snapshot = decode_snapshot(bytes_at(each, "b"));
    if (!snapshot) {
      return refused("snapshot", snapshot.error());
    }
    CHECK_STEP(same_bytes("snapshot bytes", encode_snapshot(*snapshot), bytes_at(each, "b")));
    const Result<ByteVector> update = update_from_snapshot(*replica.doc, *snapshot);
    if (!update) {
      return refused("restore", update.error());
    }
    const std::unique_ptr<Doc> doc = make_doc(test, 1, false);
    if (!doc->apply_update(*update)) {
      return "the restored update is refused";
    }
    CHECK_STEP(same_tree("restored tree", dump_roots(*doc, at(test, "roots")), at(each, "tree")));
    if (const Any* delta = each.find("diffDelta"); delta != nullptr && before) {
      for (const auto& [name, wanted] : delta->as_object()) {
        const std::vector<DeltaOut> got =
            delta_between(*replica.doc, replica.doc->text(name), *snapshot, *before);
        CHECK_STEP(same_tree("diffDelta", tag_delta(got), wanted));
      }
    }
    before = std::move(*snapshot);
  }
  return {};
}

std::string check_replica(const Any& test, const std::vector<ByteVector>& updates) {
  Replica replica{make_doc(test, replica_client, false), {}};
  if (at(test, "expect").find("events") != nullptr) {
    for (const auto& [name, kind] : at(test, "roots").as_object()) {
      replica.doc->observe_deep(replica.doc->root(name, kind_of_root(kind.as_string())),
                                [&replica, root = name](const std::vector<Event>& events) {
                                  Any::Array all = replica.events.back().as_array();
                                  for (const Event& event : events) {
                                    all.push_back(event_to_any(root, event));
                                  }
                                  replica.events.back() = Any::array(std::move(all));
                                });
    }
  }
  CHECK_STEP(feed(replica, test, updates));
  CHECK_STEP(check_state(replica, test));
  CHECK_STEP(check_merged(replica, test, updates));
  CHECK_STEP(check_positions(replica, test));
  return check_snapshots(replica, test);
}

// --- level B

class Replay {
 public:
  Replay(const Any& test, const std::vector<ByteVector>& updates) : test_(test), updates_(updates) {
    bool undoes = false;
    for (const Any& step : at(test, "steps").as_array()) {
      const std::string kind = text_of(at(step, "s"));
      undoes = undoes || kind == "undo" || kind == "redo" || kind == "stop";
    }
    for (const Any& client : at(test, "clients").as_array()) {
      docs_.push_back(make_doc(test, std::strtoull(client.as_string().c_str(), nullptr, 10), true));
      Doc& doc = *docs_.back();
      doc.on_update([this](const UpdateEvent& event) {
        if (event.origin != "remote") {
          emitted_.push_back(to_vector(event.update));
        }
      });
      if (undoes) {
        std::vector<Type> scope;
        for (const auto& [name, kind] : at(test, "roots").as_object()) {
          scope.push_back(doc.root(name, kind_of_root(kind.as_string())));
        }
        UndoOptions options;
        options.capture_timeout_ms = 1000000000;
        undo_.push_back(std::make_unique<UndoManager>(doc, std::move(scope), options));
      }
    }
  }

  std::string run() {
    std::size_t number = 0;
    for (const Any& step : at(test_, "steps").as_array()) {
      const std::string trouble = run_step(step);
      if (!trouble.empty()) {
        return "step " + std::to_string(number) + " (" + text_of(at(step, "s")) + "): " + trouble;
      }
      number += 1;
    }
    return {};
  }

 private:
  std::string expect_emitted(const std::vector<std::uint64_t>& wanted) {
    const std::vector<ByteVector> got = std::move(emitted_);
    emitted_.clear();
    if (got.size() != wanted.size()) {
      return "emitted " + std::to_string(got.size()) + " updates, wanted " +
             std::to_string(wanted.size());
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK_STEP(same_bytes("emitted update", got[i], updates_[wanted[i]]));
    }
    return {};
  }
  static std::vector<std::uint64_t> list(const Any& value) {
    std::vector<std::uint64_t> out;
    if (value.kind() == Any::Kind::number) {
      out.push_back(count_of(value));
    } else if (value.kind() == Any::Kind::array) {
      for (const Any& each : value.as_array()) {
        out.push_back(count_of(each));
      }
    }
    return out;
  }

  std::string transact(Doc& doc, const Any& step) {
    {
      const Doc::Batch batch = doc.batch();
      for (const Any& op : at(step, "ops").as_array()) {
        if (!run_operation(doc, at(test_, "roots"), op)) {
          return "operation refused: " + to_json(op);
        }
      }
    }
    return expect_emitted(list(at(step, "u")));
  }

  std::string receive(Doc& doc, const Any& step) {
    for (const std::uint64_t index : list(at(step, "u"))) {
      if (!doc.apply_update(updates_[index], "remote")) {
        return "update refused";
      }
    }
    return expect_emitted(list(at(step, "e")));
  }

  std::string receive_merged(Doc& doc, const Any& step) {
    std::vector<Bytes> parts;
    for (const std::uint64_t index : list(at(step, "u"))) {
      parts.push_back(updates_[index]);
    }
    const Result<ByteVector> merged = merge_updates(parts);
    if (!merged) {
      return refused("merge", merged.error());
    }
    CHECK_STEP(same_bytes("merged", *merged, bytes_at(step, "b")));
    if (!doc.apply_update(*merged, "remote")) {
      return "update refused";
    }
    return expect_emitted(list(at(step, "e")));
  }

  std::string sync(Doc& doc, const Any& step) {
    const StateVector state = doc.state_vector();
    CHECK_STEP(same_bytes("sv", state.encode(), bytes_at(step, "sv")));
    const Result<ByteVector> answer =
        docs_[count_of(at(step, "from"))]->encode_state_as_update(state);
    if (!answer) {
      return refused("answer", answer.error());
    }
    CHECK_STEP(same_bytes("d", *answer, bytes_at(step, "d")));
    if (!doc.apply_update(*answer, "remote")) {
      return "update refused";
    }
    return expect_emitted(list(at(step, "e")));
  }

  std::string position(Doc& doc, const Any& step) {
    const Type type = resolve(doc, at(test_, "roots"), at(step, "p"));
    const double association = at(step, "assoc").as_number();
    const RelativePosition position =
        relative_position(type, count_of(at(step, "i")), static_cast<std::int64_t>(association));
    CHECK_STEP(same_bytes("encoded", encode_relative_position(position), bytes_at(step, "b")));
    return same_tree("json", relative_position_to_any(type, position), at(step, "j"));
  }

  std::string run_step(const Any& step) {
    const std::string kind = text_of(at(step, "s"));
    const std::uint64_t client = count_of(at(step, "c"));
    Doc& doc = *docs_[client];
    if (kind == "txn") {
      return transact(doc, step);
    }
    if (kind == "recv") {
      return receive(doc, step);
    }
    if (kind == "merged") {
      return receive_merged(doc, step);
    }
    if (kind == "sync") {
      return sync(doc, step);
    }
    if (kind == "rel") {
      return position(doc, step);
    }
    if (kind == "snap") {
      return same_bytes("snapshot", encode_snapshot(take_snapshot(doc)), bytes_at(step, "b"));
    }
    if (kind == "stop") {
      undo_[client]->stop_capturing();
      return {};
    }
    if (kind == "undo" || kind == "redo") {
      const bool done = kind == "undo" ? undo_[client]->undo() : undo_[client]->redo();
      if (done != at(step, "ok").as_boolean()) {
        return done ? "did something" : "did nothing";
      }
      return expect_emitted(list(at(step, "u")));
    }
    return "unknown step";
  }

  const Any& test_;
  const std::vector<ByteVector>& updates_;
  std::vector<std::unique_ptr<Doc>> docs_;
  std::vector<std::unique_ptr<UndoManager>> undo_;
  std::vector<ByteVector> emitted_;
};

// --- protocol cases

Any ids_to_any(const std::vector<ClientId>& ids) {
  Any::Array out;
  for (const ClientId id : ids) {
    out.push_back(Any::number(static_cast<double>(id)));
  }
  return Any::array(std::move(out));
}

Any awareness_events(const AwarenessChange& change, bool local, bool always) {
  const auto event = [&](const char* name, const std::vector<ClientId>& updated) {
    return Any::object({{"ev", Any::string(name)},
                        {"added", ids_to_any(change.added)},
                        {"updated", ids_to_any(updated)},
                        {"removed", ids_to_any(change.removed)},
                        {"local", Any::boolean(local)}});
  };
  Any::Array out;
  if (change.is_change()) {
    out.push_back(event("change", change.changed));
  }
  if (change.is_update() || always) {
    out.push_back(event("update", change.updated));
  }
  return Any::array(std::move(out));
}

std::vector<ClientId> ids_at(const Any& step) {
  std::vector<ClientId> out;
  for (const Any& each : at(step, "clients").as_array()) {
    out.push_back(count_of(each));
  }
  return out;
}

std::string check_awareness_step(Awareness& peer, const Any& step) {
  const std::string kind = text_of(at(step, "s"));
  constexpr Instant now{1};
  AwarenessChange change;
  bool always = false;
  if (kind == "set") {
    change = peer.set_local(at(step, "state"), now);
    always = true;
  } else if (kind == "field") {
    always = peer.local() != nullptr;
    change = peer.set_local_field(text_of(at(step, "k")), at(step, "v"), now);
  } else if (kind == "nul") {
    change = peer.set_local(std::nullopt, now);
    always = true;
  } else if (kind == "encode") {
    CHECK_STEP(same_bytes("encoded", peer.encode(ids_at(step)), bytes_at(step, "b")));
  } else if (kind == "apply") {
    Result<AwarenessChange> applied = peer.apply(bytes_at(step, "b"), now);
    if (!applied) {
      return refused("awareness update", applied.error());
    }
    change = std::move(*applied);
  } else if (kind == "remove") {
    change = peer.remove(ids_at(step), now);
  } else {
    return "unknown step " + kind;
  }
  const bool local = kind == "set" || kind == "field" || kind == "nul";
  CHECK_STEP(same_tree("events", awareness_events(change, local, always), at(step, "events")));
  Any::Object states;
  Any::Object clocks;
  for (const auto& [client, state] : peer.states()) {
    states.emplace_back(std::to_string(client), state);
  }
  for (const auto& [client, record] : peer.records()) {
    clocks.emplace_back(std::to_string(client), Any::number(static_cast<double>(record.clock)));
  }
  CHECK_STEP(same_tree("states", Any::object(std::move(states)), at(step, "states")));
  return same_tree("clocks", Any::object(std::move(clocks)), at(step, "clocks"));
}

std::string check_awareness(const Any& test) {
  std::vector<Awareness> peers;
  for (const Any& client : at(test, "clients").as_array()) {
    peers.emplace_back(count_of(client), Instant{1});
  }
  std::size_t number = 0;
  for (const Any& step : at(test, "steps").as_array()) {
    const std::string trouble = check_awareness_step(peers[count_of(at(step, "c"))], step);
    if (!trouble.empty()) {
      return "step " + std::to_string(number) + ": " + trouble;
    }
    number += 1;
  }
  return {};
}

std::string take_frame(Doc& from, Doc& to, const StateVector& to_state, const Any& frame) {
  const std::string what = text_of(at(frame, "what"));
  const ByteVector bytes = bytes_at(frame, "b");
  const Result<SyncMessage> message = read_frame(bytes);
  if (!message) {
    return refused("frame", message.error());
  }
  if (what == "step1") {
    if (!std::holds_alternative<SyncStep1>(*message)) {
      return "step 1 is not read as such";
    }
    return same_bytes("step1", frame_step1(from), bytes);
  }
  if (what == "step2") {
    const Result<ByteVector> answer = frame_step2(from, to_state);
    if (!answer) {
      return refused("step2", answer.error());
    }
    return same_bytes("step2", *answer, bytes);
  }
  if (const auto* update = std::get_if<SyncUpdate>(&*message)) {
    CHECK_STEP(same_bytes("update", frame_update(update->update), bytes));
    return from.apply_update(update->update) && to.apply_update(update->update) ? std::string()
                                                                                : "update refused";
  }
  if (what == "queryAwareness") {
    return same_bytes("query", frame_query_awareness(), bytes);
  }
  const auto* denied = std::get_if<PermissionDenied>(&*message);
  return denied == nullptr ? "unexpected frame " + what
                           : same_bytes("denied", frame_permission_denied(denied->reason), bytes);
}

std::string check_frames(const Any& test) {
  std::vector<std::unique_ptr<Doc>> docs;
  for (std::size_t i = 0; i < 2; ++i) {
    docs.push_back(make_doc(test, 1 + i, true));
    const ByteVector start = from_base64(at(test, "start").as_array()[i].as_string());
    if (!docs.back()->apply_update(start)) {
      return "start refused";
    }
  }
  const StateVector states[] = {docs[0]->state_vector(), docs[1]->state_vector()};
  bool exchanged = false;
  for (const Any& frame : at(test, "frames").as_array()) {
    const std::uint64_t from = count_of(at(frame, "from"));
    if (text_of(at(frame, "what")) == "update" && !exchanged) {
      exchanged = true;
      const Result<ByteVector> a = docs[0]->encode_state_as_update(states[1]);
      const Result<ByteVector> b = docs[1]->encode_state_as_update(states[0]);
      if (!a || !b || !docs[1]->apply_update(*a) || !docs[0]->apply_update(*b)) {
        return "exchange refused";
      }
    }
    CHECK_STEP(take_frame(*docs[from], *docs[1 - from], states[1 - from], frame));
  }
  for (const auto& doc : docs) {
    CHECK_STEP(same_tree("end", dump_roots(*doc, at(test, "roots")), at(test, "end")));
  }
  return {};
}

// --- single values

std::u16string units_of(const Any& list) {
  std::u16string out;
  for (const Any& unit : list.as_array()) {
    out.push_back(static_cast<char16_t>(count_of(unit)));
  }
  return out;
}

std::string check_number(const Any& each, std::string_view group) {
  Encoder out;
  const double value = untag(at(each, "v")).as_number();
  const auto magnitude = static_cast<std::uint64_t>(std::fabs(value));
  const Encoder::Sign sign = std::signbit(value) ? Encoder::Sign::minus : Encoder::Sign::plus;
  const bool is_signed = group == "varInt";
  is_signed ? out.var_int(sign, magnitude) : out.var_uint(magnitude);
  const ByteVector wanted = bytes_at(each, "b");
  CHECK_STEP(same_bytes("number", out.bytes(), wanted));
  Decoder in(wanted);
  const Decoder::Signed read = is_signed ? in.var_int() : Decoder::Signed{false, in.var_uint()};
  const bool same = read.magnitude == magnitude && read.negative == std::signbit(value);
  return same && in.ok() && in.at_end() ? std::string() : "reads back differently";
}

std::string check_any_value(const Any& each) {
  Encoder out;
  write_any(out, untag(at(each, "v")));
  const ByteVector wanted = bytes_at(each, "b");
  CHECK_STEP(same_bytes("any", out.bytes(), wanted));
  Decoder in(wanted);
  const Any read = read_any(in);
  Decoder scanned(wanted);
  if (!in.ok() || !in.at_end() || scan_any(scanned) != Scan::canonical || !scanned.at_end()) {
    return "any: does not read back";
  }
  return same_tree("any", tag(read), at(each, "v"));
}

std::string check_value(const Any& each, const std::string& group) {
  if (group == "varUint" || group == "varInt") {
    return check_number(each, group);
  }
  if (group == "any") {
    return check_any_value(each);
  }
  if (group == "varString") {
    Encoder out;
    out.string(to_utf8(units_of(at(each, "v"))));
    return same_bytes("string", out.bytes(), bytes_at(each, "b"));
  }
  const Any* units = each.find("units");
  const Any value =
      units != nullptr ? Any::string(to_wtf8(units_of(*units))) : untag(at(each, "v"));
  const std::string text = to_json(value);
  const std::string wanted = text_of(at(each, "s"));
  return text == wanted ? std::string() : "json: got " + text + ", wanted " + wanted;
}

}  // namespace

std::string check_lib0(const Any& file) {
  if (file.kind() != Any::Kind::object) {
    return "no object";
  }
  for (const auto& [group, values] : file.as_object()) {
    if (values.kind() != Any::Kind::array) {
      return "unknown content";
    }
    for (const Any& each : values.as_array()) {
      const std::string trouble = check_value(each, group);
      if (!trouble.empty()) {
        return group + ": " + trouble;
      }
    }
  }
  return {};
}

std::string check_case(const Any& test) {
  const std::string kind = text_of(at(test, "kind"));
  if (kind == "awareness") {
    return check_awareness(test);
  }
  if (kind == "frames") {
    return check_frames(test);
  }
  std::vector<ByteVector> updates;
  for (const Any& update : at(test, "updates").as_array()) {
    updates.push_back(from_base64(update.as_string()));
  }
  CHECK_STEP(check_replica(test, updates));
  // Where bytes depend on the identity of JavaScript objects, writing them again proves nothing.
  const Any& exact = at(test, "exact");
  if (exact.kind() == Any::Kind::boolean && !exact.as_boolean()) {
    return {};
  }
  return Replay(test, updates).run();
}

}  // namespace syncline::ydoc_test
