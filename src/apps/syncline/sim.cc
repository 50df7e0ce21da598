// The simulator is a program of its own beside this one: it holds a server, replicas, disks and
// deliberate faults that nobody wants in what is shipped. This finds it and becomes it.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/syncline/commands.h"

namespace syncline::cli {
namespace {

std::string folder_of_this_program() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string whole(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  return whole.substr(0, whole.rfind('/') + 1);
}

}  // namespace

Result<int> run_sim(const Arguments& arguments, Output& out) {
  (void)out;
  SL_TRY(const std::int64_t seed, arguments.integer("seed", 1));
  SL_TRY(const std::int64_t steps, arguments.integer("steps", 5000));
  SL_TRY(const std::int64_t real, arguments.integer("real", 0));
  if (seed < 0 || steps < 1 || real < 0 || real > 16) {
    return Error(ErrorCode::invalid_argument,
                 "a seed counts from 0, steps from 1, and 16 real replicas are the most");
  }
  const std::string words[] = {"syncline_sim",
                               "--seed",
                               std::to_string(seed),
                               "--steps",
                               std::to_string(steps),
                               "--real",
                               std::to_string(real),
                               "--json",
                               "1",
                               "--shrink",
                               "0"};
  std::vector<char*> list;
  for (const std::string& word : words) {
    list.push_back(const_cast<char*>(word.c_str()));
  }
  list.push_back(nullptr);
  const std::string here = folder_of_this_program();
  for (const char* place : {"syncline_sim", "../libexec/syncline/syncline_sim"}) {
    ::execv((here + place).c_str(), list.data());
    if (errno != ENOENT) {
      return Error(ErrorCode::storage, here + place + ": " + std::strerror(errno));
    }
  }
  return Error(
      ErrorCode::not_found,
      "the simulator is not installed beside this program (libexec/syncline/syncline_sim)");
}

}  // namespace syncline::cli
