#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "net/byte_stream.h"

namespace syncline {

std::unique_ptr<ByteStream> make_tcp_stream(boost::asio::ip::tcp::socket socket);

}  // namespace syncline
