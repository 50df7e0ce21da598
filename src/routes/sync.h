#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "routes/http.h"

namespace syncline {

inline constexpr const char* sync_path = "/v1/sync";

struct SyncOptions {
  // Pages of these origins may connect, "https://app.example" each; "*" is any. A request without
  // an Origin comes from no browser page and needs none.
  std::set<std::string> origins;
  // So may pages that this server gave out itself, as long as it was called by a loopback address:
  // a name could be anybody's that points here.
  bool own_pages = false;
  // Nobody is asked for a token: then the Host must be this machine itself or one of `hosts`, or
  // any web page could have its own name point here and be taken for one of ours.
  bool loopback_only = false;
  std::set<std::string> hosts;
};

// What stands against upgrading this request to a WebSocket; nothing when it may.
std::optional<Reply> refuse_upgrade(const Request& request, const SyncOptions& options);
// The same for any request of a page: cross-site ones are refused before they do anything.
std::optional<Reply> refuse_origin(const Request& request, const SyncOptions& options);
// A request that came for another host, where that matters.
std::optional<Reply> refuse_host(const Request& request, const SyncOptions& options);
// Tokens in URLs end up in logs and histories.
bool has_token_in_url(const Request& request);

}  // namespace syncline
