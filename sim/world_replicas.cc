// Replicas and what their sessions ask of their host.
#include <algorithm>

#include "sim/overloaded.h"
#include "sim/words.h"
#include "sim/world.h"
#include "wire/codec.h"

namespace syncline::sim {

void World::open_replica(std::size_t index) {
  Node& node = *nodes_[index];
  tell(index, "opens");
  ++node.life;
  node.link.open = false;
  node.clock.now = &time_;
  if (node.real) {
    open_real(index);
    return;
  }
  node.hybrid = std::make_unique<HybridClock>(node.clock);
  node.replica.open(random_);
  node.session =
      std::make_unique<ClientSession>(ClientSession::Parts{&node.clock, &random_}, ClientOptions{});
  node.session->start(now(), node.replica.facts(), "token");
  pump_client(index);
}

void World::hang_up(std::size_t index, bool tell_server) {
  Link& link = nodes_[index]->link;
  if (!link.open) {
    return;
  }
  link.open = false;
  if (link.connection) {
    const ConnectionId connection = *link.connection;
    link.connection.reset();
    if (tell_server && connections_.erase(connection) > 0 && hub_) {
      hub_->on_closed(now(), connection);
      pump_server();
    }
  }
}

void World::disconnected(std::size_t index) {
  Node& node = *nodes_[index];
  if (!node.real) {
    node.session->on_disconnected(now());
  } else if (node.real->is_open()) {
    node.real->host().on_disconnected(now());
  }
  pump_client(index);
}

void World::wake_client(std::size_t index, std::int64_t delay) {
  Node& node = *nodes_[index];
  Event wake;
  wake.kind = Kind::wake_client;
  wake.node = index;
  wake.life = node.life;
  wake.link = ++node.wake_serial;
  schedule(std::max<std::int64_t>(delay, 1), std::move(wake));
}

void World::pump_client(std::size_t index) {
  Node& node = *nodes_[index];
  if (node.real) {
    pump_real(index);
    return;
  }
  while (auto effect = node.session->next_effect()) {
    perform(index, *effect);
  }
  check_status(index);
}

void World::note_shown(Node& node, Bytes frame) const {
  if (storm_.server_put_back > 0) {
    const auto message = decode_message(frame);
    const Hello* hello = message ? std::get_if<Hello>(&*message) : nullptr;
    node.shown = hello != nullptr ? hello->receipt.version : node.shown;
  }
}

// A server does not know that its folder was put back when the log no longer reaches back to what
// the replica showed: it may have come from a long sleep.
bool World::may_be_behind(const Node& node) const {
  if (outcome_.counts.count("server_put_back") == 0 || !store_) {
    return false;
  }
  const auto room = store_->find_workspace(workspace_);
  return room && *room && node.shown <= (*room)->fence;
}

void World::check_welcome(const Node& node, const effect::SaveWelcome& welcome) {
  // Only a new lineage may know less: a server that was restored.
  const ReplicaFacts& facts = node.replica.facts();
  const bool same_server = welcome.lineage == facts.lineage;
  // A log that was put back is whole all the same where all that it misses was refused: nothing of
  // that was ever in it, and it is told and refused again.
  const bool was_put_back = outcome_.counts.count("server_put_back") != 0;
  const auto was_refused = [&] {
    return was_put_back && node.replica.was_rejected(welcome.acknowledged, facts.acknowledged);
  };
  if (same_server && welcome.acknowledged < facts.acknowledged && !may_be_behind(node) &&
      !was_refused()) {
    violate("the server forgot a change that it had acknowledged");
  }
}

void World::dial_soon(std::size_t index) {
  hang_up(index, true);
  Event dial;
  dial.kind = Kind::dial;
  dial.node = index;
  dial.life = nodes_[index]->life;
  schedule(1 + static_cast<std::int64_t>(random_.below(50)), std::move(dial));
}

void World::send_up(std::size_t index, ByteVector frame) {
  Link& link = nodes_[index]->link;
  if (!link.open) {
    return;
  }
  const std::int64_t arrives =
      std::max(link.last_up, time_ + 1 + static_cast<std::int64_t>(random_.below(20)));
  link.last_up = arrives;
  if (stormy_ && random_.chance(storm_.late, 50'000)) {
    // The network changes under it before this is through, and the server hears nothing of that.
    schedule(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(arrives - time_))),
             {Kind::closed, index, link.id, 0, {}, {}, {}});
  }
  schedule(arrives - time_, {Kind::up,
                             index,
                             link.id,
                             server_life_,
                             std::move(frame),
                             link.connection.value_or(ConnectionId(0)),
                             {}});
}

