#include "session/snapshot_intake.h"

#include "wire/limits.h"

namespace syncline {

void SnapshotIntake::reset() {
  pages_.clear();
  end_.reset();
}

void SnapshotIntake::begin(const SnapshotBegin& begin) {
  begin_ = begin;
  rows_ = begin.rows_before;
  bytes_ = begin.bytes_before;
}

Result<void> SnapshotIntake::add(SnapshotPage&& page) {
  if (end_ || pages_.size() > limits::snapshot_pages_ahead) {
    return Error(ErrorCode::out_of_order, "more pages of a snapshot than were asked for");
  }
  pages_.push_back(std::move(page));
  return {};
}

std::optional<SnapshotPage> SnapshotIntake::take_page() {
  if (pages_.empty()) {
    return std::nullopt;
  }
  SnapshotPage page = std::move(pages_.front());
  pages_.pop_front();
  rows_ += page.rows;
  bytes_ += page.bytes;
  return page;
}

Result<std::optional<SnapshotEnd>> SnapshotIntake::finished() const {
  if (!end_ || !pages_.empty()) {
    return std::optional<SnapshotEnd>();
  }
  if (end_->rows != rows_ || end_->bytes != bytes_) {
    return Error(ErrorCode::malformed, "a snapshot with other totals than it promised");
  }
  return end_;
}

Progress SnapshotIntake::progress() const {
  return {rows_, begin_.rows, bytes_, begin_.bytes, 0, {}};
}

}  // namespace syncline
