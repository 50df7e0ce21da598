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
  SharedBytes(ByteVector&& bytes) : bytes_(make(std::move(bytes))) {}

  Bytes view() const { return bytes_ ? Bytes(*bytes_) : Bytes(); }
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool shares_with(const SharedBytes& other) const { return bytes_ == other.bytes_; }

  // NOLINTNEXTLINE(google-explicit-constructor): reads as bytes wherever bytes are read
  operator Bytes() const { return view(); }
  // A copy of one's own.
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  operator ByteVector() const { return to_vector(view()); }

 private:
  // Nothing in them refers to anything: no cycle can keep them.
  using Owned = std::shared_ptr<const ByteVector>;  // tidy-allow(ownership): ends with its readers
  static Owned make(ByteVector&& bytes) { return Owned(new const ByteVector(std::move(bytes))); }

  Owned bytes_;
};

}  // namespace syncline
