#include "server/row_bytes.h"

#include "model/stamp_codec.h"
#include "model/value_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::uint8_t row_format = 1;
constexpr std::uint8_t own_stamp_flag = 0x80;

}  // namespace

ByteVector encode_row_state(const RowState& state) {
  Writer out;
  out.u8(row_format);
  out.u8(state.alive ? 1 : 0);
  write_stamp(out, state.life);
  out.varint(state.cells.size());
  for (const CellState& cell : state.cells) {
    out.text(cell.column);
    const bool own_stamp = !(cell.stamp == state.life);
    out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(cell.form) |
                                     (own_stamp ? own_stamp_flag : 0U)));
    if (own_stamp) {
      write_stamp(out, cell.stamp);
    }
    write_value(out, cell.value.view());
  }
  return out.take();
}

Result<RowState> decode_row_state(Bytes bytes) {
  Reader in(bytes);
  SL_TRY(const std::uint8_t format, in.u8());
  SL_TRY(const std::uint8_t alive, in.u8());
  if (format != row_format || alive > 1) {
    return Error(ErrorCode::corrupt, "a stored row has an unknown format");
  }
  RowState state;
  state.alive = alive == 1;
  SL_TRY(state.life, read_stamp(in));
  SL_TRY(const std::uint64_t count, in.varint_at_most(limits::columns_max));
  for (std::uint64_t i = 0; i < count; ++i) {
    CellState cell;
    SL_TRY(const std::string_view column, in.text(limits::name_bytes_max));
    cell.column = column;
    SL_TRY(const std::uint8_t flags, in.u8());
    cell.form = static_cast<CellForm>(flags & 0x03U);
    cell.stamp = state.life;
    if ((flags & own_stamp_flag) != 0) {
      SL_TRY(cell.stamp, read_stamp(in));
    }
    DecodedValue value;
    SL_TRY(value.read(in));
    cell.value = Value(value.view());
    state.cells.push_back(std::move(cell));
  }
  SL_TRY(in.expect_end("a stored row"));
  return state;
}

}  // namespace syncline
