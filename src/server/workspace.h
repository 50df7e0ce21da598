#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/merge.h"
#include "server/bounds.h"
#include "server/declared.h"
#include "server/log_store.h"
#include "server/receipts.h"
#include "server/rules.h"
#include "session/server_session.h"
#include "wire/message.h"

namespace syncline {

// A slice of the log as one replica is to get it.
struct LogSlice {
  std::vector<LogPart> parts;
  Receipt through;
  std::uint64_t begun = 0;  // parts that were read of the version behind it
  bool gone = false;        // the log no longer reaches back so far
};

// One page of a snapshot, or its end.
struct SnapshotStep {
  std::optional<SnapshotBegin> begin;
  std::optional<SnapshotPage> page;
  std::optional<SnapshotEnd> end;
};

// Digests of a range of rows, as far as they have come: a long one is read in slices, between which
// others are served and rows may change. Whoever compares gets what changed from the log
// afterwards.
struct RangeWalk {
  RescanRequest request;
  bool is_counted = false;
  std::uint64_t rows = 0;
  ByteVector at;  // up to here
  RangeDigest piece;
  RangeDigests out;
};

// One workspace: admits each change once, in order, and answers what replicas ask. Everything that
// writes runs inside the store's transaction, which the hub opens and commits.
//
// Invariants:
// 1. A change is admitted at most once for its (replica, sequence), whatever is sent again (P2).
// 2. Versions follow each other without gaps, in the order of admission.
// 3. A row's stored state is the merge of every admitted edit of it, and the totals are the sums
//    over the stored rows.
// 4. What a rollback took back is forgotten here, too: reload().
// 5. Whatever is stored can be told: names, keys, rows, tables and the schema are within the limits
//    that readers keep, after every merge as on the way in. What would exceed one is refused with
//    its reason, and leaves nothing behind.
// 6. What does not decode is not replaced.
// 7. A replica belongs to the first writer who said hello with it, and from then on nobody else
//    writes in its name: not by a hello, not by a push, not by a relay. Before that a peer that may
//    write can. Where it says other times than the author, the author goes on under another id, and
//    loses nothing. Where it keeps sequences and times and says something else, that stands, and
//    what the author wrote under them is taken for known: nothing here can tell
//    (docs/decisions/0020).
class Workspace {
 public:
  // `store` and `rules` outlive the workspace.
  static Result<Workspace> open(LogStore& store, const Rules& rules, const std::string& name);

  // Reads the heads again after a rollback.
  Result<void> reload();

  // Whether the hello shows that this server once had more than it has, or something else: it was
  // put back. Only what this server itself sealed shows anything.
  Result<bool> is_behind(const Hello& hello);
  // The answer to a hello; remembers the replica and widens the schema. Writes.
  Result<Greeting> greet(const Hello& hello, const Rights& rights, std::int64_t now_ms);
  // Admits or refuses one whole change of the replica that said this hello. Writes.
  Result<Admitted> admit(const Hello& hello, const Rights& rights, std::vector<ByteVector> parts,
                         std::int64_t now_ms);
  // The same for another replica's change that this one learned from a peer. Nothing is held
  // against the author: what cannot be admitted now may still come from it.
  Result<Admitted> admit_relayed(const Hello& hello, const Rights& rights,
                                 std::vector<ByteVector> parts, std::int64_t now_ms);
  Result<void> save_cursor(const ReplicaId& replica, ServerVersion cursor, std::int64_t now_ms);

  // What is read is charged, and no more is once the meter is spent: then there is less in the
  // answer, or it comes with a later slice.
  //
  // Changes behind `ask`, up to `through`, that are not the replica's own, of subscribed tables.
  Result<LogSlice> read(const Hello& hello, const effect::ReadLog& ask, ServerVersion through,
                        WorkMeter& meter);
  // The next page behind the token; with `first`, the beginning as well.
  Result<SnapshotStep> snapshot(const Hello& hello, Bytes token, bool first, WorkMeter& meter);
  // Once they are known.
  Result<std::optional<RangeDigests>> range_digests(const Hello& hello, RangeWalk& walk,
                                                    WorkMeter& meter);
  Result<RangeRows> range_rows(const Hello& hello, const RangeRequest& request, WorkMeter& meter);
  Digest digest(const std::vector<std::string>& tables) const;

