#include "net/served_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "wire/codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

using boost::system::error_code;

constexpr Duration handshake_time{10'000};
constexpr std::uint8_t welcome_frame = 2;  // its place in wire/message.h's variant
constexpr std::uint8_t refused_frame = 3;
constexpr std::uint8_t push_frame = 4;
// What a request may bring that belongs to no conversation: a hello with its schema, a short order.
constexpr std::size_t first_body_bytes_max = std::size_t{1} << 20U;
// And anybody else, token or not, and how long they may take.
constexpr std::size_t small_body_bytes_max = std::size_t{256} << 10U;
constexpr Duration small_body_time{20'000};
// Clients of the JSON door show their token in the head: larger bodies are read from those alone.
// They count for their user until they are answered.
constexpr const char* door_path = "/api/sync/";
// Of a stream whose reader is slow: then it is cut, and comes again.
constexpr std::size_t stream_bytes_max = std::size_t{8} << 20U;
constexpr const char* session_header = "Syncline-Session";
// Who is let go has so long to take what was sent before.
constexpr Duration goodbye_time{10'000};
// Frames that left are told in pieces of this size (net/backend.h).
constexpr std::size_t sent_bytes_told = std::size_t{32} << 10U;
// What a frame that was not handled yet costs beside its bytes, in memory and in others' time: of
// the least ones, a thousand of a socket stand in the backend's queue, not a hundred thousand.
constexpr std::size_t unread_frame_bytes = 1024;

}  // namespace

void ServedConnection::begin(std::unique_ptr<ByteStream> stream) {
  stream_ = std::make_unique<ErasedStream>(hall_.context, std::move(stream));
  stream_->set_share(share_);
  stream_->count_sent(hall_.sent_bytes);
  share_->on_cut([weak = weak_from_this(), &context = hall_.context] {
    boost::asio::post(context, [weak] {
      if (const auto self = weak.lock()) {
        self->cut("receive_budget");
      }
    });
  });
  answer_share_->on_cut([weak = weak_from_this(), &context = hall_.context] {
    boost::asio::post(context, [weak] {
      if (const auto self = weak.lock()) {
        self->cut("answers");
      }
    });
  });
  timer_ = std::make_unique<boost::asio::steady_timer>(hall_.context);
  timer_->expires_after(std::chrono::milliseconds(handshake_time.ms));
  timer_->async_wait([weak = weak_from_this()](error_code error) {
    if (const auto self = weak.lock(); self && !error && self->stream_) {
      self->hall_.refused("handshake_time");
      self->stream_->bytes().close();
    }
  });
  stream_->bytes().handshake(StreamDone([self = shared_from_this()](error_code error, std::size_t) {
    self->timer_.reset();
    if (error || self->ended_) {
      if (error && error != boost::asio::error::operation_aborted &&
          error != boost::asio::error::eof && error != boost::asio::error::connection_reset) {
        self->hall_.refused("tls");
      }
      self->end();
      return;
    }
    HttpLimits limits = self->hall_.options.http;
    limits.body_bytes_max = std::max(limits.body_bytes_max, limits::post_bytes_max);
    limits.judge_body = [weak = self->weak_from_this()](
                            const Request& head, std::size_t announced,
                            std::function<void(HttpLimits::Body)> done) {
      if (const auto connection = weak.lock()) {
        connection->judge_body(head, announced, std::move(done));
      }
    };
    self->http_ =
        HttpStream::make(self->hall_.context, std::move(*self->stream_), std::move(limits));
    self->stream_.reset();
    self->next_request();
  }));
}

void ServedConnection::next_request() {
  share_->move_to(hall_.unknown, address_);
  http_->read_request([self = shared_from_this()](Result<HttpStream::Incoming> incoming) {
    if (!incoming || incoming->request.path.rfind(door_path, 0) != 0) {
      self->share_->give_back();
    }
    if (!incoming) {
      if (const char* what = self->http_->refusal()) {
        self->hall_.refused(what);
      }
      self->end();
      return;
    }
    self->take(std::move(*incoming));
  });
}

// Before anybody knows whose request it is, the server reads little, and not for long.
void ServedConnection::judge_body(const Request& head, std::size_t announced,
                                  std::function<void(HttpLimits::Body)> done) {
  const HttpLimits& bounds = hall_.options.http;
  const HttpLimits::Body whole{bounds.body_bytes_max, bounds.body, {}};
  const std::string session(head.header(session_header));
  if (head.path == sync_path) {
    if (!session.empty() && hall_.is_trusted(session)) {
      share_->move_to(hall_.known, "session " + session);
      done({limits::post_bytes_max, bounds.body, {}});
    } else {
      done({first_body_bytes_max, bounds.body, {}});
    }
    return;
  }
  if (head.path.rfind(door_path, 0) != 0 || announced <= small_body_bytes_max) {
    done({small_body_bytes_max, small_body_time, {}});
    return;
  }
  // Keys belong to the backend's thread.
  hall_.backend.run(
      [weak = weak_from_this(), &context = hall_.context, whole, done,
       token = std::string(head.bearer())](Service& service, Instant) {
        boost::asio::post(context, [weak, whole, done, user = service.user_of(token)] {
          const auto self = weak.lock();
          if (!self || self->ended_) {
            return;
          }
          if (user) {
            self->share_->move_to(self->hall_.known, "user " + *user);
            done(whole);
            return;
          }
          HttpLimits::Body none;
          none.refusal = error_reply(401, "not_allowed", "a body of this size needs a token first");
          none.refusal->headers.push_back({"WWW-Authenticate", "Bearer"});
          done(std::move(none));
        });
      },
      number_);
}

void ServedConnection::cut(const char* why) {
  if (ended_) {
    return;
  }
  hall_.refused(why);
  if (socket_) {
    socket_->abort("others need the room");
  } else if (http_) {
    http_->close();
  } else if (stream_) {
    stream_->bytes().close();
  }
}

void ServedConnection::take(HttpStream::Incoming incoming) {
  keep_alive_ = incoming.keep_alive && !hall_.is_draining();
  incoming.request.address = address_;
  head_only_ = incoming.request.method == "HEAD";
  waits_for_answer_ = true;
  if (incoming.upgrade) {
    if (auto refused = refuse_upgrade(incoming.request, hall_.options.sync)) {
      const char* what = refused->status == 403 ? "origin" : "upgrade";
      hall_.refused(what);
      hall_.log_refused(
          what, address_,
          std::string(incoming.request.header("Origin")) + " " + incoming.request.path);
      keep_alive_ = false;
      answer(std::move(*refused));
      return;
    }
    waits_for_answer_ = false;
    upgrade(std::move(*incoming.upgrade));
    return;
  }
  hall_.backend.request(RequestId(number_), std::move(incoming.request));
}

void ServedConnection::answer(Reply reply) {
  if (!waits_for_answer_ || ended_) {
    return;
  }
  waits_for_answer_ = false;
  share_->give_back();
  log_refusal(reply);
  if (reply.streams) {
    begin_stream(std::move(reply));
    return;
  }
  if (!reply.welcomed_session.empty()) {
    hall_.trust(reply.welcomed_session);
  }
  is_writing_ = true;
  count_answer(reply.body.size());
  http_->write_reply(std::move(reply), keep_alive_, head_only_,
                     [self = shared_from_this()](const Result<void>& done) {
                       self->is_writing_ = false;
                       self->answer_share_->give_back();
                       if (done && self->keep_alive_ && !self->hall_.is_draining()) {
                         self->next_request();
                       } else {
                         self->end();
                       }
                     });
}

void ServedConnection::count_answer(std::size_t bytes) {
  // One that is larger than all may be goes alone.
  if (!answer_share_->take(bytes) && hall_.answers.all() > answer_share_->taken()) {
    // Not within this call: whoever answers goes on with this connection.
    boost::asio::post(hall_.context, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->cut("answers");
      }
    });
  }
}

