#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/syncline/cli.h"

namespace syncline::cli {

// The server's settings: each is a flag ("key-file"), a key of the TOML file (key_file) and a
// variable of the environment (SYNCLINE_KEY_FILE). A flag beats the environment, which beats the
// file.
const std::vector<Flag>& serve_flags();

class Config {
 public:
  // `environment` as "NAME=value". Fails with `invalid_argument` for a key that nobody knows, and
  // says which was meant; a SYNCLINE_ variable that nobody knows may be anybody's, and is a
  // warning.
  static Result<Config> load(const Arguments& arguments,
                             const std::vector<std::string>& environment);

  bool has(const std::string& name) const { return values_.find(name) != values_.end(); }
  std::string get(const std::string& name, const std::string& otherwise = "") const;
  std::vector<std::string> all(const std::string& name) const;
  Result<std::int64_t> integer(const std::string& name, std::int64_t otherwise) const;
  // A switch; "true", "1" and "yes" are on.
  bool is_on(const std::string& name) const;
  // What was found and left alone.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Result<void> read_toml(const std::string& path);
  Result<void> take(const std::string& key, const std::string& origin,
                    std::vector<std::string> values);

  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> warnings_;
};

}  // namespace syncline::cli
