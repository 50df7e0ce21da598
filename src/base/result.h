#pragma once

#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace syncline {

// What kind of trouble an Error is. Programs match on it; its name (error_code_name) is stable and
// travels on the wire, in the C ABI and in the command line's JSON.
enum class ErrorCode {
  invalid_argument,  // the caller asked for something that makes no sense
  malformed,         // bytes from wire, disk or user do not decode
  too_large,         // a limit of wire/limits.h was reached
  unsupported,       // understood, but this build or version cannot do it
  not_found,
  already_exists,
  not_allowed,      // identity or rules refuse it
  constraint,       // the application's schema refuses the row
  schema_mismatch,  // the two sides' schemas cannot live together
  clock_skew,       // a stamp lies too far in the future
  out_of_order,     // a change is missing before this one
  diverged,         // the same identity with different content
  storage,          // disk or database failure
  full,             // disk or quota full
  busy,             // locked by someone else; weather
  corrupt,          // stored bytes are not what was written
  out_of_memory,
  unreachable,  // network weather
  timed_out,
  cancelled,
  internal,
};

// The stable name of a code, such as "too_large".
std::string_view error_code_name(ErrorCode code);
// The code of a stable name; nothing for a name this version does not know.
std::optional<ErrorCode> error_code_from_name(std::string_view name);

// A failure with a reason that a person can read and a program can match (P10). One pointer, and
// nearly all of its code out of line: it is handed up from some two thousand places.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, const char* message);
  Error(ErrorCode code, std::string message);
  Error(const Error& other);
  Error(Error&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  Error& operator=(Error other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~Error() {
    if (body_ != nullptr) [[unlikely]] {
      drop();
    }
  }

  ErrorCode code() const;
  const std::string& message() const;
  // Weather passes: trying the same thing later may work.
  bool retryable() const;

  Error with_retryable(bool retryable) &&;
  // Puts where it happened before what happened: "apply: table t: disk full".
  Error in(std::string_view where) &&;

 private:
  template <typename T>
  friend class Result;
  struct Body;
  struct None {};
  explicit Error(None /*none*/) {}
  void drop();

  Body* body_ = nullptr;  // null when moved from, and inside a Result that has a value
};

// A value or an Error; keeps to the shape of std::expected, which our compilers lack.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // Implicit on purpose: functions return either a T or an Error.
  template <typename U = T>
  requires std::is_constructible_v<T, U&&> &&(!std::is_same_v<std::remove_cvref_t<U>, Error>)&&(
      !std::is_same_v<std::remove_cvref_t<U>, Result>)
      Result(U&& value)  // NOLINT(google-explicit-constructor)
      : value_(std::forward<U>(value)), error_(Error::None()) {}
  Result(Error error)  // NOLINT(google-explicit-constructor)
      : error_(std::move(error)), has_value_(false) {}
  Result(const Result& other) : error_(other.error_), has_value_(other.has_value_) {
    if (has_value_) {
      new (&value_) T(other.value_);
    }
  }
  Result(Result&& other) noexcept : error_(std::move(other.error_)), has_value_(other.has_value_) {
    if (has_value_) {
      new (&value_) T(std::move(other.value_));
    }
  }
  Result& operator=(Result other) noexcept {
    this->~Result();
    return *new (this) Result(std::move(other));
  }
  ~Result() {
    if (has_value_) {
      value_.~T();
    }
  }

  bool has_value() const { return has_value_; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    SL_CHECK(has_value());
    return value_;
  }
  const T& value() const& {
    SL_CHECK(has_value());
    return value_;
  }
  T&& value() && {
    SL_CHECK(has_value());
    return std::move(value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    SL_CHECK(!has_value());
    return error_;
  }
  const Error& error() const& {
    SL_CHECK(!has_value());
    return error_;
  }
  Error&& error() && {
    SL_CHECK(!has_value());
    return std::move(error_);
  }

 private:
  // Not a std::variant, whose tables of functions no linker sees through.
  union {
    T value_;  // NOLINT(readability-identifier-naming): a private member like the others
  };
  Error error_;
  bool has_value_ = true;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() : error_(Error::None()) {}
  Result(Error error)  // NOLINT(google-explicit-constructor)
      : error_(std::move(error)), has_value_(false) {}

  bool has_value() const { return has_value_; }
  explicit operator bool() const { return has_value(); }
  void value() const { SL_CHECK(has_value()); }

  Error& error() & {
    SL_CHECK(!has_value());
    return error_;
  }
  const Error& error() const& {
    SL_CHECK(!has_value());
    return error_;
  }
  Error&& error() && {
    SL_CHECK(!has_value());
    return std::move(error_);
  }

 private:
  Error error_;
  bool has_value_ = true;
};

}  // namespace syncline

#define SL_CONCAT_(a, b) a##b
#define SL_CONCAT(a, b) SL_CONCAT_(a, b)

// SL_TRY(expression);              returns the error of a Result<...> from this function
// SL_TRY(auto name, expression);   the same, and binds the value
#define SL_TRY_PICK(_1, _2, NAME, ...) NAME
#define SL_TRY(...) SL_TRY_PICK(__VA_ARGS__, SL_TRY_BIND, SL_TRY_VOID)(__VA_ARGS__)
#define SL_TRY_VOID(expression) SL_TRY_VOID_(SL_CONCAT(sl_try_result_, __COUNTER__), expression)
#define SL_TRY_VOID_(temporary, expression)    \
  do {                                         \
    auto temporary = (expression);             \
    if (!temporary.has_value()) [[unlikely]] { \
      return std::move(temporary).error();     \
    }                                          \
  } while (false)
#define SL_TRY_BIND(declaration, expression) \
  SL_TRY_BIND_(SL_CONCAT(sl_try_result_, __COUNTER__), declaration, expression)
#define SL_TRY_BIND_(temporary, declaration, expression) \
  auto temporary = (expression);                         \
  if (!temporary.has_value()) [[unlikely]] {             \
    return std::move(temporary).error();                 \
  }                                                      \
  declaration = std::move(temporary).value()
