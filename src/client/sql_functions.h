#pragma once

#include "client/engine.h"

namespace syncline {

// The SQL surface (docs/api/sql.md): registers every syncline_* function on the engine's
// connection. The engine must outlive the connection's use of them.
Result<void> register_functions(Engine& engine);

}  // namespace syncline
