// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>

#include "base/check.h"
#include "base/sort.h"
#include "ydoc/merge.h"
#include "ydoc/store.h"
#include "ydoc/struct_view.h"
#include "ydoc/utf.h"

// Updates from outside. First the whole update is read and checked, so that a malformed one changes
// nothing; then its structs are taken in an order in which everything they refer to is known, and
// what refers to something unknown is kept for later; then its deletions.

namespace syncline::ydoc {

namespace {

// The structs of one client in an update, not decoded yet.
struct Section {
  ClientId client = 0;
  Clock clock = 0;
  std::uint64_t left = 0;
  const std::uint8_t* at = nullptr;
};

struct CheckedUpdate {
  std::vector<Section> sections;  // by client, one each
  std::uint64_t structs = 0;
  DeleteSet deletes;
  const std::uint8_t* end = nullptr;

  // How many clients it names, at most.
  std::size_t clients() const {
    std::size_t count = sections.size();
    for (std::size_t i = 0; i < deletes.ranges().size(); ++i) {
      count += i == 0 || deletes.ranges()[i].client != deletes.ranges()[i - 1].client ? 1U : 0U;
    }
    return count;
  }
};

Result<CheckedUpdate> check_update(Bytes update, const Limits& limits) {
  if (update.size() > limits.update_bytes_max) {
    return Error(ErrorCode::too_large, "update of " + std::to_string(update.size()) +
                                           " bytes; the limit is " +
                                           std::to_string(limits.update_bytes_max));
  }
  CheckedUpdate out;
  StructReader reader(update);
  StructView view;
  std::uint64_t left = 0;
  while (reader.has_next()) {
    if (left == 0) {
      left = reader.structs_left();
      out.sections.push_back({reader.client(), reader.clock(), left, reader.position()});
      if (out.sections.size() > limits.clients_max) {
        return Error(ErrorCode::too_large, "update with too many clients");
      }
    }
    if (!reader.read(view)) {
      break;
    }
    left -= 1;
    out.structs += 1;
    if (out.structs > limits.structs_max) {
      return Error(ErrorCode::too_large, "update with too many structs");
    }
  }
  reader.read_deletes(out.deletes, limits.delete_ranges_max);
  if (out.deletes.ranges().size() > limits.delete_ranges_max) {
    return Error(ErrorCode::too_large, "update with too many deletions");
  }
  if (!reader.ok()) {
    return Error(ErrorCode::malformed, "malformed update");
  }
  out.end = update.data() + update.size();
  out.deletes.normalize();
  const auto before = [](const Section& a, const Section& b) { return a.client < b.client; };
  if (!std::is_sorted(out.sections.begin(), out.sections.end(), before)) {
    syncline::stable_sort(out.sections.begin(), out.sections.end(), before);
  }
  // Where a client is named twice the last time counts, as in Yjs.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < out.sections.size(); ++i) {
    if (i + 1 == out.sections.size() || out.sections[i + 1].client != out.sections[i].client) {
      out.sections[kept++] = out.sections[i];
    }
  }
  out.sections.resize(kept);
  return out;
}

// Turns the structs of one checked update into items.
class Applier {
 public:
  Applier(Store& store, CheckedUpdate& update) : store_(store), sections_(update.sections) {
    end_ = update.end;
    sections_left_ = sections_.size();
  }

  Result<void> run();
  // What must wait, as an update; nothing if all was taken.
  ByteVector rest();
  const std::map<ClientId, Clock>& missing() const { return missing_; }

 private:
  // A struct whose turn has come, by where its bytes are.
  struct Head {
    ClientId client = 0;
    Clock clock = 0;
    const std::uint8_t* at = nullptr;
  };
  enum class Outcome { taken, waits, over_budget };

