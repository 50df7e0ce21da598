#include "ydoc/ids.h"

#include <algorithm>

#include "base/sort.h"

namespace syncline::ydoc {

Result<StateVector> StateVector::decode(Bytes bytes) {
  Decoder in(bytes);
  const std::uint64_t count = in.var_uint();
  if (count > in.remaining()) {
    in.fail();
  }
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const ClientId client = in.var_uint();
    const Clock clock = in.var_uint();
    entries.push_back({client, clock});
  }
  if (!in.ok()) {
    return Error(ErrorCode::malformed, "malformed state vector");
  }
  return from_entries(std::move(entries));
}

ByteVector StateVector::encode() const {
  Encoder out;
  out.var_uint(entries_.size());
  for (const Entry& entry : entries_) {
    out.var_uint(entry.client);
    out.var_uint(entry.clock);
  }
  return out.take();
}

Clock StateVector::clock_of(ClientId client) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), client,
                       [](const Entry& entry, ClientId wanted) { return entry.client > wanted; });
  return found != entries_.end() && found->client == client ? found->clock : 0;
}

StateVector StateVector::from_entries(std::vector<Entry> entries) {
  syncline::stable_sort(entries.begin(), entries.end(),
                        [](const Entry& a, const Entry& b) { return a.client > b.client; });
  StateVector out;
  for (const Entry& entry : entries) {
    if (!out.entries_.empty() && out.entries_.back().client == entry.client) {
      out.entries_.back() = entry;
    } else {
      out.entries_.push_back(entry);
    }
  }
  return out;
}

namespace {

bool before(const DeleteRange& a, const DeleteRange& b) {
  return a.client != b.client ? a.client > b.client : a.clock < b.clock;
}

}  // namespace

void DeleteSet::normalize() {
  if (ranges_.size() < 2) {
    return;
  }
  if (!std::is_sorted(ranges_.begin(), ranges_.end(), before)) {
    syncline::sort(ranges_.begin(), ranges_.end(), before);
  }
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    DeleteRange& last = ranges_[kept];
    const DeleteRange& range = ranges_[i];
    if (last.client == range.client && last.clock + last.length >= range.clock) {
      last.length = std::max(last.length, range.clock + range.length - last.clock);
    } else {
      ranges_[++kept] = range;
    }
  }
  ranges_.resize(kept + 1);
}

bool DeleteSet::contains(Id id) const {
  auto found =
      std::upper_bound(ranges_.begin(), ranges_.end(), DeleteRange{id.client, id.clock, 1}, before);
  if (found == ranges_.begin()) {
    return false;
  }
  --found;
  return found->client == id.client && id.clock < found->clock + found->length;
}

void DeleteSet::read(Decoder& in, std::size_t ranges_max) {
  const std::uint64_t clients = in.var_uint();
  for (std::uint64_t i = 0; i < clients && in.ok(); ++i) {
    const ClientId client = in.var_uint();
    const std::uint64_t count = in.var_uint();
    for (std::uint64_t k = 0; k < count && in.ok(); ++k) {
      const Clock clock = in.var_uint();
      const std::uint64_t length = in.var_uint();
      if (clock + length > safe_integer_max) {
        in.fail();
      }
      if (in.ok() && length > 0) {
        ranges_.push_back({client, clock, length});
        if (ranges_.size() > ranges_max) {
          in.fail();
        }
      }
    }
  }
}

void DeleteSet::write(Encoder& out) const {
  std::uint64_t clients = 0;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    clients += i == 0 || ranges_[i].client != ranges_[i - 1].client ? 1U : 0U;
  }
  out.var_uint(clients);
  for (std::size_t i = 0; i < ranges_.size();) {
    std::size_t end = i;
    while (end < ranges_.size() && ranges_[end].client == ranges_[i].client) {
      ++end;
    }
    out.var_uint(ranges_[i].client);
    out.var_uint(end - i);
    for (; i < end; ++i) {
      out.var_uint(ranges_[i].clock);
      out.var_uint(ranges_[i].length);
    }
  }
}

void DeleteSet::sort_clients() {
  syncline::stable_sort(
      ranges_.begin(), ranges_.end(),
      [](const DeleteRange& a, const DeleteRange& b) { return a.client > b.client; });
}

}  // namespace syncline::ydoc
