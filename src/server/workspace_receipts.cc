// The part of a workspace that reads what replicas were told before.
#include <algorithm>

#include "server/workspace.h"

namespace syncline {

Result<std::optional<Receipt>> Workspace::receipt_at(ServerVersion version) {
  if (version == record_.head) {
    return std::optional<Receipt>(receipt());
  }
  SL_TRY(const auto mark, store_->mark_at(record_.id, version));
  return mark ? std::optional<Receipt>(make_receipt(place_, version, *mark)) : std::nullopt;
}

Result<Workspace::Shown> Workspace::shown_by(const Hello& hello) {
  ReceiptPlace told = place_;
  told.lineage = hello.lineage;
  const auto mark = mark_of(told, hello.receipt);
  if (!mark) {
    return Shown::nothing;
  }
  if (hello.receipt.version > record_.head) {
    return Shown::missing;
  }
  SL_TRY(const auto ours, receipt_at(hello.receipt.version));
  if (!ours) {
    return Shown::nothing;  // the log no longer reaches back to it
  }
  return mark_of(place_, *ours) == mark ? Shown::common : Shown::missing;
}

Result<bool> Workspace::is_behind(const Hello& hello) {
  if (hello.lineage != place_.lineage) {
    return false;  // what an ended lineage had is nobody's claim
  }
  SL_TRY(const Shown shown, shown_by(hello));
  return shown == Shown::missing;
}

Result<std::optional<ServerVersion>> Workspace::resume_of(const Hello& hello) {
  SL_TRY(const auto end, store_->ancestor(record_.id, hello.lineage));
  if (end && hello.cursor > *end && hello.cursor <= hello.receipt.version) {
    SL_TRY(const Shown shown, shown_by(hello));
    if (shown == Shown::common) {
      return std::optional<ServerVersion>(hello.cursor);
    }
  }
  return end ? std::optional<ServerVersion>(std::min(hello.cursor, *end)) : std::nullopt;
}

}  // namespace syncline
