#pragma once

#include <string>

#include "routes/delta_read.h"
#include "routes/delta_write.h"
#include "routes/http.h"

namespace syncline {

// The JSON delta door's answers as text.

struct DeltaAnswer {
  const DeltaWritten* written = nullptr;  // null when nothing was pushed
  const DeltaPage* page = nullptr;
  ServerVersion head;
  std::string lineage;
  std::int64_t now_ms = 0;
};
std::string delta_answer(const DeltaAnswer& answer);
// What a migration did.
std::string migrate_answer(const DeltaWritten& written, ServerVersion head);
// The answer of the old push.
std::string push_answer(const DeltaWritten& written, ServerVersion head);
// One event of a stream.
std::string delta_event(const DeltaAnswer& answer);
// Marks an answer of the old endpoints.
void mark_deprecated(Reply& reply);

}  // namespace syncline
