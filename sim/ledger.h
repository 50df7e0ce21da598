#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "client/engine.h"

namespace syncline::sim {

// The tables that only engines have: one for each way to merge, and rows that account for each
// other, so that whoever reads them at any moment sees what was lost, doubled or torn.
//
// Invariants, wherever and whenever the rows are read outside of a bootstrap or rescan:
// 1. An account's total (a counter) is the sum of its entries: a payment is one transaction that
//    adds to the total and inserts an entry, which nobody ever touches again.
// 2. A payment's number names one entry for ever.
struct LedgerWrite {
  enum class Kind {
    pay,     // one transaction; opens the account first where there is none
    count,   // counters that are added to, assigned, deleted, replaced and inserted anew
    paper,   // JSON documents: fields set, rows that live for a part of a transaction
    essay,   // a text
    family,  // parents and children that go with them, in tables whose rowids are used again
  };
  static constexpr std::uint64_t kinds = 5;
  Kind kind = Kind::pay;
  std::int64_t number = 0;  // of the payment, or any other number that nothing else has
  std::uint64_t pick = 0;   // what chance decides of it
};

inline constexpr const char* ledger_entries = "entries";
inline constexpr const char* ledger_accounts = "accounts";
inline constexpr const char* ledger_tables[] = {"accounts", "entries", "counts",
                                                "papers",   "parents", "children"};

// Makes the tables and tracks them. Idempotent.
Result<void> open_ledger(Engine& engine);
// Inside a transaction of the caller's.
Result<void> write_ledger(Connection connection, const LedgerWrite& write);
// The accounts that violate invariant 1.
Result<std::set<std::int64_t>> wrong_accounts(Connection connection);
// What violates it, in words; empty when nothing but these does.
Result<std::string> audit_ledger(Connection connection, const std::set<std::int64_t>& but = {});
// The numbers of all entries that are here.
Result<std::vector<std::int64_t>> ledger_numbers(Connection connection);
// Every row of every table as text, to be compared with another replica's.
Result<std::map<std::string, std::string>> ledger_rows(Connection connection);

}  // namespace syncline::sim