void World::perform(std::size_t index, ClientEffect& any) {
  Node& node = *nodes_[index];
  const auto later = [&](std::uint64_t within) {
    Event event;
    event.kind = Kind::answer;
    event.node = index;
    event.life = node.life;
    std::int64_t delay = static_cast<std::int64_t>(random_.below(within));
    if (std::holds_alternative<effect::LoadOutbox>(any) &&
        happens("slow_answer", storm_.slow_answer)) {
      delay += 3000;
    }
    event.effect = std::move(any);
    schedule(delay, std::move(event));
  };
  if (storm_.tells && !std::holds_alternative<effect::WakeAt>(any)) {
    tell(index, effect_words(any));
  }
  std::visit(
      Overloaded{
          [&](effect::Send& e) {
            if (const std::string wrong = witness_.saw_sent(e.frame); !wrong.empty()) {
              violate(wrong);
            }
            note_shown(node, e.frame);
            send_up(index, std::move(e.frame));
          },
          [&](effect::HangUp&) { hang_up(index, true); },
          [&](effect::WakeAt& e) { wake_client(index, e.at.ms - time_); },
          [&](effect::Dial&) {
            // As an engine's host does: the hello says what the file says.
            node.session->on_facts(now(), node.replica.facts_of_hello());
            dial_soon(index);
          },
          [&](effect::LoadFacts&) { node.session->on_facts(now(), node.replica.facts_of_hello()); },
          [&](effect::Acknowledge& e) { node.replica.acknowledge(e.through); },
          [&](effect::RejectChange& e) {
            count("rejected");
            if (e.rejected.code != "not_allowed" && e.rejected.code != "not_found") {
              violate("a sound change was rejected: " + e.rejected.message);
            }
            (void)node.replica.reject(e.rejected);
            node.session->on_local_change(now(), node.replica.facts().last_sequence,
                                          node.replica.digest());
            node.session->on_rejected(now(), 1);
          },
          [&](effect::SaveWelcome& e) {
            check_welcome(node, e);
            node.replica.save_welcome(e);
          },
          [&](effect::Unacknowledge& e) { node.replica.unacknowledge(e.through); },
          [&](effect::KeepReceipt& e) { node.replica.facts().receipt = e.receipt; },
          [&](effect::CorrectClock& e) { node.hybrid->set_offset_ms(e.offset_ms); },
          [&](effect::Salvage&) {
            count("salvaged");
            if (node.salvaged.size() < 4) {
              node.salvaged.push_back(node.replica);
            }
          },
          [&](effect::BeginRescan&) {
            count("rescan");
            node.replica.facts().wants_rescan = true;
          },
          [&](effect::BeginSnapshot&) { count("bootstrap"); },
          [&](effect::ShowPresence&) { count("presence"); },
          [&](effect::LoadRelays&) { node.session->on_relays(now(), {}); },
          [&](auto&) { later(8); },
      },
      any);
}

void World::answer(std::size_t index, ClientEffect& any) {
  Node& node = *nodes_[index];
  ModelReplica& replica = node.replica;
  ClientSession& session = *node.session;
  const auto failed = [&](const Result<void>& done) {
    if (!done && node.link.repeated) {
      count("repeat_refused");
      session.on_host_failure(now(), done.error());
    } else if (!done) {
      violate("a replica cannot take what the server sent: " + done.error().message());
    }
    return !done;
  };
  std::visit(
      Overloaded{
          [&](effect::LoadOutbox& e) {
            session.on_outbox(now(), e.after, replica.outbox(e.after, e.bytes_max));
          },
          [&](effect::ApplyChanges& e) {
            if (!failed(replica.apply(e.parts, e.cursor))) {
              session.on_applied(now(), e.cursor, replica.digest());
            }
          },
          [&](effect::ApplyPage& e) {
            if (!failed(replica.apply_page(e.page))) {
              session.on_page_applied(now(), e.page.token, replica.digest());
            }
          },
          [&](effect::FinishSnapshot& e) {
            replica.finish_snapshot(e.cursor);
            session.on_applied(now(), e.cursor, replica.digest());
          },
          [&](effect::FinishRescan& e) {
            replica.finish_snapshot(e.cursor);
            session.on_applied(now(), e.cursor, replica.digest());
          },
          [&](effect::CompareRanges& e) { session.on_compared(now(), replica.compare(e.digests)); },
          [&](effect::AdoptRange& e) {
            if (!failed(replica.adopt(e.rows))) {
              session.on_adopted(now(), replica.digest());
            }
          },
          [&](effect::Restamp& e) {
            count("restamped");
            witness_.saw_restamp(replica.facts().replica);
            // A clock that ran ahead never comes back by itself.
            const std::int64_t offset = node.hybrid->offset_ms();
            node.hybrid = std::make_unique<HybridClock>(node.clock);
            node.hybrid->set_offset_ms(offset);
            replica.restamp(*node.hybrid, e.after);
            session.on_facts(now(), replica.facts());
          },
          [&](effect::Reidentify& e) {
            forked(replica.facts().replica, "replica " + std::to_string(index));
            replica.reidentify(random_, e);
            witness_.saw_copy(replica.facts().replica);
            session.on_facts(now(), replica.facts());
          },
          [&](auto&) {},
      },
      any);
  pump_client(index);
}

}  // namespace syncline::sim
