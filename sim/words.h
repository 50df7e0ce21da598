#pragma once

#include <string>

#include "session/effect.h"

namespace syncline::sim {

// What a session asks for, in words for people who replay a seed.
std::string effect_words(const ClientEffect& any);

}  // namespace syncline::sim
