#include "server/receipts.h"

#include "base/digest.h"
#include "base/siphash.h"

namespace syncline {
namespace {

void put(Seal& seal, std::size_t at, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) {
    seal.bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

}  // namespace

std::uint64_t mark_after(std::uint64_t mark, const LogEntry& entry) {
  Writer out;
  out.raw(entry.stamp.replica.view());
  out.u64(entry.stamp.time);
  out.u64(entry.sequence.get());
  out.u64(entry.hash);
  return hash64(out.bytes(), mark);
}

Receipt make_receipt(const ReceiptPlace& place, ServerVersion version, std::uint64_t mark) {
  if (version == ServerVersion(0)) {
    return {};
  }
  Writer out;
  out.raw(place.lineage.view());
  out.u64(version.get());
  out.u64(mark);
  out.raw(as_bytes(place.workspace));
  Receipt receipt;
  receipt.version = version;
  put(receipt.seal, 0, mark);
  put(receipt.seal, 8, siphash(place.key.bytes, out.bytes()));
  return receipt;
}

std::optional<std::uint64_t> mark_of(const ReceiptPlace& place, const Receipt& receipt) {
  std::uint64_t mark = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    mark |= static_cast<std::uint64_t>(receipt.seal.bytes[i]) << (8 * i);
  }
  const Receipt ours = make_receipt(place, receipt.version, mark);
  if (receipt.version == ServerVersion(0) ||
      !equal_in_constant_time(ours.seal.view(), receipt.seal.view())) {
    return std::nullopt;
  }
  return mark;
}

}  // namespace syncline
