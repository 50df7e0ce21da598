#include "sqlite/confine.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "sqlite/api.h"

namespace syncline {
namespace {

constexpr int steps_each = 1000;

bool is_one_of(std::string_view name, const auto& names) {
  return std::any_of(names.begin(), names.end(), [&](const char* one) {
    return sqlite3_stricmp(one, std::string(name).c_str()) == 0;
  });
}

// Tell, and change nothing when nothing is given to them.
constexpr std::array<const char*, 10> telling_pragmas = {
    "table_info",  "table_xinfo",      "table_list",   "index_list",     "index_info",
    "index_xinfo", "foreign_key_list", "foreign_keys", "schema_version", "data_version"};
constexpr std::array<const char*, 7> about_one = {"table_info",      "table_xinfo", "table_list",
                                                  "index_list",      "index_info",  "index_xinfo",
                                                  "foreign_key_list"};
constexpr std::array<const char*, 5> functions_out = {"load_extension", "fts3_tokenizer", "edit",
                                                      "readfile", "writefile"};

bool is_allowed_pragma(Reach reach, const char* name, const char* argument) {
  if (name == nullptr) {
    return false;
  }
  // Ours, when a transaction of another replica is applied.
  if (reach == Reach::write && sqlite3_stricmp(name, "defer_foreign_keys") == 0) {
    return true;
  }
  return is_one_of(name, telling_pragmas) && (argument == nullptr || is_one_of(name, about_one));
}

}  // namespace

Confinement::Confinement(const Connection& connection, const Options& options)
    : connection_(connection), options_(options), steps_left_(options.steps_max) {
  value_bytes_before_ =
      sqlite3_limit(connection_.handle(), SQLITE_LIMIT_LENGTH, options_.value_bytes_max);
  // A pattern's cost grows with what it is compared to, and no step is counted meanwhile.
  constexpr int pattern_bytes_max = 100;
  sqlite3_limit(connection_.handle(), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, pattern_bytes_max);
  sqlite3_set_authorizer(connection_.handle(), allow, this);
  sqlite3_progress_handler(connection_.handle(), steps_each, tick, this);
}

Confinement::~Confinement() {
  sqlite3_progress_handler(connection_.handle(), 0, nullptr, nullptr);
  sqlite3_set_authorizer(connection_.handle(), nullptr, nullptr);
  sqlite3_limit(connection_.handle(), SQLITE_LIMIT_LENGTH, value_bytes_before_);
}

int Confinement::tick(void* self) {
  auto* here = static_cast<Confinement*>(self);
  here->steps_left_ -= steps_each;
  return here->steps_left_ < 0 ? 1 : 0;
}

int Confinement::allow(void* self, int action, const char* first, const char* second,
                       const char* /*database*/, const char* /*trigger*/) {
  const Reach reach = static_cast<Confinement*>(self)->options_.reach;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return second != nullptr && is_one_of(second, functions_out) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
      return is_allowed_pragma(reach, first, second) ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
      return SQLITE_DENY;
    default:
      return reach == Reach::write ? SQLITE_OK : SQLITE_DENY;
  }
}

}  // namespace syncline
