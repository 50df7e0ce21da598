#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/function_ref.h"
#include "client/log_body.h"

namespace syncline {

// Old values as a map from column id to the encoded value.
std::map<std::size_t, Bytes> split_values(const ColumnSet& columns, Bytes values);

// What a transaction did to one rowid, all operations taken together.
//
// Where another trigger may write the row before capture hears of the write (client/event_order),
// operations arrive in another order than they happened, and no order of arrival says which was
// first. But each of them leads from one content of the rowid to another, so together they are one
// path that ends in what stands now, and a path begins where one leads away more often than to it.
// Only the ends of rows that a REPLACE may have removed are in doubt; the path says which happened.
// Until a transaction makes such a trigger itself, its operations arrive in their order.
//
// Invariants:
// 1. is_there is what the table says, whenever operations of both kinds, births and ends, are
//    noted: a change names no row that cannot be read back.
// 2. Of a path without doubt, was_there, the key and the old values are exact.
struct RowNet {
  // One operation's meaning beside its run: the row's content before and after it, 0 for no row.
  struct Passage {
    bool is_known = false;     // else `before` and `after` say nothing
    bool is_in_doubt = false;  // an end that may not have happened
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    ColumnSet changed;
  };

  RowId row = 0;
  bool was_there = false;  // before the transaction
  bool is_there = false;   // now
  bool reborn = false;     // erased and put again in between
  RowId old_row = 0;
  bool has_old = false;
  ByteVector key;  // of the row that was there, when its life ended
  std::map<std::size_t, ByteVector> old_values;
  ColumnSet columns;  // that changed, when it was there and still is
  // What was there may be what came instead: renounce() when its key is known to have been
  // elsewhere.
  bool may_have_come = false;

  RowNet() = default;
  RowNet(const RowNet& other) = delete;
  RowNet& operator=(const RowNet& other) = delete;
  RowNet(RowNet&&) = default;
  RowNet& operator=(RowNet&&) = default;
  ~RowNet() = default;
  // A copy of what is settled.
  RowNet copy() const;

  // One of the rowid's operations. What the run borrows is borrowed until settle() is done.
  void note(const LogRun& run, const Passage& passage);
  // That the rowid was empty before, after all.
  void renounce();
  // Once all are noted. `state_of` tells the content that the rowid has now.
  Result<void> settle(FunctionRef<Result<std::uint64_t>(RowId row)> state_of);

 private:
  struct Step {
    OpKind kind = OpKind::set;
    Passage passage;
    bool is_stale = false;  // `values` are not what it left
    ColumnSet columns;
    Bytes key;
    Bytes values;
  };
  struct End {
    ByteVector key;
    ByteVector values;
  };
  struct Path;

  void note_in_turn(const LogRun& run);
  void count(const LogRun& run);
  void keep_old(const LogRun& run);
  void mend_stale(std::uint64_t now);
  const Step* first_step(std::uint64_t now);
  void follow(std::uint64_t now);
  void join(const RowNet& earlier);
  void put_in_order(bool stands);

  std::vector<Step> steps_;
  // What came in its order before the first step.
  std::unique_ptr<RowNet> earlier_;
  bool is_mixed_ = false;  // something came in its order after a step
  bool any_ = false;
  // How often the rowid was given and taken, in whatever order that was noted.
  std::uint32_t births_ = 0;
  bool begins_with_birth_ = false;
  std::vector<End> ends_;
};

}  // namespace syncline
