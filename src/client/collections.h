#pragma once

#include <string>

#include "client/engine.h"

namespace syncline {

// A table of JSON documents, for applications that think in documents:
//
//   CREATE TABLE name(id TEXT PRIMARY KEY NOT NULL, doc TEXT NOT NULL CHECK(json_valid(doc)))
//
// It is an ordinary table that SQL may read and write; `doc` is tracked with rule `json`, so that
// edits of different fields of one document come together. A table of that name and shape that
// exists is tracked as it is; one of another shape fails with `already_exists`. Idempotent.
Result<void> make_collection(Engine& engine, const std::string& name);

}  // namespace syncline
