// What the replica's session does when the server takes it for a copy of another: it tells what it
// holds under the common name, then goes by a name of its own.
#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "session/client_session.h"
#include "wire/version.h"

namespace syncline {

// Of changes that the server does not have nobody here knows which the original has, too: what lay
// in the file when it was copied does. Told by both under one name, the server takes each once.
void ClientSession::forked(Instant now, Refused&& m) {
  const bool has_untold =
      facts_.last_sequence > facts_.acknowledged || m.known_sequence < facts_.acknowledged;
  const bool tells =
      bequest_ == Bequest::none && m.protocol.max >= bequests_since && has_untold && !SL_MUTANT(42);
  if (!tells) {
    if (bequest_ == Bequest::leaving) {
      // What was acknowledged on the way was compared; what was refused has nothing to compare.
      const std::uint64_t before = m.known_sequence.get() - m.known.size();
      const std::uint64_t common = std::max(facts_.acknowledged.get(), before) - before;
      m.known.erase(m.known.begin(),
                    m.known.begin() + static_cast<std::ptrdiff_t>(
                                          std::min<std::uint64_t>(common, m.known.size())));
    }
    bequest_ = Bequest::none;
    reidentify(std::move(m));
    return;
  }
  bequest_ = Bequest::leaving;
  bequest_after_ = ChangeSequence(m.known_sequence.get() -
                                  std::min<std::uint64_t>(m.known.size(), m.known_sequence.get()));
  come_back(now);
}

void ClientSession::begin_bequest(Instant now, const Welcome& m) {
  may_write_ = m.may_write;
  if (!may_write_) {
    bequest_ = Bequest::done;  // what the server knows it says once more
    close(now, "nothing can be told under this name");
    come_back(now);
    return;
  }
  if (m.known_sequence < facts_.acknowledged) {
    // It lost what is common, or never had it. What it does have under this name may be another
    // copy's: all that it can compare is told.
    const bool is_all = bequest_after_ >= m.known_sequence;
    facts_.acknowledged = is_all ? m.known_sequence : bequest_after_;
    facts_.acknowledged_time = is_all ? m.known_time : 0;
    effects_.emplace_back(effect::Unacknowledge{facts_.acknowledged});
  }
  phase_ = Phase::bequest;
  bequest_through_ = facts_.last_sequence;
  if (bequest_through_ <= facts_.acknowledged) {
    end_bequest(now);
    return;
  }
  push_.start_at(facts_.acknowledged);
  push(now);
}

void ClientSession::end_bequest(Instant now) {
  bequest_ = Bequest::none;
  close(now, "what was told goes by the old name, the rest by a new one");
  Refused why;
  why.known_sequence = facts_.acknowledged;
  reidentify(std::move(why));
}

void ClientSession::reidentify(Refused&& m) {
  phase_ = Phase::mending;
  // These lead up to the last change that the server knows.
  std::uint64_t before = m.known_sequence.get() - m.known.size();
  if (m.known.size() > m.known_sequence.get() || before > facts_.acknowledged.get()) {
    // What lies between is not told; sending a change twice is better than not at all.
    before = std::min(facts_.acknowledged.get(), m.known_sequence.get());
    m.known.clear();
  }
  // While both went by one name, the server took the other copy's changes for ours and did not send
  // them; and a restored server may have forgotten what is in our rows.
  if (facts_.cursor > ServerVersion(0) && !SL_MUTANT(32)) {
    effects_.emplace_back(effect::BeginRescan{});
  }
  effects_.emplace_back(effect::Reidentify{ChangeSequence(before), std::move(m.known)});
}

}  // namespace syncline
