// Changes whose number is here already: told once more, or other ones, because a replica was copied
// or put back and two histories have its name. Ours may be such a name, too.
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
  SL_TRY(const bool is_other, has_other_time(first_own_origin, header));
  if (is_other) {
    return copy_has_written();
  }
  return true;
}

// Whether the change in the log that has this number is another one: a replica that was copied or
// put back has used it twice, or its author has stamped it anew. Own changes that the log holds no
// more count as the same, and so do others' that it may have held.
Result<bool> Apply::has_other_time(OriginId origin, const PartHeader& header) {
  if (times_.empty()) {
    SL_TRY(
        Statement select,
        parts_.connection.prepare(
            "SELECT origin, sequence, time FROM syncline_log WHERE origin > 1 OR (origin = 1 AND "
            "sequence > coalesce((SELECT value FROM syncline_meta WHERE name = '" +
            std::string(meta_name::restamped_sequence) + "'), 0)) ORDER BY 1, 2"));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      times_.push_back({select.column_int(0), select.column_int(1), select.column_int(2)});
    }
  }
  const LoggedTime wanted{origin, static_cast<std::int64_t>(header.sequence.get()), 0};
  const auto time = static_cast<std::int64_t>(header.stamp.time);
  const auto found = std::lower_bound(times_.begin(), times_.end(), wanted);
  if (found != times_.end() && found->origin == origin && found->sequence == wanted.sequence) {
    return found->time != time;
  }
  if (origin == first_own_origin) {
    return false;
  }
  SL_TRY(const std::optional<std::int64_t> forgotten,
         parts_.connection.query_int("SELECT value FROM syncline_meta WHERE name = '" +
                                     std::string(meta_name::pruned_before) + "'"));
  return time >= forgotten.value_or(0);
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
