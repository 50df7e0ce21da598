#pragma once

#include <memory>

#include "ydoc/doc.h"

// A state of a document that can be named and, in a document that collects no garbage, restored.

namespace syncline::ydoc {

struct Snapshot {
  DeleteSet deletes;
  StateVector state;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

Snapshot take_snapshot(const Doc& doc);
ByteVector encode_snapshot(const Snapshot& snapshot);
Result<Snapshot> decode_snapshot(Bytes bytes);

// The update that makes an empty document what `doc` was then. Fails if `doc` collects garbage,
// because what was deleted since may be gone, and if it never reached that state.
Result<ByteVector> update_from_snapshot(Doc& doc, const Snapshot& snapshot);

// The text as of `now`, compared with `before`: pieces that came or went since carry the attribute
// ychange, {"type": "added"} or {"type": "removed"}.
std::vector<DeltaOut> delta_between(Doc& doc, Text text, const Snapshot& now,
                                    const Snapshot& before);

}  // namespace syncline::ydoc
