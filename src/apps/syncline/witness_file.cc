#include "apps/syncline/witness_file.h"

#include <stdlib.h>

#include <memory>

namespace syncline::cli {
namespace {

Json place_fields(const StorePlace& place) {
  Json out;
  out.set("lineage", Json(place.lineage.hex()));
  out.set("heads", Json::integer(static_cast<std::int64_t>(place.heads)));
  return out;
}

}  // namespace

std::string witness_path(const std::string& data) {
  std::string path = data;
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name.empty() || name == "." || name == "..") {
    // Otherwise as it was given: a link that is turned to an older folder keeps its witness.
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), ::free);
    path = real ? real.get() : path;
  }
  return path + ".witness";
}

Result<std::optional<StorePlace>> WitnessFile::read() const {
  const auto text = read_file(path_, 4096);
  if (!text) {
    return text.error().code() == ErrorCode::not_found
               ? Result<std::optional<StorePlace>>(std::optional<StorePlace>())
               : text.error();
  }
  SL_TRY(const StorePlace place, read_witness(*text));
  return std::optional<StorePlace>(place);
}

Result<void> WitnessFile::open() {
  if (path_.empty()) {
    return {};
  }
  std::optional<StorePlace> witness;
  if (auto found = read(); found) {
    witness = *found;
  } else {
    Json fields = log_field("message", found.error().message());
    fields.set("path", Json(path_));
    log_.warning("witness_not_read", std::move(fields));
  }
  SL_TRY(const WitnessVerdict verdict, judge_witness(store_, witness));
  if (verdict == WitnessVerdict::behind) {
    SL_TRY(const StorePlace before, store_.place());
    const LineageId lineage = LineageId::draw(random_);
    SL_TRY(store_.lose_lineage(lineage));
    Json fields;
    fields.set("lineage", Json(lineage.hex()));
    fields.set("has", place_fields(before));
    fields.set("witness", place_fields(*witness));
    fields.set("path", Json(path_));
    fields.set("message", Json("an older copy of the data was put back; a new lineage begins, and "
                               "replicas bring what is missing"));
    log_.write(JsonLog::Level::error, "put_back", std::move(fields));
  } else if (verdict == WitnessVerdict::stranger) {
    log_.warning("witness_of_another_store", log_field("path", path_));
  }
  SL_TRY(place_, store_.place());
  base_ = place_.heads;
  look(0);
  write();
  return {};
}

void WitnessFile::look(std::uint64_t admitted) {
  if (path_.empty()) {
    return;
  }
  if (!is_opened_) {
    // A full disk takes no opening now; the witness stays as it was until it does.
    const auto begun = store_.begin_opening(OpeningId::draw(random_));
    const auto place = begun ? store_.place() : Result<StorePlace>(begun.error());
    if (!place) {
      return;
    }
    is_opened_ = true;
    const std::lock_guard<std::mutex> lock(mutex_);
    place_ = *place;
    base_ = place->heads - admitted;
    return;
  }
  const auto lineage = store_.lineage();
  if (!lineage) {
    return;
  }
  if (*lineage != place_.lineage) {
    const auto place = store_.place();
    if (!place) {
      return;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    place_ = *place;
    base_ = place->heads - admitted;
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  place_.heads = base_ + admitted;
}

void WitnessFile::write() {
  StorePlace place;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    place = place_;
  }
  if (path_.empty() || place.opening.is_zero() || place == written_) {
    return;
  }
  if (const auto done = write_file(path_, write_witness(place)); done) {
    written_ = place;
    told_ = false;
  } else if (!told_) {
    told_ = true;
    Json fields = log_field("message", done.error().message());
    fields.set("path", Json(path_));
    log_.warning("witness_not_written", std::move(fields));
  }
}

}  // namespace syncline::cli
