#include "apps/syncline/cli.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "apps/syncline/terminal.h"
#include "base/text.h"

namespace syncline::cli {
namespace {

const Flag common_flags[] = {
    {"json", "", "objects of JSON, also on a terminal", false, false},
    {"help", "", "this text", false, false},
};

const Flag* find_flag(const Command& command, std::string_view name) {
  for (const Flag& flag : command.flags) {
    if (name == flag.name) {
      return &flag;
    }
  }
  for (const Flag& flag : common_flags) {
    if (name == flag.name) {
      return &flag;
    }
  }
  return nullptr;
}

Error usage_error(const Command& command, const std::string& what) {
  return Error(ErrorCode::invalid_argument,
               what + "; see syncline " + std::string(command.name) + " --help");
}

// How many letters must change to make one word of the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

void write_out(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(file, text.data(), text.size());
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return;  // nobody reads any more
    }
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

// Lines stay lines: our own help and advice have several.
std::string each_line(std::string_view text, std::string (*shown)(std::string_view)) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += (at == 0 ? "" : "\n") + shown(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string plain(const Json& value) {
  return value.string() != nullptr ? shown_text(*value.string()) : shown_json(write_json(value));
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

void append_flag(std::string& out, const Flag& flag) {
  std::string left = std::string("  --") + flag.name;
  if (*flag.value != 0) {
    left += std::string(" ") + flag.value;
  }
  out += padded(left, 28) + flag.help + (flag.is_required ? " (required)" : "") + "\n";
}

}  // namespace

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return exit_usage;
    case ErrorCode::not_found:
      return exit_not_found;
    case ErrorCode::not_allowed:
      return exit_not_allowed;
    case ErrorCode::unreachable:
    case ErrorCode::timed_out:
    case ErrorCode::busy:
      return exit_unreachable;
    case ErrorCode::schema_mismatch:
    case ErrorCode::unsupported:
      return exit_incompatible;
    case ErrorCode::storage:
    case ErrorCode::full:
    case ErrorCode::corrupt:
    case ErrorCode::out_of_memory:
    case ErrorCode::internal:
      return exit_storage;
    case ErrorCode::malformed:
    case ErrorCode::too_large:
    case ErrorCode::already_exists:
    case ErrorCode::constraint:
    case ErrorCode::clock_skew:
    case ErrorCode::out_of_order:
    case ErrorCode::diverged:
    case ErrorCode::cancelled:
      return exit_refused;
  }
  return exit_storage;
}

const Command* find_command(std::string_view name) {
  for (const Command& command : commands()) {
    if (name == command.name) {
      return &command;
    }
  }
  return nullptr;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = word.size() / 2 + 2;
  for (const std::string& one : known) {
    const std::size_t far = distance(word, one);
    if (far < least) {
      least = far;
      best = one;
    }
  }
  return best;
}

Result<Arguments> Arguments::parse(const Command& command, const std::vector<std::string>& words) {
  Arguments out;
  bool only_operands = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_operands || word.size() < 2 || word[0] != '-') {
      out.operands_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    if (word == "-h") {
      out.help_ = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name =
        word.substr(word[1] == '-' ? 2 : 1,
                    equals == std::string::npos ? equals : equals - (word[1] == '-' ? 2 : 1));
    const Flag* flag = word[1] == '-' ? find_flag(command, name) : nullptr;
    if (flag == nullptr) {
      std::vector<std::string> known;
      for (const Flag& one : command.flags) {
        known.emplace_back(one.name);
      }
      const std::string meant = nearest(name, known);
      return usage_error(command, "there is no flag " + word.substr(0, equals) +
                                      (meant.empty() ? "" : "; did you mean --" + meant + "?"));
    }
    std::string value;
    if (*flag->value != 0) {
      if (equals != std::string::npos) {
        value = word.substr(equals + 1);
      } else if (i + 1 < words.size()) {
        value = words[++i];
      } else {
        return usage_error(command, "--" + name + " needs a value: " + flag->value);
      }
    } else if (equals != std::string::npos) {
      return usage_error(command, "--" + name + " takes no value");
    }
    out.help_ = out.help_ || name == "help";
    auto& values = out.flags_[name];
    if (!values.empty() && !flag->is_repeated) {
      return usage_error(command, "--" + name + " is given twice");
    }
    values.push_back(value);
  }
  if (out.help_) {
    return out;
  }
  for (const Flag& flag : command.flags) {
    if (flag.is_required && !out.has(flag.name)) {
      return usage_error(command, std::string("--") + flag.name + " is needed");
    }
  }
  if (out.operands_.size() < command.operands_min || out.operands_.size() > command.operands_max) {
    return usage_error(command, *command.operands == 0
                                    ? "there is one word too many: " + out.operands_.back()
                                    : std::string("what is expected here is ") + command.operands);
  }
  return out;
}

std::string Arguments::get(std::string_view flag, std::string_view otherwise) const {
  const auto at = flags_.find(flag);
  return at == flags_.end() ? std::string(otherwise) : at->second.back();
}

std::vector<std::string> Arguments::all(std::string_view flag) const {
  const auto at = flags_.find(flag);
  return at == flags_.end() ? std::vector<std::string>() : at->second;
}

Result<std::int64_t> Arguments::integer(std::string_view flag, std::int64_t otherwise) const {
  if (!has(flag)) {
    return otherwise;
  }
  const auto value = parse_int64(get(flag));
  if (!value) {
    return Error(ErrorCode::invalid_argument, "--" + std::string(flag) + " must be a number");
  }
  return *value;
}

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_int64(text.substr(0, digits));
  const std::string_view unit = text.substr(digits);
  std::int64_t factor = 0;
  for (const auto& [name, ms] : {std::pair<std::string_view, std::int64_t>{"ms", 1},
                                 {"s", 1000},
                                 {"", 1000},
                                 {"m", 60'000},
                                 {"h", 3'600'000},
                                 {"d", 86'400'000}}) {
    if (unit == name) {
      factor = ms;
    }
  }
  constexpr std::int64_t most = std::int64_t{10'000} * 86'400'000;
  if (!number || factor == 0 || *number > most / factor) {
    return Error(ErrorCode::invalid_argument,
                 "\"" + std::string(text) + "\" is no time; write 30s, 10m, 1h or 7d");
  }
  return *number * factor;
}

// --- Output
// ---------------------------------------------------------------------------------------

bool Output::stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

void Output::raw(std::string_view line) {
  write_out(STDOUT_FILENO,
            (stdout_is_terminal() ? each_line(line, shown_json) : std::string(line)) + "\n");
}

void Output::object(const Json& object) {
  if (json_ || object.object() == nullptr) {
    raw(write_json(object));
    return;
  }
  std::size_t width = 0;
  for (const Json::Member& member : *object.object()) {
    width = std::max(width, member.name.size() + 2);
  }
  std::string out;
  for (const Json::Member& member : *object.object()) {
    out += padded(shown_text(member.name), width) + plain(member.value) + "\n";
  }
  write_out(STDOUT_FILENO, out);
}

void Output::row(const Json& object) {
  if (json_ || object.object() == nullptr) {
    raw(write_json(object));
    return;
  }
  std::string out;
  for (const Json::Member& member : *object.object()) {
    out += (out.empty() ? "" : "  ") + shown_text(member.name) + "=" + plain(member.value);
  }
  raw(out);
}

Json json_error(const Error& error) {
  Json inner;
  inner.set("code", Json(error_code_name(error.code())));
  inner.set("message", Json(to_valid_utf8(error.message())));
  inner.set("retryable", Json(error.retryable()));
  return inner;
}

void Output::error(const Error& error) {
  if (json_) {
    Json whole;
    whole.set("ok", Json(false));
    whole.set("error", json_error(error));
    raw(write_json(whole));
  } else {
    note("error: " + error.message());
  }
}

void Output::note(const std::string& text) {
  write_out(STDERR_FILENO, each_line(text, shown_text) + "\n");
}

// --- Help
// -----------------------------------------------------------------------------------------

std::string usage_of(const Command& command) {
  std::string out = std::string(command.summary) + "\n\nusage: syncline " + command.name;
  for (const Flag& flag : command.flags) {
    if (flag.is_required) {
      out += std::string(" --") + flag.name + " " + flag.value;
    }
  }
  if (*command.operands != 0) {
    out += std::string(" ") + command.operands;
  }
  out += " [flags]\n\nflags:\n";
  for (const Flag& flag : command.flags) {
    append_flag(out, flag);
  }
  for (const Flag& flag : common_flags) {
    append_flag(out, flag);
  }
  return out + "\nexample:\n  " + command.example + "\n";
}

std::string overview() {
  std::string out =
      "syncline: makes SQLite databases sync\n\nusage: syncline COMMAND [flags]\n\ncommands:\n";
  for (const Command& command : commands()) {
    out += padded(std::string("  ") + command.name, 16) + command.summary + "\n";
  }
  return out + "\nsyncline COMMAND --help says more, with an example.\n";
}

}  // namespace syncline::cli
