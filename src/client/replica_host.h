#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/engine.h"
#include "client/leadership.h"
#include "session/client_session.h"

namespace syncline {

// What a replica's host leaves to whoever owns the connection and the clock. None of these may call
// the host: they note what is wanted, and return.
class ReplicaLink {
 public:
  virtual ~ReplicaLink() = default;
  virtual void dial() = 0;
  virtual void send(ByteVector frame) = 0;
  virtual void hang_up(const std::string& reason) = 0;
  // Replaces the wish before it.
  virtual void wake_at(Instant at) = 0;
  // Something was committed here: on_wakeup() is wanted soon. Called inside the commit.
  virtual void work_waits() {}
  // Unsent changes before something that could cost them (P5), as a file of changes; the database
  // holds a copy.
  virtual void salvaged(const std::string& reason, Bytes file) {
    (void)reason;
    (void)file;
  }
  // Somebody else's presence; an empty value took the key away.
  virtual void show_presence(const Presence& presence) { (void)presence; }
};

// A replica's end of the conversation with its database behind it: performs on the engine what a
// ClientSession asks for and answers it, notices what was committed, and tells people what happens
// (client/events). Sans I/O: time and frames are handed in. Not thread-safe.
//
// Invariants:
// 1. Effects are performed in their order; one call performs at most effects_per_call_max of them
//    and then asks to be woken for the rest.
// 2. Nothing is done to the database inside a transaction of the application's: it waits, because
//    the application may still roll it back.
// 3. An effect that fails ends the connection, and nothing is told to the session that is not in
//    the database. One that finds the file locked has not failed: it is performed again.
// 4. Of the hosts on one file, in however many processes, one has the conversation: nothing is
//    drawn, asked or written for a session before the lead is taken. The others say what the
//    leader says, and take the lead when it ends.
class ReplicaHost final : private Engine::Listener {
 public:
  struct Parts {
    // All outlive the host.
    Engine* engine = nullptr;
    WallClock* clock = nullptr;
    Random* random = nullptr;
    ReplicaLink* link = nullptr;
    // Told of commits, too: the engine has one listener, and the host takes its place.
    Engine::Listener* listener = nullptr;
    // Null when nobody else can have the file open.
    Leadership* leadership = nullptr;
  };
  ReplicaHost(const Parts& parts, const ClientOptions& options);
  ~ReplicaHost() override;
  ReplicaHost(const ReplicaHost&) = delete;
  ReplicaHost& operator=(const ReplicaHost&) = delete;

  // Begins to sync with a workspace. Fails when the database cannot be read, is no replica yet, or
  // belongs to another workspace. Waits while another host leads or the file is locked.
  Result<void> start(Instant now, const std::string& workspace, std::string token);
  void stop(Instant now);

  // From the link's owner.
  void on_connected(Instant now);
  void on_disconnected(Instant now, const std::string& reason = "");
  void on_frame(Instant now, Bytes frame);
  void on_wakeup(Instant now);

  // From people and applications. What is asked of a host that does not lead: to sync now is handed
  // to the leader; a rescan, a token and tables are for the day on which it leads.
  void sync_now(Instant now);
  void rescan_now(Instant now);
  void refresh_token(Instant now, std::string token);
  void subscribe(Instant now, std::vector<std::string> tables);
  void set_presence(Instant now, std::string key, ByteVector value);

  // Looks at the log first: a commit that the session has not heard of yet is not synced (P4).
  StatusReport status(Instant now) const;
  const ClientSession& session() const { return session_; }
  // Another host has the conversation.
  bool is_following() const;
  // Of a host that follows: the last wish that sync_now() left for the leader. Of one that leads:
  // the last one after which the server was heard and everything was in step.
  std::int64_t wish() const { return is_following() ? wish_ : answered_wish_; }
  // The last error of the engine's, for people; empty when there was none.
  const std::string& last_error() const { return last_error_; }

 private:
  // Engine::Listener
  void on_commit(std::span<const TableId> tables) override;