  bool next_of(ClientId client, Head& out);
  void read_head(const Head& head);
  bool next_head(Head& out);
  Outcome take(ClientId& waits_for);
  void set_aside();
  void note_missing(ClientId client, Clock clock) {
    const auto [found, fresh] = missing_.try_emplace(client, clock);
    if (!fresh) {
      found->second = std::min(found->second, clock);
    }
  }
  bool unknown(Id id, ClientId own) const {
    return id.client != own && id.clock >= store_.state(id.client);
  }
  Outcome integrate(std::uint64_t offset);
  bool resolve_parent(Item* left, Item* right, Branch*& parent, Key& key);
  void fill_content(Item* item, std::uint64_t offset);
  void fill_text(Item* item, std::uint64_t offset);
  void fill_values(Item* item, std::uint64_t offset);
  void fill_type(Item* item, Decoder in);

  Store& store_;
  std::vector<Section>& sections_;
  std::size_t sections_left_ = 0;
  const std::uint8_t* end_ = nullptr;
  std::vector<Head> stack_;
  std::vector<Section> aside_;
  std::map<ClientId, Clock> missing_;
  StructView view_;
  Encoder scratch_;
};

// The next unread struct of the client; view_ then holds it.
bool Applier::next_of(ClientId client, Head& out) {
  auto section =
      std::lower_bound(sections_.begin(), sections_.end(), client,
                       [](const Section& each, ClientId wanted) { return each.client < wanted; });
  for (; section != sections_.end() && section->client == client; ++section) {
    if (section->left > 0) {
      out = {client, section->clock, section->at};
      read_head(out);
      section->at = view_.end;
      section->clock += view_.length;
      section->left -= 1;
      return true;
    }
  }
  return false;
}

// The next unread struct of the highest client that has one.
bool Applier::next_head(Head& out) {
  for (; sections_left_ > 0; --sections_left_) {
    if (sections_[sections_left_ - 1].left > 0) {
      return next_of(sections_[sections_left_ - 1].client, out);
    }
  }
  return false;
}

void Applier::read_head(const Head& head) {
  Decoder in({head.at, static_cast<std::size_t>(end_ - head.at)});
  const bool read = read_struct(in, head.client, head.clock, view_);
  SL_CHECK(read);  // check_update() has been here before
}

Result<void> Applier::run() {
  Head head;
  bool have = next_head(head);
  while (have) {
    ClientId waits_for = 0;
    const Outcome outcome = take(waits_for);
    if (outcome == Outcome::over_budget) {
      return Error(ErrorCode::too_large, "update needs too many conflict resolution steps");
    }
    if (outcome == Outcome::waits) {
      stack_.push_back(head);
      if (waits_for == view_.client) {
        note_missing(waits_for, view_.clock - 1);
        set_aside();
      } else if (next_of(waits_for, head)) {
        continue;
      } else {
        note_missing(waits_for, store_.state(waits_for));
        set_aside();
      }
    }
    if (!stack_.empty()) {
      head = stack_.back();
      stack_.pop_back();
      read_head(head);
    } else {
      have = next_head(head);
    }
  }
  return {};
}

// Everything on the stack, and everything unread of the clients on it, waits.
void Applier::set_aside() {
  for (const Head& head : stack_) {
    aside_.push_back({head.client, head.clock, 1, head.at});
    auto section =
        std::lower_bound(sections_.begin(), sections_.end(), head.client,
                         [](const Section& each, ClientId wanted) { return each.client < wanted; });
    for (; section != sections_.end() && section->client == head.client; ++section) {
      if (section->left > 0) {
        aside_.push_back(*section);
        section->left = 0;
      }
    }
  }
  stack_.clear();
}

ByteVector Applier::rest() {
  syncline::stable_sort(aside_.begin(), aside_.end(), [](const Section& a, const Section& b) {
    return a.client != b.client ? a.client > b.client : a.clock < b.clock;
  });
  SectionWriter writer;
  for (const Section& run : aside_) {
    if (run.client != view_.client || run.clock != view_.end_clock()) {
      writer.close();
    }
    Decoder in({run.at, static_cast<std::size_t>(end_ - run.at)});
    Clock clock = run.clock;
    for (std::uint64_t i = 0; i < run.left; ++i) {
      const bool read = read_struct(in, run.client, clock, view_);
      SL_CHECK(read);
      writer.write(view_, 0);
      clock = view_.end_clock();
    }
  }
  return writer.empty() ? ByteVector{} : writer.finish({});
}

Applier::Outcome Applier::take(ClientId& waits_for) {
  if (view_.kind == ContentKind::skip) {
    return Outcome::taken;
  }
  const Clock state = store_.state(view_.client);
  if (view_.clock > state) {
    waits_for = view_.client;
    return Outcome::waits;
  }
  if (view_.end_clock() <= state) {
    return Outcome::taken;
  }
  if (view_.kind == ContentKind::gc) {
    store_.append_gc(store_.client(view_.client), view_.end_clock() - state);
    return Outcome::taken;
  }
  const Id* wanted = nullptr;
  if (view_.has_origin() && unknown(view_.origin, view_.client)) {
    wanted = &view_.origin;
  } else if (view_.has_right_origin() && unknown(view_.right_origin, view_.client)) {
    wanted = &view_.right_origin;
  } else if (view_.has_parent() && !view_.root_parent && unknown(view_.parent, view_.client)) {
    wanted = &view_.parent;
  }
  if (wanted != nullptr) {
    waits_for = wanted->client;
    return Outcome::waits;
  }
  return integrate(state - view_.clock);
}

// False where the item can only become gc: something it stands beside or in is gone.
bool Applier::resolve_parent(Item* left, Item* right, Branch*& parent, Key& key) {
  if ((left != nullptr && left->kind == ContentKind::gc) ||
      (right != nullptr && right->kind == ContentKind::gc)) {
    return false;
  }
  if (!view_.has_parent()) {
    const Item* beside = left != nullptr ? left : right;
    parent = beside->parent;
    key = beside->key;
    return true;
  }
  if (view_.root_parent) {
    parent = store_.root(view_.root_name);
  } else {
    const Item* holder = store_.find(view_.parent);
    if (holder == nullptr || holder->kind != ContentKind::type) {
      return false;
    }
    parent = holder->content.branch;
  }
  key = view_.has_key ? store_.key(view_.key) : no_key;
  return true;
}

Applier::Outcome Applier::integrate(std::uint64_t offset) {
  Item* left = nullptr;
  Item* right = nullptr;
  Client* client = store_.client(view_.client);
  if (view_.has_origin()) {
    left = store_.clean_end(store_.client(view_.origin.client), view_.origin.clock);
  }
  if (view_.has_right_origin()) {
    right = store_.clean_start(store_.client(view_.right_origin.client), view_.right_origin.clock);
  }
  Branch* parent = nullptr;
  Key key = no_key;
  bool alive = resolve_parent(left, right, parent, key);
  if (alive && offset > 0) {
    left = store_.clean_end(client, view_.clock + offset - 1);
    alive = left->kind != ContentKind::gc;
  }
  if (!alive) {
    store_.append_gc(client, view_.length - offset);
    return Outcome::taken;
  }
  Item* item = store_.make_item(view_.kind, client, view_.clock + offset, view_.length - offset);
  item->parent = parent;
  item->key = key;
  item->left = left;
  item->right = right;
  if (left != nullptr) {
    item->origin_client = left->client;
    item->origin_clock = left->end() - 1;
  }
  if (right != nullptr) {
    item->right_origin_client = right->client;
    item->right_origin_clock = right->clock;
  }
  fill_content(item, offset);
  if (!store_.integrate(item)) {
    store_.items.free(item);
    return Outcome::over_budget;
  }
  return Outcome::taken;
}

void Applier::fill_text(Item* item, std::uint64_t offset) {
  Decoder in(view_.content_bytes());
  const Bytes utf8 = in.blob();
  if (offset == 0) {
    item->content.text = store_.append_text(*item->client, item->length);
    utf8_to_utf16(utf8, item->content.text);
    return;
  }
  std::u16string whole(static_cast<std::size_t>(view_.length), u'\0');
  utf8_to_utf16(utf8, whole.data());
  item->content.text = store_.append_text(*item->client, item->length);
  std::copy(whole.begin() + static_cast<std::ptrdiff_t>(offset), whole.end(), item->content.text);
  if (is_high_surrogate(whole[static_cast<std::size_t>(offset) - 1])) {
    *item->content.text = replacement_unit;
  }
}

// Any and JSON values stay encoded; each slot points at one.
void Applier::fill_values(Item* item, std::uint64_t offset) {
  Decoder in(view_.content_bytes());
  const std::uint64_t count = in.var_uint();
  std::vector<std::size_t> begins;
  scratch_.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint8_t* const begin = in.position();
    if (view_.kind == ContentKind::any) {
      scan_any(in);
    } else {
      in.blob();
    }
    if (i < offset) {
      continue;
    }
    begins.push_back(scratch_.size());
    const Bytes encoded(begin, static_cast<std::size_t>(in.position() - begin));
    Decoder value(encoded);
    if (view_.canonical) {
      scratch_.raw(encoded);
    } else if (view_.kind == ContentKind::any) {
      write_any(scratch_, read_any(value));
    } else {
      rewrite_json(scratch_, value.string());
    }
  }
  item->content.slots = store_.make_slots(*item->client, scratch_.bytes(), begins);
}

