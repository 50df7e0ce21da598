#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/engine.h"
#include "client/replica_host.h"
#include "server/hub.h"
#include "server/sqlite_log_store.h"
#include "sqlite/database.h"

namespace syncline {

// Real replicas and a real server in one process, with frames in memory between them and one clock
// that moves only when told.
class ConversationWorld;

inline const char* notes_schema =
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT NOT NULL DEFAULT '', body TEXT, "
    "stars INTEGER NOT NULL DEFAULT 0)";

struct WorldTime final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t offset = 0;
  const WorldTime* follows = nullptr;
  std::int64_t now_ms() override { return (follows == nullptr ? ms : follows->ms) + offset; }
};

// A folder of its own that goes with the test.
struct ScratchFolder {
  std::filesystem::path path;
  explicit ScratchFolder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("syncline_" + name)) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

class Device final : public ReplicaLink {
 public:
  Device(ConversationWorld& world, const std::string& path, std::uint64_t seed,
         ClientOptions options = {});
  ~Device() override;

  // The process that has the file open ends and begins.
  void close();
  void open();
  void start(const std::string& token = "good");

  void run(const std::string& sql) {
    const auto done = database->connection().execute(sql);
    REQUIRE_MESSAGE(done, sql << ": " << done.error().message());
  }
  std::string text(const std::string& sql) {
    const auto found = database->connection().query_text(sql);
    return found ? found->value_or("(no row)") : found.error().message();
  }
  std::vector<std::string> events(std::string_view name);
  Status status() const;

  // ReplicaLink
  void dial() override { wants_dial = true; }
  void send(ByteVector frame) override { outgoing.push_back(std::move(frame)); }
  void hang_up(const std::string& reason) override {
    hung_up = true;
    last_hang_up = reason;
  }
  void wake_at(Instant at) override { wake = at; }
  void work_waits() override { wanted = true; }
  void salvaged(const std::string& reason, Bytes file) override {
    salvages.emplace_back(reason, to_vector(file));
  }
  void show_presence(const Presence& presence) override { presences.push_back(presence); }

  ConversationWorld& world;
  std::string path;
  std::uint64_t seed;
  ClientOptions options;
  WorldTime clock;
  std::unique_ptr<SeededRandom> random;
  std::unique_ptr<Engine> engine;
  std::optional<Database> database;
  std::unique_ptr<Leadership> leadership;
  std::unique_ptr<ReplicaHost> host;

  bool online = true;
  bool wants_dial = false;
  bool hung_up = false;
  bool wanted = false;
  std::string last_hang_up;
  std::optional<Instant> wake;
  std::optional<ConnectionId> connection;
  std::deque<ByteVector> outgoing;
  std::deque<ByteVector> incoming;
  std::vector<std::pair<std::string, ByteVector>> salvages;
  std::vector<Presence> presences;
  std::vector<std::string> refusals;
  // Frames that this device may still receive before its connection breaks; negative: no limit.
  int frames_left = -1;
  // What happens before each frame that this device hears.
  std::function<void(Bytes)> before_frame;
};

class ConversationWorld {
 public:
  explicit ConversationWorld(const std::string& name) : folder(name), random(99) { open_server(); }
  ~ConversationWorld() { close_server(); }

  void open_server() {
    SqliteLogStore::Options how;
    how.open.synchronous_full = false;  // nobody pulls the plug here
    auto opened = SqliteLogStore::open(folder.file(server_file), random, how);
    REQUIRE_MESSAGE(opened, opened.error().message());
    store = std::move(*opened);
    hub = std::make_unique<Hub>(*store, time, options);
  }
  void close_server() {
    for (Device* device : devices) {
      cut(*device);
    }
    hub.reset();
    store.reset();
  }

