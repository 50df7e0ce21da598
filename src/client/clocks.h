#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "client/column_set.h"
#include "client/local_log.h"
#include "client/log_body.h"
#include "client/origins.h"

namespace syncline {

struct CellClock {
  std::uint16_t column = 0;
  ClockTime time;
  friend bool operator==(const CellClock&, const CellClock&) = default;
};

// When a living row began, and which of its cells changed since.
struct RowClock {
  ClockTime life;
  // Sorted by column; only cells that are newer than the life.
  std::vector<CellClock> cells;

  ClockTime of(std::uint16_t column) const;
  // The greatest time anywhere in the row. Ties of time between replicas do not matter to its use:
  // telling what a writer had seen.
  ClockTime newest() const;
  friend bool operator==(const RowClock&, const RowClock&) = default;
};

// The end of a row.
struct Tomb {
  ClockTime death;
  // What its writer had seen of the row.
  ClockTime replaced;
};

// Whoever can tell what key stood at a rowid when a change had just been made.
class PastKeys {
 public:
  virtual ~PastKeys() = default;
  // Encoded; empty when nobody knows it any more.
  virtual Result<ByteVector> key_after(LocalVersion version, TableId table, RowId row) = 0;
};

// The clock of every row, kept as runs in chunks of 256 rowids instead of a row a cell.
//
// The newest part of the log is not folded into the stored chunks yet: whoever asks for clocks
// first replays that tail into chunks in memory, and fold() writes them back now and then. A
// database that only captures never pays for any of this.
//
// Invariants:
// 1. Stored chunks and tombs hold exactly the log through `folded_version` (syncline_meta).
// 2. Chunks in memory hold the log through `seen_`; they are dropped when another connection
// folded.
// 3. What an own change replaced follows from the log before it alone, whenever it is asked for: a
//    tomb that came later, or that was forgotten since, changes nothing of it.
class Clocks {
 public:
  Clocks(Connection connection, LocalLog& log, Origins& origins)
      : connection_(connection), log_(log), origins_(origins) {}
  // Must outlive the clocks; without it a put replaces nothing.
  void set_past_keys(PastKeys* keys) { keys_ = keys; }

  // Brings memory up to the log's head. Call before asking, in the same transaction.
  Result<void> catch_up();

  // Null for a row that no log row ever named.
  Result<const RowClock*> find(TableId table, RowId row);
  Result<std::optional<Tomb>> find_tomb(TableId table, Bytes key);
  // False when the table certainly has no tombs, without looking.
  Result<bool> may_have_tombs(TableId table);

  // Enters a change that is being applied, as catch_up() would do when it meets its log row.
  Result<void> enter(const LogRow& row, std::span<const Bytes> parts);
  // The same for the part of a change that is there so far; the whole is still to be entered.
  Result<void> preview(const LogRow& row, std::span<const Bytes> parts);
  // The log row was entered directly: catch_up() need not read it.
  void entered_through(LocalVersion version) { seen_ = version; }

  // Finds out which dead keys the own puts in (after, through] brought back. Before replaced_by()
  // is asked for them; not while the tables hold what is not in the log yet.
  Result<void> settle_puts(LocalVersion after, LocalVersion through);
  // What each cell of an own change replaced, run by run (see ReplacedReader); empty when unknown.
  Bytes replaced_by(LocalVersion version, Bytes stored) const;

  // How much of the log is in memory only.
  std::uint64_t unfolded() const { return seen_.get() - folded_.get(); }
  // Writes memory back. Runs in the caller's transaction.
  Result<void> fold();
  // Rows of a rebuilt table stand elsewhere: (old, new) for each that is still there. Everything
  // must be folded. Runs in the caller's transaction.
  Result<void> move_rows(TableId table, const std::vector<std::pair<RowId, RowId>>& moves);
  // Every clock becomes what `name` says it is called from now on. Folds first. Runs in the
  // caller's transaction.
  using Rename = FunctionRef<ClockTime(const ClockTime& clock)>;
  Result<void> rename(Rename name);
  // Forgets tombs of deaths before `time`.
  Result<void> drop_tombs(std::uint64_t time);
  // Drops memory: after a rollback, or when a table's chunks were changed otherwise.
  void forget();
  void release();

 private:
  static constexpr unsigned chunk_bits = 8;
  static constexpr std::size_t chunk_rows = std::size_t{1} << chunk_bits;
  static constexpr std::uint16_t no_clock = 0xFFFF;
  using ChunkId = std::int64_t;

  struct Chunk {
    std::array<std::uint16_t, chunk_rows> clock_of;
    std::vector<RowClock> clocks;
    bool dirty = false;

    Chunk() { clock_of.fill(no_clock); }
    std::uint16_t intern(const RowClock& clock);
    void compact();
    void write(Writer& out) const;
    Result<void> read(Bytes bytes);
  };
  struct TableClocks {
    std::unordered_map<ChunkId, std::unique_ptr<Chunk>> chunks;
    // The newest since the last fold, with the log row that it stands in; zero in a preview.
    struct Dated {
      Tomb tomb;
      LocalVersion version;
    };
    std::map<ByteVector, Dated, BytesLess> tombs;
    // The deaths before those, by key, in the log's order. Few keys die twice between two folds.
    std::map<ByteVector, std::vector<std::pair<LocalVersion, ClockTime>>, BytesLess> deaths;
    std::optional<bool> stored_tombs;
    ChunkId last_id = 0;
    Chunk* last = nullptr;
  };

