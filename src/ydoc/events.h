#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ydoc/types.h"

namespace syncline::ydoc {

struct Store;
struct Transaction;

struct KeyChange {
  enum class Action : std::uint8_t { add, update, remove };
  std::string key;
  Action action = Action::add;
  Content old_value;  // undefined for add
};

// A map key or a list position.
using PathStep = std::variant<std::string, std::uint64_t>;

// What one transaction did to one type.
struct Event {
  Type target;
  // From the observed type down to the target.
  std::vector<PathStep> path;
  std::vector<KeyChange> keys;
  std::vector<DeltaOut> delta;
};

// The events of a transaction that is over but not yet collected, one per changed type that is
// still alive, in order of first change; paths are left empty.
std::vector<Event> make_events(const Store& store, const Transaction& txn);
std::vector<PathStep> path_between(Type from, Type to);
// Whether `inner` is `outer` or lies in it.
bool is_within(Type inner, Type outer);

}  // namespace syncline::ydoc