  void cut(Device& device) {
    device.outgoing.clear();
    device.incoming.clear();
    if (device.connection) {
      const ConnectionId id = *device.connection;
      device.connection.reset();
      by_connection.erase(id);
      if (hub) {
        hub->on_closed(now, id);
      }
      if (device.host) {
        device.host->on_disconnected(now);
      }
    }
  }

  // One round of everything that is due now; true when something moved.
  bool step() {
    bool moved = false;
    for (Device* device : devices) {
      moved = step_device(*device) || moved;
    }
    return step_server() || moved;
  }

  // Until nothing moves at this moment.
  void settle_now() {
    for (int round = 0; round < 100'000; ++round) {
      if (!step()) {
        return;
      }
    }
    FAIL("the conversation does not come to rest");
  }

  void advance(std::int64_t ms) {
    const std::int64_t tick = 50;
    for (std::int64_t passed = 0; passed < ms; passed += tick) {
      settle_now();
      now.ms += tick;
      time.ms += tick;
    }
    settle_now();
  }

  ScratchFolder folder;
  std::string server_file = "server.db";
  SeededRandom random;
  WorldTime time;
  Instant now{1'000'000};
  HubOptions options;
  std::unique_ptr<SqliteLogStore> store;
  std::unique_ptr<Hub> hub;
  std::optional<Instant> server_work;
  std::vector<Device*> devices;
  std::map<ConnectionId, Device*> by_connection;
  std::map<ConnectionId, Instant> server_wakes;
  Rights rights{true, true, "user", 0, ""};
  std::string token = "good";
  // Who is somebody else than `rights` says.
  std::map<const Device*, std::string> users;

 private:
  bool step_device(Device& device) {
    if (!device.host) {
      return false;
    }
    bool moved = false;
    if (device.hung_up) {
      device.hung_up = false;
      moved = true;
      flush(device);
      const ConnectionId id = device.connection.value_or(ConnectionId(0));
      device.connection.reset();
      device.incoming.clear();
      by_connection.erase(id);
      hub->on_closed(now, id);
    }
    if (device.wants_dial) {
      device.wants_dial = false;
      moved = true;
      const auto opened = device.online && hub ? hub->open(now) : std::nullopt;
      if (opened) {
        device.connection = opened;
        by_connection[*opened] = &device;
        device.host->on_connected(now);
      } else {
        device.host->on_disconnected(now);
      }
    }
    moved = flush(device) || moved;
    while (!device.incoming.empty()) {
      moved = true;
      if (device.frames_left == 0) {
        device.frames_left = -1;
        cut(device);
        break;
      }
      device.frames_left -= device.frames_left > 0 ? 1 : 0;
      const ByteVector frame = std::move(device.incoming.front());
      device.incoming.pop_front();
      note_refusal(device, frame);
      if (device.before_frame) {
        device.before_frame(frame);
      }
      device.host->on_frame(now, frame);
    }
    if (device.wanted || (device.wake && *device.wake <= now)) {
      device.wanted = false;
      device.wake.reset();
      moved = true;
      device.host->on_wakeup(now);
    }
    return moved;
  }

  static void note_refusal(Device& device, Bytes frame) {
    const auto message = decode_message(frame);
    REQUIRE(message);
    if (const auto* refused = std::get_if<Refused>(&*message)) {
      device.refusals.emplace_back(refusal_name(refused->reason));
    }
  }

  bool flush(Device& device) {
    bool moved = false;
    while (!device.outgoing.empty()) {
      const ByteVector frame = std::move(device.outgoing.front());
      device.outgoing.pop_front();
      moved = true;
      if (device.connection && hub) {
        hub->on_frame(now, *device.connection, frame);
      }
    }
    return moved;
  }

  bool step_server() {
    if (!hub) {
      return false;
    }
    bool moved = false;
    for (auto at = server_wakes.begin(); at != server_wakes.end();) {
      if (at->second > now) {
        ++at;
        continue;
      }
      const ConnectionId id = at->first;
      at = server_wakes.erase(at);
      hub->on_wakeup(now, id);
      moved = true;
    }
    while (auto effect = hub->next_effect()) {
      moved = true;
      perform(*effect);
    }
    if (server_work && *server_work <= now) {
      server_work.reset();
      hub->work(now);
      moved = true;
    }
    return moved;
  }

