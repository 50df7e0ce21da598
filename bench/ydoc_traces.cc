// ydoc_traces DIR: replays the editing traces in DIR once and prints one line of JSON: CPU
// milliseconds for each way of using a document, sizes, and the memory of the loaded document.
// ydoc_traces.mjs runs this and npm's yjs by turns and reports medians.

#include <malloc.h>  // tidy-allow(door): the heap's size, for the bench

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "tests/ydoc/gunzip.h"  // tidy-allow(floor): reads the traces
#include "tests/ydoc/tagged.h"  // tidy-allow(floor): reads the traces
#include "ydoc/doc.h"
#include "ydoc/merge.h"
#include "ydoc/utf.h"

namespace {

using namespace syncline;
using namespace syncline::ydoc_test;
using ydoc::Any;

constexpr std::size_t merged_some = 5000;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct Patch {
  std::uint64_t position = 0;
  std::uint64_t removed = 0;
  std::u16string inserted;
};

struct Edit {
  std::vector<std::size_t> parents;
  std::size_t agent = 0;
  std::vector<Patch> patches;
};

struct Trace {
  std::string name;
  bool concurrent = false;
  std::size_t agents = 1;
  std::string end;
  std::vector<Edit> edits;
};

bool load_trace(const std::string& dir, const std::string& name, Trace& out) {
  const std::string packed = read_text_file(dir + "/" + name + ".json.gz");
  const std::optional<std::string> text = gunzip(as_bytes(packed));
  if (!text) {
    return false;
  }
  const Result<Any> json = ydoc::from_json(*text);
  if (!json) {
    return false;
  }
  out.name = name;
  out.concurrent = text_of(at(*json, "kind")) == "concurrent";
  out.agents = out.concurrent ? count_of(at(*json, "numAgents")) : 1;
  out.end = text_of(at(*json, "endContent"));
  for (const Any& txn : at(*json, "txns").as_array()) {
    Edit edit;
    edit.agent = count_of(at(txn, "agent"));
    if (out.concurrent) {
      for (const Any& parent : at(txn, "parents").as_array()) {
        edit.parents.push_back(count_of(parent));
      }
    }
    for (const Any& patch : at(txn, "patches").as_array()) {
      edit.patches.push_back({count_of(patch.as_array()[0]), count_of(patch.as_array()[1]),
                              ydoc::to_utf16(patch.as_array()[2].as_string())});
    }
    out.edits.push_back(std::move(edit));
  }
  return true;
}

std::unique_ptr<ydoc::Doc> make_doc(ydoc::ClientId client) {
  ydoc::DocOptions options;
  options.client_id = client;
  return std::make_unique<ydoc::Doc>(options);
}

bool run_edit(ydoc::Text text, const Edit& edit) {
  for (const Patch& patch : edit.patches) {
    if (patch.removed > 0 && !text.remove(patch.position, patch.removed)) {
      return false;
    }
    if (!patch.inserted.empty() &&
        !text.insert(patch.position, std::u16string_view(patch.inserted))) {
      return false;
    }
  }
  return true;
}

struct Measures {
  double apply_ms = 0;
  double encode_ms = 0;
  double load_ms = 0;
  double each_ms = 0;
  double batch_ms = 0;       // all updates taken in, in one transaction
  double merge_ms = 0;       // all updates merged without a document
  double merge_some_ms = 0;  // the first merged_some of them
  std::size_t encoded_bytes = 0;
  std::size_t update_bytes = 0;
  std::size_t memory_bytes = 0;
  bool right = true;
};

// One document, one transaction an edit, every update kept.
bool apply_sequential(const Trace& trace, std::vector<ByteVector>& updates, Measures& out,
                      ByteVector& state) {
  const double begin = cpu_ms();
  const auto doc = make_doc(1);
  const ydoc::Text text = doc->text("text");
  doc->on_update([&updates](const ydoc::UpdateEvent& event) {
    updates.emplace_back(event.update.begin(), event.update.end());
  });
  for (const Edit& edit : trace.edits) {
    const ydoc::Doc::Batch batch = doc->batch();
    if (!run_edit(text, edit)) {
      return false;
    }
  }
  out.apply_ms = cpu_ms() - begin;
  const double encoding = cpu_ms();
  Result<ByteVector> encoded = doc->encode_state_as_update();
  out.encode_ms = cpu_ms() - encoding;
  if (!encoded) {
    return false;
  }
  state = std::move(*encoded);
  return text.to_string() == trace.end;
}

// One document an agent; each takes in what its edit's parents include before making it.
bool apply_concurrent(const Trace& trace, std::vector<ByteVector>& updates, Measures& out,
                      ByteVector& state) {
  const double begin = cpu_ms();
  std::vector<std::unique_ptr<ydoc::Doc>> docs;
  std::vector<std::vector<bool>> has(trace.agents, std::vector<bool>(trace.edits.size()));
  updates.resize(trace.edits.size());
  std::size_t now = 0;
  for (std::size_t agent = 0; agent < trace.agents; ++agent) {
    docs.push_back(make_doc(agent + 1));
    docs.back()->on_update([&updates, &now](const ydoc::UpdateEvent& event) {
      if (event.from == ydoc::Origin::local) {
        updates[now].assign(event.update.begin(), event.update.end());
      }
    });
  }
  std::vector<std::size_t> lacking;
  for (now = 0; now < trace.edits.size(); ++now) {
    const Edit& edit = trace.edits[now];
    std::vector<bool>& seen = has[edit.agent];
    lacking = edit.parents;
    std::vector<std::size_t> order;
    while (!lacking.empty()) {
      const std::size_t each = lacking.back();
      lacking.pop_back();
      if (!seen[each]) {
        seen[each] = true;
        order.push_back(each);
        lacking.insert(lacking.end(), trace.edits[each].parents.begin(),
                       trace.edits[each].parents.end());
      }
    }
    std::sort(order.begin(), order.end());
    for (const std::size_t each : order) {
      if (!docs[edit.agent]->apply_update(updates[each])) {
        return false;
      }
    }
    const ydoc::Doc::Batch batch = docs[edit.agent]->batch();
    if (!run_edit(docs[edit.agent]->text("text"), edit)) {
      return false;
    }
    seen[now] = true;
  }
  out.apply_ms = cpu_ms() - begin;
  const auto all = make_doc(99);
  for (const ByteVector& update : updates) {
    if (!all->apply_update(update)) {
      return false;
    }
  }
  const double encoding = cpu_ms();
  Result<ByteVector> encoded = all->encode_state_as_update();
  out.encode_ms = cpu_ms() - encoding;
  if (!encoded) {
    return false;
  }
  state = std::move(*encoded);
  return all->text("text").to_string() == trace.end;
}

bool load(const Trace& trace, Bytes state, Measures& out) {
  const std::size_t before = heap_bytes();
  const double begin = cpu_ms();
  const auto doc = make_doc(2000);
  const bool applied = doc->apply_update(state).has_value();
  out.load_ms = cpu_ms() - begin;
  out.memory_bytes = heap_bytes() - before;
  return applied && doc->text("text").to_string() == trace.end;
}

Measures measure(const Trace& trace) {
  Measures out;
  std::vector<ByteVector> updates;
  ByteVector state;
  out.right = trace.concurrent ? apply_concurrent(trace, updates, out, state)
                               : apply_sequential(trace, updates, out, state);
  out.encoded_bytes = state.size();
  for (const ByteVector& update : updates) {
    out.update_bytes += update.size();
  }
  out.right = load(trace, state, out) && out.right;
  double begin = cpu_ms();
  const auto doc = make_doc(3000);
  for (const ByteVector& update : updates) {
    out.right = doc->apply_update(update).has_value() && out.right;
  }
  out.each_ms = cpu_ms() - begin;
  out.right = doc->text("text").to_string() == trace.end && out.right;
  begin = cpu_ms();
  const auto batched = make_doc(4000);
  {
    const ydoc::Doc::Batch batch = batched->batch();
    for (const ByteVector& update : updates) {
      out.right = batched->apply_update(update).has_value() && out.right;
    }
  }
  out.batch_ms = cpu_ms() - begin;
  out.right = batched->text("text").to_string() == trace.end && out.right;
  const std::vector<Bytes> views(updates.begin(), updates.end());
  begin = cpu_ms();
  const std::size_t some = std::min(merged_some, views.size());
  out.right = ydoc::merge_updates(std::span(views).first(some)).has_value() && out.right;
  out.merge_some_ms = cpu_ms() - begin;
  begin = cpu_ms();
  const Result<ByteVector> merged = ydoc::merge_updates(views);
  out.merge_ms = cpu_ms() - begin;
  if (!merged || !load(trace, *merged, *std::make_unique<Measures>())) {
    out.right = false;
  }
  return out;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a measurement that throws has failed.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ydoc_traces DIR\n");
    return 2;
  }
  std::printf("{");
  bool first = true;
  bool right = true;
  for (const char* name : {"automerge-paper", "clownschool", "friendsforever"}) {
    Trace trace;
    if (!load_trace(argv[1], name, trace)) {
      std::fprintf(stderr, "%s: cannot be read\n", name);
      return 1;
    }
    const Measures m = measure(trace);
    right = right && m.right;
    std::printf(
        "%s\"%s\":{\"apply_ms\":%.2f,\"load_ms\":%.2f,\"each_ms\":%.2f,\"batch_ms\":%.2f,"
        "\"merge_ms\":%.2f,\"merge_some_ms\":%.2f,\"encode_ms\":%.2f,\"encoded_bytes\":%zu,"
        "\"update_bytes\":%zu,\"memory_bytes\":%zu,"
        "\"right\":%s}",
        first ? "" : ",", name, m.apply_ms, m.load_ms, m.each_ms, m.batch_ms, m.merge_ms,
        m.merge_some_ms, m.encode_ms, m.encoded_bytes, m.update_bytes, m.memory_bytes,
        m.right ? "true" : "false");
    first = false;
  }
  std::printf("}\n");
  return right ? 0 : 1;
}
