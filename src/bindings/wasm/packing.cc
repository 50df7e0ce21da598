#include "bindings/wasm/packing.h"

namespace syncline {
namespace {

// The most that SQLite takes.
constexpr std::size_t values_max = 32'766;

enum Tag : std::uint8_t { null_tag = 0, integer_tag = 1, real_tag = 2, text_tag = 3, blob_tag = 4 };

Result<ValueView> unpack_value(Reader& in) {
  SL_TRY(const std::uint8_t tag, in.u8());
  switch (tag) {
    case null_tag:
      return ValueView::null();
    case integer_tag: {
      SL_TRY(const std::uint64_t bits, in.u64());
      return ValueView::of(static_cast<std::int64_t>(bits));
    }
    case real_tag: {
      SL_TRY(const double real, in.f64());
      return ValueView::of(real);
    }
    case text_tag:
    case blob_tag: {
      SL_TRY(const std::uint32_t size, in.u32());
      SL_TRY(const Bytes data, in.raw(size));
      return tag == text_tag ? ValueView::of(as_text(data)) : ValueView::blob(data);
    }
    default:
      return Error(ErrorCode::malformed, "a value of no known kind");
  }
}

}  // namespace

void pack_text(Writer& out, std::string_view text) {
  out.u32(static_cast<std::uint32_t>(text.size()));
  out.raw(as_bytes(text));
}

void pack_value(Writer& out, const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      out.u8(null_tag);
      return;
    case ValueType::integer:
      out.u8(integer_tag);
      out.u64(static_cast<std::uint64_t>(value.integer));
      return;
    case ValueType::real:
      out.u8(real_tag);
      out.f64(value.real);
      return;
    case ValueType::text:
    case ValueType::blob:
      out.u8(value.type == ValueType::text ? text_tag : blob_tag);
      out.u32(static_cast<std::uint32_t>(value.data.size()));
      out.raw(value.data);
      return;
  }
}

Result<void> pack_rows(Writer& out, Statement& statement) {
  // Only the first step tells the columns: somebody else may have changed the table since the
  // statement was prepared.
  SL_TRY(bool more, statement.step());
  const int columns = statement.column_count();
  out.u32(static_cast<std::uint32_t>(columns));
  for (int i = 0; i < columns; ++i) {
    pack_text(out, statement.column_name(i));
  }
  for (;;) {
    if (!more) {
      out.u8(0);
      return {};
    }
    out.u8(1);
    for (int i = 0; i < columns; ++i) {
      pack_value(out, statement.column(i));
    }
    SL_TRY(more, statement.step());
  }
}

Result<std::vector<ValueView>> unpack_values(Bytes bytes) {
  std::vector<ValueView> out;
  Reader in(bytes);
  while (!in.at_end()) {
    if (out.size() == values_max) {
      return Error(ErrorCode::too_large, "more values than a statement takes");
    }
    SL_TRY(out.emplace_back(), unpack_value(in));
  }
  return out;
}

}  // namespace syncline