  Result<bool> begin(Instant now);
  Result<void> try_to_lead(Instant now);
  Result<void> leave_wish();
  void answer_wish(Instant now);
  StatusReport status_of_leader() const;
  void failed(Instant now, const Error& error,
              ClientSession::Blame blame = ClientSession::Blame::file);
  bool is_blocked(const Result<void>& done);
  void pump(Instant now);
  void dial(Instant now);
  void notice(Instant now);
  Result<void> look_at_log(Instant now);
  void tell_status(Instant now);
  void tell(std::string_view name, std::string payload);
  void tell_error(const Error& error);
  bool hand_on(Instant now, ClientEffect& effect);
  Result<ReplicaFacts> look_at_facts();
  Result<void> tell_facts(Instant now);
  void tell_acknowledged(const ReplicaId& replica, ChangeSequence after, ChangeSequence through);
  Result<void> tell_unreadable(Instant now);
  Result<void> tell_applied(Instant now, ServerVersion cursor);
  Result<void> local_change(Instant now);

  Result<void> perform_and_look(Instant now, ClientEffect& effect);
  Result<void> perform(Instant now, ClientEffect& effect);
  Result<void> perform(Instant now, const effect::LoadFacts& e);
  Result<void> perform(Instant now, const effect::LoadOutbox& e);
  Result<void> perform(Instant now, const effect::Acknowledge& e);
  Result<void> perform(Instant now, const effect::RejectChange& e);
  Result<void> perform(Instant now, const effect::ApplyChanges& e);
  Result<void> perform(Instant now, const effect::BeginSnapshot& e);
  Result<void> perform(Instant now, const effect::ApplyPage& e);
  Result<void> perform(Instant now, const effect::FinishSnapshot& e);
  Result<void> perform(Instant now, const effect::BeginRescan& e);
  Result<void> perform(Instant now, const effect::CompareRanges& e);
  Result<void> perform(Instant now, const effect::AdoptRange& e);
  Result<void> perform(Instant now, const effect::FinishRescan& e);
  Result<void> perform(Instant /*now*/, const effect::NoteWhole& /*e*/) {
    return parts_.engine->note_whole();
  }
  Result<void> perform(Instant now, const effect::SaveWelcome& e);
  Result<void> perform(Instant now, const effect::Unacknowledge& e);
  Result<void> perform(Instant now, const effect::KeepReceipt& e);
  Result<void> perform(Instant now, const effect::CorrectClock& e);
  Result<void> perform(Instant now, const effect::Restamp& e);
  Result<void> perform(Instant now, const effect::Reidentify& e);
  Result<void> perform(Instant now, const effect::Salvage& e);
  Result<void> perform(Instant now, const effect::LoadRelays& e);
  Result<void> perform(Instant now, const effect::FinishRelay& e);
  Result<void> perform(Instant now, const effect::SetAside& e);

  Parts parts_;
  std::vector<std::string> tables_;
  ClientSession session_;
  // Waiting: for the lead, or for the file.
  enum class Stage { stopped, waiting, running } stage_ = Stage::stopped;
  std::string workspace_;
  std::string token_;
  Instant next_try_;
  bool wants_rescan_ = false;
  // See wish().
  std::int64_t wish_ = 0;
  std::int64_t answered_wish_ = 0;
  bool leaves_wish_ = false;
  // An effect that gives changes other names was performed, and is not told to the session yet:
  // it is not performed twice.
  bool renamed_ = false;
  Instant wished_at_;
  // The file is locked, in SQLite's words; empty when it is not.
  std::string blocked_;
  // Performed first, once the application's transaction has ended, or the file's lock.
  std::optional<ClientEffect> delayed_;
  // The log as the session knows it.
  LogHead seen_;
  std::uint64_t rejected_ = 0;  // refusals that the session was not told to be in the rows
  std::uint32_t schema_version_ = 0;
  // Others' changes in the log through here are on their way.
  LocalVersion relaying_;
  std::string last_error_;
  // What was told last.
  Status told_status_ = Status::disconnected;
  Activity told_activity_ = Activity::idle;
  Trouble told_trouble_ = Trouble::none;
  std::uint32_t dials_in_vain_ = 0;
  std::uint64_t rescanned_ranges_ = 0;
};

}  // namespace syncline
