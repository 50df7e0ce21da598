#pragma once

#include <string>

#include "base/bytes.h"
#include "session/effect.h"

namespace syncline::sim {

// A frame on its way, in words.
std::string frame_words(Bytes frame);
// What a session asks for, in words for people who replay a seed.
std::string effect_words(const ClientEffect& any);

}  // namespace syncline::sim
