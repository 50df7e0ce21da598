// The part of a conversation in which changes of others, and rows that the server may lack, are
// told to it.
#include "session/client_session.h"

namespace syncline {

void ClientSession::on_relays(Instant now, std::vector<ByteVector> parts) {
  if (!relays_.expects()) {
    return;
  }
  relays_.sent(parts);
  if (parts.empty()) {
    if (relays_.takes_refused()) {
      compare_again(now);  // those rows are here, and not there
    }
    return;
  }
  progress_at_ = now;
  for (ByteVector& part : parts) {
    send(now, RelayPart{std::move(part)});
    if (!is_up()) {
      return;  // it cannot be said
    }
  }
  spoke_at_ = now;
  push(now);
}

void ClientSession::handle(Instant now, RelayAck&& m) {
  auto settled = relays_.answered(m);
  if (!settled) {
    protocol_error(now, settled.error().message());
    return;
  }
  watch_.moved();
  effects_.emplace_back(*settled);
  relays_.written();  // there may be more of what is told part by part
  push(now);
}

}  // namespace syncline
