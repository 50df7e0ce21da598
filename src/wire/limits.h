#pragma once

#include <cstddef>
#include <cstdint>

namespace syncline::limits {

// Every bound on size, count and depth in one place (P10). A peer may offer less in its welcome,
// never more.

// What an application may write: refused in its own statement, or in its commit, so that whatever
// was written can be told by every transport and stored by every server and browser. Lower than
// what may travel, because rows grow when edits of several replicas meet in one, and changes when
// what they replaced is told with them (docs/decisions/0017).
inline constexpr std::size_t written_row_bytes_max = std::size_t{16} << 20U;
inline constexpr std::size_t written_change_bytes_max = std::size_t{128} << 20U;
// Rows that a table had before it was tracked are told in changes of about this size.
inline constexpr std::size_t adopted_change_bytes = std::size_t{32} << 20U;
// Tables and columns that a replica tracks, encoded; servers keep those of all replicas together.
inline constexpr std::size_t written_schema_bytes_max = std::size_t{512} << 10U;
inline constexpr std::size_t written_key_bytes_max = std::size_t{64} << 10U;

// One row as it travels: its key and all its cells. Two edits of the largest size fit.
inline constexpr std::size_t row_bytes_max = std::size_t{32} << 20U;
// A part of a change is closed once it has grown this large; a single larger row makes it larger.
inline constexpr std::size_t part_bytes_target = std::size_t{256} << 10U;
// One part with its header, and so the largest frame that carries a change.
inline constexpr std::size_t part_bytes_max = row_bytes_max + (std::size_t{1} << 20U);
// Of a change, which numbers its replica's transactions; what SQLite keeps in an integer.
inline constexpr std::uint64_t sequence_max = std::uint64_t{1} << 62U;
// Numbers that a replica's next change may leave out. Only one whose server was put back leaves out
// any: what it wrote in between, which is no more than anybody can write.
inline constexpr std::uint64_t sequence_gap_max = std::uint64_t{1} << 40U;
// Parts of one transaction.
inline constexpr std::uint64_t parts_max = 1U << 20U;
// Names of tables and columns, in bytes.
inline constexpr std::size_t name_bytes_max = 1024;
// SQLite's own default limit for columns is 2000.
inline constexpr std::size_t columns_max = 2000;
inline constexpr std::size_t key_columns_max = 64;
// Different stamps and replicas that one part may name.
inline constexpr std::size_t stamps_max = 1U << 22U;
inline constexpr std::size_t replicas_max = 1U << 16U;

// --- Messages ---
// A frame that carries no rows.
inline constexpr std::size_t control_frame_bytes_max = std::size_t{2} << 20U;
// Any frame: a part, or a page with one row of the largest size, and the message around it.
inline constexpr std::size_t frame_bytes_max = part_bytes_max + (std::size_t{1} << 20U);
// A POST carries several small frames, or one of any size behind them.
inline constexpr std::size_t post_bytes_target = std::size_t{4} << 20U;
inline constexpr std::size_t post_bytes_max = post_bytes_target + frame_bytes_max + 64;
inline constexpr std::size_t workspace_name_bytes_max = 200;
inline constexpr std::size_t token_bytes_max = std::size_t{16} << 10U;
inline constexpr std::size_t text_bytes_max = 2048;
inline constexpr std::size_t schema_bytes_max = std::size_t{1} << 20U;
inline constexpr std::size_t key_bytes_max = written_key_bytes_max;
inline constexpr std::size_t page_token_bytes_max = key_bytes_max + 4096;
// Openings of a replica that the server has not confirmed yet.
inline constexpr std::size_t epochs_max = 256;
// Own changes whose stamps a refusal may list.
inline constexpr std::size_t known_changes_max = 1U << 15U;
inline constexpr std::size_t subscribed_tables_max = 1024;
// Tables of a workspace that have rows, or ever had; as many as a schema may declare.
inline constexpr std::size_t tables_max = 4096;
// Of one answer: pieces of a range, or all tables.
inline constexpr std::size_t ranges_max = tables_max;
inline constexpr std::size_t presence_key_bytes_max = 256;
inline constexpr std::size_t presence_value_bytes_max = std::size_t{16} << 10U;
inline constexpr std::size_t presence_keys_max = 64;  // of one replica

// --- Conversation ---
// All parts of one change, as the server accepts it.
inline constexpr std::size_t change_bytes_max = std::size_t{256} << 20U;
// Pushed and not acknowledged; one larger change goes alone.
inline constexpr std::size_t push_window_bytes = std::size_t{4} << 20U;
inline constexpr std::size_t push_window_changes = 4096;
// Sent to a replica and not applied by it yet; one larger change goes alone.
inline constexpr std::size_t pull_window_bytes = std::size_t{4} << 20U;
inline constexpr std::size_t pull_read_bytes = std::size_t{512} << 10U;
inline constexpr std::size_t snapshot_page_bytes = std::size_t{256} << 10U;
inline constexpr std::size_t snapshot_pages_ahead = 4;
inline constexpr std::size_t range_rows_bytes = std::size_t{256} << 10U;
inline constexpr std::size_t rescan_ranges_open_max = tables_max + 4096;

}  // namespace syncline::limits
