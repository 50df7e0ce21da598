#include "client/column_set.h"

#include "wire/limits.h"

namespace syncline {

void ColumnSet::write(Writer& out) const {
  out.varint(words_.size());
  for (const std::uint64_t word : words_) {
    out.varint(word);
  }
}

Result<ColumnSet> ColumnSet::read(Reader& in) {
  ColumnSet set;
  SL_TRY(const std::uint64_t words, in.varint_at_most(limits::columns_max / 64 + 1));
  set.words_.reserve(static_cast<std::size_t>(words));
  for (std::uint64_t i = 0; i < words; ++i) {
    SL_TRY(const std::uint64_t word, in.varint());
    set.words_.push_back(word);
  }
  if (words > 0 && set.words_.back() == 0) {
    return Error(ErrorCode::malformed, "a column set with a trailing zero");
  }
  return set;
}

}  // namespace syncline
