#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "ydoc/events.h"
#include "ydoc/ids.h"
#include "ydoc/limits.h"
#include "ydoc/types.h"

namespace syncline::ydoc {

struct Store;

struct DocOptions {
  // Names this writing session; must never be used again with less history. Yjs draws 32 random
  // bits.
  ClientId client_id = 0;
  // Deleted content is dropped; without it, snapshots can be restored and nothing shrinks.
  bool collect_garbage = true;
  // Whether to remove marks that other replicas' changes made redundant, as Yjs does in a document
  // that somebody edits. A replica that only stores and forwards leaves them.
  bool clean_formatting = true;
  Limits limits;
  // Where a new client id comes from if an update is found to write under ours. Without it the new
  // one is computed from the old.
  Random* random = nullptr;
};

enum class Origin : std::uint8_t { local, remote };

// An update this document made or took in, right after the transaction.
struct UpdateEvent {
  Bytes update;
  std::string_view origin;
  Origin from = Origin::local;
};

// Nested documents that appeared or vanished in a transaction.
struct SubdocEvent {
  std::vector<SubdocView> added;
  std::vector<SubdocView> removed;
};

using Subscription = std::uint64_t;

// A document: named root types that many replicas edit at once and that come out equal everywhere.
// Not thread-safe; draws no randomness and reads no clock. Neither copied nor moved: handles point
// into it.
class Doc {
 public:
  explicit Doc(DocOptions options);
  ~Doc();
  Doc(const Doc&) = delete;
  Doc& operator=(const Doc&) = delete;

  ClientId client_id() const;
  void set_client_id(ClientId id);

  // The root of that name, made on first mention. A root stays what it was first asked as: asking
  // for it as another kind gives a handle of the first kind.
  Type root(std::string_view name, TypeKind kind);
  Text text(std::string_view name) { return Text(root(name, TypeKind::text)); }
  Array array(std::string_view name) { return Array(root(name, TypeKind::array)); }
  Map map(std::string_view name) { return Map(root(name, TypeKind::map)); }
  Array xml_fragment(std::string_view name) { return Array(root(name, TypeKind::xml_fragment)); }
  std::vector<std::string> root_names() const;

  // Everything done until the returned object goes away is one transaction: one update, one round
  // of events. Transactions inside it join it. Each edit outside any is one of its own.
  class Batch {
   public:
    Batch(Store& store, std::string_view origin);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    Store& store_;
  };
  [[nodiscard]] Batch batch(std::string_view origin = "");

  // Takes in an update in any order, any number of times. What refers to changes not yet seen waits
  // inside the document for them. Malformed or oversized bytes change nothing.
  Result<void> apply_update(Bytes update, std::string_view origin = "");
  Result<void> apply_update_v2(Bytes update, std::string_view origin = "");

  // What a replica with this state lacks; everything for an empty one. Includes what waits.
  Result<ByteVector> encode_state_as_update(const StateVector& state = {});
  Result<ByteVector> encode_state_as_update_v2(const StateVector& state = {});
  // The same without what waits: equal bytes wherever the same changes have found their place.
  ByteVector encode_settled(const StateVector& state = {});
  StateVector state_vector() const;
  DeleteSet delete_set() const;
  bool has_pending_structs() const;
  bool has_pending_deletes() const;

  // `update` is called after each transaction that changed something.
  Subscription on_update(std::function<void(const UpdateEvent&)> call);
  Subscription on_subdocs(std::function<void(const SubdocEvent&)> call);
  // Changes of `type` itself, or of it and everything in it.
  Subscription observe(Type type, std::function<void(const Event&)> call);
  Subscription observe_deep(Type type, std::function<void(const std::vector<Event>&)> call);
  void unsubscribe(Subscription subscription);

  // Bytes held for structs and content; what the allocator adds is not counted.
  std::size_t memory_bytes() const;

  Store& store() { return *store_; }
  const Store& store() const { return *store_; }
  // For the undo manager: runs first among the observers.
  Subscription on_transaction(std::function<void(struct Transaction&)> call);

 private:
  struct Observers;
  void after_transaction(struct Transaction& txn);
  void after_cleanup(struct Transaction& txn);
  void watch_structure();
  void refresh_hooks();

  std::unique_ptr<Store> store_;
  std::unique_ptr<Observers> observers_;
  Encoder update_;
};

}  // namespace syncline::ydoc
