#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/cached_statement.h"
#include "sqlite/connection.h"

namespace syncline {

// Facts about this replica that do not fit a table of their own: syncline_meta, a name and a value
// each. Read afresh every time, because another connection may have written.
class Meta {
 public:
  explicit Meta(Connection connection) : connection_(connection) {}

  Result<std::int64_t> integer(std::string_view name, std::int64_t otherwise = 0);
  Result<std::string> text(std::string_view name);
  Result<ByteVector> blob(std::string_view name);
  Result<void> set(std::string_view name, const ValueView& value);
  void release();

 private:
  Connection connection_;
  CachedStatement read_{"SELECT value FROM syncline_meta WHERE name = ?1"};
  CachedStatement write_{
      "INSERT INTO syncline_meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value "
      "= excluded.value"};
};

namespace meta_name {
// Own changes through this position of the log are acknowledged: its version, the change's sequence
// and the time of its stamp.
inline constexpr std::string_view acknowledged_version = "acked_version";
inline constexpr std::string_view acknowledged_sequence = "acked_sequence";
inline constexpr std::string_view acknowledged_time = "acked_time";
// Own changes through this version were acknowledged once, though a server that was restored may
// have forgotten some of them since: what overwrote them did not keep their values.
inline constexpr std::string_view once_acknowledged_version = "once_acked_version";
// Own changes through this one have other stamps than some were told with: a clock was wrong.
inline constexpr std::string_view restamped_sequence = "restamped_sequence";
// Others' changes that were learned whole and are settled with a server: a version vector, and the
// position of the log through which all are.
inline constexpr std::string_view relayed = "relayed";
inline constexpr std::string_view relayed_version = "relayed_version";
// Log rows through this version are gone; who asks for older ones gets a snapshot.
inline constexpr std::string_view pruned_version = "pruned_version";
// Old values in log rows through this version are gone.
inline constexpr std::string_view stripped_version = "stripped_version";
inline constexpr std::string_view folded_version = "folded_version";
inline constexpr std::string_view schema_version = "schema_version";
inline constexpr std::string_view workspace = "workspace";
inline constexpr std::string_view device = "device";
inline constexpr std::string_view lineage = "lineage";
inline constexpr std::string_view cursor = "cursor";
// What that server said last that it has (wire/message's Receipt): the version as a varint, the
// seal.
inline constexpr std::string_view receipt = "receipt";
// The epochs offered to the server since one was last confirmed, that one first; 16 bytes each.
inline constexpr std::string_view epochs = "epochs";
// Those that were offered before, the newest first: a server of another lineage knows one of them,
// and so does this one when it is put back.
inline constexpr std::string_view epochs_elsewhere = "epochs_elsewhere";
// Of a snapshot that was cut off: the last applied page's token.
inline constexpr std::string_view snapshot_token = "snapshot_token";
// A rescan began and has not finished.
inline constexpr std::string_view wants_rescan = "wants_rescan";
// Rows came one by one (a first copy, a comparison of all), and halves of transactions may be
// apart; set until the replica has reached what the server had after the last of them.
inline constexpr std::string_view in_pieces = "in_pieces";
// The server that the cursor speaks of is no more; set until the rescan with the next one ends.
inline constexpr std::string_view left_lineage = "left_lineage";
// There are rows in syncline_keepsakes; without it there may be no such table.
inline constexpr std::string_view keepsakes = "keepsakes";
// The first row of the log that a file of changes brought and whose rows are not named in
// syncline_keepsakes yet; zero when there is none.
inline constexpr std::string_view heard_version = "heard_version";
// Unsent changes as they were before something that could have cost them, and what that was.
inline constexpr std::string_view salvage = "salvage";
inline constexpr std::string_view salvage_reason = "salvage_reason";
// The newest time of a row that came as a state, whether it won or not.
inline constexpr std::string_view newest_state = "newest_state";
// The last version that had to be on the disk though it came in a commit that was not synced.
inline constexpr std::string_view synced_version = "synced_version";
// See LogHead::renewals.
inline constexpr std::string_view renewals = "renewals";
// Of own changes that are in the log no more, the greatest time.
inline constexpr std::string_view pruned_time = "pruned_time";
// What the log has forgotten, whoever wrote it, is older than this.
inline constexpr std::string_view pruned_before = "pruned_before";
// The last welcome allowed reading only.
inline constexpr std::string_view read_only = "read_only";
inline constexpr std::string_view clock_offset_ms = "clock_offset_ms";
inline constexpr std::string_view last_error = "last_error";
// What the process that leads the conversation last said of itself, as JSON (client/sync_state).
inline constexpr std::string_view sync_state = "sync_state";
// How often somebody who does not lead the conversation asked whoever does to look at once.
inline constexpr std::string_view sync_wish = "sync_wish";
}  // namespace meta_name

}  // namespace syncline
