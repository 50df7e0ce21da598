// The server: builds the parts, hands each what it needs, and waits for signals.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

#include "apps/syncline/commands.h"
#include "apps/syncline/config.h"
#include "apps/syncline/data_folder.h"
#include "apps/syncline/demo.h"
#include "apps/syncline/witness_file.h"
#include "base/text.h"
#include "net/server.h"
#include "server/sqlite_log_store.h"

extern char** environ;

namespace syncline::cli {
namespace {

constexpr Duration drain_patience{3000};

Result<JsonLog::Level> level_from_name(const std::string& name) {
  if (name == "debug") {
    return JsonLog::Level::debug;
  }
  if (name == "info") {
    return JsonLog::Level::info;
  }
  if (name == "warning") {
    return JsonLog::Level::warning;
  }
  if (name == "error") {
    return JsonLog::Level::error;
  }
  return Error(ErrorCode::invalid_argument, "a log level is debug, info, warning or error");
}

Result<void> read_listen(const std::string& text, NetOptions& out) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_int64(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) {
    return Error(ErrorCode::invalid_argument, "--listen takes HOST:PORT, such as 127.0.0.1:8080");
  }
  out.host = text.substr(0, colon);
  if (out.host.size() > 1 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  out.port = static_cast<std::uint16_t>(*port);
  return {};
}

Result<std::uint64_t> quota(const Config& config, const char* name, std::int64_t otherwise) {
  SL_TRY(const std::int64_t most, config.integer(name, otherwise));
  if (most < 0) {
    return Error(ErrorCode::invalid_argument, std::string("--") + name + " cannot be below zero");
  }
  return static_cast<std::uint64_t>(most);
}

// In mebibytes.
Result<MemoryBounds> read_memory(const Config& config) {
  SL_TRY(const std::int64_t mib,
         config.integer("memory", std::int64_t{memory_bytes_default >> 20U}));
  constexpr auto least = std::int64_t{memory_bytes_min >> 20U};
  constexpr std::int64_t most = 1 << 20U;
  if (mib < least || mib > most) {
    return Error(ErrorCode::invalid_argument, "--memory: at least " + std::to_string(least) +
                                                  " MiB, or the largest messages "
                                                  "do not fit");
  }
  return MemoryBounds::within(static_cast<std::size_t>(mib) << 20U);
}

struct Settings {
  NetOptions net;
  ServiceOptions service;
  HubOptions hub;
  AuthOptions auth;
  std::string data;
  std::string witness;
  std::string key_file;
  std::string web;
  JsonLog::Level level = JsonLog::Level::info;
};

// Origins as browsers send them, with commas between. One that is spelled otherwise would match
// nothing, without a word.
Result<void> add_origins(std::string_view list, std::set<std::string>& out) {
  for (;;) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view origin = list.substr(0, comma);
    while (!origin.empty() && origin.front() == ' ') {
      origin.remove_prefix(1);
    }
    while (!origin.empty() && origin.back() == ' ') {
      origin.remove_suffix(1);
    }
    const std::size_t scheme = origin.find("://");
    const std::string_view host =
        scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
    const bool is_spelled =
        scheme != 0 && !host.empty() && host.find_first_of("/?# ") == std::string_view::npos &&
        std::none_of(origin.begin(), origin.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (origin != "*" && origin != "null" && !is_spelled) {
      return Error(ErrorCode::invalid_argument,
                   "--allow-origin: '" + std::string(origin) +
                       "' is no origin; write it as browsers do, in small letters, without a path: "
                       "https://app.example");
    }
    out.emplace(origin);
    if (comma == list.size()) {
      return {};
    }
    list.remove_prefix(comma + 1);
  }
}

Result<Settings> read_settings(const Config& config) {
  Settings out;
  SL_TRY(read_listen(config.get("listen", "127.0.0.1:8080"), out.net));
  out.data = config.get("data", "syncline-data");
  out.witness = config.get("witness", witness_path(out.data));
  out.key_file = config.get("key-file");
  out.auth.open = config.is_on("demo");
  out.web = config.get("web");
  if (!out.web.empty() && !out.auth.open) {
    return Error(ErrorCode::invalid_argument,
                 "--web shows the demonstration page: give --demo, too");
  }
  out.auth.issuer = config.get("issuer");
  out.auth.audience = config.get("audience");
  const std::string listens = out.net.host == "::1" ? "[::1]" : out.net.host;
  if (out.auth.open && !is_loopback_host(listens)) {
    return Error(ErrorCode::invalid_argument,
                 "--demo lets everybody in, so it listens on loopback only (127.0.0.1)");
  }
  if (out.auth.open == !out.key_file.empty()) {
    return Error(ErrorCode::invalid_argument,
                 "give either --key-file, with the key that signs tokens, or --demo, which needs "
                 "none");
  }
  out.net.tls_certificate = config.get("tls-cert");
  out.net.tls_key = config.get("tls-key");
  if (out.net.tls_certificate.empty() != out.net.tls_key.empty()) {
    return Error(ErrorCode::invalid_argument, "--tls-cert and --tls-key come together");
  }
  for (const std::string& list : config.all("allow-origin")) {
    SL_TRY(add_origins(list, out.net.sync.origins));
  }
  for (const std::string& host : config.all("allow-host")) {
    out.net.sync.hosts.insert(host);
  }
  out.net.sync.loopback_only = out.auth.open;
  out.net.sync.own_pages = !out.web.empty();
  out.service.sync = out.net.sync;
  SL_TRY(const std::int64_t most, config.integer("connections-max", 20'000));
  SL_TRY(const std::int64_t each, config.integer("connections-per-address", 2'000));
  out.net.connections_max = static_cast<std::size_t>(most);
  out.net.connections_per_address_max = static_cast<std::size_t>(each);
  out.hub.connections_max = out.net.connections_max;
  SL_TRY(const MemoryBounds memory, read_memory(config));
  out.net.memory = out.hub.memory = memory;
  // It must be an answer beside others, and is held several times while it is made.
  out.service.file_bytes_max = std::min(out.service.file_bytes_max, memory.answer_bytes_max);
  SL_TRY(out.service.per_address.per_second, config.integer("rate-per-address", 200));
  out.service.per_address.burst = out.service.per_address.per_second * 5;
  SL_TRY(out.service.per_identity.per_second, config.integer("rate-per-identity", 50'000));
  out.service.per_identity.burst = out.service.per_identity.per_second * 4;
  SL_TRY(out.hub.retention.keep_ms, parse_duration_ms(config.get("retain", "30d")));
  SL_TRY(out.hub.workspaces_each_max, quota(config, "workspaces-per-user", 0));
  SL_TRY(out.hub.rules.bytes_max, quota(config, "workspace-bytes", 0));
  SL_TRY(out.hub.rules.rows_max, quota(config, "workspace-rows", 0));
  SL_TRY(out.hub.rules.devices_each_max, quota(config, "devices-per-user", 1000));
  out.service.private_metrics = config.is_on("private-metrics");
  out.service.delta.legacy = config.is_on("legacy-sync");
  out.net.web_socket.deflate = !config.is_on("no-deflate");
  SL_TRY(out.level, level_from_name(config.get("log-level", "info")));
  return out;
}

// When a file was written last; zero when it is not there.
std::int64_t written_at(const std::string& path) {
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0) {
    return 0;
  }
  return static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000'000'000 +
         static_cast<std::int64_t>(facts.st_mtim.tv_nsec);
}

Result<JwtKeys> read_keys(const std::string& path) {
  SL_TRY(const std::string file, read_file(path, std::size_t{1} << 20U));
  auto keys = JwtKeys::read(file);
  if (!keys) {
    return std::move(keys).error().in(path);
  }
  return keys;
}

// Which file a path names now; nothing when it names none.
std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return std::nullopt;
  }
  return std::make_pair(facts.st_dev, facts.st_ino);
}

// Everything that lives as long as the server.
class House {
 public:
  explicit House(Settings settings)
      : settings_(std::move(settings)), log_(settings_.level), auth_(settings_.auth) {}

  Result<void> build() {
    auto store = SqliteLogStore::open(log_path(settings_.data), random_, {});
    if (!store) {
      return std::move(store).error().in(log_path(settings_.data));
    }
    store_ = std::move(*store);
    log_file_ = identity_of(log_path(settings_.data));
    witness_ = std::make_unique<WitnessFile>(settings_.witness, *store_, random_, log_);
    SL_TRY(witness_->open());
    SL_TRY(LogReader reader, LogReader::open(log_path(settings_.data)));
    reader_.emplace(std::move(reader));
    if (!settings_.auth.open) {
      SL_TRY(JwtKeys keys, read_keys(settings_.key_file));
      auth_.set_keys(std::move(keys));
    }
    const auto revoked = read_file(revoked_path(), std::size_t{64} << 20U);
    if (revoked) {
      SL_TRY(auth_.load_revocations(*revoked));
    } else if (revoked.error().code() != ErrorCode::not_found) {
      return revoked.error();
    }
    keys_written_ = written_at(settings_.key_file);
    tls_written_ = tls_time();
    hub_ = std::make_unique<Hub>(*store_, clock_, settings_.hub);
    Service::Parts parts{store_.get(), hub_.get(), &auth_,     &*reader_,
                         &clock_,      &random_,   micros_now, {}};
    if (!settings_.web.empty()) {
      demo_ = std::make_unique<Demo>(settings_.web, settings_.data);
      parts.others = [this](const Request& request) { return demo_->answer(request); };
    }
    service_ = std::make_unique<Service>(std::move(parts), settings_.service);
    backend_ = std::make_unique<Backend>(*service_, log_, [this] { reader_->interrupt(); });
    SL_TRY(server_,
           NetServer::start(settings_.net, *backend_, log_, [this](const std::string& text) {
             return write_file(revoked_path(), text);
           }));
    if (demo_ != nullptr) {
      demo_->set_url("http://127.0.0.1:" + std::to_string(port()));
    }
    return {};
  }

  // Keys and certificates that changed, or all of them.
  void reload(bool all) {
    const std::int64_t keys = written_at(settings_.key_file);
    if (!settings_.auth.open && (all || keys != keys_written_)) {
      keys_written_ = keys;
      auto fresh = read_keys(settings_.key_file);
      if (fresh) {
        const auto kept = std::make_unique<JwtKeys>(std::move(*fresh));
        install_keys(std::move(*kept));
      } else {
        log_.warning("keys_not_read", log_field("message", fresh.error().message()));
      }
    }
    const std::int64_t tls = tls_time();
    if (!settings_.net.tls_certificate.empty() && (all || tls != tls_written_)) {
      tls_written_ = tls;
      if (const auto done = server_->reload_tls(); !done) {
        log_.warning("certificate_not_read", log_field("message", done.error().message()));
      } else {
        log_.info("certificate_read");
      }
    }
  }

  void stop() {
    server_->stop(drain_patience);
    witness_->look(hub_->changes());
    witness_->write();
  }
  void witness() {
    backend_->run([this](Service& service, Instant now) {
      if (hub_->is_writing()) {
        service.commit(now);
      }
      if (!hub_->is_writing()) {
        witness_->look(hub_->changes());
      }
    });
    witness_->write();  // what was noted the last time
  }
  // Somebody moved the log away under the running server, or put another one in its place: what it
  // writes goes nowhere.
  bool is_log_gone() const { return identity_of(log_path(settings_.data)) != log_file_; }
  bool wants_rebuild() const { return demo_ != nullptr && demo_->wants_rebuild(); }
  std::uint16_t port() const { return server_->port(); }
  JsonLog& log() { return log_; }
  const Settings& settings() const { return settings_; }

 private:
  std::string revoked_path() const { return settings_.data + "/revoked.jsonl"; }
  std::int64_t tls_time() const {
    return written_at(settings_.net.tls_certificate) + written_at(settings_.net.tls_key);
  }
  void install_keys(JwtKeys keys) {
    // A std::function must be copyable, and the keys are not: they wait here for their thread.
    {
      const std::lock_guard<std::mutex> lock(fresh_keys_mutex_);
      fresh_keys_ = std::move(keys);
    }
    backend_->run([this](Service& service, Instant now) {
      const std::lock_guard<std::mutex> lock(fresh_keys_mutex_);
      if (fresh_keys_) {
        auth_.set_keys(std::move(*fresh_keys_));
        fresh_keys_.reset();
        service.recheck(now);
      }
    });
    log_.info("keys_read");
  }

  Settings settings_;
  JsonLog log_;
  SystemClock clock_;
  SystemRandom random_;
  Auth auth_;
  std::unique_ptr<SqliteLogStore> store_;
  std::optional<std::pair<dev_t, ino_t>> log_file_;
  std::unique_ptr<WitnessFile> witness_;
  std::optional<LogReader> reader_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Demo> demo_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<NetServer> server_;
  std::int64_t keys_written_ = 0;
  std::int64_t tls_written_ = 0;
  std::mutex fresh_keys_mutex_;
  std::optional<JwtKeys> fresh_keys_;
};

extern "C" void leave_at_once(int /*signal*/) { ::_exit(exit_ok); }

sigset_t awaited_signals() {
  sigset_t out;
  sigemptyset(&out);
  sigaddset(&out, SIGTERM);
  sigaddset(&out, SIGINT);
  sigaddset(&out, SIGHUP);
  return out;
}

void wait_for_end(House& house, const sigset_t& signals) {
  for (;;) {
    const timespec wait{1, 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) {
      return;
    }
    if (house.is_log_gone()) {
      house.log().write(JsonLog::Level::error, "data_replaced",
                        log_field("message",
                                  "the log was moved away or replaced under the running "
                                  "server, which ends at once; start it again"));
      // Nothing may be closed in order: SQLite would remove the files beside a log that is not its
      // own.
      ::_exit(exit_storage);
    }
    house.reload(signal == SIGHUP);
    house.witness();
  }
}

// One life of a server: until a signal, or until the demonstration wants it rebuilt. Returns the
// port that it had.
Result<std::uint16_t> serve(const Settings& settings, const sigset_t& signals, Output& out,
                            bool& wants_rebuild) {
  House house(settings);
  SL_TRY(house.build());
  if (house.settings().auth.open) {
    Output::note(
        "syncline: DEMO MODE: no tokens are asked for, everybody on this machine may read and "
        "write everything");
    house.log().warning("demo_mode");
  }
  if (!settings.web.empty()) {
    Output::note("syncline: open http://127.0.0.1:" + std::to_string(house.port()) +
                 "/ in a browser");
  }
  Json listening;
  listening.set("ev", Json("listening"));
  listening.set("host", Json(house.settings().net.host));
  listening.set("port", Json::integer(house.port()));
  listening.set("pid", Json::integer(::getpid()));
  listening.set("tls", Json(!house.settings().net.tls_certificate.empty()));
  out.row(listening);
  wait_for_end(house, signals);
  house.log().info("draining");
  // A second signal ends it at once.
  struct sigaction at_once {};
  at_once.sa_handler = leave_at_once;
  ::sigaction(SIGTERM, &at_once, nullptr);
  ::sigaction(SIGINT, &at_once, nullptr);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  house.stop();
  house.log().info("stopped");
  wants_rebuild = house.wants_rebuild();
  return house.port();
}

}  // namespace

Result<int> run_serve(const Arguments& arguments, Output& out) {
  std::vector<std::string> environment;
  for (char** at = environ; *at != nullptr; ++at) {
    environment.emplace_back(*at);
  }
  SL_TRY(const Config config, Config::load(arguments, environment));
  SL_TRY(Settings settings, read_settings(config));
  for (const std::string& warning : config.warnings()) {
    Output::note("syncline: warning: " + warning);
  }
  SL_TRY(const DataFolder folder, DataFolder::take(settings.data));
  const sigset_t signals = awaited_signals();
  for (bool again = true; again;) {
    // Before any thread begins, so that they all inherit it.
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    SL_TRY(settings.net.port, serve(settings, signals, out, again));
    if (again) {
      SL_TRY(throw_log_away(settings.data));
    }
  }
  return exit_ok;
}

}  // namespace syncline::cli
