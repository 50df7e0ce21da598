// ydoc_peer: documents driven over a pipe, for the tests against npm's yjs. Reads one JSON command
// a line and answers each with one line; commands are those of Peer::run().

#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "tests/ydoc/tagged.h"
#include "ydoc/merge.h"
#include "ydoc/undo.h"
#include "ydoc/update_v2.h"

namespace {

using namespace syncline;
using namespace syncline::ydoc;
using namespace syncline::ydoc_test;

Any text(std::string value) { return Any::string(std::move(value)); }
Any encoded(const Result<ByteVector>& bytes) {
  return bytes ? text(to_base64(*bytes)) : text("refused: " + bytes.error().message());
}

class Peer {
 public:
  Any run(const Any& command) {
    const std::string what = text_of(at(command, "do"));
    if (what == "reset") {
      open_.clear();
      return Any::object({});
    }
    if (what == "new") {
      return open(command);
    }
    if (what == "merge") {
      return Any::object({{"b", encoded(merged(command))}});
    }
    if (what == "from_v2") {
      return Any::object({{"b", encoded(convert_v2_to_v1(bytes_of(command)))}});
    }
    if (what == "to_v2") {
      return Any::object({{"b", encoded(convert_v1_to_v2(bytes_of(command)))}});
    }
    if (what == "diff") {
      const Result<StateVector> state =
          StateVector::decode(from_base64(text_of(at(command, "sv"))));
      return state ? Any::object({{"b", encoded(diff_update(bytes_of(command), *state))}})
                   : text("malformed state vector");
    }
    if (what == "sv") {
      return Any::object({{"b", encoded(state_vector_from_update(bytes_of(command)))}});
    }
    return with_doc(what, command, *open_.at(count_of(at(command, "doc"))));
  }

 private:
  struct Open {
    std::unique_ptr<Doc> doc;
    std::unique_ptr<UndoManager> undo;
    Any roots;
    Any::Array emitted;
  };

  static ByteVector bytes_of(const Any& command) { return from_base64(text_of(at(command, "b"))); }

  static Result<ByteVector> merged(const Any& command) {
    std::vector<ByteVector> parts;
    for (const Any& each : at(command, "u").as_array()) {
      parts.push_back(from_base64(each.as_string()));
    }
    const std::vector<Bytes> views(parts.begin(), parts.end());
    return merge_updates(views);
  }

  Any open(const Any& command) {
    auto open = std::make_unique<Open>();
    DocOptions options;
    options.client_id = count_of(at(command, "client"));
    options.collect_garbage = at(command, "gc").as_boolean();
    open->doc = std::make_unique<Doc>(options);
    open->roots = at(command, "roots");
    std::vector<Type> scope;
    for (const auto& [name, kind] : open->roots.as_object()) {
      scope.push_back(open->doc->root(name, kind_of_root(kind.as_string())));
    }
    if (at(command, "undo").kind() == Any::Kind::boolean && at(command, "undo").as_boolean()) {
      UndoOptions undo;
      undo.capture_timeout_ms = 1000000000;
      open->undo = std::make_unique<UndoManager>(*open->doc, std::move(scope), undo);
    }
    Open* raw = open.get();
    open->doc->on_update([raw](const UpdateEvent& event) {
      if (event.origin != "remote") {
        raw->emitted.push_back(text(to_base64(event.update)));
      }
    });
    open_[count_of(at(command, "doc"))] = std::move(open);
    return Any::object({});
  }

  static Any emitted(Open& open) {
    Any out = Any::object({{"u", Any::array(std::move(open.emitted))}});
    open.emitted.clear();
    return out;
  }

  static Any with_doc(const std::string& what, const Any& command, Open& open) {
    Doc& doc = *open.doc;
    if (what == "ops") {
      {
        const Doc::Batch batch = doc.batch();
        for (const Any& op : at(command, "ops").as_array()) {
          if (!run_operation(doc, open.roots, op)) {
            return text("refused: " + to_json(op));
          }
        }
      }
      return emitted(open);
    }
    if (what == "apply" || what == "apply_v2") {
      const ByteVector bytes = bytes_of(command);
      const Result<void> applied = what == "apply" ? doc.apply_update(bytes, "remote")
                                                   : doc.apply_update_v2(bytes, "remote");
      return applied ? emitted(open) : text("refused: " + applied.error().message());
    }
    if (what == "undo" || what == "redo") {
      what == "undo" ? open.undo->undo() : open.undo->redo();
      return emitted(open);
    }
    if (what == "stop") {
      open.undo->stop_capturing();
      return Any::object({});
    }
    if (what == "state") {
      Any::Object trees;
      for (const auto& [name, kind] : open.roots.as_object()) {
        trees.emplace_back(name, dump(doc.root(name, kind_of_root(kind.as_string()))));
      }
      return Any::object({{"b", encoded(doc.encode_state_as_update())},
                          {"v2", encoded(doc.encode_state_as_update_v2())},
                          {"sv", text(to_base64(doc.state_vector().encode()))},
                          {"tree", Any::object(std::move(trees))}});
    }
    return text("unknown command");
  }

  std::map<std::uint64_t, std::unique_ptr<Open>> open_;
};

}  // namespace

int main() {
  Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    const Result<Any> command = from_json(line);
    if (!command) {
      std::fprintf(stderr, "malformed command\n");
      return 1;
    }
    std::cout << to_json(peer.run(*command)) << "\n" << std::flush;
  }
  return 0;
}
