#pragma once

#include <string>

#include "net/transport.h"
#include "routes/http.h"

namespace syncline {

// How far a request came.
enum class FetchStage { name, connection, tls, answer };

struct Fetched {
  FetchStage stage = FetchStage::name;
  // At the stage `answer`, a reply or why there was none; before it, why it ended there.
  Result<Reply> reply;
};

// One request to a server, waited for: for commands that look whether all is well. The URL names
// the server; path and the rest are the request's.
Fetched fetch(const std::string& url, const Request& request, const TransportOptions& options);

}  // namespace syncline
