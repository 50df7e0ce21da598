#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "ydoc/ids.h"
#include "ydoc/item.h"
#include "ydoc/limits.h"

// The engine behind doc.h: all structs of one document and the transactions that change them.
// Internal.
//
// Invariants:
//  1. A client's structs cover its clocks from 0 to its state without gap or overlap.
//  2. Every item that is not gc lies in exactly one list or key chain of its parent, with right
//     links mirrored by left links; Branch::length is the sum of its visible list items.
//  3. If a Branch has an index, the index holds exactly its list items, in order, with their
//  visible
//     lengths.
//  4. After a transaction no two neighbours around anything it touched could be merged.
//  5. KeyMap::Entry::first has no left neighbour, last has no right one.

namespace syncline::ydoc {

// Memory that is freed all at once: text, values and other content that items point into.
class Arena {
 public:
  void* allocate(std::size_t size, std::size_t alignment);
  template <typename T>
  T* array(std::size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<std::unique_ptr<std::uint8_t[]>> blocks_;
  std::uint8_t* at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t bytes_ = 0;
};

// Items, reused once they are merged away.
class ItemPool {
 public:
  Item* make();
  void free(Item* item);
  std::size_t live() const { return live_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<std::unique_ptr<Item[]>> blocks_;
  Item* free_ = nullptr;
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
  std::size_t live_ = 0;
  std::size_t bytes_ = 0;
};

// Finds a client by its id. Open addressing; seeded by its own address, so that nobody outside can
// choose ids that collide.
class ClientTable {
 public:
  Client* find(ClientId id) const;
  Client* add(ClientId id);
  std::size_t size() const { return clients_.size(); }
  // In descending order of ids.
  const std::vector<Client*>& sorted();

 private:
  std::size_t place_of(ClientId id) const;
  void grow();

  std::list<Client> clients_;
  std::vector<Client*> table_;
  std::vector<Client*> sorted_;
  bool is_sorted_ = true;
};

enum class Locality : std::uint8_t { local, remote };

struct Transaction {
  struct Touched {
    Client* client = nullptr;
    Clock before = 0;
  };
  struct Deleted {
    Client* client = nullptr;
    Clock clock = 0;
    std::uint64_t length = 0;
  };
  struct Place {
    Client* client = nullptr;
    Clock clock = 0;
  };
  struct Change {
    Branch* branch = nullptr;
    Key key = no_key;  // no_key: the list
  };

  std::uint64_t serial = 0;
  std::string origin;
  Locality locality = Locality::local;
  bool full_cleanup = false;  // remote marks may have become redundant
  std::vector<Touched> touched;
  std::vector<Deleted> deletes;
  std::vector<Place> merge_places;
  std::vector<Change> changes;
  std::vector<const Item*> subdocs_added;
  std::vector<const Subdoc*> subdocs_removed;
  // While somebody observes, from the end of the transaction on: `deletes`, normalized, and its
  // clients in the order in which they first lost something.
  DeleteSet delete_set;
  std::vector<ClientId> delete_order;

  void reset();
};

// Runs when a transaction ended and before its content is collected; `update` is not built yet.
struct StoreHooks {
  std::function<void(Transaction&)> after_transaction;
  std::function<void(Transaction&)> after_cleanup;
};

struct Store {
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  // --- identity and settings
  ClientId client_id = 0;
  bool collect_garbage = true;
  bool clean_formatting = true;
  bool record_changes = false;  // somebody observes, so changes are noted
  Limits limits;
  Random* random = nullptr;
  StoreHooks hooks;

  // --- parts
  ClientTable clients;
  ItemPool items;
  Arena arena;
  std::deque<Branch> branches;
  std::deque<Value> values;
  std::unordered_map<std::string, const Value*> interned_values;
  std::list<Subdoc> subdocs;
  std::deque<std::string> keys;
  std::unordered_map<std::string_view, Key> key_numbers;
  std::unordered_map<Key, Branch*> roots;
  std::vector<Branch*> root_order;
  std::map<std::pair<ClientId, Clock>, Id> redone;
  std::uint32_t scan_mark = 0;
  std::uint64_t clients_seen = 0;
  std::uint64_t conflict_steps_left = 0;

  // --- names (store.cc)
  Key key(std::string_view text);
  const std::string& key_text(Key number) const { return keys[number]; }
  Branch* root(std::string_view name);
  Branch* make_branch(TypeKind kind);
  const Value* make_value(Any any);
  const Value* make_value_from_json(std::string_view json);
  Client* client(ClientId id) {
    Client* found = clients.find(id);
    return found != nullptr ? found : clients.add(id);
  }
  Client* own_client() { return client(client_id); }
  Clock state(ClientId id) const {
    const Client* found = clients.find(id);
    return found == nullptr ? 0 : found->state;
  }
  // Null if the id was never seen.
  Item* find(Id id) const;

