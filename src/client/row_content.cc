#include "client/row_content.h"

#include "base/digest.h"
#include "model/value_codec.h"

namespace syncline {

void RowContent::add(std::size_t index, const ValueView& value) {
  scratch_.clear();
  write_value(scratch_, value);
  add_encoded(index, scratch_.bytes());
}

void RowContent::add_encoded(std::size_t index, Bytes value) { sum_ += hash64(value, index + 1); }

}  // namespace syncline
