// How a replica comes to the server's state when the log alone does not lead there: the parts of
// ClientSession for bootstrap and rescan.
#include "session/client_session.h"
#include "wire/codec.h"

namespace syncline {

// --- Bootstrap
// ------------------------------------------------------------------------------------

void ClientSession::handle(Instant now, SnapshotBegin&& m) {
  if (phase_ != Phase::bootstrap) {
    protocol_error(now, "a snapshot that nobody asked for");
    return;
  }
  snapshot_ = m;
  snapshot_rows_ = m.rows_before;
  snapshot_bytes_ = m.bytes_before;
  received_.start_at(m.version);
  effects_.emplace_back(effect::BeginSnapshot{m});
}

void ClientSession::handle(Instant now, SnapshotPage&& m) {
  if (phase_ != Phase::bootstrap || snapshot_end_ || pages_.size() > limits::snapshot_pages_ahead) {
    protocol_error(now, "more pages of a snapshot than were asked for");
    return;
  }
  pages_.push_back(std::move(m));
  apply_pages(now);
}

void ClientSession::handle(Instant now, SnapshotEnd&& m) {
  if (phase_ != Phase::bootstrap) {
    protocol_error(now, "the end of a snapshot that nobody asked for");
    return;
  }
  snapshot_end_ = m;
  apply_pages(now);
}

void ClientSession::apply_pages(Instant now) {
  if (busy_ || phase_ != Phase::bootstrap) {
    return;
  }
  if (!pages_.empty()) {
    busy_ = true;
    snapshot_rows_ += pages_.front().rows;
    snapshot_bytes_ += pages_.front().bytes;
    effects_.emplace_back(effect::ApplyPage{std::move(pages_.front())});
    // Its token stays behind: what is asked for next.
    pages_.pop_front();
    return;
  }
  if (!snapshot_end_) {
    return;
  }
  if (snapshot_end_->rows != snapshot_rows_ || snapshot_end_->bytes != snapshot_bytes_) {
    facts_.snapshot_token.clear();
    protocol_error(now, "a snapshot with other totals than it promised");
    return;
  }
  busy_ = true;
  effects_.emplace_back(effect::FinishSnapshot{snapshot_end_->version});
}

void ClientSession::on_page_applied(Instant now, ByteVector token, const Digest& digest) {
  busy_ = false;
  facts_.snapshot_token = std::move(token);
  facts_.digest = digest;
  if (phase_ == Phase::bootstrap) {
    spoke_at_ = now;
    send(SnapshotRequest{facts_.snapshot_token});
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
    send(RescanRequest{});
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

void ClientSession::on_compared(Instant now, std::vector<ByteVector> differing) {
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
    effects_.emplace_back(effect::FinishRescan{resume_after_});
    return;
  }
  send(walk_.next());
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
