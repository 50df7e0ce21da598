// The part of the hub that tells presence: as it is now, and no more often than there is room for.
#include <algorithm>

#include "server/hub.h"
#include "wire/codec.h"

namespace syncline {

SharedBytes Hub::presence_frame(const Room& room, const PresenceKey& key) {
  if (const auto at = room.presence.find(key); at != room.presence.end()) {
    return at->second;
  }
  auto gone = encode_message(Presence{key.first, key.second, {}});
  SL_CHECK(gone.has_value());  // its key came in a frame
  return SharedBytes(std::move(*gone));
}

std::size_t Hub::withdraw(Room& room, const PresenceKey& key) {
  const auto at = room.presence.find(key);
  if (at == room.presence.end()) {
    return 0;
  }
  const std::size_t bytes = at->second.size();
  room.presence_bytes -= bytes;
  room.presence.erase(at);
  return bytes;
}

void Hub::show(Peer& peer, Room& room, const Presence& presence) {
  const auto first = room.presence.lower_bound({presence.replica, {}});
  const auto last = std::find_if(first, room.presence.end(), [&](const auto& one) {
    return one.first.first != presence.replica;
  });
  auto frame = encode_message(presence);
  if (!frame || room.presence_bytes + frame->size() > options_.presence_bytes_max ||
      std::distance(first, last) >= static_cast<std::ptrdiff_t>(limits::presence_keys_max)) {
    return;
  }
  room.presence_bytes += frame->size();
  peer.presence_bytes += frame->size();
  room.presence.emplace(PresenceKey(presence.replica, presence.key), std::move(*frame));
}

void Hub::broadcast(Instant now, Peer& peer, const Presence& presence) {
  if (peer.room == nullptr) {
    return;
  }
  Room& room = *peer.room;
  PresenceKey key(presence.replica, presence.key);
  peer.presence_bytes -= withdraw(room, key);
  if (!presence.value.empty()) {
    show(peer, room, presence);
  }
  recount(peer);
  room.changed.insert(std::move(key));
  tell_presence(now, room);
}

void Hub::hide(Instant now, Peer& peer, Room& room) {
  const ReplicaId replica = peer.session.hello().replica;
  for (auto at = room.presence.lower_bound({replica, {}});
       at != room.presence.end() && at->first.first == replica;) {
    const PresenceKey key = at->first;
    ++at;
    withdraw(room, key);
    room.changed.insert(key);
  }
  peer.presence_bytes = 0;
  recount(peer);
  tell_presence(now, room);
}

void Hub::tell_presence(Instant now, Room& room) {
  constexpr auto rate = static_cast<std::int64_t>(bounds::presence_bytes_each_second / 1000);
  constexpr auto burst = static_cast<std::int64_t>(bounds::presence_burst_bytes);
  room.presence_room = std::min(burst, room.presence_room + (now - room.presence_at).ms * rate);
  room.presence_at = now;
  const std::vector<ConnectionId> members(room.members.begin(), room.members.end());
  while (!room.changed.empty() && room.presence_room > 0) {
    auto at = room.changed.upper_bound(room.told);
    at = at == room.changed.end() ? room.changed.begin() : at;
    room.told = *at;
    room.changed.erase(at);
    const SharedBytes frame = presence_frame(room, room.told);
    for (const ConnectionId id : members) {
      const auto peer = peers_.find(id);
      if (peer != peers_.end() && tell_presence(now, id, *peer->second, room.told, frame)) {
        room.presence_room -= static_cast<std::int64_t>(frame.size());
      }
    }
  }
  if (!room.changed.empty()) {
    telling_.insert(room.workspace.name());
    want_work(now + Duration{1 - room.presence_room / rate});
  }
}

bool Hub::tell_presence(Instant now, ConnectionId id, Peer& peer, const PresenceKey& key,
                        const SharedBytes& frame) {
  if (peer.session.is_closed() || key.first == peer.session.hello().replica) {
    return false;
  }
  if (!has_presence_credit(peer)) {
    peer.missed.insert(key);
    recount(peer);
    if (peer.missed.size() > bounds::missed_presence_max) {
      cut(now, id);
    }
    return false;
  }
  peer.session.on_presence(now, key.first, frame);
  pump(now, id);
  return true;
}

void Hub::tell_missed(Instant now, ConnectionId id, Peer& peer) {
  const std::set<PresenceKey> missed = std::exchange(peer.missed, {});
  recount(peer);
  for (const PresenceKey& key : missed) {
    if (peer.room != nullptr) {
      const SharedBytes frame = presence_frame(*peer.room, key);
      spend(peer, WorkMeter::units_of(frame.size()));
      tell_presence(now, id, peer, key, frame);
    }
  }
}

}  // namespace syncline
