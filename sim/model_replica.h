#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "model/change.h"
#include "model/hlc.h"
#include "model/row_state.h"
#include "session/client_session.h"

namespace syncline::sim {

using RowName = std::pair<std::string, RowKey>;

// A replica's database as the model understands it: the simplest thing that performs a client
// session's effects. What the server is known to hold is kept apart from what is unsent, so that a
// rejected, restamped or re-identified change can be taken out again. Copying one copies the file.
class ModelReplica {
 public:
  ModelReplica(Random& random, const std::string& workspace);

  // A process opens the file: a new epoch.
  void open(Random& random);

  struct Write {
    EditKind kind = EditKind::put;
    std::string table;
    std::int64_t id = 0;
    std::int64_t value = 0;
  };
  // One transaction; what cannot be done (an update of a row that is not alive) becomes a put.
  void write(HybridClock& clock, const std::vector<Write>& writes);

  // Forgets a row that a server told, and nothing says why.
  void lose_row(std::uint64_t pick);

  // Effects.
  std::vector<OutboxPart> outbox(ChangeSequence after, std::size_t bytes_max) const;
  void acknowledge(ChangeSequence through);
  void unacknowledge(ChangeSequence through);
  Result<void> reject(const Rejected& rejected);
  Result<void> apply(const std::vector<ByteVector>& parts, ServerVersion cursor);
  Result<void> apply_page(const SnapshotPage& page);
  void finish_snapshot(ServerVersion cursor);
  std::vector<ByteVector> compare(const RangeDigests& digests) const;
  Result<void> adopt(const RangeRows& rows);
  void save_welcome(const effect::SaveWelcome& welcome);
  void restamp(HybridClock& clock, ChangeSequence after);
  void reidentify(Random& random, const effect::Reidentify& how);

  const ReplicaFacts& facts() const { return facts_; }
  // The same with the epochs that servers of other lineages know.
  ReplicaFacts facts_of_hello() const;
  ReplicaFacts& facts() { return facts_; }
  const Digest& digest() const { return facts_.digest; }
  const std::map<RowName, RowState>& rows() const { return view_; }
  const std::vector<Change>& log() const { return log_; }
  std::uint64_t rejected() const { return rejected_; }
  // All of its changes after `after`, up to `through`.
  bool was_rejected(ChangeSequence after, ChangeSequence through) const;
  // The sum over all rows anew, to check the one that is kept.
  Digest recount() const;
  std::uint64_t last_time() const { return last_time_; }

 private:
  void rebuild(const RowName& name);
  void rebuild_all();
  RowState& known(const RowName& name) { return known_[name]; }

  ReplicaFacts facts_;
  std::vector<EpochId> elsewhere_;
  std::vector<Change> log_;  // own changes, by sequence from 1
  std::map<RowName, RowState> known_;
  std::map<RowName, RowState> view_;
  std::vector<std::uint64_t> skipped_;  // sequences of rejected changes
  std::uint64_t rejected_ = 0;
  std::uint64_t last_time_ = 0;
};

Schema model_schema();

}  // namespace syncline::sim
