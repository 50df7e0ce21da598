// The server's lives: starting, dying, being restored; and what its hub asks of its host.
#include <algorithm>

#include "sim/overloaded.h"
#include "sim/world.h"

namespace syncline::sim {
namespace {

constexpr const char* databases[] = {"server.db", "other.db"};
constexpr const char* folder_name = "folder.db";
constexpr const char* backup_name = "backup.db";

}  // namespace

void World::start_server() {
  // An operator made room and changed the broken disk first.
  disk_->restart();
  disk_->fail_writes(0);
  disk_->set_full(false);
  const char* const database = databases[is_other_server_ ? 1 : 0];
  SqliteLogStore::Options options;
  options.open.vfs = disk_->vfs_name();
  if (restoring_) {
    // Restoring is repeated from its beginning when it does not come to its end.
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      disk_->remove(std::string(database) + suffix);
    }
    const auto restored = SqliteLogStore::restore(backup_name, database, options.open);
    if (!restored) {
      if (!disk_->is_dead()) {
        violate("a backup cannot be restored: " + restored.error().message());
      }
      return;
    }
    restoring_ = false;
  }
  auto store = SqliteLogStore::open(database, random_, options);
  if (!store) {
    // It died again while it started; the next try comes with the next turn.
    if (!disk_->is_dead()) {
      violate("the server does not start: " + store.error().message());
    }
    return;
  }
  store_ = std::move(*store);
  HubOptions hub;
  hub.rules.read_only_tables = {"forbidden"};
  // A month, scaled down: it must be longer than stamps may run ahead, and shorter than people
  // sleep and pause here.
  hub.retention.keep_ms = skew_ms_max;
  hub.fan_out_bytes_max = storm_.fan_out_bytes;
  hub_ = std::make_unique<Hub>(*store_, server_clock_, hub);
}

void World::stop_server() {
  ++server_life_;
  hub_.reset();
  store_.reset();
  connections_.clear();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Link& link = nodes_[i]->link;
    if (link.open) {
      link.connection.reset();
      if (!link.half_open) {
        schedule(static_cast<std::int64_t>(random_.below(200)),
                 {Kind::closed, i, link.id, 0, {}, {}, {}});
      }
    }
  }
}

void World::crash_server() {
  disk_->crash();
  stop_server();
  start_server();
}

void World::restore_server() {
  stop_server();
  restoring_ = true;
  start_server();
}

// Somebody copies the server's folder while the server is down, and puts it back some day: neither
// is told to anybody.
void World::copy_folder() {
  stop_server();
  for (const char* suffix : {"", "-wal"}) {
    const std::string from = databases[is_other_server_ ? 1 : 0] + std::string(suffix);
    disk_->remove(folder_name + std::string(suffix));
    if (disk_->exists(from)) {
      disk_->copy(from, folder_name + std::string(suffix));
    }
  }
  folder_is_other_ = is_other_server_;
  has_folder_ = true;
  start_server();
}

void World::put_folder_back() {
  if (folder_is_other_ != is_other_server_) {
    return;
  }
  stop_server();
  const std::string database = databases[is_other_server_ ? 1 : 0];
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    disk_->remove(database + suffix);
    if (disk_->exists(folder_name + std::string(suffix))) {
      disk_->copy(folder_name + std::string(suffix), database + suffix);
    }
  }
  restoring_ = false;
  start_server();
}

// Everybody's server is another one now, of another lineage; the first may come back later.
void World::change_server() {
  stop_server();
  is_other_server_ = !is_other_server_;
  restoring_ = false;
  start_server();
}

void World::take_backup() {
  hub_->commit(now());
  pump_server();
  if (!store_ || disk_->is_dead()) {
    return;
  }
  // The backup before stays until this one is done.
  const std::string fresh = backup_name + std::string(".new");
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    disk_->remove(fresh + suffix);
  }
  if (store_->backup(fresh)) {
    disk_->remove(backup_name);
    disk_->copy(fresh, backup_name);
    has_backup_ = true;
  }
}

void World::pump_server() {
  while (hub_) {
    auto next = hub_->next_effect();
    if (!next) {
      return;
    }
    std::visit(
        Overloaded{
            [&](HubSend& e) {
              hub_->on_sent(now(), e.connection, e.frame.size());
              const auto at = connections_.find(e.connection);
              if (at == connections_.end()) {
                return;
              }
              Link& link = nodes_[at->second]->link;
              if (link.connection != e.connection) {
                return;  // nobody is there any more, and the server does not know yet
              }
              const std::int64_t arrives = std::max(
                  link.last_down, time_ + 1 + static_cast<std::int64_t>(random_.below(20)));
              link.last_down = arrives;
              schedule(arrives - time_,
                       {Kind::down, at->second, link.id, 0, std::move(e.frame), e.connection, {}});
            },
            [&](HubHangUp& e) {
              const auto at = connections_.find(e.connection);
              if (at == connections_.end()) {
                return;
              }
              const std::size_t node = at->second;
              connections_.erase(at);
              hub_->on_closed(now(), e.connection);
              Link& link = nodes_[node]->link;
              if (link.open && link.connection == e.connection) {
                schedule(std::max<std::int64_t>(link.last_down - time_, 0) + 1,
                         {Kind::closed, node, link.id, 0, {}, {}, {}});
              }
            },
            [&](HubAuthorise& e) {
              hub_->on_authorised(now(), e.connection, {true, true, "user", 0, ""});
            },
            [&](HubWakeAt& e) {
              Event wake;
              wake.kind = Kind::wake_server;
              wake.connection = e.connection;
              schedule(std::max<std::int64_t>(e.at.ms - time_, 1), std::move(wake));
            },
            [&](HubCommitWanted&) {
              Event commit;
              commit.kind = Kind::commit;
              schedule(static_cast<std::int64_t>(random_.below(5)), std::move(commit));
            },
            [&](HubWorkWanted& e) {
              Event work;
              work.kind = Kind::work;
              schedule(std::max<std::int64_t>(e.at.ms - time_, 1), std::move(work));
            },
            [](HubTaken&) {}, [](HubDoorDone&) {}, [](HubHeadMoved&) {},
            [&](HubBehind& e) {
              if (outcome_.counts.count("server_put_back") == 0) {
                violate("the server takes itself for put back in " + e.workspace);
              }
              count("server_behind");
              // As the program does (routes/service); where the disk fails now it is shown again.
              (void)hub_->lose_lineage(now(), LineageId::draw(random_));
            }},
        *next);
  }
}

}  // namespace syncline::sim
