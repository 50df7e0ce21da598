#include "ydoc/store.h"

#include <algorithm>

#include "base/sort.h"
#include "ydoc/list_index.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

void* Arena::allocate(std::size_t size, std::size_t alignment) {
  const std::size_t skip =
      (alignment - reinterpret_cast<std::uintptr_t>(at_) % alignment) % alignment;
  if (at_ == nullptr || left_ < size + skip) {
    constexpr std::size_t block_min = 256;
    constexpr std::size_t block_max = std::size_t{256} << 10U;
    const std::size_t usual = std::clamp(bytes_, block_min, block_max);
    const std::size_t block = std::max(usual, size + alignment);
    // Large pieces get a block of their own, so that the rest of the open block is not lost.
    if (size > usual / 2 && at_ != nullptr) {
      blocks_.push_back(std::make_unique<std::uint8_t[]>(size));
      bytes_ += size;
      return blocks_.back().get();
    }
    blocks_.push_back(std::unique_ptr<std::uint8_t[]>(new std::uint8_t[block]));
    bytes_ += block;
    at_ = blocks_.back().get();
    left_ = block;
    return allocate(size, alignment);
  }
  std::uint8_t* const out = at_ + skip;
  at_ = out + size;
  left_ -= size + skip;
  return out;
}

Item* ItemPool::make() {
  live_ += 1;
  Item* item = free_;
  if (item != nullptr) {
    free_ = item->right;
  } else {
    if (used_ == capacity_) {
      capacity_ = std::clamp<std::size_t>(capacity_ * 2, 8, 512);
      blocks_.push_back(std::unique_ptr<Item[]>(new Item[capacity_]));
      bytes_ += capacity_ * sizeof(Item);
      used_ = 0;
    }
    item = &blocks_.back()[used_++];
  }
  *item = Item{};
  return item;
}

void ItemPool::free(Item* item) {
  live_ -= 1;
  item->right = free_;
  free_ = item;
}

std::size_t ClientTable::place_of(ClientId id) const {
  std::uint64_t mixed = id ^ (reinterpret_cast<std::uintptr_t>(this) * 0x9e3779b97f4a7c15ULL);
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
  std::size_t place = static_cast<std::size_t>(mixed ^ (mixed >> 31U)) & (table_.size() - 1);
  while (table_[place] != nullptr && table_[place]->id != id) {
    place = (place + 1) & (table_.size() - 1);
  }
  return place;
}

Client* ClientTable::find(ClientId id) const {
  return table_.empty() ? nullptr : table_[place_of(id)];
}

Client* ClientTable::add(ClientId id) {
  if (clients_.size() * 2 >= table_.size()) {
    grow();
  }
  clients_.emplace_back();
  clients_.back().id = id;
  table_[place_of(id)] = &clients_.back();
  is_sorted_ = false;
  return &clients_.back();
}

void ClientTable::grow() {
  table_.assign(std::max<std::size_t>(8, table_.size() * 2), nullptr);
  for (Client& client : clients_) {
    table_[place_of(client.id)] = &client;
  }
}

const std::vector<Client*>& ClientTable::sorted() {
  if (!is_sorted_) {
    sorted_.clear();
    for (Client& client : clients_) {
      sorted_.push_back(&client);
    }
    syncline::sort(sorted_.begin(), sorted_.end(),
                   [](const Client* a, const Client* b) { return a->id > b->id; });
    is_sorted_ = true;
  }
  return sorted_;
}

Store::~Store() {
  for (Branch& branch : branches) {
    index_drop(branch);
  }
}

Key Store::key(std::string_view text) {
  if (const auto found = key_numbers.find(text); found != key_numbers.end()) {
    return found->second;
  }
  keys.emplace_back(text);
  const auto number = static_cast<Key>(keys.size() - 1);
  key_numbers.emplace(keys.back(), number);
  return number;
}

Branch* Store::make_branch(TypeKind kind) {
  branches.emplace_back();
  Branch& branch = branches.back();
  branch.store = this;
  branch.kind = kind;
  return &branch;
}

