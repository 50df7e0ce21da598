#include "ydoc/merge.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <set>

#include "base/sort.h"
#include "ydoc/struct_view.h"

namespace syncline::ydoc {

namespace {

Error malformed_update() { return Error(ErrorCode::malformed, "malformed update"); }

// The readers in the order of their next structs: descending client, ascending clock, and of equals
// the one that was read last. Most inputs hold a single struct, so the readers that were never read
// stay in one sorted list, and only those that go on after a read meet in a heap.
class ReaderQueue {
 public:
  explicit ReaderQueue(std::vector<StructReader>& readers) : readers_(readers) {
    fresh_.reserve(readers.size());
    for (std::size_t i = 0; i < readers.size(); ++i) {
      skip_gaps(readers[i]);
      if (readers[i].has_next()) {
        fresh_.push_back({readers[i].client(), readers[i].clock(), 0, i});
      }
    }
    if (!std::is_sorted(fresh_.begin(), fresh_.end(), before)) {
      syncline::stable_sort(fresh_.begin(), fresh_.end(), before);
    }
  }

  // The first reader, taken out; null when all are exhausted.
  StructReader* take() {
    const bool have_fresh = next_ < fresh_.size();
    if (!have_fresh && heap_.empty()) {
      return nullptr;
    }
    if (have_fresh && (heap_.empty() || before(fresh_[next_], heap_.top()))) {
      taken_ = fresh_[next_++].reader;
    } else {
      taken_ = heap_.top().reader;
      heap_.pop();
    }
    return &readers_[taken_];
  }
  // Puts the reader that take() gave back among the others.
  void put_back() {
    const StructReader& reader = readers_[taken_];
    if (reader.has_next()) {
      heap_.push({reader.client(), reader.clock(), ++age_, taken_});
    }
  }
  static void skip_gaps(StructReader& reader) {
    StructView ignored;
    while (reader.has_next() && reader.next_is_skip() && reader.read(ignored)) {
    }
  }

 private:
  struct Entry {
    ClientId client = 0;
    Clock clock = 0;
    std::uint64_t age = 0;
    std::size_t reader = 0;
  };
  static bool before(const Entry& a, const Entry& b) {
    if (a.client != b.client) {
      return a.client > b.client;
    }
    return a.clock != b.clock ? a.clock < b.clock : a.age > b.age;
  }
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const { return before(b, a); }
  };

  std::vector<StructReader>& readers_;
  std::vector<Entry> fresh_;
  std::size_t next_ = 0;
  std::priority_queue<Entry, std::vector<Entry>, Later> heap_;
  std::uint64_t age_ = 0;
  std::size_t taken_ = 0;
};

// A struct that may have lost units at its front.
struct Piece {
  StructView view;
  std::uint64_t offset = 0;
  Clock begin() const { return view.clock + offset; }
  Clock end() const { return view.end_clock(); }
};

class Merger {
 public:
  explicit Merger(std::vector<StructReader>& readers) : queue_(readers) {}

  bool run() {
    while (StructReader* reader = queue_.take()) {
      if (!step(*reader)) {
        return false;
      }
      queue_.put_back();
    }
    if (current_) {
      writer_.write(current_->view, current_->offset);
    }
    return true;
  }
  ByteVector finish(const DeleteSet& deletes) { return writer_.finish(deletes); }

 private:
  bool peek(const StructReader& reader, StructView& out) {
    StructReader copy = reader;
    return copy.read(out);
  }
  bool advance(StructReader& reader) {
    StructView ignored;
    return reader.read(ignored) && (ReaderQueue::skip_gaps(reader), reader.ok());
  }
  // Writes the current struct and makes the reader's next one current.
  bool take_current(StructReader& reader, std::uint64_t offset) {
    if (current_) {
      writer_.write(current_->view, current_->offset);
    }
    current_.emplace();
    current_->offset = offset;
    if (!reader.read(current_->view)) {
      return false;
    }
    ReaderQueue::skip_gaps(reader);
    return reader.ok();
  }

  bool step(StructReader& reader) {
    const ClientId first = reader.client();
    if (!current_) {
      if (!take_current(reader, 0)) {
        return false;
      }
    } else {
      bool go_on = false;
      if (!fit(reader, first, go_on)) {
        return false;
      }
      if (!go_on) {
        return true;
      }
    }
    while (reader.has_next() && reader.client() == first && reader.clock() == current_->end()) {
      if (!take_current(reader, 0)) {
        return false;
      }
    }
    return reader.ok();
  }

  // Brings the reader's next struct together with the current one. `go_on` stays false when the
  // readers must be ordered anew before anything else happens.
  bool fit(StructReader& reader, ClientId first, bool& go_on) {
    StructView head;
    bool advanced = false;
    while (reader.has_next()) {
      if (reader.client() < current_->view.client || reader.clock() >= current_->end()) {
        break;
      }
      if (!peek(reader, head)) {
        return false;
      }
      if (head.end_clock() > current_->end()) {
        break;
      }
      advanced = true;
      if (!advance(reader)) {
        return false;
      }
    }
    if (!reader.has_next() || reader.client() != first ||
        (advanced && reader.clock() > current_->end())) {
      return reader.ok();
    }
    go_on = true;
    if (first != current_->view.client) {
      return take_current(reader, 0);
    }
    return join(reader);
  }

