#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/change.h"

namespace syncline {

// What comes in at the JSON delta door, checked as far as that goes without looking at rows.
// docs/delta.md describes it for the people who send it.

inline constexpr std::size_t delta_changes_max = 10'000;  // of one request
inline constexpr std::size_t delta_body_bytes_max = std::size_t{16} << 20U;
inline constexpr std::size_t delta_id_bytes_max = 128;  // of a changeId, a deviceId
inline constexpr std::size_t delta_entity_bytes_max = 1024;
inline constexpr std::size_t delta_name_bytes_max = 200;  // of a table, a column
// Columns of a row that no replica declared, and of all rows of a table in one change of the log:
// far below what a reader of either accepts.
inline constexpr std::size_t delta_columns_max = 1000;
inline constexpr std::size_t delta_devices_max = 100;  // of one request
inline constexpr std::size_t delta_page_rows_max = 5000;
inline constexpr std::size_t delta_page_rows = 1000;

struct DeltaChange {
  std::string id;
  EditKind kind = EditKind::put;
  std::string table;
  std::string entity;
  std::string device;  // empty when its author gave none
  Json data{Json::Object{}};
  // Of an author who has a clock that others agree with: as Stamp::time.
  std::optional<std::uint64_t> stamp;
  // The version that the author had seen when it made the change; the request's when it says none.
  std::optional<ServerVersion> base;
  // What the author's own clock said; kept for people, decides nothing.
  std::int64_t author_ms = 0;
  // Of everything above that a repetition must repeat.
  std::uint64_t hash = 0;
};

// A change that did not land, for its author: a stable code and words.
struct DeltaRefusal {
  std::string id;  // empty when it could not be read
  std::size_t index = 0;
  std::string code;
  std::string reason;
};

struct DeltaRequest {
  // Nothing when it was not given: then nothing is known, and no conflict is looked for.
  std::optional<ServerVersion> known;
  std::string lineage;
  std::string device;
  std::string cursor;
  std::int64_t wait_ms = 0;
  std::size_t limit = delta_page_rows;
  // Its own changes, too: it has lost them.
  bool wants_own = false;
  // With their places in the request.
  std::vector<std::pair<std::size_t, DeltaChange>> changes;
  std::vector<DeltaRefusal> refused;
};

// Fails with `malformed`, `invalid_argument` or `too_large` when the request as a whole is none; a
// change that is none is among the refused.
Result<DeltaRequest> read_delta_request(std::string_view body);

// The names that a table or column may have here: not empty, valid text, not ours, not too long.
bool is_delta_name(std::string_view name);
std::uint64_t hash_of(const DeltaChange& change);
JsonLimits delta_json_limits();
// Milliseconds of "2026-01-02T03:04:05.678Z" and its relatives; nothing for anything else.
std::optional<std::int64_t> parse_iso_time(std::string_view text);

}  // namespace syncline
