#include "ydoc/awareness.h"

namespace syncline::ydoc {

Awareness::Awareness(ClientId own, Instant now) : own_(own) { set_local(Any::object({}), now); }

const Any* Awareness::state_of(ClientId client) const {
  const auto found = states_.find(client);
  return found == states_.end() ? nullptr : &found->second;
}

AwarenessChange Awareness::set_local(std::optional<Any> state, Instant now) {
  AwarenessChange out;
  const auto record = records_.find(own_);
  const std::uint64_t clock = record == records_.end() ? 0 : record->second.clock + 1;
  const auto before = states_.find(own_);
  if (!state || state->is_null()) {
    out.removed.push_back(own_);
    states_.erase(own_);
  } else if (before == states_.end()) {
    out.added.push_back(own_);
    states_.emplace(own_, std::move(*state));
  } else {
    out.updated.push_back(own_);
    if (!Any::deep_equal(before->second, *state)) {
      out.changed.push_back(own_);
    }
    before->second = std::move(*state);
  }
  records_[own_] = {clock, now};
  return out;
}

AwarenessChange Awareness::set_local_field(std::string_view field, Any value, Instant now) {
  const Any* state = local();
  if (state == nullptr || state->kind() != Any::Kind::object) {
    return {};
  }
  Any::Object members = state->as_object();
  members.emplace_back(field, std::move(value));
  return set_local(Any::object(std::move(members)), now);
}

void Awareness::take(ClientId client, std::uint64_t clock, Any state, Instant now,
                     AwarenessChange& out) {
  const auto record = records_.find(client);
  const bool known = record != records_.end();
  const std::uint64_t known_clock = known ? record->second.clock : 0;
  const auto before = states_.find(client);
  const bool gone = state.is_null();
  const bool news =
      known_clock < clock || (known_clock == clock && gone && before != states_.end());
  if (!news || (!known && records_.size() >= clients_max)) {
    return;
  }
  if (gone) {
    // Nobody takes our state away from us; the higher clock announces it again.
    if (client == own_ && before != states_.end()) {
      clock += 1;
    } else {
      states_.erase(client);
    }
  }
  records_[client] = {clock, now};
  if (!known && !gone) {
    out.added.push_back(client);
  } else if (known && gone) {
    out.removed.push_back(client);
  } else if (!gone) {
    if (before == states_.end() || !Any::deep_equal(before->second, state)) {
      out.changed.push_back(client);
    }
    out.updated.push_back(client);
  }
  if (!gone) {
    states_[client] = std::move(state);
  }
}

Result<AwarenessChange> Awareness::apply(Bytes update, Instant now) {
  struct Entry {
    ClientId client = 0;
    std::uint64_t clock = 0;
    Any state;
  };
  Decoder in(update);
  std::vector<Entry> entries;
  const std::uint64_t count = in.var_uint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const ClientId client = in.var_uint();
    const std::uint64_t clock = in.var_uint();
    const std::string_view text = in.string();
    if (!in.ok()) {
      break;
    }
    SL_TRY(Any state, from_json(text));
    entries.push_back({client, clock, std::move(state)});
  }
  if (!in.ok()) {
    return Error(ErrorCode::malformed, "malformed awareness update");
  }
  AwarenessChange out;
  for (Entry& entry : entries) {
    take(entry.client, entry.clock, std::move(entry.state), now, out);
  }
  return out;
}

AwarenessChange Awareness::remove(std::span<const ClientId> clients, Instant now) {
  AwarenessChange out;
  for (const ClientId client : clients) {
    if (states_.erase(client) == 0) {
      continue;
    }
    if (client == own_) {
      Record& record = records_[client];
      record = {record.clock + 1, now};
    }
    out.removed.push_back(client);
  }
  return out;
}

AwarenessChange Awareness::check(Instant now) {
  AwarenessChange out;
  if (const Any* state = local(); state != nullptr && now - records_[own_].seen >= renew_after) {
    out = set_local(Any(*state), now);
  }
  std::vector<ClientId> silent;
  for (const auto& [client, record] : records_) {
    if (client != own_ && states_.count(client) > 0 && now - record.seen >= drop_after) {
      silent.push_back(client);
    }
  }
  out.removed = remove(silent, now).removed;
  return out;
}

ByteVector Awareness::encode(std::span<const ClientId> clients) const {
  Encoder entries;
  std::uint64_t count = 0;
  for (const ClientId client : clients) {
    const auto record = records_.find(client);
    if (record == records_.end()) {
      continue;
    }
    const Any* state = state_of(client);
    entries.var_uint(client);
    entries.var_uint(record->second.clock);
    entries.string(state == nullptr ? "null" : to_json(*state));
    count += 1;
  }
  Encoder out;
  out.var_uint(count);
  out.raw(entries.bytes());
  return out.take();
}

}  // namespace syncline::ydoc
