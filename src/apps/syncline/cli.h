#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace syncline::cli {

// Exit codes; docs/cli.md lists them, and they never change.
enum ExitCode : int {
  exit_ok = 0,
  exit_usage = 2,
  exit_not_found = 3,
  exit_not_allowed = 5,
  exit_unreachable = 6,
  exit_refused = 7,
  exit_storage = 8,
  exit_incompatible = 9,
  exit_bootstrap_needed = 10,
};
int exit_code_of(ErrorCode code);

struct Flag {
  const char* name = "";   // without the dashes
  const char* value = "";  // what stands for its value; empty for a switch
  const char* help = "";
  bool is_required = false;
  bool is_repeated = false;
};

class Arguments;
class Output;

struct Command {
  const char* name = "";
  const char* summary = "";
  const char* operands = "";  // as in the usage line: "TABLE", "[retry|discard ID]"
  std::size_t operands_min = 0;
  std::size_t operands_max = 0;
  std::vector<Flag> flags;
  const char* example = "";
  Result<int> (*run)(const Arguments& arguments, Output& out) = nullptr;
};
// All of them, in the order in which help lists them.
const std::vector<Command>& commands();
const Command* find_command(std::string_view name);

// What was given to one command.
class Arguments {
 public:
  // Fails with `invalid_argument` and says what was meant, most likely.
  static Result<Arguments> parse(const Command& command, const std::vector<std::string>& words);

  bool has(std::string_view flag) const { return flags_.find(flag) != flags_.end(); }
  // The last one; empty when it was not given.
  std::string get(std::string_view flag, std::string_view otherwise = {}) const;
  std::vector<std::string> all(std::string_view flag) const;
  Result<std::int64_t> integer(std::string_view flag, std::int64_t otherwise) const;
  const std::vector<std::string>& operands() const { return operands_; }
  std::string operand(std::size_t index) const {
    return index < operands_.size() ? operands_[index] : "";
  }
  bool wants_help() const { return help_; }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> flags_;
  std::vector<std::string> operands_;
  bool help_ = false;
};

// Where answers go: a JSON object a line for programs, words for people on a terminal. Each line is
// flushed at once.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}
  static bool stdout_is_terminal();
  bool is_json() const { return json_; }

  // One object; for people a member a line.
  void object(const Json& object);
  // One of many; for people one line.
  void row(const Json& object);
  // JSON that was written elsewhere.
  void raw(std::string_view line);
  void error(const Error& error);
  // For people only, on standard error.
  static void note(const std::string& text);

 private:
  bool json_;
};

std::string usage_of(const Command& command);
std::string overview();
// The word that was meant; empty when nothing is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);
// "1h", "90s", "2d", "500ms" or a plain number of seconds, as milliseconds.
Result<std::int64_t> parse_duration_ms(std::string_view text);

Json json_error(const Error& error);

}  // namespace syncline::cli