void ServedConnection::begin_stream(Reply reply) {
  is_streaming_ = true;
  is_writing_ = true;
  http_->begin_stream(std::move(reply), [self = shared_from_this()](const Result<void>& done) {
    self->is_writing_ = false;
    if (done) {
      self->write_chunks();
    } else {
      self->end();
    }
  });
  http_->watch([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->end();
    }
  });
}

void ServedConnection::chunk(const std::string& text, bool last) {
  if (!is_streaming_ || ended_) {
    return;
  }
  chunks_ += text;
  count_answer(text.size());
  is_last_ = is_last_ || last;
  if (chunks_.size() > stream_bytes_max) {
    hall_.refused("slow_stream");
    end();
    return;
  }
  write_chunks();
}

void ServedConnection::write_chunks() {
  if (ended_ || is_writing_ || (chunks_.empty() && !is_last_)) {
    return;
  }
  is_writing_ = true;
  const bool last = is_last_;
  http_->write_piece(std::exchange(chunks_, {}), last,
                     [self = shared_from_this(), last](const Result<void>& done) {
                       self->is_writing_ = false;
                       self->answer_share_->give_back();
                       self->count_answer(self->chunks_.size());
                       if (done && !last) {
                         self->write_chunks();
                       } else {
                         self->end();
                       }
                     });
}