void Applier::fill_type(Item* item, Decoder in) {
  Branch* branch = store_.make_branch(static_cast<TypeKind>(in.var_uint()));
  branch->item = item;
  if (branch->kind == TypeKind::xml_element || branch->kind == TypeKind::xml_hook) {
    branch->name = in.string();
  }
  item->content.branch = branch;
}

void Applier::fill_content(Item* item, std::uint64_t offset) {
  Decoder in(view_.content_bytes());
  switch (item->kind) {
    case ContentKind::gc:
    case ContentKind::skip:
    case ContentKind::deleted:
      break;
    case ContentKind::json:
    case ContentKind::any:
      fill_values(item, offset);
      break;
    case ContentKind::binary:
      item->content.blob = store_.make_blob(in.blob());
      break;
    case ContentKind::string:
      fill_text(item, offset);
      break;
    case ContentKind::embed:
      item->content.value = store_.make_value_from_json(in.string());
      break;
    case ContentKind::format:
      item->format_key = store_.key(in.string());
      item->content.value = store_.make_value_from_json(in.string());
      break;
    case ContentKind::type:
      fill_type(item, in);
      break;
    case ContentKind::doc: {
      std::string guid(in.string());
      store_.subdocs.push_back({std::move(guid), read_any(in)});
      item->content.subdoc = &store_.subdocs.back();
      break;
    }
  }
}

}  // namespace

