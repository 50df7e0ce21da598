#include "client/seen.h"

#include <algorithm>

#include "wire/limits.h"

namespace syncline {

Result<Seen::Set*> Seen::set_of(OriginId origin) {
  const auto known = sets_.find(origin);
  if (known != sets_.end()) {
    return &known->second;
  }
  Set set;
  SL_TRY(Statement * read, read_.get(connection_));
  const ResetGuard guard(*read);
  read->bind(1, origin);
  SL_TRY(const bool row, read->step());
  if (row) {
    Reader in(read->column_blob(0));
    std::uint64_t last = 0;
    while (!in.at_end()) {
      const auto gap = in.varint_at_most(limits::sequence_max);
      const auto length = in.varint_at_most(limits::sequence_max);
      if (!gap || !length || *gap == 0 || *length == 0) {
        return Error(ErrorCode::corrupt, "syncline_replicas holds a damaged list of changes");
      }
      set.intervals.push_back({last + *gap, last + *gap + *length - 1});
      last = set.intervals.back().last;
    }
  }
  return &(sets_[origin] = std::move(set));
}

Result<bool> Seen::contains(OriginId origin, ChangeSequence sequence) {
  SL_TRY(const Set* set, set_of(origin));
  const auto after = std::upper_bound(
      set->intervals.begin(), set->intervals.end(), sequence.get(),
      [](std::uint64_t wanted, const Interval& interval) { return wanted < interval.first; });
  return after != set->intervals.begin() && sequence.get() <= std::prev(after)->last;
}

Result<ChangeSequence> Seen::greatest(OriginId origin) {
  SL_TRY(const Set* set, set_of(origin));
  return ChangeSequence(set->intervals.empty() ? 0 : set->intervals.back().last);
}

Result<ChangeSequence> Seen::through(OriginId origin) {
  SL_TRY(const Set* set, set_of(origin));
  return ChangeSequence(set->intervals.empty() ? 0 : set->intervals.front().last);
}

Result<void> Seen::add(OriginId origin, ChangeSequence sequence) {
  SL_TRY(Set * set, set_of(origin));
  std::vector<Interval>& intervals = set->intervals;
  const std::uint64_t wanted = sequence.get();
  auto at = std::partition_point(intervals.begin(), intervals.end(), [&](const Interval& interval) {
    return interval.last + 1 < wanted;
  });
  set->changed = true;
  if (at == intervals.end() || wanted + 1 < at->first) {
    intervals.insert(at, {wanted, wanted});
    return {};
  }
  at->first = std::min(at->first, wanted);
  at->last = std::max(at->last, wanted);
  const auto next = at + 1;
  if (next != intervals.end() && at->last + 1 >= next->first) {
    at->last = std::max(at->last, next->last);
    intervals.erase(next);
  }
  return {};
}

Result<void> Seen::store() {
  SL_TRY(Statement * write, write_.get(connection_));
  for (auto& [origin, set] : sets_) {
    if (!set.changed) {
      continue;
    }
    Writer body;
    std::uint64_t last = 0;
    for (const Interval& interval : set.intervals) {
      body.varint(interval.first - last);
      body.varint(interval.last - interval.first + 1);
      last = interval.last;
    }
    write->bind(1, origin).bind_blob(2, body.bytes());
    SL_TRY(write->run());
    set.changed = false;
  }
  return {};
}

void Seen::release() {
  read_.release();
  write_.release();
}

}  // namespace syncline
