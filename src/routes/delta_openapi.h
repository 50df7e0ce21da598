#pragma once

#include <string>

namespace syncline {

// The OpenAPI 3.1 document of the JSON delta door, as it is served. tests/e2e/delta.py holds the
// real answers against it.
std::string delta_openapi();

}  // namespace syncline
