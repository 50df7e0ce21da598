#include "server/witness.h"

#include "base/json.h"

namespace syncline {
namespace {

constexpr std::int64_t witness_format = 1;

template <typename Id>
Result<Id> id_of(const Json& json, const char* name) {
  const Json* found = json.find(name);
  if (found == nullptr || found->string() == nullptr) {
    return Error(ErrorCode::malformed, std::string("a witness without ") + name);
  }
  return Id::from_hex(*found->string());
}

}  // namespace

Result<WitnessVerdict> judge_witness(LogStore& store, const std::optional<StorePlace>& witness) {
  if (!witness) {
    return WitnessVerdict::none;
  }
  SL_TRY(const StorePlace now, store.place());
  if (witness->store != now.store) {
    return WitnessVerdict::stranger;
  }
  SL_TRY(const bool was_there, store.was_at(witness->lineage, witness->opening));
  // Heads of another lineage do not compare: it may have been restored, or a workspace forgotten.
  const bool is_behind =
      !was_there || (witness->lineage == now.lineage && witness->heads > now.heads);
  return is_behind ? WitnessVerdict::behind : WitnessVerdict::same;
}

std::string write_witness(const StorePlace& place) {
  Json json;
  json.set("format", Json::integer(witness_format));
  json.set("store", Json(place.store.hex()));
  json.set("lineage", Json(place.lineage.hex()));
  json.set("opening", Json(place.opening.hex()));
  json.set("heads", Json::integer(static_cast<std::int64_t>(place.heads)));
  return write_json(json) + "\n";
}

Result<StorePlace> read_witness(std::string_view text) {
  SL_TRY(const Json json, read_json(text, {.bytes_max = 4096, .depth_max = 4, .values_max = 16}));
  const auto number = [&](const char* name) -> std::int64_t {
    const Json* found = json.find(name);
    return found == nullptr ? -1 : found->as_int64().value_or(-1);
  };
  if (number("format") != witness_format || number("heads") < 0) {
    return Error(ErrorCode::malformed, "a witness of another format");
  }
  StorePlace out;
  SL_TRY(out.store, id_of<LineageId>(json, "store"));
  SL_TRY(out.lineage, id_of<LineageId>(json, "lineage"));
  SL_TRY(out.opening, id_of<OpeningId>(json, "opening"));
  out.heads = static_cast<std::uint64_t>(number("heads"));
  return out;
}

}  // namespace syncline