  // An own put in a table with tombs: it may have brought a dead key back.
  struct WaitingPut {
    TableId table = 0;
    RowId first = 0;
    std::uint64_t count = 0;
    std::uint64_t run = 0;  // among the change's puts
  };

  Result<Chunk*> chunk(TableClocks& clocks, TableId table, ChunkId id);
  Result<void> enter_part(const LogRow& row, Bytes part, Writer* replaced);
  Result<void> enter_put(const LogRow& row, TableId table, const LogRun& run, bool wanted);
  void enter_tomb(const LogRow& row, TableId table, Bytes key, const Tomb& tomb);
  Result<std::optional<Tomb>> stored_tomb(TableId table, Bytes key);
  // The last end of the key before this version of the log; zero when there was none.
  Result<ClockTime> death_before(LocalVersion version, TableId table, Bytes key);
  Result<void> enter_rows(TableId table, RowId first, std::uint64_t count, const RowClock& clock);
  Result<void> enter_over(TableId table, const LogRun& run, const ClockTime& time,
                          Writer* replaced);
  Result<void> enter_set(TableId table, const LogRun& run, const ClockTime& time, Writer* replaced);
  Result<ClockTime> enter_erase(TableId table, RowId row);
  // Takes the clock that a row had before the change being entered, wherever it lies now.
  Result<RowClock> take_old(TableId table, RowId row);
  Result<void> rename_chunks(Rename name);
  Result<void> rename_tombs(Rename name);
  Result<void> store_chunks(TableId table, TableClocks& clocks);
  Result<void> store_tombs(TableId table, TableClocks& clocks);
  Result<void> store_replaced();

  Connection connection_;
  LocalLog& log_;
  Origins& origins_;
  std::map<TableId, TableClocks> tables_;
  PastKeys* keys_ = nullptr;
  std::map<LocalVersion, ByteVector> replaced_;
  std::map<LocalVersion, std::vector<WaitingPut>> waiting_puts_;
  std::uint64_t puts_entered_ = 0;  // of the change being entered
  // Clocks of rows whose rowid the change being entered gave to another row before it said where
  // they went.
  std::map<std::pair<TableId, RowId>, RowClock> displaced_;
  bool loaded_ = false;
  LocalVersion folded_;
  LocalVersion seen_;
  CachedStatement read_folded_{"SELECT value FROM syncline_meta WHERE name = 'folded_version'"};
  CachedStatement write_folded_{
      "INSERT INTO syncline_meta(name, value) VALUES('folded_version', ?1) ON CONFLICT(name) DO "
      "UPDATE SET value = excluded.value"};
  CachedStatement read_chunk_{"SELECT body FROM syncline_clocks WHERE tbl = ?1 AND chunk = ?2"};
  CachedStatement write_chunk_{
      "INSERT INTO syncline_clocks(tbl, chunk, body) VALUES(?1, ?2, ?3) ON CONFLICT(tbl, chunk) DO "
      "UPDATE SET body = excluded.body"};
  CachedStatement read_tomb_{"SELECT body FROM syncline_tombs WHERE tbl = ?1 AND key = ?2"};
  CachedStatement any_tomb_{"SELECT 1 FROM syncline_tombs WHERE tbl = ?1 LIMIT 1"};
  CachedStatement write_tomb_{
      "INSERT INTO syncline_tombs(tbl, key, body) VALUES(?1, ?2, ?3) ON CONFLICT(tbl, key) DO "
      "UPDATE SET body = excluded.body"};
  CachedStatement write_replaced_{"UPDATE syncline_log SET replaced = ?2 WHERE version = ?1"};
};

void write_clock(Writer& out, const ClockTime& time);
Result<ClockTime> read_clock(Reader& in);
void write_row_clock(Writer& out, const RowClock& clock);
Result<RowClock> read_row_clock(Reader& in);
void write_tomb(Writer& out, const Tomb& tomb);
Result<Tomb> read_tomb(Reader& in);

// Reads what Clocks noted of a change's replaced stamps, in step with its runs: first the puts that
// brought a dead key back (mostly none), then the clocks of the other runs.
class ReplacedReader {
 public:
  // Fails with `corrupt`. Borrows the bytes.
  static Result<ReplacedReader> open(Bytes bytes);
  // The next put run is the running one.
  void begin_put() { ++put_; }
  // For row `index` of that run; zero when the key was not dead.
  ClockTime put(std::uint64_t index) const;
  // For an over or erase run.
  Result<ClockTime> row();
  // For the next row of a set run: one clock a column of the run.
  Result<void> cells(std::size_t columns, std::vector<ClockTime>& out);

 private:
  explicit ReplacedReader(Bytes bytes) : in_(bytes) {}

  // By number of the put run and of the row in it.
  std::map<std::pair<std::uint64_t, std::uint64_t>, ClockTime> puts_;
  std::uint64_t put_ = 0;
  Reader in_;
  std::uint64_t same_left_ = 0;
  std::vector<ClockTime> same_;
};

}  // namespace syncline