  bool join(StructReader& reader) {
    const bool current_is_skip = current_->view.kind == ContentKind::skip;
    StructView head;
    if (!peek(reader, head)) {
      return false;
    }
    if (current_->end() < head.clock) {
      if (current_is_skip) {
        current_->view.length = head.end_clock() - current_->view.clock;
        return true;
      }
      writer_.write(current_->view, current_->offset);
      const Clock gap_begin = current_->end();
      current_.emplace();
      current_->view.client = head.client;
      current_->view.clock = gap_begin;
      current_->view.length = head.clock - gap_begin;
      current_->view.kind = ContentKind::skip;
      current_->view.canonical = false;
      return true;
    }
    std::uint64_t overlap = current_->end() - head.clock;
    if (overlap > 0 && current_is_skip) {
      // The gap gives way: the struct says more.
      current_->view.length -= overlap;
      overlap = 0;
    }
    if (current_->view.kind == ContentKind::gc && head.kind == ContentKind::gc) {
      current_->view.length += head.length - overlap;
      current_->view.canonical = false;
      return true;
    }
    return take_current(reader, overlap);
  }

  ReaderQueue queue_;
  SectionWriter writer_;
  std::optional<Piece> current_;
};

}  // namespace

Result<ByteVector> merge_updates(std::span<const Bytes> updates) {
  if (updates.size() == 1) {
    return to_vector(updates[0]);
  }
  std::vector<StructReader> readers;
  readers.reserve(updates.size());
  for (const Bytes update : updates) {
    readers.emplace_back(update);
    if (!readers.back().ok()) {
      return malformed_update();
    }
  }
  Merger merger(readers);
  if (!merger.run()) {
    return malformed_update();
  }
  DeleteSet deletes;
  for (StructReader& reader : readers) {
    reader.read_deletes(deletes);
    if (!reader.ok()) {
      return malformed_update();
    }
  }
  deletes.normalize();
  return merger.finish(deletes);
}

Result<ByteVector> diff_update(Bytes update, const StateVector& state) {
  StructReader reader(update);
  SectionWriter writer;
  StructView view;
  ClientId current = 0;
  bool open = false;
  while (reader.has_next()) {
    const ClientId client = reader.client();
    const Clock known = state.clock_of(client);
    if (!reader.read(view)) {
      return malformed_update();
    }
    open = open && current == client;
    if (!open) {
      // A section never starts with a gap.
      if (view.kind == ContentKind::skip || view.end_clock() <= known) {
        continue;
      }
      writer.close();
      writer.write(view, known > view.clock ? known - view.clock : 0);
      open = true;
      current = client;
    } else {
      writer.write(view, 0);
    }
  }
  DeleteSet deletes;
  reader.read_deletes(deletes);
  if (!reader.ok()) {
    return malformed_update();
  }
  deletes.sort_clients();
  return writer.finish(deletes);
}

Result<ByteVector> state_vector_from_update(Bytes update) {
  StructReader reader(update);
  std::vector<StateVector::Entry> found;
  StructView view;
  ClientId current = 0;
  bool first = true;
  bool counting = false;
  while (reader.has_next()) {
    if (!reader.read(view)) {
      return malformed_update();
    }
    if (first || current != view.client) {
      first = false;
      current = view.client;
      counting = view.clock == 0;
    }
    if (view.kind == ContentKind::skip) {
      counting = false;
    }
    if (!counting) {
      continue;
    }
    if (found.empty() || found.back().client != view.client) {
      found.push_back({view.client, 0});
    }
    found.back().clock = view.end_clock();
  }
  DeleteSet ignored;
  reader.read_deletes(ignored);
  if (!reader.ok()) {
    return malformed_update();
  }
  Encoder out;
  out.var_uint(found.size());
  for (const StateVector::Entry& entry : found) {
    out.var_uint(entry.client);
    out.var_uint(entry.clock);
  }
  return out.take();
}

Result<bool> is_covered(Bytes update, const StateVector& state) {
  StructReader reader(update);
  StructView view;
  // By client, of whom only the last section counts.
  std::set<ClientId> lacking;
  std::uint64_t left = 0;
  while (reader.has_next()) {
    if (left == 0) {
      left = reader.structs_left();
      lacking.erase(reader.client());
    }
    if (!reader.read(view)) {
      return malformed_update();
    }
    left -= 1;
    if (view.kind != ContentKind::skip && view.end_clock() > state.clock_of(view.client)) {
      lacking.insert(view.client);
    }
  }
  bool covered = lacking.empty();
  DeleteSet deletes;
  reader.read_deletes(deletes);
  if (!reader.ok()) {
    return malformed_update();
  }
  for (const DeleteRange& range : deletes.ranges()) {
    covered = covered && range.clock + range.length <= state.clock_of(range.client);
  }
  return covered;
}

}  // namespace syncline::ydoc
