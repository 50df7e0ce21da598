#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/http_stream.h"

namespace syncline {

struct HttpUpgrade::Body {
  boost::beast::http::request<boost::beast::http::string_body> request;
};

}  // namespace syncline
