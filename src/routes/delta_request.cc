#include "routes/delta_request.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/text.h"

namespace syncline {
namespace {

constexpr std::int64_t wait_s_max = 60;
constexpr std::int64_t stamp_ms_max = std::int64_t{1} << 47U;

Error wrong(std::string message) { return Error(ErrorCode::invalid_argument, std::move(message)); }

// A member that is a text, or is not there.
Result<std::string> text_member(const Json& json, const char* name, std::size_t bytes_max) {
  const Json* member = json.find(name);
  if (member == nullptr || member->is_null()) {
    return std::string();
  }
  const std::string* text = member->string();
  if (text == nullptr || text->size() > bytes_max || !is_utf8(*text) ||
      text->find('\0') != std::string::npos) {
    return wrong(std::string(name) + " must be a text of at most " + std::to_string(bytes_max) +
                 " bytes");
  }
  return *text;
}

// A member that is a whole number from 0 on, or is not there.
Result<std::optional<std::int64_t>> count_member(const Json& json, const char* name) {
  const Json* member = json.find(name);
  if (member == nullptr || member->is_null()) {
    return std::optional<std::int64_t>();
  }
  const auto count = member->as_int64();
  if (!count || *count < 0) {
    return wrong(std::string(name) + " must be a whole number from 0 on");
  }
  return count;
}

Result<EditKind> kind_of(const Json& json) {
  const Json* type = json.find("type");
  const std::string* name = type == nullptr ? nullptr : type->string();
  if (name != nullptr && *name == "CREATED") {
    return EditKind::put;
  }
  if (name != nullptr && *name == "UPDATED") {
    return EditKind::set;
  }
  if (name != nullptr && *name == "DELETED") {
    return EditKind::erase;
  }
  return wrong("type must be CREATED, UPDATED or DELETED");
}

// Texts, whole numbers, and the values of a key of several columns.
Result<std::string> entity_of(const Json& json) {
  const Json* id = json.find("entityId");
  std::string out;
  if (id != nullptr && id->string() != nullptr) {
    out = *id->string();
  } else if (id != nullptr && (id->as_int64() || id->array() != nullptr)) {
    out = write_json(*id);
  }
  if (out.empty() || out.size() > delta_entity_bytes_max || !is_wtf8(out)) {
    return wrong("entityId must be a text, a whole number or an array of values, of at most " +
                 std::to_string(delta_entity_bytes_max) + " bytes");
  }
  return out;
}

Result<std::optional<std::uint64_t>> stamp_of(const Json& json) {
  const Json* stamp = json.find("stamp");
  if (stamp == nullptr || stamp->is_null()) {
    return std::optional<std::uint64_t>();
  }
  if (const auto ms = stamp->as_int64(); ms && *ms > 0 && *ms < stamp_ms_max) {
    return std::optional<std::uint64_t>(static_cast<std::uint64_t>(*ms) << 16U);
  }
  if (const std::string* text = stamp->string(); text != nullptr && text->size() == 16) {
    if (const auto bytes = from_hex(*text)) {
      std::uint64_t time = 0;
      for (const std::uint8_t byte : *bytes) {
        time = time << 8U | byte;
      }
      if (time != 0 && time >> 16U < static_cast<std::uint64_t>(stamp_ms_max)) {
        return std::optional<std::uint64_t>(time);
      }
    }
  }
  return wrong("stamp must be milliseconds since 1970, or a stamp's 16 hexadecimal digits");
}

Result<std::int64_t> author_time(const Json& json) {
  const Json* time = json.find("timestamp");
  if (time == nullptr || time->is_null()) {
    return std::int64_t{0};
  }
  if (const auto ms = time->as_int64()) {
    return *ms;
  }
  if (const auto ms = time->as_double()) {
    return static_cast<std::int64_t>(std::clamp(*ms, -1e15, 1e15));
  }
  if (time->string() != nullptr) {
    if (const auto ms = parse_iso_time(*time->string())) {
      return *ms;
    }
  }
  return wrong("timestamp must be milliseconds since 1970 or a time such as 2026-01-02T03:04:05Z");
}

Result<DeltaChange> read_change(Json& json) {
  if (json.object() == nullptr) {
    return wrong("a change is an object");
  }
  DeltaChange out;
  SL_TRY(out.id, text_member(json, "changeId", delta_id_bytes_max));
  if (out.id.empty()) {
    return wrong("a change needs a changeId that it keeps for ever");
  }
  SL_TRY(out.kind, kind_of(json));
  SL_TRY(out.table, text_member(json, "entityType", delta_name_bytes_max));
  if (!is_delta_name(out.table)) {
    return wrong("entityType must name a table of yours");
  }
  SL_TRY(out.entity, entity_of(json));
  SL_TRY(out.device, text_member(json, "deviceId", delta_id_bytes_max));
  SL_TRY(out.stamp, stamp_of(json));
  SL_TRY(const auto base, count_member(json, "baseVersion"));
  if (base) {
    out.base = ServerVersion(static_cast<std::uint64_t>(*base));
  }
  SL_TRY(out.author_ms, author_time(json));
  Json* data = json.find("data");
  if (data != nullptr && data->object() != nullptr && out.kind != EditKind::erase) {
    out.data = std::move(*data);
  } else if (out.kind != EditKind::erase) {
    return wrong("data must be an object with a member for each column");
  }
  out.hash = hash_of(out);
  return out;
}

Result<void> read_changes(Json& json, DeltaRequest& out) {
  Json* list = json.find("changes");
  if (list == nullptr || list->is_null()) {
    return {};
  }
  if (list->array() == nullptr) {
    return wrong("changes must be an array");
  }
  Json::Array& items = *list->array();
  if (items.size() > delta_changes_max) {
    return Error(ErrorCode::too_large, std::to_string(items.size()) + " changes; " +
                                           std::to_string(delta_changes_max) +
                                           " is the most in one request: send several");
  }
  out.changes.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto change = read_change(items[i]);
    if (change) {
      if (change->device.empty()) {
        change->device = out.device;
      }
      out.changes.emplace_back(i, std::move(*change));
      continue;
    }
    const auto id = text_member(items[i], "changeId", delta_id_bytes_max);
    out.refused.push_back({id ? *id : "", i, "invalid_argument", change.error().message()});
  }
  return {};
}

// Two or more digits from `at` on; moves past them.
std::optional<std::int64_t> digits(std::string_view text, std::size_t& at, std::size_t count) {
  if (at + count > text.size()) {
    return std::nullopt;
  }
  const auto out = parse_int64(text.substr(at, count));
  at += count;
  return out && *out >= 0 ? out : std::nullopt;
}

// Days since 1970 of a date of the Gregorian calendar.
std::int64_t days_from_date(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

// The zone behind a time, in minutes east; nothing when it is none.
std::optional<std::int64_t> zone_minutes(std::string_view text) {
  if (text.empty() || text == "Z") {
    return 0;
  }
  std::size_t at = 1;
  const auto hours = digits(text, at, 2);
  at += at < text.size() && text[at] == ':' ? 1 : 0;
  const auto minutes = digits(text, at, 2);
  if ((text[0] != '+' && text[0] != '-') || !hours || !minutes || at != text.size()) {
    return std::nullopt;
  }
  return (*hours * 60 + *minutes) * (text[0] == '-' ? -1 : 1);
}

}  // namespace

std::optional<std::int64_t> parse_iso_time(std::string_view text) {
  std::int64_t parts[6] = {};
  std::size_t at = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    constexpr const char* before[] = {"", "-", "-", "T ", ":", ":"};
    if (i > 0 && (at >= text.size() ||
                  std::string_view(before[i]).find(text[at++]) == std::string_view::npos)) {
      return std::nullopt;
    }
    const auto part = digits(text, at, i == 0 ? 4 : 2);
    if (!part) {
      return std::nullopt;
    }
    parts[i] = *part;
  }
  std::int64_t ms = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      ms += (text[at] - '0') * unit;
    }
  }
  const auto zone = zone_minutes(text.substr(at));
  if (!zone || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31) {
    return std::nullopt;
  }
  const std::int64_t days = days_from_date(parts[0], parts[1], parts[2]);
  return ((days * 24 + parts[3]) * 60 + parts[4] - *zone) * 60'000 + parts[5] * 1000 + ms;
}