void ServedConnection::upgrade(HttpUpgrade request) {
  WebSocket::Events events;
  const SocketId id(number_);
  events.on_open = [this, id] { hall_.backend.socket_open(id, address_); };
  events.on_frame = [this, id](ByteVector frame) {
    hall_.unread(static_cast<std::ptrdiff_t>(frame.size() + unread_frame_bytes));
    unread_ += frame.size() + unread_frame_bytes;
    if (!is_paused_ && hall_.must_pause(unread_)) {
      is_paused_ = true;
      socket_->pause();
      hall_.pause(number_, true);
    }
    hall_.backend.socket_frame(id, std::move(frame));
  };
  events.on_refused = [this](const char* what) { hall_.refused(what); };
  events.on_sent = [this](std::size_t bytes) { frame_sent(bytes); };
  events.on_closed = [self = shared_from_this(), id](const std::string& reason) {
    Json fields = log_field("address", self->address_);
    fields.set("reason", Json(reason));
    self->hall_.log.write(JsonLog::Level::debug, "disconnected", std::move(fields));
    self->hall_.backend.socket_closed(id);
    self->end();
  };
  socket_ =
      WebSocket::make(hall_.context, http_->release(), hall_.options.web_socket, std::move(events));
  http_.reset();
  socket_->accept(std::move(request));
}

// A token that was turned away, or a replica: whoever runs the server looks for it in the log.
void ServedConnection::log_refusal(Bytes frame) {
  if (frame.empty() || frame[0] != refused_frame) {
    return;
  }
  const auto message = decode_message(frame);
  if (const Refused* refused = message ? std::get_if<Refused>(&*message) : nullptr) {
    hall_.log_refused(std::string(refusal_name(refused->reason)), address_, refused->message);
  }
}

void ServedConnection::log_refusal(const Reply& reply) {
  if (reply.status == 401 || reply.status == 403) {
    hall_.log_refused(reply.status == 401 ? "token" : "not_allowed", address_,
                      reply.body.substr(0, 200));
  } else if (reply.content_type == "application/octet-stream") {
    Reader in(as_bytes(reply.body));
    // A refusal is the last that is said, and seldom anything is said before it.
    if (const auto frame = read_frame(in)) {
      log_refusal(*frame);
    }
  }
}

void ServedConnection::send(SharedBytes shared) {
  if (socket_) {
    const Bytes frame = shared.view();
    log_refusal(frame);
    if (!frame.empty() && frame[0] == welcome_frame) {
      // Whoever was let in may send rows of the largest size.
      is_welcomed_ = true;
      share_->stop_counting();
      socket_->set_frame_bytes_max(limits::frame_bytes_max);
      // An empty drawing packs a thousandfold, and was written all the same.
      socket_->set_may_inflate(
          [](Bytes message) { return !message.empty() && message[0] == push_frame; });
    }
    socket_->send(std::move(shared));
  }
}

// Little is told when there is nothing left to tell it with: nobody waits for it.
void ServedConnection::frame_sent(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ >= sent_bytes_told || socket_->queue_bytes() == 0) {
    hall_.backend.socket_sent(SocketId(number_), std::exchange(sent_, 0));
  }
}

void ServedConnection::abort(const std::string& reason) {
  if (socket_) {
    socket_->abort(reason);
  }
}

void ServedConnection::close(const std::string& reason) {
  if (!socket_) {
    return;
  }
  // The backend does not count any more what waits for it.
  count_answer(socket_->queue_bytes());
  socket_->close(reason);
  timer_ = std::make_unique<boost::asio::steady_timer>(hall_.context);
  timer_->expires_after(std::chrono::milliseconds(goodbye_time.ms));
  timer_->async_wait([weak = weak_from_this()](error_code error) {
    if (const auto self = weak.lock(); self && !error) {
      self->abort("it did not take the goodbye");
    }
  });
}

// One frame.
void ServedConnection::consumed(std::size_t bytes) {
  unread_ -= bytes + unread_frame_bytes;
  hall_.unread(-static_cast<std::ptrdiff_t>(bytes + unread_frame_bytes));
  resume();
}

void ServedConnection::resume() {
  if (is_paused_ && socket_ && !hall_.must_pause(unread_)) {
    is_paused_ = false;
    hall_.pause(number_, false);
    socket_->resume();
  }
}

void ServedConnection::drain() {
  if (socket_ || waits_for_answer_ || is_streaming_ || is_writing_) {
    return;  // they are told by the backend, and an answer on its way arrives
  }
  if (http_) {
    http_->close();
  } else if (stream_) {
    stream_->bytes().close();
  }
}

void ServedConnection::end() {
  if (ended_) {
    return;
  }
  ended_ = true;
  if (is_streaming_ || waits_for_answer_) {
    hall_.backend.request_gone(RequestId(number_));
  }
  if (http_) {
    http_->close();
  }
  share_->give_back();
  answer_share_->give_back();
  const auto keep = shared_from_this();
  hall_.unread(-static_cast<std::ptrdiff_t>(unread_));
  unread_ = 0;
  hall_.ended(*this);
}

}  // namespace syncline