  // --- content (store.cc)
  // Room for `units` more characters of this client, right behind its last ones if possible.
  char16_t* append_text(Client& client, std::uint64_t units);
  const std::uint8_t** append_slots(Client& client, std::uint64_t count);
  // Keeps encoded values, which begin at these places in `encoded`.
  const std::uint8_t** make_slots(Client& client, Bytes encoded,
                                  const std::vector<std::size_t>& begins);
  const Blob* make_blob(Bytes bytes);

  // --- structs (integrate.cc)
  Item* make_item(ContentKind kind, Client* client, Clock clock, std::uint64_t length);
  // Cuts `item` so that a struct starts `offset` units into it, and gives that struct.
  Item* split(Item* item, std::uint64_t offset);
  Item* split_at(Item* item, StructArray::Cursor at, std::uint64_t offset);
  Item* clean_start(Client* client, Clock clock);
  Item* clean_end(Client* client, Clock clock);
  // Links an item whose left, right, parent and key are set; counts, files and finishes it.
  // False when the conflict budget of limits.h is used up; the item is then not filed.
  bool integrate(Item* item);
  void append_struct(Item* item);
  void delete_item(Item* item);
  // Deletes what of the range is known; units may be deleted already.
  void delete_known_range(Client* client, Clock clock, Clock end);
  void append_gc(Client* client, std::uint64_t length);

  // --- local edits (integrate.cc)
  // A new item of this document's own client between left and left's right neighbour.
  Item* make_local(Branch* parent, Item* left, Item* right, Key key, ContentKind kind,
                   std::uint64_t length);

  // --- transactions (transaction.cc)
  Transaction& transaction() { return *current; }
  void begin(std::string_view origin, Locality locality);
  void end();
  // The client's state when the transaction began.
  Clock before(const Transaction& txn, const Client* client) const;
  bool added_in(const Transaction& txn, const Item* item) const {
    return item->clock >= before(txn, item->client);
  }
  void touch(Client* client);
  void note_change(Branch* branch, Key key);
  // Whether there is anything to tell others about.
  static bool has_content(const Transaction& txn);

  // --- merging and garbage (collect.cc)
  void collect(Transaction& txn);
  void merge_after(Transaction& txn);
  bool try_merge(Item* left, Item* right);

  // --- updates (apply.cc, encode.cc)
  Result<void> apply(Bytes update, std::string_view origin, Locality locality);
  void encode_structs(Encoder& out, Client* client, Clock from) const;
  // Up to `to`, where a struct must end.
  void encode_structs_between(Encoder& out, Client* client, Clock from, Clock to) const;
  void encode_transaction(const Transaction& txn, Encoder& out) const;
  // Structs and deletions, without what is pending.
  void encode_state(Encoder& out, const StateVector& state);
  Result<ByteVector> encode_with_pending(const StateVector& state);
  StateVector state_vector();
  DeleteSet delete_set();
  bool has_pending_structs() const { return !pending_updates.empty(); }
  bool has_pending_deletes() const { return pending_delete_clients > 0; }
  void keep_pending(ByteVector update, const std::map<ClientId, Clock>& missing);
  Result<Bytes> merge_pending();
  Result<ByteVector> take_pending();
  void apply_deletes(const DeleteSet& deletes);
  void apply_ready_deletes();
  DeleteSet pending_deletes();

  // Updates whose structs wait for others, and from what clock on each client is waited for.
  std::vector<ByteVector> pending_updates;
  std::size_t pending_bytes = 0;
  std::size_t pending_first_bytes = 0;
  std::map<ClientId, Clock> pending_missing;
  std::size_t pending_delete_clients = 0;
  std::vector<Client*> pending_delete_ready;  // their state moved since

  // --- running transactions
  Transaction* current = nullptr;
  int depth = 0;
  std::uint64_t serial = 0;
  std::vector<std::unique_ptr<Transaction>> queue;
  std::size_t queued = 0;
  bool finishing = false;

 private:
  void finish(Transaction& txn);
  void mark_deleted(Item* item);
  void delete_children(Branch* branch);
  bool find_place(Item* item);
  void link(Item* item);
  void finish_content(Item* item);
};

// Opens a transaction for as long as it lives, or joins the one that is open.
class TransactionScope {
 public:
  TransactionScope(Store& store, std::string_view origin, Locality locality = Locality::local)
      : store_(store) {
    store_.begin(origin, locality);
  }
  ~TransactionScope() { store_.end(); }
  TransactionScope(const TransactionScope&) = delete;
  TransactionScope& operator=(const TransactionScope&) = delete;

 private:
  Store& store_;
};

// Removes redundant marks after a remote transaction, in a transaction of its own (cleanup.cc).
void clean_formatting_after(Store& store, Transaction& txn);

}  // namespace syncline::ydoc