Result<void> Store::apply(Bytes update, std::string_view origin, Locality locality) {
  Result<CheckedUpdate> checked = check_update(update, limits);
  if (!checked) {
    return std::move(checked).error();
  }
  if (items.live() + checked->structs > limits.structs_max) {
    return Error(ErrorCode::too_large, "document with too many structs");
  }
  if (clients.size() + checked->clients() > limits.clients_max) {
    return Error(ErrorCode::too_large, "document with too many clients");
  }
  const TransactionScope scope(*this, origin, locality);
  conflict_steps_left = limits.conflict_steps_max + update.size() * 64;
  Applier applier(*this, *checked);
  SL_TRY(applier.run());
  const bool retry =
      std::any_of(pending_missing.begin(), pending_missing.end(),
                  [this](const auto& waited) { return waited.second < state(waited.first); });
  keep_pending(applier.rest(), applier.missing());
  apply_deletes(checked->deletes);
  apply_ready_deletes();
  if (!retry) {
    return {};
  }
  SL_TRY(const ByteVector pending, take_pending());
  Limits internal = limits;
  internal.update_bytes_max = SIZE_MAX;
  internal.clients_max = SIZE_MAX;
  internal.structs_max = SIZE_MAX;
  internal.delete_ranges_max = SIZE_MAX;
  SL_TRY(CheckedUpdate again, check_update(pending, internal));
  conflict_steps_left = limits.conflict_steps_max + pending.size() * 64;
  Applier second(*this, again);
  SL_TRY(second.run());
  keep_pending(second.rest(), second.missing());
  apply_ready_deletes();
  return {};
}

}  // namespace syncline::ydoc
