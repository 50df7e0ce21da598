#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/receive_budget.h"

namespace syncline {

// What Asio calls when something is done; may be moved, not copied. Erased, so that Beast's
// templates are built once for plain and TLS streams alike: they are slow to compile.
class StreamDone {
 public:
  StreamDone() = default;
  template <typename F>
  explicit StreamDone(F function) : body_(std::make_unique<BodyOf<F>>(std::move(function))) {}
  void operator()(boost::system::error_code error, std::size_t size) {
    const std::unique_ptr<Body> body = std::move(body_);
    body->call(error, size);
  }

 private:
  struct Body {
    virtual ~Body() = default;
    virtual void call(boost::system::error_code error, std::size_t size) = 0;
  };
  template <typename F>
  struct BodyOf final : Body {
    explicit BodyOf(F f) : function(std::move(f)) {}
    void call(boost::system::error_code error, std::size_t size) override { function(error, size); }
    F function;
  };
  std::unique_ptr<Body> body_;
};

// A connected stream of bytes: TCP, or TLS over it. One thread.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // TLS, where there is any.
  virtual void handshake(StreamDone done) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, StreamDone done) = 0;
  virtual void write_some(boost::asio::const_buffer from, StreamDone done) = 0;
  // No more will be sent.
  virtual void finish() = 0;
  virtual void close() = 0;
  virtual bool is_open() const = 0;
};

// Shape of an Asio stream over a ByteStream.
class ErasedStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  // Small buffers are gathered up to this, so that a frame's head and body leave as one packet.
  static constexpr std::size_t gather_bytes_max = std::size_t{64} << 10U;

  ErasedStream(boost::asio::io_context& context, std::unique_ptr<ByteStream> stream)
      : executor_(context.get_executor()), stream_(std::move(stream)) {}
  ErasedStream(ErasedStream&&) = default;
  ErasedStream& operator=(ErasedStream&&) = default;

  executor_type get_executor() const { return executor_; }
  ByteStream& bytes() { return *stream_; }
  std::uint64_t received() const { return received_; }
  // Counts what is read against a share, and ends the stream when that is used up.
  void set_share(std::shared_ptr<ReceiveBudget::Share> share) { share_ = std::move(share); }
  // Adds what leaves to it.
  void count_sent(std::shared_ptr<std::uint64_t> sent) { sent_ = std::move(sent); }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, boost::asio::mutable_buffer into) {
          if (into.size() == 0) {
            // An empty read must not end inside the call that began it.
            boost::asio::post(executor_, [h = std::move(handler)]() mutable {
              h(boost::system::error_code(), std::size_t{0});
            });
            return;
          }
          stream_->read_some(
              into, StreamDone([this, h = std::move(handler)](boost::system::error_code error,
                                                              std::size_t size) mutable {
                received_ += size;
                if (!error && share_ && !share_->take(size)) {
                  error = boost::asio::error::no_buffer_space;
                }
                h(error, size);
              }));
        },
        token, first_of(buffers));
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, boost::asio::const_buffer from) {
          if (from.size() == 0) {
            boost::asio::post(executor_, [h = std::move(handler)]() mutable {
              h(boost::system::error_code(), std::size_t{0});
            });
            return;
          }
          stream_->write_some(
              from, StreamDone([this, h = std::move(handler)](boost::system::error_code error,
                                                              std::size_t size) mutable {
                // Thousands of idle connections must not each keep their largest write.
                gathered_ = {};
                if (sent_) {
                  *sent_ += size;
                }
                h(error, size);
              }));
        },
        token, gather(buffers));
  }

 private:
  template <typename Buffers>
  static boost::asio::mutable_buffer first_of(const Buffers& buffers) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const boost::asio::mutable_buffer one(*at);
      if (one.size() != 0) {
        return one;
      }
    }
    return {};
  }

  template <typename Buffers>
  boost::asio::const_buffer gather(const Buffers& buffers) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    boost::asio::const_buffer first;
    std::size_t all = 0;
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const boost::asio::const_buffer one(*at);
      first = all == 0 ? one : first;
      all += one.size();
    }
    if (first.size() == all || first.size() >= gather_bytes_max) {
      return first;
    }
    gathered_.resize(std::min(all, gather_bytes_max));
    std::size_t used = 0;
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != end && used < gathered_.size(); ++at) {
      const boost::asio::const_buffer one(*at);
      const std::size_t taken = std::min(one.size(), gathered_.size() - used);
      std::memcpy(gathered_.data() + used, one.data(), taken);
      used += taken;
    }
    return {gathered_.data(), used};
  }

  executor_type executor_;
  std::unique_ptr<ByteStream> stream_;
  std::vector<char> gathered_;
  std::uint64_t received_ = 0;
  std::shared_ptr<ReceiveBudget::Share> share_;
  std::shared_ptr<std::uint64_t> sent_;
};

}  // namespace syncline
