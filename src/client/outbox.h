#pragma once

#include <vector>

#include "client/cached_statement.h"
#include "client/extract.h"
#include "client/meta.h"
#include "model/version_vector.h"

namespace syncline {

// An own change that the server has not acknowledged, as it travels.
struct OutboxChange {
  LocalVersion version;
  Stamp stamp;
  ChangeSequence sequence;
  std::vector<ByteVector> parts;  // wire/change_codec
};

// Own changes that are not acknowledged yet, in the order in which they were made. The log is the
// outbox: its rows above the acknowledged version that this file's owner wrote, under its present
// identity or under one that it took over (an import).
class Outbox {
 public:
  Outbox(Connection connection, Meta& meta, LocalLog& log, Clocks& clocks, Extract& extract)
      : connection_(connection), meta_(meta), log_(log), clocks_(clocks), extract_(extract) {}

  Result<LocalVersion> acknowledged();
  // How many changes wait.
  Result<std::uint64_t> count();
  // Changes above `after`, whole, until they exceed `bytes_max`; at least one when there is any.
  // None behind `through` is looked at.
  Result<std::vector<OutboxChange>> batch(LocalVersion after, std::size_t bytes_max,
                                          LocalVersion through = LocalVersion(UINT64_MAX));
  // Others' changes that were learned or imported, that the server has not answered, and that lie
  // behind `after` and up to what is acknowledged: own changes that were made later may be. Each
  // with one call.
  Result<void> overtaken(LocalVersion after, FunctionRef<Result<void>(const OutboxChange&)> visit);
  // Every change through this version is durable elsewhere. Going backwards is ignored.
  Result<void> acknowledge(LocalVersion through);
  void release() { read_last_.release(); }

 private:
  // Which of others' changes, learned from peers, are settled with the server. Read when it is
  // first asked.
  class Relays {
   public:
    Result<LocalVersion> through(Meta& meta);
    Result<bool> is_settled(const Dot& dot, LocalVersion version, Meta& meta);

   private:
    Result<void> load(Meta& meta);

    bool loaded_ = false;
    LocalVersion through_;
    VersionVector settled_;
  };
  struct Waiting {
    LocalVersion version;
    Dot dot;
  };
  // Of the changes that lie above what relays have settled, up to `through`, or all.
  Result<std::vector<Waiting>> waiting_of_others(LocalVersion after, LocalVersion through);

  Connection connection_;
  Meta& meta_;
  LocalLog& log_;
  Clocks& clocks_;
  Extract& extract_;
  CachedStatement read_last_{
      "SELECT sequence, time FROM syncline_log WHERE version <= ?1 AND version > ?2 AND origin = 1 "
      "ORDER BY version DESC LIMIT 1"};
};

}  // namespace syncline
