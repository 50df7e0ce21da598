#include "net/system.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

namespace syncline {
namespace {

const char* level_name(JsonLog::Level level) {
  switch (level) {
    case JsonLog::Level::debug:
      return "debug";
    case JsonLog::Level::info:
      return "info";
    case JsonLog::Level::warning:
      return "warning";
    case JsonLog::Level::error:
      return "error";
  }
  return "";
}

std::string iso_time(std::int64_t ms) {
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, size) + fraction;
}

// All of it, however often the system stops in between.
bool write_all(int file, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t done = ::write(file, data, size);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return false;
    }
    data += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

Error file_error(const std::string& path, int number) {
  const ErrorCode code = number == ENOENT                       ? ErrorCode::not_found
                         : number == EACCES                     ? ErrorCode::not_allowed
                         : number == ENOSPC || number == EDQUOT ? ErrorCode::full
                                                                : ErrorCode::storage;
  return Error(code, path + ": " + std::strerror(number));
}

}  // namespace

std::int64_t SystemClock::now_ms() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

std::int64_t micros_now() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_start).count();
}

Instant instant_now() { return Instant{micros_now() / 1000}; }

std::uint64_t SystemRandom::next() {
  std::uint64_t out = 0;
  // So few bytes come whole or not at all.
  SL_CHECK(::getrandom(&out, sizeof out, 0) == static_cast<ssize_t>(sizeof out));
  return out;
}

Json log_field(const std::string& name, const std::string& value) {
  Json out;
  out.set(name, Json(value));
  return out;
}

void JsonLog::write(Level level, const std::string& event, Json fields) {
  if (level < least_) {
    return;
  }
  Json line;
  line.set("time", Json(iso_time(SystemClock().now_ms())));
  line.set("level", Json(level_name(level)));
  line.set("event", Json(event));
  if (const Json::Object* each = fields.object()) {
    for (const Json::Member& one : *each) {
      line.set(one.name, one.value);
    }
  }
  const std::string text = write_json(line) + "\n";
  const std::lock_guard<std::mutex> guard(mutex_);
  (void)write_all(STDERR_FILENO, text.data(), text.size());
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return file_error(path, errno);
  }
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(file, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      const int number = errno;
      ::close(file);
      return file_error(path, number);
    }
    if (got == 0) {
      break;
    }
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > bytes_max) {
      ::close(file);
      return Error(ErrorCode::too_large,
                   path + ": more than " + std::to_string(bytes_max) + " bytes");
    }
  }
  ::close(file);
  return out;
}

Result<void> write_file(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) {
    return file_error(fresh, errno);
  }
  // A file that lay there keeps its mode otherwise.
  const bool written = ::fchmod(file, 0600) == 0 &&
                       write_all(file, content.data(), content.size()) && ::fsync(file) == 0;
  const int number = errno;
  ::close(file);
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const int why = written ? errno : number;
    ::unlink(fresh.c_str());
    return file_error(path, why);
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); handle >= 0) {
    (void)::fsync(handle);
    ::close(handle);
  }
  return {};
}

}  // namespace syncline
