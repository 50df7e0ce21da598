#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "routes/delta_edit.h"
#include "routes/delta_request.h"
#include "routes/delta_state.h"
#include "server/workspace.h"

namespace syncline {

// The replica ids of devices: who signs what a device sends. Known to one lineage only, so that a
// restored server never gives a number twice, and made with a secret of the store's, so that nobody
// can take the id of another's device before it was used.
struct DeltaNames {
  LineageId lineage;
  ByteVector secret;

  static Result<DeltaNames> of(LogStore& store);
  // Changes with stamps of their own have an author of their own, since an author's stamps rise.
  ReplicaId author(const std::string& user, const std::string& device, bool has_stamp) const;
};

// A change that landed, now or when it came before.
struct DeltaLanded {
  std::string id;
  ServerVersion version;
  // A JSON object without changeId and version; empty when nobody else had a word.
  std::string conflict;
  bool is_repeated = false;
};

struct DeltaWritten {
  std::vector<DeltaLanded> landed;
  std::vector<DeltaRefusal> refused;
  // For those who follow the log.
  std::vector<Workspace::Written> log;
};

// Turns the changes of one request into changes of the workspace's log, inside the transaction that
// is open.
//
// Invariants:
// 1. A changeId of a user stands for one content for ever: it is kept in the transaction that
//    writes its change, and whatever comes again under it changes nothing.
// 2. A change that cannot be written is refused alone; the others land.
// 3. Neighbours of one author that touch different rows share a change of the log, and so a version
//    and a stamp, unless they bring stamps of their own.
// 4. Without a stamp of its own a change is later than everything that its row has seen,
//    and than everything that was forgotten.
class DeltaWriter {
 public:
  struct Options {
    Rights rights;
    ServerVersion known;
    bool looks_for_conflicts = true;
    std::int64_t now_ms = 0;
  };
  // `workspace` outlives the writer.
  static Result<DeltaWriter> begin(Workspace& workspace, Options options);

  // Fails when the storage does; what is wrong with the change is told in the result.
  Result<void> take(std::size_t index, DeltaChange& change);
  // The same for a row of a state that was uploaded.
  Result<void> take_row(const DeltaStateRow& row, const std::string& device, DeltaStateMode mode);
  Result<DeltaWritten> finish();

 private:
  struct Author {
    ReplicaId replica;
    // What others of this name wrote up to here was no part of this request.
    std::uint64_t time_before = 0;
    std::uint64_t last_time = 0;
    bool is_named = false;
    // Its user has as many devices here as anybody may have.
    bool is_one_too_many = false;
  };
  struct Pending {
    std::string id;
    std::uint64_t hash = 0;
    std::int64_t author_ms = 0;
    std::string conflict;
  };

  DeltaWriter(Workspace& workspace, Options options)
      : workspace_(&workspace), options_(std::move(options)) {}

  Result<bool> is_known(std::size_t index, const DeltaChange& change);
  Result<void> write(std::size_t index, DeltaChange& change, std::optional<DeltaStateMode> mode);
  Result<void> land(std::size_t index, const DeltaChange& change, Author& author,
                    const ServerRow* present, DeltaEdit made, const Stamp& stamp);
  Result<void> prepare(const DeltaChange& change, const RowKey& key, const Author* author);
  Result<std::optional<Stamp>> stamp_for(std::size_t index, const DeltaChange& change,
                                         const Author& author, const RowState* row);
  Result<void> land_without_edit(const DeltaChange& change, std::string conflict);
  void add(const DeltaChange& change, Author& author, RowEdit edit, const Stamp& stamp,
           std::string conflict);
  Result<const TableSchema*> table_for(const DeltaChange& change, std::string& refusal);
  Result<Author*> author_of(const std::string& device, bool has_stamp);
  Result<bool> was_seen(const ServerRow& row, const Stamp& stamp, const DeltaChange& change);
  Result<bool> widen(Schema wider, std::string& refusal);
  Result<bool> open_columns(const DeltaChange& change, std::string& refusal);
  bool has_room_for(const DeltaChange& change) const;
  Result<void> seal();
  void refuse(std::size_t index, const DeltaChange& change, const std::string& code,
              const std::string& reason);
  bool is_within_bounds(std::size_t index, const DeltaChange& change);

  Workspace* workspace_;
  Options options_;
  Schema schema_;
  DeltaNames names_;
  std::map<std::pair<std::string, bool>, Author> authors_;
  std::set<std::string> devices_;
  DeltaWritten result_;
  // The change that grows.
  Change open_;
  Author* open_author_ = nullptr;
  std::vector<Pending> pending_;
  std::set<std::string> pending_ids_;
  std::set<std::pair<std::string, RowKey>> open_rows_;
  std::map<std::string, std::set<std::string>> open_columns_;
  std::size_t open_bytes_ = 0;
};

}  // namespace syncline
