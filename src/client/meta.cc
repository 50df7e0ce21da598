#include "client/meta.h"

namespace syncline {

Result<std::int64_t> Meta::integer(std::string_view name, std::int64_t otherwise) {
  SL_TRY(Statement * read, read_.get(connection_));
  const ResetGuard guard(*read);
  read->bind_text(1, name);
  SL_TRY(const bool row, read->step());
  return row ? read->column_int(0) : otherwise;
}

Result<std::string> Meta::text(std::string_view name) {
  SL_TRY(const ByteVector bytes, blob(name));
  return std::string(as_text(bytes));
}

Result<ByteVector> Meta::blob(std::string_view name) {
  SL_TRY(Statement * read, read_.get(connection_));
  const ResetGuard guard(*read);
  read->bind_text(1, name);
  SL_TRY(const bool row, read->step());
  return row ? to_vector(read->column(0).data) : ByteVector();
}

Result<void> Meta::set(std::string_view name, const ValueView& value) {
  SL_TRY(Statement * write, write_.get(connection_));
  write->bind_text(1, name).bind(2, value);
  return write->run();
}

void Meta::release() {
  read_.release();
  write_.release();
}

}  // namespace syncline
