#include "model/digest.h"

#include "base/digest.h"
#include "model/cell_content.h"

namespace syncline {
namespace {

// Two lanes with seeds of their own make 128 bits of 64-bit hashes.
constexpr std::uint64_t seed_high = 0x53796E636C696E65U;
constexpr std::uint64_t seed_low = 0x726F772064696765U;
constexpr std::uint64_t golden = 0x9E3779B97F4A7C15U;

std::uint64_t fold(std::uint64_t hash, std::uint64_t word) {
  return mix64(hash ^ mix64(word + golden));
}

std::uint64_t row_hash(std::string_view table, Bytes key, std::uint64_t seed) {
  return hash64(key, hash64(as_bytes(table), seed));
}

std::uint64_t word_at(Bytes bytes, std::size_t at) {
  std::uint64_t out = 0;
  for (std::size_t i = 8; i-- > 0;) {
    out = (out << 8U) | bytes[at + i];
  }
  return out;
}

std::uint64_t fold_stamp(std::uint64_t hash, const Stamp& stamp) {
  const Bytes replica = stamp.replica.view();
  return fold(fold(fold(hash, stamp.time), word_at(replica, 0)), word_at(replica, 8));
}

}  // namespace

std::string to_text(const Digest& digest) {
  std::array<std::uint8_t, 16> big_endian{};
  for (unsigned i = 0; i < 8; ++i) {
    big_endian[i] = static_cast<std::uint8_t>(digest.high >> (56U - 8U * i));
    big_endian[i + 8] = static_cast<std::uint8_t>(digest.low >> (56U - 8U * i));
  }
  return to_hex(big_endian);
}

void write_digest(Writer& out, const Digest& digest) {
  out.u64(digest.low);
  out.u64(digest.high);
}

Result<Digest> read_digest(Reader& in) {
  Digest digest;
  SL_TRY(digest.low, in.u64());
  SL_TRY(digest.high, in.u64());
  return digest;
}

RowDigest::RowDigest(std::string_view table, Bytes key)
    : high_(row_hash(table, key, seed_high)), low_(row_hash(table, key, seed_low)) {}

Digest RowDigest::life(const Stamp& life) const {
  return {fold_stamp(high_, life), fold_stamp(low_, life)};
}

Digest RowDigest::cell(std::string_view column, const Stamp& stamp) const {
  const std::uint64_t name = hash64(as_bytes(column), golden);
  return {fold_stamp(fold(high_, name), stamp), fold_stamp(fold(low_, name), stamp)};
}

Digest digest_of(std::string_view table, Bytes key, const RowState& row) {
  Digest out;
  if (!row.alive) {
    return out;
  }
  const RowDigest parts(table, key);
  out.add(parts.life(row.life));
  for (const CellState& cell : row.cells) {
    if (is_base_form(cell.form)) {
      if (cell.stamp > row.life) {
        out.add(parts.cell(cell.column, cell.stamp));
      }
      continue;
    }
    for (const Stamp& stamp : stamps_of(cell)) {
      if (stamp > row.life) {
        out.add(parts.cell(cell.column, stamp));
      }
    }
  }
  return out;
}

}  // namespace syncline
