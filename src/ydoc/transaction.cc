// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "base/sort.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

void Transaction::reset() {
  origin.clear();
  locality = Locality::local;
  full_cleanup = false;
  touched.clear();
  deletes.clear();
  merge_places.clear();
  changes.clear();
  subdocs_added.clear();
  subdocs_removed.clear();
  delete_set.clear();
  delete_order.clear();
}

void Store::begin(std::string_view origin, Locality locality) {
  depth += 1;
  if (current != nullptr) {
    return;
  }
  if (queued == queue.size()) {
    queue.push_back(std::make_unique<Transaction>());
  }
  current = queue[queued++].get();
  current->serial = ++serial;
  current->origin = origin;
  current->locality = locality;
}

// Ending one transaction may begin others: observers write, marks are cleaned. They wait their turn
// in the queue, and each is finished after the one before it.
void Store::end() {
  SL_CHECK(depth > 0);
  depth -= 1;
  if (depth > 0) {
    return;
  }
  current = nullptr;
  if (finishing) {
    return;
  }
  finishing = true;
  for (std::size_t i = 0; i < queued; ++i) {
    finish(*queue[i]);
  }
  for (std::size_t i = 0; i < queued; ++i) {
    queue[i]->reset();
  }
  queued = 0;
  finishing = false;
}

Clock Store::before(const Transaction& txn, const Client* client) const {
  if (client->transaction == txn.serial) {
    return client->before;
  }
  if (&txn == current) {
    return client->state;  // what the running transaction touched was answered above
  }
  for (const Transaction::Touched& touched : txn.touched) {
    if (touched.client == client) {
      return touched.before;
    }
  }
  return client->state;
}

void Store::touch(Client* client) {
  if (client->transaction == current->serial) {
    return;
  }
  // What an unfinished earlier transaction sends includes what was added since it began.
  for (std::size_t i = 0; i + 1 < queued; ++i) {
    Transaction& earlier = *queue[i];
    const bool known = std::any_of(
        earlier.touched.begin(), earlier.touched.end(),
        [client](const Transaction::Touched& touched) { return touched.client == client; });
    if (!known) {
      earlier.touched.push_back({client, client->state});
    }
  }
  client->transaction = current->serial;
  client->before = client->state;
  current->touched.push_back({client, client->state});
}

void Store::note_change(Branch* branch, Key key) {
  if (!record_changes && (current->locality == Locality::local || !branch->has_formatting)) {
    return;
  }
  if (branch->item != nullptr && (branch->item->deleted() || added_in(*current, branch->item))) {
    return;
  }
  if (key == no_key) {
    if (branch->changed_in == current->serial) {
      return;
    }
    branch->changed_in = current->serial;
  }
  current->changes.push_back({branch, key});
}

bool Store::has_content(const Transaction& txn) {
  return !txn.deletes.empty() ||
         std::any_of(txn.touched.begin(), txn.touched.end(),
                     [](const auto& touched) { return touched.client->state != touched.before; });
}

namespace {

void normalize(std::vector<Transaction::Deleted>& deletes) {
  if (deletes.size() < 2) {
    return;
  }
  const auto before = [](const Transaction::Deleted& a, const Transaction::Deleted& b) {
    return a.client != b.client ? a.client->id > b.client->id : a.clock < b.clock;
  };
  if (!std::is_sorted(deletes.begin(), deletes.end(), before)) {
    syncline::sort(deletes.begin(), deletes.end(), before);
  }
  std::size_t kept = 0;
  for (std::size_t i = 1; i < deletes.size(); ++i) {
    Transaction::Deleted& last = deletes[kept];
    if (last.client == deletes[i].client && last.clock + last.length >= deletes[i].clock) {
      last.length = std::max(last.length, deletes[i].clock + deletes[i].length - last.clock);
    } else {
      deletes[++kept] = deletes[i];
    }
  }
  deletes.resize(kept + 1);
}

}  // namespace

void Store::finish(Transaction& txn) {
  if (record_changes) {
    std::unordered_set<const Client*> seen;
    for (const Transaction::Deleted& range : txn.deletes) {
      if (seen.insert(range.client).second) {
        txn.delete_order.push_back(range.client->id);
      }
    }
  }
  normalize(txn.deletes);
  if (record_changes) {
    for (const Transaction::Deleted& range : txn.deletes) {
      txn.delete_set.add({range.client->id, range.clock, range.length});
    }
  }
  if (hooks.after_transaction) {
    hooks.after_transaction(txn);
  }
  if (txn.locality == Locality::remote && clean_formatting) {
    clean_formatting_after(*this, txn);
  }
  if (collect_garbage) {
    collect(txn);
  }
  merge_after(txn);
  if (txn.locality == Locality::remote) {
    const Client* own = clients.find(client_id);
    if (own != nullptr && before(txn, own) != own->state) {
      // Somebody else writes under our id. What we wrote stays ours; from now on we are another.
      client_id = random != nullptr ? (random->next() & 0xffffffffULL)
                                    : ((client_id * 2654435761ULL + own->state) & 0xffffffffULL);
    }
  }
  if (hooks.after_cleanup) {
    hooks.after_cleanup(txn);
  }
}

}  // namespace syncline::ydoc
