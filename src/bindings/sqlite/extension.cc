// The loadable extension's entry point. SQLite derives its name, sqlite3_syncline_init, from the
// file's, so that `.load ./syncline` finds it.
#include <chrono>
#include <memory>

#include "client/engine.h"
#include "client/sql_functions.h"
#include "sqlite/api.h"

SQLITE_EXTENSION_INIT1

namespace syncline {
namespace {

class SystemClock final : public WallClock {
 public:
  std::int64_t now_ms() override {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  }
};

// SQLite seeds it from the operating system.
class SqliteRandom final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t out = 0;
    sqlite3_randomness(sizeof out, &out);
    return out;
  }
};

// What one connection gets with the extension; dies with the connection.
struct Guest {
  SystemClock clock;
  SqliteRandom random;
  std::unique_ptr<Engine> engine;
};

void tell_version(sqlite3_context* context, int /*count*/, sqlite3_value** /*values*/) {
  sqlite3_result_text(context, SYNCLINE_VERSION, -1, SQLITE_STATIC);
}

void destroy_guest(void* guest) { delete static_cast<Guest*>(guest); }

// By the last function that load() registers.
bool is_loaded(sqlite3* handle) {
  return Connection(handle).prepare("SELECT syncline_site_id()").has_value();
}

Result<void> load(sqlite3* handle) {
  // The connection owns the guest from here on, through the destructor of a function: these are
  // called after all virtual tables have been disconnected, when nothing calls the engine any more.
  // SQLite calls it also when the registration fails.
  auto* guest = new Guest();
  const int result =
      sqlite3_create_function_v2(handle, "syncline_extension_version", 0,
                                 SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, guest,
                                 tell_version, nullptr, nullptr, destroy_guest);
  if (result != SQLITE_OK) {
    return sqlite_error(handle, result);
  }
  // SQLite refuses to close over open statements, and nobody tells us before it looks for them: so
  // none is kept.
  SL_TRY(guest->engine, Engine::attach({Connection(handle), &guest->clock, &guest->random, false}));
  return register_functions(*guest->engine);
}

}  // namespace
}  // namespace syncline

extern "C" __attribute__((visibility("default"))) int sqlite3_syncline_init(
    sqlite3* handle, char** message, const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  if (sqlite3_libversion_number() < 3038000) {
    *message =
        sqlite3_mprintf("syncline needs SQLite 3.38 or later; this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  // Loading twice would give the connection a second engine over the same file.
  if (syncline::is_loaded(handle)) {
    return SQLITE_OK;
  }
  const syncline::Result<void> loaded = syncline::load(handle);
  if (!loaded) {
    *message = sqlite3_mprintf("syncline: %s", loaded.error().message().c_str());
    return SQLITE_ERROR;
  }
  return SQLITE_OK;
}
