#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace syncline::bench {

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

// The least that speaks WebSocket to a server: a bare socket and as little work as can be, so that
// a thousand of them take little from the server that is measured.
class LightClient {
 public:
  LightClient(std::uint16_t port, const std::string& path) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // The one cast that the sockets interface asks for.
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      give_up(std::string("connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    write_all("GET " + path +
              " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    while (in_.find("\r\n\r\n") == std::string::npos) {
      receive();
    }
    if (in_.rfind("HTTP/1.1 101", 0) != 0) {
      give_up("no WebSocket: " + in_.substr(0, 200));
    }
    in_.erase(0, in_.find("\r\n\r\n") + 4);
  }
  LightClient(LightClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), in_(std::move(other.in_)), at_(other.at_) {}
  LightClient(const LightClient&) = delete;
  LightClient& operator=(const LightClient&) = delete;
  LightClient& operator=(LightClient&&) = delete;
  ~LightClient() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  int fd() const { return fd_; }

  void send(Bytes frame) { send_as(0x82, frame); }

  // The next whole message that is here already.
  std::optional<ByteVector> next() {
    for (;;) {
      const std::size_t have = in_.size() - at_;
      if (have < 2) {
        return std::nullopt;
      }
      const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in_[at_ + i]); };
      std::size_t head = 2;
      std::uint64_t size = byte(1) & 0x7FU;
      if (size >= 126) {
        const std::size_t wide = size == 126 ? 2 : 8;
        head += wide;
        if (have < head) {
          return std::nullopt;
        }
        size = 0;
        for (std::size_t i = 0; i < wide; ++i) {
          size = size << 8U | byte(2 + i);
        }
      }
      if (have < head + size) {
        return std::nullopt;
      }
      const unsigned kind = byte(0) & 0x0FU;
      const auto* data = reinterpret_cast<const std::uint8_t*>(in_.data()) + at_ + head;
      ByteVector frame(data, data + size);
      at_ += head + size;
      if (at_ == in_.size()) {
        in_.clear();
        at_ = 0;
      }
      if (kind == 9) {
        send_as(0x8A, frame);
      } else if (kind == 8) {
        give_up("the server hung up: " + std::string(frame.begin(), frame.end()));
      } else {
        return frame;
      }
    }
  }
  ByteVector wait_for_next() {
    for (;;) {
      if (auto frame = next()) {
        return std::move(*frame);
      }
      receive();
    }
  }
  // Waits for bytes.
  void receive() {
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      give_up("the server closed a connection");
    }
    in_.append(bytes, static_cast<std::size_t>(got));
  }

 private:
  void send_as(std::uint8_t kind, Bytes frame) {
    std::string head(1, static_cast<char>(kind));
    // Masked, as a client must, with a mask that changes nothing.
    const std::size_t size = frame.size();
    const std::size_t wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
    head.push_back(static_cast<char>(0x80U | (wide == 0 ? size : wide == 2 ? 126U : 127U)));
    for (std::size_t i = wide; i > 0; --i) {
      head.push_back(static_cast<char>(size >> ((i - 1) * 8)));
    }
    head.append(4, '\0');
    head.append(frame.begin(), frame.end());
    write_all(head);
  }
  void write_all(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t sent = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) {
        give_up("the server closed a connection");
      }
      done += static_cast<std::size_t>(sent);
    }
  }

  int fd_ = -1;
  std::string in_;
  std::size_t at_ = 0;
};

}  // namespace syncline::bench
