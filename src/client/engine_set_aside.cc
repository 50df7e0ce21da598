// The part of the engine that takes unsent changes back which cannot be sent, and has rows
// compared.
#include "base/json.h"
#include "client/engine.h"
#include "sqlite/savepoint.h"

namespace syncline {

// In the caller's transaction.
Result<std::uint64_t> Engine::set_aside(LocalVersion through, SetAside::Judge judge) {
  SL_TRY(const std::uint64_t count, set_aside_.changes(replica_, through, clock_.now_ms(), judge));
  if (count > 0) {
    unsent_.forget();
    rows_.forget();
    extract_.forget();
    // Should nobody come to it before the process ends.
    SL_TRY(meta_.set(meta_name::wants_rescan, ValueView::of(std::int64_t{1})));
    has_set_aside_ = true;
  }
  return count;
}

Result<void> Engine::set_aside_large(LocalVersion through) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(set_aside(through, &too_large_to_send));
  return savepoint.release();
}

Result<ChangeSequence> Engine::set_aside_unsent(const std::string& code,
                                                const std::string& message) {
  SL_TRY(require_replica());
  ChangeSequence through;
  std::uint64_t count = 0;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(const LogHead head, log_.head());
    through = head.own_sequence;
    SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
    if (acknowledged < head.version) {
      SL_TRY(count, set_aside(head.version, [&](const OutboxChange&) {
               return std::optional<SetAside::Reason>(SetAside::Reason{code, message});
             }));
    }
    return savepoint.release();
  };
  auto done = run();
  end_call();
  SL_TRY(std::move(done));
  if (count > 0) {
    tell_rejected(code, message);
  }
  return through;
}

Result<void> Engine::want_rescan() {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(const std::int64_t cursor, meta_.integer(meta_name::cursor));
  if (cursor > 0) {  // otherwise everything comes anyway
    SL_TRY(meta_.set(meta_name::wants_rescan, ValueView::of(std::int64_t{1})));
  }
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

bool Engine::take_set_aside() { return std::exchange(has_set_aside_, false); }

void Engine::tell_rejected(const std::string& code, const std::string& message) {
  if (events_.wanted()) {
    const std::string payload = "{\"code\":" + write_json(Json(code)) +
                                ",\"message\":" + write_json(Json(message)) +
                                ",\"retryable\":false}";
    events_.notify(event_name::error, clock_.now_ms(), payload, payload);
  }
}

}  // namespace syncline
