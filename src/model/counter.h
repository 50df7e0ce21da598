#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/stamp.h"
#include "model/value.h"

namespace syncline {

// A column of increments. Its content is a base, which somebody set, and what each replica has
// counted since then. An edit carries its replica's running total rather than a step, so that it
// may come twice, late or before an older one and the sum stays right.

inline constexpr std::size_t counter_replicas_max = 100'000;

// What one replica has counted: integer or real.
struct CounterEdit {
  // The base it counts from: the stamp of the cell's last plain value or, where the cell never had
  // one, of the row's life.
  Stamp base;
  Value total;

  friend bool operator==(const CounterEdit&, const CounterEdit&) = default;
};

struct CounterEntry {
  Stamp base;
  // Of the replica's last edit; names the replica too. Greater than `base`.
  Stamp stamp;
  Value total;

  friend bool operator==(const CounterEntry&, const CounterEntry&) = default;
};

// Sorted by replica, each replica once: its entry of the greatest (base, stamp).
using CounterEntries = std::vector<CounterEntry>;

void join_counter(CounterEntries& into, CounterEntry entry);
// The same for many, in one walk.
void join_counters(CounterEntries& into, CounterEntries from);

// A base that lies above all entries' bases makes them void; entries of a base that is not here yet
// wait for it.
void drop_counts_before(CounterEntries& entries, const Stamp& base);

// Base plus the totals counted from it. Integers are summed exactly; a sum beyond 64 bits becomes
// the nearest double, never a wrapped integer. As soon as one part is real, the sum is real: the
// integers first, then the reals in the order of their replicas. Null or non-numeric bases count as
// zero once something was counted. A sum that is not a number is null, as SQLite stores it.
// `base` is zero where the cell has no base: then the entries of the greatest base count.
Value counter_sum(const Stamp& base, const ValueView& base_value, const CounterEntries& entries);

// The exact sum of two numbers, or the nearest double. Both must be integer or real.
Value add_numbers(const ValueView& a, const ValueView& b);

// What to add to `before` to come to `after`; null values count as zero. Fails when one of the two
// is no number or the step is no 64-bit integer while both are: such a write is a plain set.
Result<Value> counter_step(const ValueView& before, const ValueView& after);

// The value of a CellEdit of form counter: docs/storage.md, "Counters".
Value encode_counter_edit(const CounterEdit& edit);
Result<CounterEdit> decode_counter_edit(const ValueView& value);

// The entries inside a stored cell.
void write_counter_entries(Writer& out, const CounterEntries& entries);
Result<CounterEntries> read_counter_entries(Reader& in);

}  // namespace syncline
