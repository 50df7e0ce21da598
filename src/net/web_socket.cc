#include "net/web_socket.h"

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <deque>

#include "net/http_upgrade.h"

namespace syncline {

namespace websocket = boost::beast::websocket;
using boost::system::error_code;

// How Beast ends a stream of ours; found by the stream's type.
inline void beast_close_socket(ErasedStream& stream) { stream.bytes().close(); }
inline void teardown(boost::beast::role_type /*role*/, ErasedStream& stream, error_code& error) {
  stream.bytes().finish();
  error = {};
}
template <typename Handler>
void async_teardown(boost::beast::role_type /*role*/, ErasedStream& stream, Handler&& handler) {
  stream.bytes().finish();
  boost::asio::post(stream.get_executor(),
                    [h = std::forward<Handler>(handler)]() mutable { h(error_code()); });
}

namespace {

class Socket final : public WebSocket {
 public:
  Socket(ErasedStream stream, const WebSocketOptions& options, Events events)
      : stream_(std::move(stream)), options_(options), events_(std::move(events)) {
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = std::chrono::milliseconds(options_.handshake.ms);
    timeout.idle_timeout = std::chrono::milliseconds(options_.idle.ms);
    timeout.keep_alive_pings = true;
    stream_.set_option(timeout);
    websocket::permessage_deflate deflate;
    deflate.server_enable = options_.deflate;
    deflate.client_enable = options_.deflate;
    // Windows that are kept cost every idle connection; small ones compress rows well enough.
    deflate.server_no_context_takeover = true;
    deflate.client_no_context_takeover = true;
    deflate.server_max_window_bits = 12;
    deflate.memLevel = 4;
    deflate.compLevel = 1;
    // Heartbeats and single edits gain nothing, and whoever gets no more than these never pays for
    // a compressor's memory.
    deflate.msg_size_threshold = 1024;
    stream_.set_option(deflate);
    stream_.binary(true);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(16384);
    stream_.read_message_max(options_.frame_bytes_max);
  }

  void accept(HttpUpgrade request) override {
    upgrade_.emplace(std::move(request));
    count_control_frames();
    stream_.async_accept(upgrade_->body().request, [self = self()](error_code error) {
      self->upgrade_.reset();
      self->opened(error);
    });
  }

  void connect(const std::string& host, const std::string& target) override {
    count_control_frames();
    stream_.async_handshake(host, target,
                            [self = self()](error_code error) { self->opened(error); });
  }

  std::size_t queue_bytes() const override { return queue_bytes_; }

  void send(SharedBytes frame) override {
    if (closed_ || closing_) {
      return;
    }
    queue_bytes_ += frame.size();
    queue_.push_back(std::move(frame));
    if (queue_bytes_ > options_.queue_bytes_max && queue_.size() > 1) {
      abort("the other end is too slow");
      return;
    }
    write();
  }

  void close(const std::string& reason) override {
    if (!closed_ && !closing_) {
      closing_ = true;
      reason_ = reason;
      write();
    }
  }

  void abort(const std::string& reason) override {
    stream_.next_layer().bytes().close();
    ended(reason);
  }

  void pause() override { paused_ = true; }
  void resume() override {
    if (paused_) {
      paused_ = false;
      if (open_ && !reading_) {
        read();
      }
    }
  }
  void set_frame_bytes_max(std::size_t bytes) override { stream_.read_message_max(bytes); }
  void set_may_inflate(bool (*may_inflate)(Bytes message)) override { may_inflate_ = may_inflate; }

 private:
  std::shared_ptr<Socket> self() { return std::static_pointer_cast<Socket>(shared_from_this()); }

  void count_control_frames() {
    stream_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
      if (kind != websocket::frame_type::close && ++control_frames_ > control_frames_max) {
        refuse("too many pings", "pings");
      }
    });
  }

  void opened(error_code error) {
    if (error) {
      ended("the handshake failed: " + error.message());
      return;
    }
    if (closed_) {
      return;
    }
    open_ = true;
    events_.on_open();
    read();
    write();
  }

  void read() {
    if (closed_ || paused_ || reading_) {
      return;
    }
    reading_ = true;
    stream_.async_read(buffer_, [self = self()](error_code error, std::size_t) {
      self->reading_ = false;
      self->received(error);
    });
  }

