#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

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

// A failure with a reason that a person can read and a program can match (P10).
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message)
      : code_(code), retryable_(is_weather(code)), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // Weather passes: trying the same thing later may work.
  bool retryable() const { return retryable_; }

  Error with_retryable(bool retryable) && {
    retryable_ = retryable;
    return std::move(*this);
  }
  // Puts where it happened before what happened: "apply: table t: disk full".
  Error in(std::string_view where) && {
    message_.insert(0, std::string(where) + ": ");
    return std::move(*this);
  }

 private:
  static bool is_weather(ErrorCode code) {
    return code == ErrorCode::busy || code == ErrorCode::unreachable ||
           code == ErrorCode::timed_out;
  }

  ErrorCode code_;
  bool retryable_;
  std::string message_;
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
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    SL_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    SL_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    SL_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    SL_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    SL_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    SL_CHECK(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const { SL_CHECK(has_value()); }

  Error& error() & {
    SL_CHECK(error_.has_value());
    return *error_;
  }
  const Error& error() const& {
    SL_CHECK(error_.has_value());
    return *error_;
  }
  Error&& error() && {
    SL_CHECK(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
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
