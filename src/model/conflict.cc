#include "model/conflict.h"

#include <algorithm>

#include "base/digest.h"
#include "model/stamp_codec.h"

namespace syncline {
namespace {

constexpr std::uint8_t conflict_format = 1;

// What identifies a conflict; begins its encoding as well.
void write_identity(Writer& out, const Conflict& conflict) {
  out.text(conflict.table);
  out.blob(conflict.key.view());
  out.text(conflict.column);
  write_stamp(out, conflict.loser);
  write_stamp(out, conflict.winner);
}

Result<Value> read_owned_value(Reader& in) {
  DecodedValue value;
  SL_TRY(value.read(in));
  return Value(value.view());
}

Result<void> read_identity(Reader& in, Conflict& conflict) {
  SL_TRY(const std::string_view table, in.text(conflict_name_bytes_max));
  conflict.table = std::string(table);
  SL_TRY(const Bytes key, in.blob(conflict_bytes_max));
  SL_TRY(key_values(key));
  conflict.key.bytes = to_vector(key);
  SL_TRY(const std::string_view column, in.text(conflict_name_bytes_max));
  conflict.column = std::string(column);
  SL_TRY(conflict.loser, read_stamp(in));
  SL_TRY(conflict.winner, read_stamp(in));
  if (!(conflict.loser < conflict.winner)) {
    return Error(ErrorCode::malformed, "a conflict's winner is not the later one");
  }
  return {};
}

}  // namespace

ConflictId conflict_id(const Conflict& conflict) {
  Writer out;
  write_identity(out, conflict);
  const Sha256Digest digest = sha256(out.bytes());
  ConflictId id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

void encode_conflict(Writer& out, const Conflict& conflict) {
  out.u8(conflict_format);
  out.u8(static_cast<std::uint8_t>(conflict.kind));
  write_identity(out, conflict);
  write_value(out, conflict.loser_value.view());
  write_value(out, conflict.winner_value.view());
  out.u8(conflict.base_value ? 1 : 0);
  if (conflict.base_value) {
    write_value(out, conflict.base_value->view());
  }
}

Result<Conflict> decode_conflict(Reader& in) {
  if (in.remaining() > conflict_bytes_max) {
    return Error(ErrorCode::too_large, "a conflict exceeds its limit");
  }
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != conflict_format) {
    return Error(ErrorCode::unsupported, "unknown conflict format " + std::to_string(format));
  }
  Conflict conflict;
  SL_TRY(const std::uint8_t kind, in.u8());
  if (kind > static_cast<std::uint8_t>(Concurrency::Kind::edit_erased)) {
    return Error(ErrorCode::malformed, "unknown kind of conflict " + std::to_string(kind));
  }
  conflict.kind = static_cast<Concurrency::Kind>(kind);
  SL_TRY(read_identity(in, conflict));
  SL_TRY(conflict.loser_value, read_owned_value(in));
  SL_TRY(conflict.winner_value, read_owned_value(in));
  SL_TRY(const std::uint8_t has_base, in.u8());
  if (has_base > 1) {
    return Error(ErrorCode::malformed, "a flag is neither 0 nor 1");
  }
  if (has_base == 1) {
    SL_TRY(conflict.base_value, read_owned_value(in));
  }
  return conflict;
}

}  // namespace syncline
