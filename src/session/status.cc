#include "session/status.h"

#include "base/mutant.h"

namespace syncline {

std::string_view status_name(Status status) {
  switch (status) {
    case Status::disconnected:
      return "disconnected";
    case Status::connecting:
      return "connecting";
    case Status::syncing:
      return "syncing";
    case Status::synced:
      return "synced";
    case Status::stuck:
      return "stuck";
    case Status::incompatible:
      return "incompatible";
  }
  return "unknown";
}

std::string_view trouble_name(Trouble trouble) {
  switch (trouble) {
    case Trouble::none:
      return "none";
    case Trouble::schema_incompatible:
      return "schema_incompatible";
    case Trouble::protocol_too_old:
      return "protocol_too_old";
    case Trouble::protocol_too_new:
      return "protocol_too_new";
    case Trouble::not_allowed:
      return "not_allowed";
    case Trouble::storage:
      return "storage";
    case Trouble::malformed:
      return "malformed";
    case Trouble::unreachable:
      return "unreachable";
    case Trouble::digest_mismatch:
      return "digest_mismatch";
    case Trouble::clock_skew:
      return "clock_skew";
    case Trouble::busy:
      return "busy";
    case Trouble::led_elsewhere:
      return "led_elsewhere";
    case Trouble::too_large:
      return "too_large";
    case Trouble::server_storage:
      return "server_storage";
  }
  return "unknown";
}

Trouble trouble_of(Refusal reason) {
  switch (reason) {
    case Refusal::schema_incompatible:
      return Trouble::schema_incompatible;
    case Refusal::protocol_too_old:
      return Trouble::protocol_too_old;
    case Refusal::protocol_too_new:
      return Trouble::protocol_too_new;
    case Refusal::not_allowed:
      return Trouble::not_allowed;
    case Refusal::clock_skew:
      return Trouble::clock_skew;
    case Refusal::malformed:
      return Trouble::malformed;
    case Refusal::cannot_store:
      return Trouble::server_storage;
    case Refusal::busy:
    case Refusal::unknown_lineage:
    case Refusal::cursor_expired:
    case Refusal::replica_forked:
      return Trouble::unreachable;
  }
  return Trouble::malformed;
}

bool is_mendable(Refusal reason) {
  return reason == Refusal::unknown_lineage || reason == Refusal::cursor_expired ||
         reason == Refusal::replica_forked || reason == Refusal::clock_skew;
}

void measure(Progress& progress, std::uint64_t bytes, Duration elapsed) {
  if (elapsed.ms <= 0 || bytes == 0) {
    return;
  }
  progress.bytes_per_second = bytes * 1000 / static_cast<std::uint64_t>(elapsed.ms);
  if (progress.bytes_per_second > 0 && progress.bytes_total > progress.bytes_done) {
    progress.left = {static_cast<std::int64_t>((progress.bytes_total - progress.bytes_done) * 1000 /
                                               progress.bytes_per_second)};
  }
}

Status derive_status(const StatusFacts& facts) {
  switch (facts.trouble) {
    case Trouble::schema_incompatible:
    case Trouble::protocol_too_old:
    case Trouble::protocol_too_new:
      return Status::incompatible;
    case Trouble::not_allowed:
    case Trouble::storage:
    case Trouble::malformed:
    case Trouble::digest_mismatch:
    case Trouble::clock_skew:
    case Trouble::too_large:
    case Trouble::server_storage:
      return Status::stuck;
    case Trouble::unreachable:
    case Trouble::busy:
    case Trouble::led_elsewhere:
    case Trouble::none:
      break;
  }
  if (!facts.connected) {
    return Status::disconnected;
  }
  if (!facts.welcomed) {
    return Status::connecting;
  }
  const bool all_sent = (facts.pending == 0 && facts.heartbeat_covers_us) || SL_MUTANT(17);
  const bool proven = all_sent && !facts.catching_up && facts.at_head && facts.heartbeat_fresh &&
                      (facts.digests_equal || SL_MUTANT(18));
  return proven ? Status::synced : Status::syncing;
}

}  // namespace syncline
