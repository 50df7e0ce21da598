// Changes that have our own name and come from elsewhere: told back to us, or made by a copy.
#include <algorithm>
#include <string>

#include "client/apply.h"
#include "client/meta.h"

namespace syncline {

// Whether the change, which has our name, is here. What a copy of this database made in our name
// is only the next of ours where the two have made the same so far.
Result<bool> Apply::have_made(const PartHeader& header) {
  SL_TRY(const LogHead head, parts_.log.head());
  if (header.sequence > head.own_sequence.next()) {
    return Error(ErrorCode::out_of_order,
                 "a copy of this database made this change, and changes before it are missing");
  }
  if (header.sequence > head.own_sequence) {
    return false;
  }
  if (!own_times_) {
    own_times_.emplace();
    SL_TRY(Statement select,
           parts_.connection.prepare(
               "SELECT sequence, time FROM syncline_log WHERE origin = 1 AND "
               "sequence > coalesce((SELECT value FROM syncline_meta WHERE name "
               "= '" +
               std::string(meta_name::restamped_sequence) + "'), 0) ORDER BY sequence"));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      own_times_->emplace_back(select.column_int(0), select.column_int(1));
    }
  }
  const auto sequence = static_cast<std::int64_t>(header.sequence.get());
  const auto found =
      std::lower_bound(own_times_->begin(), own_times_->end(), sequence,
                       [](const auto& one, std::int64_t wanted) { return one.first < wanted; });
  if (found != own_times_->end() && found->first == sequence &&
      found->second != static_cast<std::int64_t>(header.stamp.time)) {
    return copy_has_written();
  }
  return true;
}

Error Apply::copy_has_written() {
  // When we meet the server that one of the two has met, it gives the other another name.
  return Error(ErrorCode::diverged,
               "a copy of this database has written in its name: sync this one, then apply again");
}

// What a copy made in our name we tell as it is told there: from our rows it cannot be made again.
Result<void> Apply::end_our_change(const PartHeader& header) {
  if (holds_states_) {
    return copy_has_written();
  }
  const std::vector<Bytes> ours(our_parts_.begin(), our_parts_.end());
  const std::span<const Bytes> learning = learning_;
  learning_ = learning.empty() ? ours : learning;
  auto done = write_learned(header);
  learning_ = learning;
  our_parts_.clear();
  return done;
}

}  // namespace syncline
