// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>

#include "base/sort.h"
#include "ydoc/merge.h"
#include "ydoc/store.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

void write_text(Encoder& out, std::u16string_view text) {
  // Most text is ASCII: try it straight into the buffer, and start over where that fails.
  const std::size_t begin = out.size();
  out.var_uint(text.size());
  std::uint8_t* const bytes = out.room(text.size());
  char16_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    seen = static_cast<char16_t>(seen | text[i]);
    bytes[i] = static_cast<std::uint8_t>(text[i]);
  }
  if (seen < 0x80U) {
    out.advance(text.size());
    return;
  }
  out.truncate(begin);
  const std::size_t size = utf8_length(text);
  out.var_uint(size);
  utf16_to_utf8(text, out.room(size));
  out.advance(size);
}

void write_slots(Encoder& out, const Item* item, std::uint64_t offset) {
  out.var_uint(item->length - offset);
  for (std::uint64_t i = offset; i < item->length; ++i) {
    out.raw(slot_bytes(item->content.slots[i]));
  }
}

void write_type(Encoder& out, const Branch& branch) {
  out.var_uint(static_cast<std::uint64_t>(branch.kind));
  if (branch.kind == TypeKind::xml_element || branch.kind == TypeKind::xml_hook) {
    out.string(branch.name);
  }
}

void write_item_content(Encoder& out, const Store& store, const Item* item, std::uint64_t offset) {
  switch (item->kind) {
    case ContentKind::gc:
    case ContentKind::skip:
    case ContentKind::deleted:
      out.var_uint(item->length - offset);
      break;
    case ContentKind::json:
    case ContentKind::any:
      write_slots(out, item, offset);
      break;
    case ContentKind::binary:
      out.blob({item->content.blob->data, item->content.blob->size});
      break;
    case ContentKind::string:
      write_text(out,
                 {item->content.text + offset, static_cast<std::size_t>(item->length - offset)});
      break;
    case ContentKind::embed:
      out.string(item->content.value->json);
      break;
    case ContentKind::format:
      out.string(store.key_text(item->format_key));
      out.string(item->content.value->json);
      break;
    case ContentKind::type:
      write_type(out, *item->content.branch);
      break;
    case ContentKind::doc:
      out.string(item->content.subdoc->guid);
      write_any(out, item->content.subdoc->options);
      break;
  }
}

void write_item(Encoder& out, const Store& store, const Item* item, std::uint64_t offset) {
  if (item->kind == ContentKind::gc) {
    out.u8(0);
    out.var_uint(item->length - offset);
    return;
  }
  const bool origin = item->origin_client != nullptr || offset > 0;
  const bool right_origin = item->right_origin_client != nullptr;
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(item->kind) | (origin ? info_origin : 0U) |
                                   (right_origin ? info_right_origin : 0U) |
                                   (item->key != no_key ? info_key : 0U)));
  if (origin) {
    out.var_uint(offset > 0 ? item->client->id : item->origin_client->id);
    out.var_uint(offset > 0 ? item->clock + offset - 1 : item->origin_clock);
  }
  if (right_origin) {
    out.var_uint(item->right_origin_client->id);
    out.var_uint(item->right_origin_clock);
  }
  if (!origin && !right_origin) {
    const Item* holder = item->parent->item;
    out.var_uint(holder == nullptr ? 1 : 0);
    if (holder == nullptr) {
      out.string(store.key_text(item->parent->root));
    } else {
      out.var_uint(holder->client->id);
      out.var_uint(holder->clock);
    }
    if (item->key != no_key) {
      out.string(store.key_text(item->key));
    }
  }
  write_item_content(out, store, item, offset);
}

}  // namespace

void Store::encode_structs(Encoder& out, Client* client, Clock from) const {
  StructArray::Cursor at = client->structs.find(from);
  out.var_uint(client->structs.count_from(at));
  out.var_uint(client->id);
  out.var_uint(from);
  std::uint64_t offset = from - client->structs.at(at)->clock;
  do {
    write_item(out, *this, client->structs.at(at), offset);
    offset = 0;
  } while (client->structs.next(at));
}

