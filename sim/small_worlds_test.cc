#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "server/hub.h"
#include "server/sqlite_log_store.h"
#include "session/client_session.h"
#include "sim/model_replica.h"

using namespace syncline;
using namespace syncline::sim;

namespace {

constexpr std::size_t replicas = 3;

// One thing that somebody does: writes a row, deletes one, or meets the server for a moment.
struct Act {
  enum class What { write, erase, meet } what = What::write;
  std::size_t replica = 0;
  std::int64_t row = 0;
};

// Every replica and the server in one place, without time or chance: a frame arrives when it is
// sent. What remains is the order of what people do.
class SmallWorld {
 public:
  SmallWorld() {
    auto opened = SqliteLogStore::open(":memory:", random_, {});
    SL_CHECK(opened.has_value());
    store_ = std::move(*opened);
    hub_ = std::make_unique<Hub>(*store_, clock_, HubOptions{});
    for (std::size_t i = 0; i < replicas; ++i) {
      nodes_.push_back(std::make_unique<Node>(random_));
    }
  }

  void perform(const Act& act) {
    Node& node = *nodes_[act.replica];
    clock_.ms += 10;
    if (act.what == Act::What::meet) {
      meet(node);
      return;
    }
    node.hybrid.advance_to(static_cast<std::uint64_t>(clock_.ms) << Stamp::counter_bits);
    ModelReplica::Write write;
    write.kind = act.what == Act::What::erase ? EditKind::erase : EditKind::set;
    write.table = "notes";
    write.id = act.row;
    write.value = clock_.ms;
    node.replica.write(node.hybrid, {write});
  }

