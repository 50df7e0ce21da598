#pragma once

#include <memory>
#include <string>

#include "net/backend.h"
#include "net/http_stream.h"
#include "net/web_socket.h"
#include "server/bounds.h"

namespace syncline {

struct NetOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  // PEM files; without them there is no TLS.
  std::string tls_certificate;
  std::string tls_key;
  std::size_t connections_max = 20'000;
  std::size_t connections_per_address_max = 2'000;
  MemoryBounds memory = MemoryBounds::within(memory_bytes_default);
  HttpLimits http;
  WebSocketOptions web_socket;
  SyncOptions sync;
};

// The sockets: accepts, bounds, and carries between them and a Backend. One thread of its own.
class NetServer {
 public:
  // Listens; connections are served once this returned. `backend` and `log` outlive the server,
  // and the backend is started here. Fails with `invalid_argument` for an address that cannot be
  // listened on.
  static Result<std::unique_ptr<NetServer>> start(
      const NetOptions& options, Backend& backend, JsonLog& log,
      std::function<Result<void>(const std::string&)> save_revocations);

  virtual ~NetServer() = default;
  virtual std::uint16_t port() const = 0;
  // Reads certificate and key again; what is open stays as it is.
  virtual Result<void> reload_tls() = 0;
  // Accepts nothing more, says goodbye, waits for what is under way, and ends: when nothing of it
  // has left for so long, and at the latest after ten times that.
  virtual void stop(Duration patience) = 0;
};

}  // namespace syncline
