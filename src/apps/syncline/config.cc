#include "apps/syncline/config.h"

#include <algorithm>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "base/text.h"
#include "net/system.h"

namespace syncline::cli {
namespace {

std::string spelled(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

// A TOML value as flags give it; nothing for a table or a date.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto text = node.value<std::string>(); text && node.is_string()) {
    return *text;
  }
  if (node.is_boolean()) {
    return *node.value<bool>() ? "true" : "false";
  }
  if (node.is_integer()) {
    return std::to_string(*node.value<std::int64_t>());
  }
  return std::nullopt;
}

}  // namespace

const std::vector<Flag>& serve_flags() {
  static const std::vector<Flag> flags = {
      {"data", "DIR", "where the log lies (syncline-data)", false, false},
      {"witness", "FILE", "where the server keeps, outside of the log, what it has (DIR.witness)",
       false, false},
      {"listen", "HOST:PORT", "where to listen; port 0 picks one (127.0.0.1:8080)", false, false},
      {"config", "FILE.toml", "settings, named like these flags with _ for -", false, false},
      {"demo", "", "no tokens: everybody may do everything; on loopback only", false, false},
      {"web", "DIR", "with --demo: serves the demonstration page in DIR", false, false},
      {"key-file", "FILE", "who signs tokens: a secret, PEM keys or a JWKS; read again on change",
       false, false},
      {"issuer", "NAME", "the issuer that tokens must name", false, false},
      {"audience", "NAME", "the audience that tokens must name", false, false},
      {"tls-cert", "FILE", "certificate chain (PEM); read again on change", false, false},
      {"tls-key", "FILE", "its key (PEM)", false, false},
      {"allow-origin", "ORIGIN",
       "web pages that may connect, such as https://app.example (several: once each, or with "
       "commas between); * is any",
       false, true},
      {"allow-host", "NAME", "with --demo: a name that it answers to beside those of loopback",
       false, true},
      {"private-metrics", "", "/metrics only for whoever administers the server", false, false},
      {"workspaces-per-user", "N", "workspaces that one user may make; 0 is any number (0)", false,
       false},
      {"workspace-bytes", "N", "bytes of a workspace's rows; 0 is any number (0)", false, false},
      {"workspace-rows", "N", "rows of a workspace; 0 is any number (0)", false, false},
      {"devices-per-user", "N", "JSON devices of a user in a workspace (1000)", false, false},
      {"connections-max", "N", "open connections (20000)", false, false},
      {"connections-per-address", "N", "open connections of one address (2000)", false, false},
      {"memory", "MIB", "memory that all connections together are served within (1024)", false,
       false},
      {"rate-per-address", "N", "new connections and requests a second of one address (200)", false,
       false},
      {"rate-per-identity", "N", "frames a second of one subject (50000)", false, false},
      {"retain", "TIME", "how long the log is kept for replicas that stay away (30d)", false,
       false},
      {"legacy-sync", "", "also serve the old POST /api/sync/push and /api/sync/pull", false,
       false},
      {"no-deflate", "", "never compress WebSocket messages", false, false},
      {"log-level", "LEVEL", "debug, info, warning or error (info)", false, false},
  };
  return flags;
}

Result<void> Config::take(const std::string& key, const std::string& origin,
                          std::vector<std::string> values) {
  std::vector<std::string> known;
  for (const Flag& flag : serve_flags()) {
    if (key == flag.name && key != "config") {
      values_[key] = std::move(values);
      return {};
    }
    known.emplace_back(flag.name);
  }
  const std::string meant = nearest(key, known);
  return Error(ErrorCode::invalid_argument,
               origin + " is no setting" +
                   (meant.empty() ? "" : "; did you mean " + spelled(meant, '-', '_') + "?"));
}

Result<void> Config::read_toml(const std::string& path) {
  SL_TRY(const std::string text, read_file(path, std::size_t{1} << 20U));
  const toml::parse_result parsed = toml::parse(std::string_view(text));
  if (!parsed) {
    const auto& error = parsed.error();
    return Error(ErrorCode::invalid_argument, path + ":" +
                                                  std::to_string(error.source().begin.line) + ": " +
                                                  std::string(error.description()));
  }
  for (const auto& [name, node] : parsed.table()) {
    const std::string key(name.str());
    std::vector<std::string> values;
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& one : *list) {
        const auto value = text_of(one);
        if (!value) {
          return Error(ErrorCode::invalid_argument, path + ": " + key + " holds a wrong value");
        }
        values.push_back(*value);
      }
    } else if (const auto value = text_of(node)) {
      values.push_back(*value);
    } else {
      return Error(ErrorCode::invalid_argument,
                   path + ": " + key + " must be a text, a number, true or false, or a list");
    }
    SL_TRY(take(spelled(key, '_', '-'), path + ": " + key, std::move(values)));
  }
  return {};
}

Result<Config> Config::load(const Arguments& arguments,
                            const std::vector<std::string>& environment) {
  Config out;
  if (arguments.has("config")) {
    SL_TRY(out.read_toml(arguments.get("config")));
  }
  constexpr std::string_view prefix = "SYNCLINE_";
  for (const std::string& variable : environment) {
    if (variable.rfind(prefix, 0) != 0) {
      continue;
    }
    const std::size_t equals = std::min(variable.find('='), variable.size());
    const std::string name = variable.substr(0, equals);
    const std::string key = spelled(lower(name.substr(prefix.size())), '_', '-');
    const auto taken = out.take(key, "the environment's " + name,
                                {variable.substr(std::min(equals + 1, variable.size()))});
    if (!taken) {
      out.warnings_.push_back(taken.error().message());
    }
  }
  for (const Flag& flag : serve_flags()) {
    if (arguments.has(flag.name)) {
      out.values_[flag.name] =
          *flag.value == 0 ? std::vector<std::string>{"true"} : arguments.all(flag.name);
    }
  }
  return out;
}

std::string Config::get(const std::string& name, const std::string& otherwise) const {
  const auto at = values_.find(name);
  return at == values_.end() || at->second.empty() ? otherwise : at->second.back();
}

std::vector<std::string> Config::all(const std::string& name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? std::vector<std::string>() : at->second;
}

Result<std::int64_t> Config::integer(const std::string& name, std::int64_t otherwise) const {
  if (!has(name)) {
    return otherwise;
  }
  const auto value = parse_int64(get(name));
  if (!value || *value < 0) {
    return Error(ErrorCode::invalid_argument, name + " must be a number from 0 on");
  }
  return *value;
}

bool Config::is_on(const std::string& name) const {
  const std::string value = get(name);
  return value == "true" || value == "1" || value == "yes";
}

}  // namespace syncline::cli