  // Everybody meets the server twice: to tell, and to hear what the others told.
  bool agrees() {
    for (int round = 0; round < 2; ++round) {
      for (const auto& node : nodes_) {
        meet(*node);
      }
    }
    const auto room = store_->find_workspace("team");
    const auto totals = store_->totals((*room)->id);
    Digest truth;
    for (const auto& [table, sum] : *totals) {
      truth.add(sum.digest);
    }
    for (const auto& node : nodes_) {
      const ReplicaFacts& facts = node->replica.facts();
      if (!(facts.digest == truth) || !(node->replica.recount() == truth) ||
          facts.acknowledged != facts.last_sequence) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Clock final : WallClock {
    std::int64_t ms = 1'700'000'000'000;
    std::int64_t now_ms() override { return ms; }
  };
  struct Node {
    explicit Node(Random& random) : replica(random, "team") {}
    Clock clock;
    HybridClock hybrid{clock};
    ModelReplica replica;
    std::unique_ptr<ClientSession> session;
    std::optional<ConnectionId> connection;
  };

  Instant now() const { return {clock_.ms}; }

  void meet(Node& node) {
    node.replica.open(random_);
    node.session =
        std::make_unique<ClientSession>(ClientSession::Parts{&clock_, &random_}, ClientOptions{});
    node.session->start(now(), node.replica.facts(), "token");
    pump(node);
    node.session->stop(now());
    pump(node);
    if (node.connection) {
      hub_->on_closed(now(), *node.connection);
      node.connection.reset();
    }
    while (hub_->next_effect()) {
    }
  }

  void pump(Node& node) {
    for (;;) {
      bool moved = false;
      while (auto effect = node.session->next_effect()) {
        moved = true;
        answer(node, *effect);
      }
      hub_->commit(now());
      while (auto effect = hub_->next_effect()) {
        moved = true;
        if (auto* send = std::get_if<HubSend>(&*effect)) {
          hub_->on_sent(now(), send->connection, send->frame.size());
          node.session->on_frame(now(), send->frame);
        } else if (auto* ask = std::get_if<HubAuthorise>(&*effect)) {
          hub_->on_authorised(now(), ask->connection, {true, true, "user", 0, ""});
        } else if (std::holds_alternative<HubWorkWanted>(*effect)) {
          hub_->work(now());
        }
      }
      if (!moved) {
        return;
      }
    }
  }

  void answer(Node& node, ClientEffect& any) {
    ModelReplica& replica = node.replica;
    ClientSession& session = *node.session;
    if (auto* send = std::get_if<effect::Send>(&any)) {
      if (node.connection) {
        hub_->on_frame(now(), *node.connection, send->frame);
      }
    } else if (std::holds_alternative<effect::Dial>(any)) {
      node.connection = hub_->open(now());
      session.on_connected(now());
    } else if (auto* load = std::get_if<effect::LoadOutbox>(&any)) {
      session.on_outbox(now(), load->after, replica.outbox(load->after, load->bytes_max));
    } else if (std::holds_alternative<effect::LoadRelays>(any)) {
      session.on_relays(now(), {});
    } else if (auto* ack = std::get_if<effect::Acknowledge>(&any)) {
      replica.acknowledge(ack->through);
    } else if (auto* apply = std::get_if<effect::ApplyChanges>(&any)) {
      REQUIRE(replica.apply(apply->parts, apply->cursor).has_value());
      session.on_applied(now(), apply->cursor, replica.digest());
    } else if (auto* page = std::get_if<effect::ApplyPage>(&any)) {
      REQUIRE(replica.apply_page(page->page).has_value());
      session.on_page_applied(now(), page->page.token, replica.digest());
    } else if (auto* finish = std::get_if<effect::FinishSnapshot>(&any)) {
      replica.finish_snapshot(finish->cursor);
      session.on_applied(now(), finish->cursor, replica.digest());
    } else if (auto* welcome = std::get_if<effect::SaveWelcome>(&any)) {
      replica.save_welcome(*welcome);
    } else if (std::holds_alternative<effect::RejectChange>(any) ||
               std::holds_alternative<effect::Reidentify>(any) ||
               std::holds_alternative<effect::Restamp>(any)) {
      FAIL("nothing of this is wrong");
    }
  }

  SeededRandom random_{1};
  Clock clock_;
  std::unique_ptr<SqliteLogStore> store_;
  std::unique_ptr<Hub> hub_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// Every sequence of acts, replicas and rows named in the order in which they first appear: any
// other naming is the same world. The last act is no meeting: everybody meets afterwards.
void enumerate(std::vector<Act>& acts, std::size_t left, std::size_t named_replicas,
               std::int64_t named_rows, std::int64_t rows_max, std::uint64_t& worlds) {
  if (!acts.empty() && acts.back().what != Act::What::meet) {
    SmallWorld world;
    for (const Act& act : acts) {
      world.perform(act);
    }
    ++worlds;
    if (!world.agrees()) {
      std::string text;
      for (const Act& act : acts) {
        text += act.what == Act::What::write   ? " write"
                : act.what == Act::What::erase ? " erase"
                                               : " meet";
        text += "(" + std::to_string(act.replica) + "," + std::to_string(act.row) + ")";
      }
      FAIL("replicas disagree after" << text);
    }
  }
  if (left == 0) {
    return;
  }
  for (std::size_t replica = 0; replica < std::min(named_replicas + 1, replicas); ++replica) {
    const std::size_t next = std::max(named_replicas, replica + 1);
    acts.push_back({Act::What::meet, replica, 0});
    enumerate(acts, left - 1, next, named_rows, rows_max, worlds);
    acts.pop_back();
    for (std::int64_t row = 0; row < std::min(named_rows + 1, rows_max); ++row) {
      for (const Act::What what : {Act::What::write, Act::What::erase}) {
        acts.push_back({what, replica, row});
        enumerate(acts, left - 1, next, std::max(named_rows, row + 1), rows_max, worlds);
        acts.pop_back();
      }
    }
  }
}

}  // namespace

TEST_CASE("three replicas and three rows agree after every sequence of four acts") {
  std::vector<Act> acts;
  std::uint64_t worlds = 0;
  enumerate(acts, 4, 0, 0, 3, worlds);
  MESSAGE(worlds << " worlds");
  CHECK(worlds > 1000);
}

TEST_CASE("three replicas and one row agree after every sequence of five acts") {
  std::vector<Act> acts;
  std::uint64_t worlds = 0;
  enumerate(acts, 5, 0, 0, 1, worlds);
  MESSAGE(worlds << " worlds");
  CHECK(worlds > 1000);
}
