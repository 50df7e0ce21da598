#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "net/backend.h"
#include "net/http_stream.h"
#include "net/receive_budget.h"
#include "net/server.h"
#include "net/web_socket.h"

namespace syncline {

class ServedConnection;

// What all connections of a server share.
class ServerHall {
 public:
  // What is handed in outlives the hall.
  ServerHall(const NetOptions& given, Backend& into, JsonLog& told,
             boost::asio::io_context& runs_on, ReceiveBudget& of_unknown, ReceiveBudget& of_known,
             ReceiveBudget& of_answers)
      : options(given),
        backend(into),
        log(told),
        context(runs_on),
        unknown(of_unknown),
        known(of_known),
        answers(of_answers) {}
  ServerHall(const ServerHall&) = delete;
  ServerHall& operator=(const ServerHall&) = delete;

  const NetOptions& options;
  Backend& backend;
  JsonLog& log;
  boost::asio::io_context& context;
  // What all connections have sent.
  const std::shared_ptr<std::uint64_t> sent_bytes = std::make_shared<std::uint64_t>(0);
  // Of people whom nobody knows yet, by address, and of those who showed a token.
  ReceiveBudget& unknown;
  ReceiveBudget& known;
  // Answers to requests that were not taken yet, by address.
  ReceiveBudget& answers;

  virtual ~ServerHall() = default;
  virtual bool is_draining() const = 0;
  virtual void ended(ServedConnection& connection) = 0;
  // Frames that were read and not handled yet grew, or shrank, by so much.
  virtual void unread(std::ptrdiff_t change) = 0;
  virtual bool must_pause(std::size_t unread) const = 0;
  virtual void pause(std::uint64_t number, bool is_paused) = 0;
  // Somebody was turned away: counted under this reason.
  virtual void refused(const char* what) = 0;
  // The same for the log, with what a person needs to find the cause; a few lines a second.
  virtual void log_refused(const std::string& what, const std::string& address,
                           const std::string& message) = 0;
  // Conversations by POST that were welcomed may send more at once.
  virtual void trust(const std::string& session) = 0;
  virtual bool is_trusted(std::string_view session) = 0;
};

// One accepted connection, through TLS and HTTP to a WebSocket if that is wanted.
class ServedConnection : public std::enable_shared_from_this<ServedConnection> {
 public:
  ServedConnection(ServerHall& hall, std::uint64_t number, std::string address)
      : hall_(hall),
        number_(number),
        address_(std::move(address)),
        share_(std::make_shared<ReceiveBudget::Share>(hall.unknown, address_)),
        answer_share_(std::make_shared<ReceiveBudget::Share>(hall.answers, address_)) {}

  void begin(std::unique_ptr<ByteStream> stream);
  void answer(Reply reply);
  // Goes on with an answer that streams.
  void chunk(const std::string& text, bool last);
  void send(SharedBytes frame);
  void close(const std::string& reason);
  // What waits to be sent is dropped.
  void abort(const std::string& reason);
  void consumed(std::size_t bytes);
  void resume();
  // The server stops: what is idle goes at once.
  void drain();
  // Ends it: somebody else needs the room.
  void cut(const char* why);
  // Nobody knows whose it is, and nothing that it asked is being answered.
  bool is_expendable() const {
    return !ended_ && !is_welcomed_ && !waits_for_answer_ && !is_streaming_ && !is_writing_;
  }
  // What waits to be sent.
  std::size_t queue_bytes() const {
    return (socket_ ? socket_->queue_bytes() : 0) + chunks_.size();
  }
  std::uint64_t number() const { return number_; }
  const std::string& address() const { return address_; }

 private:
  void log_refusal(Bytes frame);
  void log_refusal(const Reply& reply);
  void next_request();
  void take(HttpStream::Incoming incoming);
  void judge_body(const Request& head, std::size_t announced,
                  std::function<void(HttpLimits::Body)> done);
  void upgrade(HttpUpgrade request);
  void begin_stream(Reply reply);
  void write_chunks();
  void frame_sent(std::size_t bytes);
  void count_answer(std::size_t bytes);
  void end();

  ServerHall& hall_;
  std::uint64_t number_;
  std::string address_;
  std::shared_ptr<ReceiveBudget::Share> share_;
  std::shared_ptr<ReceiveBudget::Share> answer_share_;
  std::unique_ptr<ErasedStream> stream_;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::shared_ptr<HttpStream> http_;
  std::shared_ptr<WebSocket> socket_;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool waits_for_answer_ = false;
  bool ended_ = false;
  bool is_welcomed_ = false;
  std::size_t unread_ = 0;
  bool is_paused_ = false;
  std::size_t sent_ = 0;  // and not told yet
  // Of a stream: what waits to be written.
  bool is_streaming_ = false;
  bool is_writing_ = false;
  bool is_last_ = false;
  std::string chunks_;
};

}  // namespace syncline
