#include "client/sync_state.h"

namespace syncline {
namespace {

constexpr Status all_statuses[] = {Status::disconnected, Status::connecting, Status::syncing,
                                   Status::synced,       Status::stuck,      Status::incompatible};
constexpr Trouble all_troubles[] = {Trouble::none,
                                    Trouble::schema_incompatible,
                                    Trouble::protocol_too_old,
                                    Trouble::protocol_too_new,
                                    Trouble::not_allowed,
                                    Trouble::storage,
                                    Trouble::malformed,
                                    Trouble::unreachable,
                                    Trouble::digest_mismatch,
                                    Trouble::clock_skew,
                                    Trouble::busy,
                                    Trouble::led_elsewhere,
                                    Trouble::server_storage};

std::string text_of(const Json& json, const char* name) {
  const Json* found = json.find(name);
  return found == nullptr || found->string() == nullptr ? "" : *found->string();
}

std::int64_t number_of(const Json& json, const char* name) {
  const Json* found = json.find(name);
  return found == nullptr ? 0 : found->as_int64().value_or(0);
}

}  // namespace

Result<void> write_sync_state(Engine& engine, const SyncState& state) {
  Json out;
  out.set("status", Json(status_name(state.status)));
  out.set("cause", Json(trouble_name(state.trouble)));
  out.set("message", Json(state.message));
  out.set("advice", Json(state.advice));
  out.set("at_ms", Json::integer(state.at_ms));
  out.set("synced_ms", Json::integer(state.synced_ms));
  out.set("by", Json(state.by));
  out.set("wish", Json::integer(state.wish));
  out.set("live", Json(state.live));
  return engine.meta().set(meta_name::sync_state, ValueView::of(std::string_view(write_json(out))));
}

Result<SyncState> read_sync_state(Engine& engine) {
  SL_TRY(const std::string text, engine.meta().text(meta_name::sync_state));
  SyncState out;
  const auto json = read_json(text);
  if (text.empty() || !json) {
    return out;
  }
  for (const Status status : all_statuses) {
    out.status = text_of(*json, "status") == status_name(status) ? status : out.status;
  }
  for (const Trouble trouble : all_troubles) {
    out.trouble = text_of(*json, "cause") == trouble_name(trouble) ? trouble : out.trouble;
  }
  out.message = text_of(*json, "message");
  out.advice = text_of(*json, "advice");
  out.at_ms = number_of(*json, "at_ms");
  out.synced_ms = number_of(*json, "synced_ms");
  out.by = text_of(*json, "by");
  out.wish = number_of(*json, "wish");
  const Json* live = json->find("live");
  out.live = live != nullptr && live->boolean() != nullptr && *live->boolean();
  return out;
}

bool is_fresh(const SyncState& state, std::int64_t now_ms) {
  const std::int64_t age = now_ms - state.at_ms;
  return state.live && age <= sync_state_counts_ms && age >= -sync_state_counts_ms;
}

Status status_now(const SyncState& state, std::int64_t now_ms, std::uint64_t waiting) {
  if (!is_fresh(state, now_ms)) {
    return derive_status({.trouble = state.trouble});
  }
  if (state.status == Status::synced && waiting > 0) {
    return Status::syncing;
  }
  return state.status;
}

}  // namespace syncline
