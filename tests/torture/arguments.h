#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace syncline::torture {

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t rounds = 1;
};

// --seed N and --rounds N.
inline Arguments read_arguments(int count, char** values, Arguments arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::uint64_t number = std::strtoull(values[i + 1], nullptr, 10);
    if (std::string_view(values[i]) == "--seed") {
      arguments.seed = number;
    } else if (std::string_view(values[i]) == "--rounds") {
      arguments.rounds = number;
    }
  }
  return arguments;
}

}  // namespace syncline::torture
