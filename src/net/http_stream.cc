#include "net/http_stream.h"

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>

#include "net/http_upgrade.h"

namespace syncline {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

boost::beast::string_view view(std::string_view text) { return {text.data(), text.size()}; }
std::string copied(boost::beast::string_view text) { return {text.data(), text.size()}; }

Error stream_error(const error_code& error, const char* what) {
  const bool timed_out = error == boost::asio::error::timed_out;
  return Error(timed_out ? ErrorCode::timed_out : ErrorCode::unreachable,
               std::string(what) + ": " + error.message());
}

class Stream final : public HttpStream {
 public:
  Stream(boost::asio::io_context& context, ErasedStream stream, HttpLimits limits)
      : stream_(std::move(stream)), limits_(std::move(limits)), timer_(context) {}

  void read_request(std::function<void(Result<Incoming>)> done) override {
    done_ = std::move(done);
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits_.head_bytes_max));
    parser_->body_limit(limits_.body_bytes_max);
    // Between requests nobody hurries; the first one must come at once.
    arm(first_ || buffer_.size() != 0 ? limits_.head : limits_.idle);
    first_ = false;
    if (buffer_.size() != 0) {
      read_head();
      return;
    }
    // The first byte starts the head's clock, so that one byte a minute gains nothing.
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = self()](error_code error, std::size_t size) {
                              if (error) {
                                self->fail(error, "reading a request");
                                return;
                              }
                              self->buffer_.commit(size);
                              self->slowness_ = "slow_head";
                              self->arm(self->limits_.head);
                              self->read_head();
                            });
  }

  void write_reply(Reply reply, bool keep_alive, bool head_only,
                   std::function<void(Result<void>)> done) override {
    response_.emplace();
    response_->result(static_cast<unsigned>(reply.status));
    response_->version(11);
    response_->set(http::field::server, "syncline");
    response_->set(http::field::content_type, view(reply.content_type));
    response_->set(http::field::cache_control, "no-store");
    response_->set("X-Content-Type-Options", "nosniff");
    for (const Header& header : reply.headers) {
      response_->set(view(header.name), view(header.value));
    }
    response_->keep_alive(keep_alive);
    response_->body() = std::move(reply.body);
    response_->prepare_payload();
    if (head_only) {
      response_->body().clear();  // the length stays
    }
    arm(limits_.body);
    http::async_write(stream_, *response_,
                      [self = self(), done = std::move(done)](error_code error, std::size_t) {
                        self->timer_.cancel();
                        self->response_.reset();
                        if (error) {
                          done(stream_error(error, "writing a reply"));
                        } else {
                          done({});
                        }
                      });
  }

  void begin_stream(Reply reply, std::function<void(Result<void>)> done) override {
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) +
                       " OK\r\nServer: syncline\r\nContent-Type: " + reply.content_type +
                       "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                       "X-Accel-Buffering: no\r\nConnection: close\r\n"
                       "Transfer-Encoding: chunked\r\n";
    for (const Header& header : reply.headers) {
      head += header.name + ": " + header.value + "\r\n";
    }
    head += "\r\n";
    write_raw(head + chunk_of(reply.body), std::move(done));
  }

  void write_piece(std::string piece, bool last, std::function<void(Result<void>)> done) override {
    write_raw(chunk_of(piece) + (last ? "0\r\n\r\n" : ""), std::move(done));
  }

  void watch(std::function<void()> gone) override {
    stream_.async_read_some(
        boost::asio::buffer(watched_),
        [self = self(), gone = std::move(gone)](error_code, std::size_t) { gone(); });
  }

  void exchange(const Request& request, const std::string& host,
                std::function<void(Result<Reply>)> done) override {
    replied_ = std::move(done);
    request_.emplace();
    request_->method_string(view(request.method));
    request_->target(
        view(request.query.empty() ? request.path : request.path + "?" + request.query));
    request_->version(11);
    request_->set(http::field::host, view(host));
    request_->set(http::field::user_agent, "syncline");
    for (const Header& header : request.headers) {
      request_->set(view(header.name), view(header.value));
    }
    request_->body() = request.body;
    request_->prepare_payload();
    arm(limits_.body);
    http::async_write(stream_, *request_, [self = self()](error_code error, std::size_t) {
      if (error) {
        self->reply(stream_error(error, "sending a request"));
        return;
      }
      self->read_reply();
    });
  }

  const char* refusal() const override { return refusal_; }
  void close() override {
    timer_.cancel();
    stream_.bytes().close();
  }
  ErasedStream release() override {
    timer_.cancel();
    return std::move(stream_);
  }

 private:
  std::shared_ptr<Stream> self() { return std::static_pointer_cast<Stream>(shared_from_this()); }

  // One piece of a chunked body; nothing for nothing, which would end it.
  static std::string chunk_of(const std::string& text) {
    if (text.empty()) {
      return "";
    }
    constexpr const char* digits = "0123456789abcdef";
    std::string size;
    for (std::size_t left = text.size(); left != 0; left >>= 4U) {
      size.insert(size.begin(), digits[left & 15U]);
    }
    return size + "\r\n" + text + "\r\n";
  }

  void write_raw(std::string bytes, std::function<void(Result<void>)> done) {
    raw_ = std::move(bytes);
    arm(limits_.body);
    boost::asio::async_write(
        stream_, boost::asio::buffer(raw_),
        [self = self(), done = std::move(done)](error_code error, std::size_t) {
          self->timer_.cancel();
          done(error ? Result<void>(stream_error(error, "writing a stream")) : Result<void>());
        });
  }

  void arm(Duration time) {
    timer_.expires_after(std::chrono::milliseconds(time.ms));
    timer_.async_wait([weak = std::weak_ptr<Stream>(self())](error_code error) {
      if (const auto stream = weak.lock(); stream && !error) {
        stream->refusal_ = stream->slowness_ ? stream->slowness_ : stream->refusal_;
        stream->close();
      }
    });
  }

  void fail(error_code error, const char* what) {
    timer_.cancel();
    auto done = std::move(done_);
    done_ = nullptr;
    done(stream_error(error, what));
  }

  void read_head() {
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = self()](error_code error, std::size_t) {
                              if (error) {
                                self->refuse(error);
                                return;
                              }
                              self->begin_body();
                            });
  }

  void begin_body() {
    const auto& message = parser_->get();
    Request head;
    (void)split_target(copied(message.target()), head);  // deliver() judges it
    head.method = copied(message.method_string());
    for (const auto& field : message) {
      head.headers.push_back({copied(field.name_string()), copied(field.value())});
    }
    if (const auto wrong = ambiguity_of(head, message.version())) {
      refuse("malformed", error_reply(400, "malformed", *wrong));
      return;
    }
    const auto length = parser_->content_length();
    if (!limits_.judge_body || parser_->is_done() || (length && *length == 0)) {
      parser_->body_limit(limits_.body_bytes_max);
      begin_body({limits_.body_bytes_max, limits_.body, {}});
      return;
    }
    // Who asks is looked at before a byte of the body was read.
    const std::size_t announced = length ? static_cast<std::size_t>(*length) : SIZE_MAX;
    limits_.judge_body(head, announced, [self = self()](HttpLimits::Body body) {
      self->begin_body(std::move(body));
    });
  }

  void begin_body(HttpLimits::Body body) {
    const std::size_t most = std::min(body.bytes_max, limits_.body_bytes_max);
    parser_->body_limit(most);
    if (body.refusal) {
      refuse(body.why, std::move(*body.refusal));
      return;
    }
    // A length that was announced is judged before a byte of it was read.
    if (const auto length = parser_->content_length(); length && *length > most) {
      refuse(http::make_error_code(http::error::body_limit));
      return;
    }
    slowness_ = "slow_body";
    arm(body.time);
    read_body();
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_, [self = self()](error_code error, std::size_t) {
      if (error) {
        self->refuse(error);
        return;
      }
      self->timer_.cancel();
      self->slowness_ = nullptr;
      self->deliver();
    });
  }

  void refuse(const char* what, Reply reply) {
    slowness_ = nullptr;
    refusal_ = what;
    write_reply(std::move(reply), false, false, [self = self()](const Result<void>&) {
      self->stream_.bytes().finish();
      self->fail(http::make_error_code(http::error::bad_value), "reading a request");
    });
  }

  // A broken request is told why, as far as that can still be heard.
  void refuse(error_code error) {
    Reply reply;
    slowness_ = nullptr;
    if (error == http::error::header_limit) {
      refusal_ = "head_too_large";
      reply = error_reply(431, "too_large", "the request's head is too large");
    } else if (error == http::error::body_limit) {
      refusal_ = "body_too_large";
      reply = error_reply(413, "too_large", "the request's body is too large");
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      refusal_ = "malformed";
      reply = error_reply(400, "malformed", "this is no HTTP request");
    } else {
      if (error == boost::asio::error::no_buffer_space) {
        refusal_ = "receive_budget";
      }
      fail(error, "reading a request");
      return;
    }
    write_reply(std::move(reply), false, false, [self = self(), error](const Result<void>&) {
      self->stream_.bytes().finish();
      self->fail(error, "reading a request");
    });
  }

  void deliver() {
    auto message = parser_->release();
    Incoming out;
    const std::string target = copied(message.target());
    out.request.method = copied(message.method_string());
    out.keep_alive = message.keep_alive();
    if (!split_target(target, out.request)) {
      refusal_ = "target";
      write_reply(error_reply(400, "malformed", "the target is no path of this server"), false,
                  false, [self = self()](const Result<void>&) {
                    self->stream_.bytes().finish();
                    self->fail(http::make_error_code(http::error::bad_target), "reading a request");
                  });
      return;
    }
    for (const auto& field : message) {
      out.request.headers.push_back({copied(field.name_string()), copied(field.value())});
    }
    if (boost::beast::websocket::is_upgrade(message)) {
      out.upgrade.emplace(
          std::make_shared<HttpUpgrade::Body>(HttpUpgrade::Body{std::move(message)}));
    } else {
      out.request.body = std::move(message.body());
    }
    auto done = std::move(done_);
    done_ = nullptr;
    done(std::move(out));
  }

  void read_reply() {
    reply_parser_.emplace();
    reply_parser_->header_limit(static_cast<std::uint32_t>(limits_.head_bytes_max));
    reply_parser_->body_limit(limits_.body_bytes_max);
    http::async_read(
        stream_, buffer_, *reply_parser_, [self = self()](error_code error, std::size_t) {
          if (error) {
            self->reply(stream_error(error, "reading a reply"));
            return;
          }
          auto message = self->reply_parser_->release();
          Reply out;
          out.status = static_cast<int>(message.result_int());
          for (const auto& field : message) {
            out.headers.push_back({copied(field.name_string()), copied(field.value())});
          }
          out.body = std::move(message.body());
          self->reply(std::move(out));
        });
  }

  void reply(Result<Reply> result) {
    timer_.cancel();
    auto done = std::move(replied_);
    replied_ = nullptr;
    done(std::move(result));
  }

  ErasedStream stream_;
  HttpLimits limits_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  std::string raw_;
  std::array<char, 512> watched_{};
  bool first_ = true;
  // What it would be called if time ran out now; null when nobody is to blame.
  const char* slowness_ = nullptr;
  const char* refusal_ = nullptr;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response_parser<http::string_body>> reply_parser_;
  std::optional<http::response<http::string_body>> response_;
  std::optional<http::request<http::string_body>> request_;
  std::function<void(Result<Incoming>)> done_;
  std::function<void(Result<Reply>)> replied_;
};

}  // namespace

std::shared_ptr<HttpStream> HttpStream::make(boost::asio::io_context& context, ErasedStream stream,
                                             HttpLimits limits) {
  return std::make_shared<Stream>(context, std::move(stream), std::move(limits));
}

}  // namespace syncline
