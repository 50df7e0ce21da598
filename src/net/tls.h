#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/byte_stream.h"

namespace syncline {

// A certificate with its key, or whom a client trusts. Connections keep the context they began
// with, so it can be exchanged while the server runs.
class TlsContext {
 public:
  // The certificate's chain and the key as PEM files. Fails with `invalid_argument` or `not_found`.
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_path,
                                                    const std::string& key_path);
  // Trusts the system's authorities, or those of the file when one is given.
  static Result<std::shared_ptr<TlsContext>> client(const std::string& authorities_path);

  virtual ~TlsContext() = default;
  virtual std::unique_ptr<ByteStream> accept(boost::asio::ip::tcp::socket socket) = 0;
  // The other end must prove to be `host`.
  virtual std::unique_ptr<ByteStream> connect(boost::asio::ip::tcp::socket socket,
                                              const std::string& host) = 0;
};

}  // namespace syncline
