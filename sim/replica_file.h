#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/disk.h"
#include "wire/message.h"

namespace syncline::sim {

// One replica's file on the disk of its machine, and what was answered to those who wrote to it.
// Several applications that sync may share it.
class ReplicaFile {
 public:
  static constexpr const char* name = "app.db";

  ReplicaFile(const std::string& vfs, Random& random) : disk_(vfs, random) {}

  Disk& disk() { return disk_; }

  // The last own change whose commit was answered to an application, and whose it was: a copy
  // numbers anew.
  using Answered = std::pair<ReplicaId, ChangeSequence>;
  const Answered& answered() const { return answered_; }
  void answer(const Answered& answered) { answered_ = answered; }
  // The payments that were answered through this file, and are not known to have gone with it.
  const std::vector<std::int64_t>& payments() const { return payments_; }
  void answer_payment(std::int64_t payment) { payments_.push_back(payment); }
  // Columns that applications have added.
  std::uint32_t columns() const { return columns_; }
  void add_column() { ++columns_; }
  // Whom it spoke for when it was looked at last.
  const ReplicaId& known_as() const { return known_as_; }
  void set_known_as(const ReplicaId& replica) { known_as_ = replica; }

  // The user copies the file while nobody has it open; and puts the copy in its place, or
  // somewhere else.
  void copy();
  bool has_copy() const { return has_copy_; }
  // Whose copy it was.
  ReplicaId put_copy_back();
  void copy_to(ReplicaFile& other);

 private:
  Disk disk_;
  Answered answered_;
  std::vector<std::int64_t> payments_;
  std::uint32_t columns_ = 0;
  ReplicaId known_as_;
  bool has_copy_ = false;
  Answered copy_answered_;
  ReplicaId copy_known_as_;
  std::size_t copy_payments_ = 0;
};

}  // namespace syncline::sim