  void perform(HubEffect& effect) {
    if (auto* send = std::get_if<HubSend>(&effect)) {
      hub->on_sent(now, send->connection, send->frame.size());
      if (const auto at = by_connection.find(send->connection); at != by_connection.end()) {
        at->second->incoming.push_back(std::move(send->frame));
      }
    } else if (auto* hang_up = std::get_if<HubHangUp>(&effect)) {
      const auto at = by_connection.find(hang_up->connection);
      if (at != by_connection.end()) {
        Device& device = *at->second;
        // What was sent before still arrives.
        while (!device.incoming.empty()) {
          const ByteVector frame = std::move(device.incoming.front());
          device.incoming.pop_front();
          note_refusal(device, frame);
          if (device.before_frame) {
            device.before_frame(frame);
          }
          device.host->on_frame(now, frame);
        }
        if (device.connection == hang_up->connection) {
          cut(device);
        }
      }
    } else if (auto* ask = std::get_if<HubAuthorise>(&effect)) {
      Rights given = ask->token == token ? rights : Rights{false, false, "", 0, "bad token"};
      if (const auto whose = users.find(by_connection.at(ask->connection)); whose != users.end()) {
        given.user = whose->second;
      }
      hub->on_authorised(now, ask->connection, std::move(given));
    } else if (auto* wake = std::get_if<HubWakeAt>(&effect)) {
      server_wakes[wake->connection] = wake->at;
    } else if (auto* work = std::get_if<HubWorkWanted>(&effect)) {
      server_work = work->at;
    } else if (std::holds_alternative<HubBehind>(effect)) {
      REQUIRE(hub->lose_lineage(now, LineageId::draw(random)));
    } else if (!std::holds_alternative<HubTaken>(effect)) {
      hub->commit(now);
    }
  }
};

inline Device::Device(ConversationWorld& in, const std::string& file, std::uint64_t with_seed,
                      ClientOptions with_options)
    : world(in), path(in.folder.file(file)), seed(with_seed), options(std::move(with_options)) {
  clock.follows = &in.time;
  random = std::make_unique<SeededRandom>(seed);
  world.devices.push_back(this);
  open();
}

inline Device::~Device() {
  close();
  auto& all = world.devices;
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

inline void Device::open() {
  OpenOptions how;
  how.synchronous_full = false;
  auto opened = Database::open(path, how);
  REQUIRE_MESSAGE(opened, opened.error().message());
  database.emplace(std::move(*opened));
  auto attached = Engine::attach({database->connection(), &clock, random.get(), true});
  REQUIRE(attached);
  engine = std::move(*attached);
  engine->events().start_queue();
}

inline void Device::start(const std::string& token) {
  host.reset();
  leadership = std::make_unique<Leadership>(database->connection());
  host = std::make_unique<ReplicaHost>(
      ReplicaHost::Parts{engine.get(), &clock, random.get(), this, nullptr, leadership.get()},
      options);
  const auto started = host->start(world.now, "team", token);
  REQUIRE_MESSAGE(started, started.error().message());
}

inline void Device::close() {
  world.cut(*this);
  wants_dial = false;
  hung_up = false;
  wake.reset();
  host.reset();
  leadership.reset();
  if (engine) {
    engine->release();
  }
  database.reset();
  engine.reset();
}

inline std::vector<std::string> Device::events(std::string_view name) {
  std::vector<std::string> out;
  for (const Event& event : engine->events().queued()) {
    if (event.name == name) {
      out.push_back(event.payload);
    }
  }
  return out;
}

inline Status Device::status() const { return host->status(world.now).status; }

}  // namespace syncline