bool is_delta_name(std::string_view name) {
  return !name.empty() && name.size() <= delta_name_bytes_max && is_utf8(name) &&
         name.find('\0') == std::string_view::npos && name.rfind("syncline_", 0) != 0 &&
         name.rfind("sqlite_", 0) != 0;
}

std::uint64_t hash_of(const DeltaChange& change) {
  Writer bytes;
  bytes.u8(static_cast<std::uint8_t>(change.kind));
  bytes.text(change.table);
  bytes.text(change.entity);
  bytes.u64(change.stamp.value_or(0));
  bytes.text(write_canonical_json(change.data));
  return hash64(bytes.bytes());
}

JsonLimits delta_json_limits() { return {delta_body_bytes_max, 64, std::size_t{1} << 20U}; }

Result<DeltaRequest> read_delta_request(std::string_view body) {
  SL_TRY(Json json, read_json(body, delta_json_limits()));
  if (json.object() == nullptr) {
    return wrong("send an object: {\"lastKnownServerVersion\":0,\"changes\":[]}");
  }
  DeltaRequest out;
  SL_TRY(const auto known, count_member(json, "lastKnownServerVersion"));
  if (known) {
    out.known = ServerVersion(static_cast<std::uint64_t>(*known));
  }
  SL_TRY(out.lineage, text_member(json, "lineage", delta_id_bytes_max));
  SL_TRY(out.device, text_member(json, "deviceId", delta_id_bytes_max));
  SL_TRY(out.cursor, text_member(json, "cursor", std::size_t{128} << 10U));
  SL_TRY(const auto wait, count_member(json, "wait"));
  out.wait_ms = std::min(wait.value_or(0), wait_s_max) * 1000;
  SL_TRY(const auto limit, count_member(json, "limit"));
  out.limit = std::clamp<std::size_t>(static_cast<std::size_t>(limit.value_or(delta_page_rows)), 1,
                                      delta_page_rows_max);
  const Json* own = json.find("includeOwn");
  out.wants_own = own != nullptr && own->boolean() != nullptr && *own->boolean();
  SL_TRY(read_changes(json, out));
  return out;
}

}  // namespace syncline
