#include "sim/disk_locks.h"

namespace syncline::sim {

bool FileLock::raise(LockHolder holder, Level level) {
  const Level before = this->level(holder);
  if (before >= level) {
    return true;
  }
  Level others = Level::none;
  for (const auto& [other, theirs] : held_) {
    others = other != holder && theirs > others ? theirs : others;
  }
  switch (level) {
    case Level::none:
      return true;
    case Level::shared:
      if (others >= Level::pending) {
        return false;
      }
      break;
    case Level::reserved:
      if (others >= Level::reserved) {
        return false;
      }
      break;
    case Level::pending:
    case Level::exclusive:
      if (others >= Level::reserved) {
        return false;
      }
      if (others != Level::none) {
        held_[holder] = Level::pending;
        return level == Level::pending;
      }
      break;
  }
  held_[holder] = level;
  return true;
}

void FileLock::lower(LockHolder holder, Level level) {
  if (level == Level::none) {
    held_.erase(holder);
  } else if (this->level(holder) > level) {
    held_[holder] = level;
  }
}

FileLock::Level FileLock::level(LockHolder holder) const {
  const auto at = held_.find(holder);
  return at == held_.end() ? Level::none : at->second;
}

bool FileLock::is_reserved() const {
  for (const auto& [holder, level] : held_) {
    if (level >= Level::reserved) {
      return true;
    }
  }
  return false;
}

void* SharedMemory::map(LockHolder holder, std::size_t region, std::size_t bytes, bool extend) {
  mapped_[holder] = true;
  if (regions_.size() <= region) {
    if (!extend) {
      return nullptr;
    }
    regions_.resize(region + 1);
  }
  if (regions_[region].empty()) {
    regions_[region].resize(bytes);
  }
  return regions_[region].data();
}

void SharedMemory::unmap(LockHolder holder) {
  unlock(holder, 0, locks);
  mapped_.erase(holder);
  if (mapped_.empty()) {
    regions_.clear();
  }
}

bool SharedMemory::lock(LockHolder holder, std::size_t first, std::size_t count, bool exclusive) {
  for (std::size_t i = first; i < first + count; ++i) {
    const Lock& lock = locks_[i];
    if (lock.exclusive != nullptr && lock.exclusive != holder) {
      return false;
    }
    const std::size_t ours = lock.shared.count(holder);
    if (exclusive && lock.shared.size() > ours) {
      return false;
    }
  }
  for (std::size_t i = first; i < first + count; ++i) {
    if (exclusive) {
      locks_[i].exclusive = holder;
    } else {
      locks_[i].shared[holder] = true;
    }
  }
  return true;
}

void SharedMemory::unlock(LockHolder holder, std::size_t first, std::size_t count) {
  for (std::size_t i = first; i < first + count; ++i) {
    Lock& lock = locks_[i];
    lock.exclusive = lock.exclusive == holder ? nullptr : lock.exclusive;
    lock.shared.erase(holder);
  }
}

}  // namespace syncline::sim
