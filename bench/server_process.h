#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bench/light_client.h"

extern char** environ;

namespace syncline::bench {

// `syncline serve --demo`, as it is shipped, with its figures from /proc.
class ServerProcess {
 public:
  ServerProcess(const std::string& program, const std::string& data) {
    const std::vector<std::string> words = {program,       "serve",
                                            "--demo",      "--data",
                                            data,          "--listen",
                                            "127.0.0.1:0", "--connections-max",
                                            "20000",       "--connections-per-address",
                                            "20000",       "--rate-per-address",
                                            "100000",      "--rate-per-identity",
                                            "1000000",     "--log-level",
                                            "error"};
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) {
      give_up("pipe");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    std::vector<char*> argv;
    for (const std::string& word : words) {
      argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ) != 0) {
      give_up("cannot start " + program);
    }
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe_ends[1]);
    std::string line;
    char letter = 0;
    while (::read(pipe_ends[0], &letter, 1) == 1 && letter != '\n') {
      line.push_back(letter);
    }
    out_ = pipe_ends[0];
    const std::size_t at = line.find("\"port\":");
    if (at == std::string::npos) {
      give_up("the server did not begin to listen: " + line);
    }
    port_ = static_cast<std::uint16_t>(std::strtoul(line.c_str() + at + 7, nullptr, 10));
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::close(out_);
  }

  std::uint16_t port() const { return port_; }
  int pid() const { return pid_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  double cpu_seconds() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::size_t at = text.rfind(')') + 2;
    for (int field = 3; field < 14; ++field) {
      at = text.find(' ', at) + 1;
    }
    char* end = nullptr;
    const unsigned long user = std::strtoul(text.c_str() + at, &end, 10);
    const unsigned long system = std::strtoul(end, nullptr, 10);
    return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  // "VmRSS" or "VmHWM", in bytes.
  double memory(const std::string& what) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind(what + ":", 0) == 0) {
        return std::strtod(line.c_str() + what.size() + 1, nullptr) * 1024;
      }
    }
    return 0;
  }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace syncline::bench
