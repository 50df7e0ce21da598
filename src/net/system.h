#pragma once

#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"

namespace syncline {

// The machine's clocks and randomness, for those that build the parts.
class SystemClock final : public WallClock {
 public:
  std::int64_t now_ms() override;
};
// Monotonic.
Instant instant_now();
std::int64_t micros_now();

// From the operating system: fit for secrets.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;
};

// A log of JSON lines on standard error: {"time","level","event",...}. Any thread. Never a token.
class JsonLog {
 public:
  enum class Level { debug, info, warning, error };
  explicit JsonLog(Level least) : least_(least) {}
  void write(Level level, const std::string& event, Json fields = {});
  void info(const std::string& event, Json fields = {}) {
    write(Level::info, event, std::move(fields));
  }
  void warning(const std::string& event, Json fields = {}) {
    write(Level::warning, event, std::move(fields));
  }

 private:
  Level least_;
  std::mutex mutex_;
};
Json log_field(const std::string& name, const std::string& value);

// A small file as text; fails with `not_found`, `storage` or `too_large`.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);
// Replaces the file as a whole and durably: nobody sees half of it.
Result<void> write_file(const std::string& path, const std::string& content);

}  // namespace syncline
