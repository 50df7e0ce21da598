#include "client/leadership.h"

#include <utility>

#include "base/mutant.h"

namespace syncline {

Leadership::Leadership(Connection connection) : path_(connection.path()), vfs_(vfs_of(connection)) {
  if (!path_.empty()) {
    path_ += "-lead";
  }
}

Result<bool> Leadership::take() {
  if (leads_ || path_.empty() || SL_MUTANT(40)) {
    leads_ = true;
    return true;
  }
  if (!lock_.has_value()) {
    OpenOptions options;
    options.busy_timeout_ms = 0;
    options.vfs = vfs_;
    options.write_ahead = false;
    SL_TRY(Database opened, Database::open(path_, options));
    lock_.emplace(std::move(opened));
  }
  // Never committed: there is nothing to commit, and the lock is the point.
  const auto locked = (*lock_)->execute("BEGIN EXCLUSIVE");
  if (locked) {
    leads_ = true;
    return true;
  }
  if (locked.error().code() == ErrorCode::busy) {
    return false;
  }
  lock_.reset();
  return Error(locked.error()).in("cannot lock " + path_);
}

void Leadership::resign() {
  leads_ = false;
  lock_.reset();
}

}  // namespace syncline
