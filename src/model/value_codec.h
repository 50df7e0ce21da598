#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/value_view.h"
#include "model/value.h"

namespace syncline {

// The bytes of a value, the same in keys, logs and frames: docs/storage.md, "Values". Each value
// has exactly one encoding, so equal bytes mean equal values.
void write_value(Writer& out, const ValueView& value);

// A value read from foreign bytes. Mostly borrows them; the text of a UUID, which travels as 16
// bytes, is kept here. Not copied or moved, because the view may point inside.
class DecodedValue {
 public:
  DecodedValue() = default;
  DecodedValue(const DecodedValue&) = delete;
  DecodedValue& operator=(const DecodedValue&) = delete;

  // Lives as long as this object and the bytes that were read, until the next read().
  const ValueView& view() const { return view_; }
  Result<void> read(Reader& in);
  // Holds borrowed bytes that were read by other means.
  void set_blob(Bytes blob) { view_ = ValueView::blob(blob); }

 private:
  ValueView view_;
  char uuid_text_[36] = {};
};

// Moves past one value.
Result<void> skip_value(Reader& in);

// A row's primary key: its values encoded one after the other. Compared and hashed as bytes.
struct RowKey {
  ByteVector bytes;

  Bytes view() const { return bytes; }
  friend bool operator==(const RowKey&, const RowKey&) = default;
  friend bool operator<(const RowKey& a, const RowKey& b) {
    return compare_bytes(a.bytes, b.bytes) < 0;
  }
};
// How many values a key has. Fails when the bytes are not whole values.
Result<std::size_t> count_key_values(Bytes key);
RowKey make_key(std::span<const ValueView> values);
// The key's values, owned. Fails when the bytes are not whole values or more than `count_max`.
Result<std::vector<Value>> key_values(Bytes key, std::size_t count_max = 64);

}  // namespace syncline