  // --- For doors whose callers are no replicas (server/workspace_door.cc) ---
  // What a door wrote in one change, for those who follow the log.
  struct Written {
    Receipt receipt;
    ReplicaId author;
    std::vector<ByteVector> parts;
  };
  // Everything that replicas or doors have said of the tables so far.
  Result<Schema> schema() const;
  // Adds tables and columns. Fails with `schema_mismatch`, `malformed` or `too_large`. Writes.
  Result<void> widen_schema(const Schema& wider);
  // Whether rules, fence and limits allow it. Fails with what its author is to be told, or
  // `storage`. `present` is the row of a change that has one edit; null when there is none.
  Result<void> may_write(const Rights& rights, const Change& change, const ServerRow* present);
  // Whether the quotas leave room for the change. Fails with `full`.
  Result<void> has_room_for(const Change& change) const;
  const Rules& rules() const { return *rules_; }
  // The time that an author's next change must exceed, whoever stamps it.
  Result<std::uint64_t> last_time(const ReplicaId& author);
  // Logs a change that a door made for its author, of an author that only the door speaks for. Its
  // stamp is later than the author's last; its sequence is given here. Writes.
  Result<Written> write(Change change, const Rights& rights, std::int64_t now_ms);
  LogStore& store() const { return *store_; }

  // Moves the fence up to `through` and forgets what lies behind it. Writes.
  Result<void> trim(ServerVersion through, std::uint64_t fence_time);

  WorkspaceId id() const { return record_.id; }
  const std::string& name() const { return name_; }
  ServerVersion head() const { return record_.head; }
  // Of the head.
  Receipt receipt() const { return make_receipt(place_, record_.head, record_.mark); }
  ServerVersion fence() const { return record_.fence; }
  // No stamp above this time was forgotten.
  std::uint64_t fence_time() const { return record_.fence_time; }

 private:
  Workspace(LogStore& store, const Rules& rules, std::string name)
      : store_(&store), rules_(&rules), name_(std::move(name)) {}