  void received(error_code error) {
    if (closed_) {
      return;
    }
    if (error) {
      failed(error);
      return;
    }
    control_frames_ = 0;
    if (!stream_.got_binary()) {
      tell_refused("text_message");
      close("only binary messages");
      return;
    }
    const std::size_t size = buffer_.size();
    const std::uint64_t wire = stream_.next_layer().received() - wire_seen_;
    wire_seen_ = stream_.next_layer().received();
    const auto* data = static_cast<const std::uint8_t*>(buffer_.cdata().data());
    const bool grew = size > (std::size_t{1} << 20U) && size > (wire + 65536) * inflation_max;
    if (grew && (may_inflate_ == nullptr || !may_inflate_({data, size}))) {
      refuse("a frame inflates too much", "inflation");
      return;
    }
    ByteVector frame(data, data + size);
    buffer_.consume(size);
    if (buffer_.capacity() > (std::size_t{256} << 10U)) {
      buffer_ = boost::beast::flat_buffer();
    }
    events_.on_frame(std::move(frame));
    read();
  }

  void failed(error_code error) {
    if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow) {
      refuse("a frame is too large", "frame_too_large");
    } else if (error == boost::asio::error::no_buffer_space) {
      refuse("too much from somebody unknown", "receive_budget");
    } else if (error != websocket::error::closed &&
               error.category() ==
                   websocket::make_error_code(websocket::error::closed).category()) {
      refuse(error.message(), "malformed");
    } else {
      ended(error.message());
    }
  }

  void tell_refused(const char* what) {
    if (events_.on_refused) {
      events_.on_refused(what);
    }
  }
  void refuse(const std::string& reason, const char* what) {
    if (!closed_) {
      tell_refused(what);
      abort(reason);
    }
  }

  void write() {
    if (!open_ || writing_ || closed_) {
      return;
    }
    if (queue_.empty()) {
      if (closing_ && !goodbye_) {
        goodbye_ = true;
        websocket::close_reason reason(websocket::close_code::normal, clipped(reason_));
        stream_.async_close(reason, [self = self()](error_code) { self->ended(self->reason_); });
      }
      return;
    }
    writing_ = true;
    const Bytes front = queue_.front();
    stream_.async_write(boost::asio::buffer(front.data(), front.size()),
                        [self = self()](error_code error, std::size_t) {
                          self->writing_ = false;
                          if (self->closed_) {
                            return;
                          }
                          if (error) {
                            self->ended(error.message());
                            return;
                          }
                          const std::size_t size = self->queue_.front().size();
                          self->queue_bytes_ -= size;
                          self->queue_.pop_front();
                          if (self->events_.on_sent) {
                            self->events_.on_sent(size);
                          }
                          self->write();
                        });
  }

  // What a close frame has room for.
  static std::string clipped(const std::string& text) { return text.substr(0, 120); }

  void ended(const std::string& reason) {
    if (closed_) {
      return;
    }
    closed_ = true;
    stream_.next_layer().bytes().close();
    // What is being written is looked at until that has ended.
    queue_.resize(std::min<std::size_t>(queue_.size(), writing_ ? 1 : 0));
    queue_bytes_ = 0;
    const auto keep = self();
    events_.on_closed(reason);
    // Whoever listens may be held by these.
    boost::asio::post(stream_.get_executor(), [keep] { keep->events_ = {}; });
  }

  websocket::stream<ErasedStream> stream_;
  WebSocketOptions options_;
  Events events_;
  std::optional<HttpUpgrade> upgrade_;
  boost::beast::flat_buffer buffer_;
  std::deque<SharedBytes> queue_;
  std::size_t queue_bytes_ = 0;
  std::uint64_t wire_seen_ = 0;
  std::size_t control_frames_ = 0;
  bool (*may_inflate_)(Bytes message) = nullptr;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool paused_ = false;
  bool closing_ = false;
  bool goodbye_ = false;
  bool closed_ = false;
  std::string reason_;
};

}  // namespace

std::shared_ptr<WebSocket> WebSocket::make(boost::asio::io_context& /*context*/,
                                           ErasedStream stream, const WebSocketOptions& options,
                                           Events events) {
  return std::make_shared<Socket>(std::move(stream), options, std::move(events));
}

}  // namespace syncline
