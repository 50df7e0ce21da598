#pragma once

#include <string>

#include "apps/syncline/cli.h"

namespace syncline::cli {

// The token that --token-file or --token-fd names; empty when neither is given. As `syncline token`
// prints it, or bare.
Result<std::string> read_token(const Arguments& arguments);

}  // namespace syncline::cli