Branch* Store::root(std::string_view name) {
  const Key number = key(name);
  if (const auto found = roots.find(number); found != roots.end()) {
    return found->second;
  }
  Branch* branch = make_branch(TypeKind::untyped);
  branch->root = number;
  roots.emplace(number, branch);
  root_order.push_back(branch);
  return branch;
}

const Value* Store::make_value(Any any) {
  // Marks compare undefined as an absent value, which is null; JSON cannot carry it anyway.
  std::string json = any.is_undefined() ? "null" : to_json(any);
  const bool shared = any.kind() != Any::Kind::object && any.kind() != Any::Kind::array &&
                      any.kind() != Any::Kind::bytes;
  if (shared) {
    // The kind is part of the name: NaN and null have one JSON text.
    const std::string name = std::to_string(static_cast<int>(any.kind())) + json;
    const auto found = interned_values.find(name);
    if (found != interned_values.end()) {
      return found->second;
    }
    values.push_back({std::move(any), std::move(json)});
    interned_values.emplace(name, &values.back());
    return &values.back();
  }
  values.push_back({std::move(any), std::move(json)});
  return &values.back();
}

const Value* Store::make_value_from_json(std::string_view json) {
  Result<Any> any = from_json(json);
  SL_CHECK(any.has_value());  // scanned when the update was read
  return make_value(std::move(*any));
}

Item* Store::find(Id id) const {
  const Client* client = clients.find(id.client);
  if (client == nullptr || id.clock >= client->state) {
    return nullptr;
  }
  return client->structs.at(client->structs.find(id.clock));
}

char16_t* Store::append_text(Client& client, std::uint64_t units) {
  if (static_cast<std::uint64_t>(client.text_end - client.text_tail) < units) {
    constexpr std::uint64_t room_min = 16;
    constexpr std::uint64_t room_max = 32768;
    // Twice what is asked for: whoever moves a long text here to join it with one more character
    // must be able to go on without moving it again soon.
    const std::uint64_t room =
        std::max(units * 2, std::clamp<std::uint64_t>(client.state / 2, room_min, room_max));
    client.text_tail = arena.array<char16_t>(static_cast<std::size_t>(room));
    client.text_end = client.text_tail + room;
  }
  char16_t* const out = client.text_tail;
  client.text_tail += units;
  return out;
}

const std::uint8_t** Store::append_slots(Client& client, std::uint64_t count) {
  if (static_cast<std::uint64_t>(client.slot_end - client.slot_tail) < count) {
    constexpr std::uint64_t room_min = 2;
    constexpr std::uint64_t room_max = 4096;
    const std::uint64_t room =
        std::max(count * 2, std::clamp<std::uint64_t>(client.state / 2, room_min, room_max));
    client.slot_tail = arena.array<const std::uint8_t*>(static_cast<std::size_t>(room));
    client.slot_end = client.slot_tail + room;
  }
  const std::uint8_t** const out = client.slot_tail;
  client.slot_tail += count;
  return out;
}

const std::uint8_t** Store::make_slots(Client& client, Bytes encoded,
                                       const std::vector<std::size_t>& begins) {
  constexpr std::size_t head = sizeof(std::uint32_t);
  auto* at = arena.array<std::uint8_t>(encoded.size() + begins.size() * head);
  const std::uint8_t** const slots = append_slots(client, begins.size());
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : encoded.size();
    const auto size = static_cast<std::uint32_t>(end - begins[i]);
    std::memcpy(at, &size, head);
    std::memcpy(at + head, encoded.data() + begins[i], size);
    slots[i] = at + head;
    at += head + size;
  }
  return slots;
}

const Blob* Store::make_blob(Bytes bytes) {
  auto* data = arena.array<std::uint8_t>(bytes.size());
  if (!bytes.empty()) {
    std::memcpy(data, bytes.data(), bytes.size());
  }
  auto* blob = arena.array<Blob>(1);
  *blob = Blob{data, bytes.size()};
  return blob;
}

}  // namespace syncline::ydoc
