#include "base/result.h"

#include <array>

namespace syncline {
namespace {

struct CodeName {
  ErrorCode code;
  std::string_view name;
};

constexpr std::array<CodeName, 21> code_names{{
    {ErrorCode::invalid_argument, "invalid_argument"},
    {ErrorCode::malformed, "malformed"},
    {ErrorCode::too_large, "too_large"},
    {ErrorCode::unsupported, "unsupported"},
    {ErrorCode::not_found, "not_found"},
    {ErrorCode::already_exists, "already_exists"},
    {ErrorCode::not_allowed, "not_allowed"},
    {ErrorCode::constraint, "constraint"},
    {ErrorCode::schema_mismatch, "schema_mismatch"},
    {ErrorCode::clock_skew, "clock_skew"},
    {ErrorCode::out_of_order, "out_of_order"},
    {ErrorCode::diverged, "diverged"},
    {ErrorCode::storage, "storage"},
    {ErrorCode::full, "full"},
    {ErrorCode::busy, "busy"},
    {ErrorCode::corrupt, "corrupt"},
    {ErrorCode::out_of_memory, "out_of_memory"},
    {ErrorCode::unreachable, "unreachable"},
    {ErrorCode::timed_out, "timed_out"},
    {ErrorCode::cancelled, "cancelled"},
    {ErrorCode::internal, "internal"},
}};

bool is_weather(ErrorCode code) {
  return code == ErrorCode::busy || code == ErrorCode::unreachable || code == ErrorCode::timed_out;
}

}  // namespace

struct Error::Body {
  ErrorCode code;
  bool retryable;
  std::string message;
};

Error::Error(ErrorCode code, const char* message) : Error(code, std::string(message)) {}

Error::Error(ErrorCode code, std::string message)
    : body_(new Body{code, is_weather(code), std::move(message)}) {}

Error::Error(const Error& other)
    : body_(other.body_ == nullptr ? nullptr : new Body(*other.body_)) {}

void Error::drop() { delete body_; }

ErrorCode Error::code() const {
  SL_CHECK(body_ != nullptr);
  return body_->code;
}

const std::string& Error::message() const {
  SL_CHECK(body_ != nullptr);
  return body_->message;
}

bool Error::retryable() const {
  SL_CHECK(body_ != nullptr);
  return body_->retryable;
}

Error Error::with_retryable(bool retryable) && {
  SL_CHECK(body_ != nullptr);
  body_->retryable = retryable;
  return std::move(*this);
}

Error Error::in(std::string_view where) && {
  SL_CHECK(body_ != nullptr);
  body_->message.insert(0, std::string(where) + ": ");
  return std::move(*this);
}

std::string_view error_code_name(ErrorCode code) {
  for (const CodeName& entry : code_names) {
    if (entry.code == code) {
      return entry.name;
    }
  }
  return "internal";
}

std::optional<ErrorCode> error_code_from_name(std::string_view name) {
  for (const CodeName& entry : code_names) {
    if (entry.name == name) {
      return entry.code;
    }
  }
  return std::nullopt;
}

}  // namespace syncline