void Store::encode_structs_between(Encoder& out, Client* client, Clock from, Clock to) const {
  StructArray::Cursor at = client->structs.find(from);
  const StructArray::Cursor last = client->structs.find(to - 1);
  out.var_uint(client->structs.count_from(at) - client->structs.count_from(last) + 1);
  out.var_uint(client->id);
  out.var_uint(from);
  for (std::uint64_t offset = from - client->structs.at(at)->clock;; offset = 0) {
    write_item(out, *this, client->structs.at(at), offset);
    if (at == last || !client->structs.next(at)) {
      return;
    }
  }
}

void Store::encode_transaction(const Transaction& txn, Encoder& out) const {
  std::vector<Transaction::Touched> several;
  const std::vector<Transaction::Touched>* touched = &txn.touched;
  if (touched->size() > 1) {
    several = txn.touched;
    syncline::sort(several.begin(), several.end(),
                   [](const auto& a, const auto& b) { return a.client->id > b.client->id; });
    touched = &several;
  }
  std::uint64_t sections = 0;
  for (const Transaction::Touched& each : *touched) {
    sections += each.client->state > each.before ? 1U : 0U;
  }
  out.var_uint(sections);
  for (const Transaction::Touched& each : *touched) {
    if (each.client->state > each.before) {
      encode_structs(out, each.client, each.before);
    }
  }
  const std::vector<Transaction::Deleted>& deletes = txn.deletes;
  std::uint64_t clients_deleted = 0;
  for (std::size_t i = 0; i < deletes.size(); ++i) {
    clients_deleted += i == 0 || deletes[i].client != deletes[i - 1].client ? 1U : 0U;
  }
  out.var_uint(clients_deleted);
  for (std::size_t i = 0; i < deletes.size();) {
    std::size_t end = i;
    while (end < deletes.size() && deletes[end].client == deletes[i].client) {
      ++end;
    }
    out.var_uint(deletes[i].client->id);
    out.var_uint(end - i);
    for (; i < end; ++i) {
      out.var_uint(deletes[i].clock);
      out.var_uint(deletes[i].length);
    }
  }
}

StateVector Store::state_vector() {
  std::vector<StateVector::Entry> entries;
  for (const Client* each : clients.sorted()) {
    if (each->state > 0) {
      entries.push_back({each->id, each->state});
    }
  }
  return StateVector::from_entries(std::move(entries));
}

DeleteSet Store::delete_set() {
  DeleteSet out;
  for (const Client* each : clients.sorted()) {
    if (each->structs.empty()) {
      continue;
    }
    StructArray::Cursor at = each->structs.first();
    bool open = false;
    do {
      const Item* item = each->structs.at(at);
      if (!item->deleted()) {
        open = false;
      } else if (open) {
        out.ranges().back().length += item->length;
      } else {
        out.add({each->id, item->clock, item->length});
        open = true;
      }
    } while (each->structs.next(at));
  }
  return out;
}

void Store::encode_state(Encoder& out, const StateVector& state) {
  std::uint64_t sections = 0;
  for (const Client* each : clients.sorted()) {
    sections += each->state > state.clock_of(each->id) ? 1U : 0U;
  }
  out.var_uint(sections);
  for (Client* each : clients.sorted()) {
    const Clock known = state.clock_of(each->id);
    if (each->state > known) {
      encode_structs(out, each, known);
    }
  }
  delete_set().write(out);
}

Result<ByteVector> Store::encode_with_pending(const StateVector& state) {
  Encoder out;
  encode_state(out, state);
  if (!has_pending_structs() && !has_pending_deletes()) {
    return out.take();
  }
  std::vector<ByteVector> parts;
  parts.push_back(out.take());
  if (has_pending_deletes()) {
    out.var_uint(0);
    pending_deletes().write(out);
    parts.push_back(out.take());
  }
  if (has_pending_structs()) {
    SL_TRY(const Bytes pending, merge_pending());
    SL_TRY(ByteVector lacking, diff_update(pending, state));
    parts.push_back(std::move(lacking));
  }
  const std::vector<Bytes> views(parts.begin(), parts.end());
  return merge_updates(views);
}

}  // namespace syncline::ydoc
