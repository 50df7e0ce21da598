#include "sim/words.h"

#include "sim/overloaded.h"
#include "wire/change_codec.h"
#include "wire/codec.h"

namespace syncline::sim {

std::string frame_words(Bytes frame) {
  const auto message = decode_message(frame);
  if (!message) {
    return "what does not decode";
  }
  std::string out(message_name(*message));
  if (const auto* hello = std::get_if<Hello>(&*message)) {
    out += " epoch " + hello->epoch.hex().substr(0, 4) + " after";
    for (const EpochId& epoch : hello->epochs_before) {
      out += " " + epoch.hex().substr(0, 4);
    }
    out += hello->catch_up == CatchUp::rescan    ? " rescan"
           : hello->catch_up == CatchUp::bequest ? " bequest"
                                                 : "";
  } else if (const auto* welcome = std::get_if<Welcome>(&*message)) {
    out += " head " + std::to_string(welcome->head.get()) + " resume after " +
           std::to_string(welcome->resume_after.get());
  } else if (const auto* part = std::get_if<PushPart>(&*message)) {
    Reader in(part->part);
    if (const auto header = read_part_header(in)) {
      out += " " + std::to_string(header->sequence.get()) + " time " +
             std::to_string(header->stamp.time);
    }
  } else if (const auto* beat = std::get_if<Heartbeat>(&*message)) {
    out += " head " + std::to_string(beat->head.get()) + " digest " +
           std::to_string(beat->digest.low % 10000);
  }
  return out;
}

std::string effect_words(const ClientEffect& any) {
  return std::visit(
      Overloaded{
          [](const effect::Send& e) { return "sends " + frame_words(e.frame); },
          [](const effect::HangUp& e) { return "hangs up: " + e.reason; },
          [](const effect::Dial&) { return std::string("dials"); },
          [](const effect::Acknowledge& e) {
            return "acknowledged " + std::to_string(e.through.get());
          },
          [](const effect::SaveWelcome& e) {
            return "welcome, acknowledged " + std::to_string(e.acknowledged.get()) + ", cursor " +
                   std::to_string(e.cursor.get());
          },
          [](const effect::RejectChange& e) {
            return "rejected " + std::to_string(e.rejected.sequence.get()) + ": " +
                   e.rejected.message;
          },
          [](const effect::ApplyChanges& e) {
            return "applies through " + std::to_string(e.cursor.get());
          },
          [](const effect::Reidentify& e) {
            return "reidentify after " + std::to_string(e.acknowledged.get()) + " with " +
                   std::to_string(e.known.size()) + " known changes";
          },
          [](const effect::Restamp& e) { return "restamp after " + std::to_string(e.after.get()); },
          [](const effect::Salvage& e) { return "salvage: " + e.reason; },
          [](const effect::BeginRescan&) { return std::string("begins a rescan"); },
          [](const effect::FinishRescan& e) {
            return "finishes a rescan at " + std::to_string(e.cursor.get());
          },
          [](const effect::AdoptRange& e) { return "adopts a range of " + e.rows.table; },
          [](const auto&) { return std::string("effect"); },
      },
      any);
}

}  // namespace syncline::sim
