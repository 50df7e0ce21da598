// The part of the replica's session that brings it to the server's state: changes in version order,
// a snapshot, or a comparison of all rows.
#include <utility>

#include "base/mutant.h"
#include "session/client_session.h"

namespace syncline {

// --- Pull
// -----------------------------------------------------------------------------------------

void ClientSession::handle(Instant now, PullPart&& m) {
  note(m.receipt);
  if (const auto added = received_.add(std::move(m)); !added) {
    protocol_error(now, added.error().message());
    return;
  }
  pull();
}

void ClientSession::handle(Instant now, PullThrough&& m) {
  note(m.receipt);
  if (const auto through = received_.through(m.version); !through) {
    protocol_error(now, through.error().message());
    return;
  }
  pull();
}

void ClientSession::pull() {
  if (phase_ != Phase::live || busy_ || received_.whole_through() <= facts_.cursor) {
    return;
  }
  busy_ = true;
  keep_receipt();
  effects_.emplace_back(effect::ApplyChanges{received_.take_whole(), received_.whole_through()});
}

void ClientSession::on_applied(Instant now, ServerVersion cursor, const Digest& digest) {
  busy_ = false;
  facts_.cursor = SL_MUTANT(24) ? facts_.cursor : cursor;
  facts_.digest = digest;
  switch (phase_) {
    case Phase::bootstrap:
      facts_.snapshot_token.clear();
      rows_came(now);
      break;
    case Phase::rescan:
      if (comparing_ || !walk_.empty()) {
        rescan_step(now);  // an answer from before the rescan
        break;
      }
      facts_.wants_rescan = false;
      rows_came(now);
      break;
    case Phase::live:
      spoke_at_ = now;
      send(now, Applied{cursor});
      look_whether_whole(std::nullopt);
      pull();
      check_digest(now);
      break;
    case Phase::stopped:
    case Phase::waiting:
    case Phase::dialing:
    case Phase::greeting:
    case Phase::bequest:
    case Phase::mending:
      break;
  }
}

// The last of the rows that come one by one is here. The server read each at another time, none
// later than its next heartbeat.
void ClientSession::rows_came(Instant now) {
  facts_.in_pieces = true;
  whole_at_.reset();
  go_live(now);
}

void ClientSession::on_pieces(bool in_pieces) {
  if (in_pieces && !facts_.in_pieces) {
    facts_.in_pieces = true;
    whole_at_.reset();
  }
}

void ClientSession::look_whether_whole(std::optional<ServerVersion> head) {
  if (phase_ != Phase::live || !facts_.in_pieces) {
    return;
  }
  if (!whole_at_) {
    whole_at_ = head;
  }
  if (whole_at_ && facts_.cursor >= *whole_at_) {
    facts_.in_pieces = false;
    effects_.emplace_back(effect::NoteWhole{});
  }
}

// --- Bootstrap
// ------------------------------------------------------------------------------------

void ClientSession::handle(Instant now, SnapshotBegin&& m) {
  if (phase_ != Phase::bootstrap) {
    protocol_error(now, "a snapshot that nobody asked for");
    return;
  }
  snapshot_.begin(m);
  received_.start_at(m.version);
  effects_.emplace_back(effect::BeginSnapshot{m});
}

void ClientSession::handle(Instant now, SnapshotPage&& m) {
  if (phase_ != Phase::bootstrap) {
    protocol_error(now, "a page of a snapshot that nobody asked for");
    return;
  }
  if (const auto added = snapshot_.add(std::move(m)); !added) {
    protocol_error(now, added.error().message());
    return;
  }
  apply_pages(now);
}

void ClientSession::handle(Instant now, SnapshotEnd&& m) {
  if (phase_ != Phase::bootstrap) {
    protocol_error(now, "the end of a snapshot that nobody asked for");
    return;
  }
  note(m.receipt);
  snapshot_.end(m);
  apply_pages(now);
}

void ClientSession::apply_pages(Instant now) {
  if (busy_ || phase_ != Phase::bootstrap) {
    return;
  }
  if (auto page = snapshot_.take_page()) {
    busy_ = true;
    effects_.emplace_back(effect::ApplyPage{std::move(*page)});
    return;
  }
  const auto finished = snapshot_.finished();
  if (!finished) {
    refused_token_ = std::exchange(facts_.snapshot_token, {});
    protocol_error(now, finished.error().message());
    return;
  }
  if (*finished) {
    busy_ = true;
    keep_receipt();
    effects_.emplace_back(effect::FinishSnapshot{(*finished)->version});
  }
}

void ClientSession::on_page_applied(Instant now, ByteVector token, const Digest& digest) {
  busy_ = false;
  facts_.snapshot_token = std::move(token);
  facts_.digest = digest;
  if (phase_ == Phase::bootstrap) {
    spoke_at_ = now;
    send(now, SnapshotRequest{facts_.snapshot_token});
    apply_pages(now);
  }
}

// --- Rescan
// ---------------------------------------------------------------------------------------

void ClientSession::rescan_now(Instant now) {
  if (phase_ == Phase::live) {
    phase_ = Phase::rescan;
    resume_after_ = facts_.cursor;
    catch_up_started_ = now;
    effects_.emplace_back(effect::BeginRescan{});
    send(now, RescanRequest{});
  } else if (phase_ == Phase::bootstrap || phase_ == Phase::rescan) {
    return;
  } else {
    // Remembered for the next welcome.
    facts_.wants_rescan = facts_.cursor > ServerVersion(0);
  }
}

void ClientSession::handle(Instant now, RangeDigests&& m) {
  if (phase_ != Phase::rescan || comparing_) {
    protocol_error(now, "digests that nobody asked for");
    return;
  }
  comparing_ = std::move(m);
  if (!busy_) {
    busy_ = true;
    effects_.emplace_back(effect::CompareRanges{*comparing_});
  }
}

void ClientSession::on_compared(Instant now, const std::vector<ByteVector>& differing) {
  busy_ = false;
  if (phase_ != Phase::rescan || !comparing_) {
    pull();
    return;
  }
  const RangeDigests compared = std::move(*comparing_);
  comparing_.reset();
  if (const auto noted = walk_.differ(compared, differing); !noted) {
    give_up(now, Trouble::digest_mismatch, noted.error().message(), "it is tried again by itself");
    return;
  }
  rescan_step(now);
}

void ClientSession::rescan_step(Instant now) {
  if (phase_ != Phase::rescan || busy_) {
    return;
  }
  if (comparing_) {
    busy_ = true;
    effects_.emplace_back(effect::CompareRanges{*comparing_});
    return;
  }
  spoke_at_ = now;
  if (walk_.empty()) {
    busy_ = true;
    keep_receipt();
    effects_.emplace_back(effect::FinishRescan{resume_after_});
    return;
  }
  std::visit([&](const auto& request) { send(now, request); }, walk_.next());
}

void ClientSession::handle(Instant now, RangeRows&& m) {
  if (phase_ != Phase::rescan || busy_) {
    protocol_error(now, "rows that nobody asked for");
    return;
  }
  if (const auto noted = walk_.received(m); !noted) {
    protocol_error(now, noted.error().message());
    return;
  }
  busy_ = true;
  effects_.emplace_back(effect::AdoptRange{std::move(m)});
}

void ClientSession::on_adopted(Instant now, const Digest& digest) {
  busy_ = false;
  facts_.digest = digest;
  if (phase_ == Phase::rescan) {
    rescan_step(now);
  } else {
    pull();
  }
}

}  // namespace syncline
