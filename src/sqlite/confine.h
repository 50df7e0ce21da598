#pragma once

#include <cstdint>

#include "sqlite/connection.h"

namespace syncline {

// What SQL of strangers may do.
enum class Reach : std::uint8_t {
  read,   // look at rows and the schema
  write,  // and change them, and the schema, in this database file alone
};

// Holds a connection to that while it lives: other files are out of reach (ATTACH, VACUUM), so are
// settings of the process and functions that load code; all that runs takes at most so many steps
// of SQLite's machine together, and no value grows beyond `value_bytes_max`. Outlived by the
// connection.
class Confinement {
 public:
  struct Options {
    Reach reach = Reach::read;
    std::int64_t steps_max = 20'000'000;
    int value_bytes_max = 1 << 24;
  };
  Confinement(const Connection& connection, const Options& options);
  Confinement(const Confinement&) = delete;
  Confinement& operator=(const Confinement&) = delete;
  ~Confinement();

 private:
  static int allow(void* self, int action, const char* first, const char* second,
                   const char* database, const char* trigger);
  static int tick(void* self);

  Connection connection_;
  Options options_;
  std::int64_t steps_left_;
  int value_bytes_before_ = 0;
};

}  // namespace syncline
