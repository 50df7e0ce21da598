#pragma once

#include <unordered_map>
#include <vector>

#include "client/local_log.h"
#include "client/log_body.h"

namespace syncline {

// What rows were before later changes overwrote them: the old values that log rows keep, found by
// row. With it a change that is still unsent can be told exactly as it was, however much has been
// written over it since (P6). Holds positions in the log, not the values.
class OldValues {
 public:
  OldValues(Connection connection, LocalLog& log) : connection_(connection), log_(log) {}

  // Covers the log rows in (after, through]; extends what is there when it can.
  Result<void> cover(LocalVersion after, LocalVersion through);
  void forget();

  // The row as the change `version` left it, as far as later changes overwrote it.
  struct Past {
    // Encoded values by column id.
    std::vector<std::pair<std::uint16_t, ByteVector>> values;
    // The key, when the row ended later on and its key cannot be read from the table any more.
    ByteVector key;
    // Later changes covered every column, because the row ended.
    bool complete = false;
    const ByteVector* find(std::uint16_t column) const;
  };
  Result<Past> past(TableId table, RowId row, LocalVersion version);
  // Whether a change after `version` ended the row, or moved it: who stands there now may be
  // another.
  bool has_left(TableId table, RowId row, LocalVersion version) const;
  // How many log rows were looked into for that.
  std::uint64_t lookups() const { return lookups_; }

 private:
  struct Ref {
    LocalVersion version;
    std::uint32_t part = 0;
    // Offsets in the part: of the run, and of the row's own old values.
    std::uint32_t run_at = 0;
    std::uint32_t values_at = 0;
    // What the run can tell: which columns, and whether it tells the key.
    std::uint32_t columns = 0;  // index into column_sets_
    bool names_key = false;
  };
  struct RowName {
    TableId table = 0;
    RowId row = 0;
    friend bool operator==(const RowName&, const RowName&) = default;
  };
  struct Hash {
    std::size_t operator()(const RowName& name) const {
      return static_cast<std::size_t>(static_cast<std::uint64_t>(name.row) * 0x9E3779B97F4A7C15U ^
                                      static_cast<std::uint64_t>(name.table) << 48U);
    }
  };
  struct Cached {
    LocalVersion version;
    std::vector<ByteVector> parts;
  };

  Result<void> add_run(LocalVersion version, std::uint32_t part, Bytes bytes,
                       const LogBodyReader& body, const LogRun& run);
  Result<const Cached*> parts_of(LocalVersion version);
  Result<void> add_ref(const Ref& ref, Past& past);
  std::uint32_t column_set_index(const ColumnSet& columns);

  Connection connection_;
  LocalLog& log_;
  bool loaded_ = false;
  LocalVersion after_;
  LocalVersion through_;
  std::unordered_map<RowName, std::vector<Ref>, Hash> refs_;
  std::vector<ColumnSet> column_sets_;
  std::vector<Cached> cache_;
  std::uint64_t lookups_ = 0;
};

}  // namespace syncline