  // --- server/workspace_reads.cc ---
  Result<bool> count_range(RangeWalk& walk, WorkMeter& meter);
  Result<bool> digest_range(RangeWalk& walk, WorkMeter& meter);
  // --- server/workspace_receipts.cc ---
  // What the replica's receipt says of the history that both know of.
  enum class Shown {
    nothing,  // none, not ours, or too old to tell
    common,   // we have what it was told up to there
    missing,  // we have not
  };
  Result<Shown> shown_by(const Hello& hello);
  Result<std::optional<Receipt>> receipt_at(ServerVersion version);
  // Where a replica that comes from an ended lineage goes on.
  Result<std::optional<ServerVersion>> resume_of(const Hello& hello);
  // Logs it as the next version, which is the head from then on.
  Result<void> log(LogEntry entry, const std::vector<AuditRow>& audit);
  // Invariant 7. What a JSON device writes is its door's alone to say.
  Result<bool> may_speak_for(const Rights& rights, const ReplicaId& replica,
                             const std::optional<ReplicaRecord>& known);
  Result<std::optional<Refused>> judge_replica(const Hello& hello,
                                               const std::optional<ReplicaRecord>& known,
                                               const LineageId& lineage, bool is_ancestor);
  // All that the server knows of the replica beyond the hello's last change, up to `last`.
  Result<bool> was_relayed(const Hello& hello, ChangeSequence last);
  // The server has another change of that replica under that number.
  Result<bool> knows_another(const PartHeader& header, const ReplicaRecord& record);
  // Of a schema that a writer brings, takes in what is new; of a reader's, nothing.
  Result<std::optional<Refused>> judge_schema(const Hello& hello, const Rights& rights);
  Result<void> set_schema(ByteVector schema);
  // Times of the replica's last known changes, up to `last` and as far back as it takes.
  Result<std::vector<KnownChange>> known_changes(const Hello& hello, ChangeSequence last);
  Result<std::optional<std::uint64_t>> time_of(const Hello& hello, ChangeSequence sequence);
  Result<std::optional<Admitted>> known_already(const Hello& hello, const PartHeader& header,
                                                const std::vector<ByteVector>& parts,
                                                const ReplicaRecord& record);
  // Whether a change from before the fence would bring back what was deleted and forgotten.
  enum class Fenced {
    no,
    deleted,     // it puts a row that its writer knew, and that is gone
    old_insert,  // it puts a key that may have been used and deleted since
  };
  Result<Fenced> judge_fence(const Change& change);
  // --- server/workspace_states.cc ---
  // Rows as they were on a server that is no more, from a replica that still has them.
  Result<Admitted> admit_states(const PartHeader& header, const Rights& rights, ByteVector part,
                                std::int64_t now_ms);
  // Takes in what a part of states tells, all of which is news.
  Result<void> merge_states(Bytes news, ServerVersion version);
  // Why it must not come in; nothing when it may.
  using Fault = std::optional<Error>;
  // A row as it is to be stored, and what it was in the totals.
  struct Merged {
    ServerRow row;
    bool was_there = false;
    Digest digest_before;
    std::uint64_t bytes_before = 0;
  };
  // The rows of one change, as far as they were kept: others are merged once more.
  using MergedRows = std::vector<std::optional<Merged>>;
  // What of names, keys and counts of tables is known of a change that is looked at.
  struct Names {
    std::string table;
    std::size_t key_columns = 0;
    std::map<std::string, std::size_t> fresh;  // tables without rows, and the width of their keys
  };
  static Merged begin_merge(std::optional<ServerRow> found, const std::string& table, Bytes key);
  // Sets the row's size. Fails when nobody could be told so large a row.
  static Fault measure(ServerRow& row);
  static Fault fault_of(const MergeEffect& effect, const std::string& table);
  Result<Fault> judge_names(Names& names, const std::string& table, Bytes key,
                            std::span<const std::string_view> columns);
  Result<Fault> judge_names(const Change& change);
  Result<std::size_t> key_width(const std::string& table);
  // What of tables that nobody has declared yet contradicts the rows that they have already.
  Result<Fault> judge_declared(const Schema& wider);
  // Nothing when the row's tombstone was forgotten, or `fault` was set.
  Result<std::optional<Merged>> merged(const RowEdit& edit, const Stamp& stamp, Fault& fault);
  // Looks at everything that a change would store, and stores nothing.
  Result<Fault> judge_rows(const Change& change, MergedRows& rows);
  Result<Fault> judge_states(Bytes part, const PartHeader& header, ByteVector& news);
  Result<void> store_row(Merged merged, ServerVersion version);
  Result<void> save_totals(const std::set<std::string>& tables);
  Result<void> append(const PartHeader& header, std::uint64_t hash, const Change& change,
                      MergedRows rows, const Rights& rights, std::vector<ByteVector> parts,
                      ReplicaRecord record, std::int64_t now_ms);
  Result<void> merge(const Change& change, MergedRows rows, ServerVersion version);
  Result<Admitted> reject(const PartHeader& header, std::uint64_t hash, ReplicaRecord record,
                          const Error& error, const Change* change);
  Result<ByteVector> states_of(const Change& change);

  LogStore* store_;
  const Rules* rules_;
  std::string name_;
  ReceiptPlace place_;
  WorkspaceRecord record_;
  std::map<std::string, TableTotals> totals_;
  Declared declared_;
  // Of tables that have rows and that nobody declared.
  std::map<std::string, std::size_t> key_widths_;
};

// The server's name in parts of states.
ReplicaId author_of(const LineageId& lineage);
// No tables are all of them; otherwise they are sorted.
bool is_subscribed(const std::vector<std::string>& tables, const std::string& table);

}  // namespace syncline
