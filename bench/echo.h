#pragma once

#include <cstdint>
#include <memory>

namespace syncline::bench {

// A bare Beast WebSocket echo on a thread of its own: what a message costs when nothing is done
// with it.
class Echo {
 public:
  static std::unique_ptr<Echo> start();
  virtual ~Echo() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace syncline::bench
