#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ydoc/any.h"
#include "ydoc/ids.h"
#include "ydoc/struct_view.h"

// The pieces of a document in memory. Internal: applications use doc.h.

namespace syncline::ydoc {

struct Branch;
struct Client;
struct IndexNode;
struct Item;
struct Store;

// A string that occurs often (map keys, mark names, root names), as a small number.
using Key = std::uint32_t;
inline constexpr Key no_key = 0xffffffff;

// A mark's or embed's value with its JSON text, as it travels. Primitives are interned; objects are
// not, because Yjs tells objects apart by identity when it removes redundant marks.
struct Value {
  Any any;
  std::string json;
};

// A nested document: we keep what identifies it, the application opens it.
struct Subdoc {
  std::string guid;
  Any options;
};

// A counted run of bytes in the arena.
struct Blob {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};

// The value in a slot; its size lies before it.
inline Bytes slot_bytes(const std::uint8_t* slot) {
  std::uint32_t size = 0;
  std::memcpy(&size, slot - sizeof size, sizeof size);
  return {slot, size};
}

enum ItemFlag : std::uint8_t {
  flag_deleted = 1,
  flag_keep = 2,    // the undo manager may want its content back
  flag_redone = 4,  // Store::redone holds what it became
};

// A run of consecutive units of one client: the node of both the list it lies in and its client's
// StructArray. Owned by the Store's pool; never moves, but goes away when it is merged into its
// left neighbour.
struct Item {
  Clock clock;
  std::uint64_t length;
  Client* client;
  Item* left;
  Item* right;
  Client* origin_client;  // null: no origin
  Clock origin_clock;
  Client* right_origin_client;  // null: no right origin
  Clock right_origin_clock;
  Branch* parent;  // null only for gc
  union {
    char16_t* text;              // string
    const std::uint8_t** slots;  // any, json: one encoded value each
    const Blob* blob;            // binary
    const Value* value;          // embed, format
    Branch* branch;              // type
    const Subdoc* subdoc;        // doc
  } content;
  IndexNode* leaf;  // where the parent's index holds it; null without index
  Key key;          // no_key for list items
  Key format_key;
  std::uint32_t mark;  // last conflict scan that passed here
  ContentKind kind;
  std::uint8_t flags;

  bool deleted() const { return (flags & flag_deleted) != 0; }
  bool countable() const {
    return kind != ContentKind::gc && kind != ContentKind::deleted && kind != ContentKind::format;
  }
  bool visible() const { return !deleted() && countable(); }
  std::uint64_t visible_length() const { return visible() ? length : 0; }
  bool is_visible_format() const { return kind == ContentKind::format && !deleted(); }
  bool in_list() const { return key == no_key; }
  Clock end() const { return clock + length; }
};

// A client's structs in clock order without gaps, in chunks, so that a split in the middle moves
// little.
class StructArray {
 public:
  struct Cursor {
    std::size_t chunk = 0;
    std::size_t slot = 0;
    friend bool operator==(Cursor, Cursor) = default;
  };

  bool empty() const { return chunks_.empty(); }
  void append(Item* item);
  Item* last() const { return chunks_.back().entries.back().item; }
  void pop_back();
  // The struct that contains `clock`, which must lie below the client's state.
  Cursor find(Clock clock) const;
  Item* at(Cursor at) const { return chunks_[at.chunk].entries[at.slot].item; }
  Cursor first() const { return {}; }
  bool next(Cursor& at) const;
  bool previous(Cursor& at) const;
  Cursor last_cursor() const;
  void insert_after(Cursor at, Item* item);
  void erase(Cursor at);
  // Drops everything from `at` on and gives it out in order.
  void take_tail(Cursor at, std::vector<Item*>& out);
  std::size_t size() const;
  // How many structs follow `at`, itself included.
  std::size_t count_from(Cursor at) const;

 private:
  struct Entry {
    Clock clock = 0;
    Item* item = nullptr;
  };
  struct Chunk {
    Clock first = 0;
    std::vector<Entry> entries;
  };
  static constexpr std::size_t chunk_entries_max = 128;

  std::vector<Chunk> chunks_;
};

struct Client {
  ClientId id = 0;
  Clock state = 0;  // the end of the last struct
  StructArray structs;
  // Free room after the last text and the last values this client wrote: what is typed next lands
  // right behind, so joining two items copies nothing.
  char16_t* text_tail = nullptr;
  char16_t* text_end = nullptr;
  const std::uint8_t** slot_tail = nullptr;
  const std::uint8_t** slot_end = nullptr;
  std::uint64_t order = 0;        // the how-manieth client whose writing came
  std::uint64_t transaction = 0;  // the last transaction that wrote here
  Clock before = 0;               // the state when it began
  // Deletions of units not yet seen: begin to end, disjoint. Null when there are none.
  std::unique_ptr<std::map<Clock, Clock>> pending_deletes;
};

// The current items of a map: appended to, never removed from.
class KeyMap {
 public:
  struct Entry {
    Key key = no_key;
    Item* last = nullptr;   // the current value, deleted or not
    Item* first = nullptr;  // where the chain of overwritten values begins
  };
  Entry* find(Key key);
  const Entry* find(Key key) const { return const_cast<KeyMap*>(this)->find(key); }
  Entry& find_or_add(Key key);
  std::vector<Entry>& entries() { return entries_; }
  const std::vector<Entry>& entries() const { return entries_; }
  void clear();

 private:
  static constexpr std::size_t scanned_entries_max = 8;
  std::vector<Entry> entries_;
  std::unordered_map<Key, std::size_t> places_;  // only beyond scanned_entries_max
};

// A shared type: a list, a map, or both. Lives as long as its Store, even when deleted.
struct Branch {
  Store* store = nullptr;
  Item* item = nullptr;  // what holds it; null for a root
  Key root = no_key;     // the name of a root
  Item* start = nullptr;
  std::uint64_t length = 0;
  KeyMap map;
  IndexNode* index = nullptr;      // position index of the list, built on first use
  std::uint64_t format_marks = 0;  // visible Format items in the list
  std::uint64_t changed_in = 0;    // last transaction whose change list names it
  TypeKind kind = TypeKind::untyped;
  bool has_formatting = false;  // as Yjs keeps it: forgotten when a root gets its type
  std::string name;             // of an element or hook
};

}  // namespace syncline::ydoc
