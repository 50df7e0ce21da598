#include "sim/replica_file.h"

namespace syncline::sim {
namespace {

constexpr const char* copy_name = "copy.db";

std::string with(const char* name, const char* suffix) { return std::string(name) + suffix; }

}  // namespace

void ReplicaFile::copy() {
  for (const char* suffix : {"", "-wal"}) {
    disk_.remove(with(copy_name, suffix));
    if (disk_.exists(with(name, suffix))) {
      disk_.copy(with(name, suffix), with(copy_name, suffix));
    }
  }
  has_copy_ = true;
  copy_answered_ = answered_;
  copy_known_as_ = known_as_;
  copy_payments_ = payments_.size();
}

ReplicaId ReplicaFile::put_copy_back() {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    disk_.remove(with(name, suffix));
    if (disk_.exists(with(copy_name, suffix))) {
      disk_.copy(with(copy_name, suffix), with(name, suffix));
    }
  }
  answered_ = copy_answered_;
  payments_.resize(copy_payments_);
  known_as_ = copy_known_as_;
  return known_as_;
}

void ReplicaFile::copy_to(ReplicaFile& other) {
  for (const char* suffix : {"", "-wal"}) {
    if (disk_.exists(with(name, suffix))) {
      other.disk_.put(with(name, suffix), disk_.content(with(name, suffix)));
    }
  }
  other.columns_ = columns_;
  other.payments_ = payments_;
  other.known_as_ = known_as_;
}

}  // namespace syncline::sim
