#pragma once

#include "client/engine.h"

namespace syncline {

// SQL functions that read and edit documents: docs/api/sql.md, "Documents".
Result<void> register_document_functions(Engine& engine);

}  // namespace syncline
