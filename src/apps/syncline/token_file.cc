#include "apps/syncline/token_file.h"

#include <unistd.h>

#include <algorithm>

#include "net/system.h"

namespace syncline::cli {
namespace {

std::string trimmed(std::string text) {
  const char* space = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(space), text.size()));
  text.erase(text.find_last_not_of(space) + 1);
  return text;
}

// A token as `syncline token` prints it, or bare.
Result<std::string> token_in(std::string text) {
  text = trimmed(std::move(text));
  if (!text.empty() && text.front() == '{') {
    SL_TRY(const Json json, read_json(text));
    const Json* token = json.find("token");
    if (token == nullptr || token->string() == nullptr) {
      return Error(ErrorCode::malformed, "the token's file holds no token");
    }
    return *token->string();
  }
  return text;
}

}  // namespace

Result<std::string> read_token(const Arguments& arguments) {
  constexpr std::size_t token_file_bytes_max = std::size_t{64} << 10U;
  if (arguments.has("token-file")) {
    SL_TRY(std::string text, read_file(arguments.get("token-file"), token_file_bytes_max));
    return token_in(std::move(text));
  }
  if (!arguments.has("token-fd")) {
    return std::string();
  }
  SL_TRY(const std::int64_t number, arguments.integer("token-fd", 0));
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(static_cast<int>(number), buffer, sizeof buffer);
    if (got < 0) {
      return Error(ErrorCode::invalid_argument, "nothing can be read from --token-fd");
    }
    if (got == 0 || text.size() > token_file_bytes_max) {
      return token_in(std::move(text));
    }
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace syncline::cli
