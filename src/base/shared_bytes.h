#pragma once

#include <memory>
#include <utility>

#include "base/bytes.h"

namespace syncline {

// Bytes that nobody changes any more, with as many owners as want them: a frame that goes to a
// thousand connections is kept once. Copying costs a counter; the last owner frees them, on
// whatever thread that is.
class SharedBytes {
 public:
  SharedBytes() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): bytes that are given away become shared ones
  SharedBytes(ByteVector&& bytes)
      // tidy-allow(ownership): the one type of shared bytes; it never changes and has no cycles
      : bytes_(std::make_shared<const ByteVector>(std::move(bytes))) {}

  Bytes view() const { return bytes_ ? Bytes(*bytes_) : Bytes(); }
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool shares_with(const SharedBytes& other) const { return bytes_ == other.bytes_; }

  // NOLINTNEXTLINE(google-explicit-constructor): reads as bytes wherever bytes are read
  operator Bytes() const { return view(); }
  // A copy of one's own.
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  operator ByteVector() const { return to_vector(view()); }

 private:
  // tidy-allow(ownership): as above
  std::shared_ptr<const ByteVector> bytes_;
};

}  // namespace syncline
