// The JSON delta door of the server as it is shipped, over loopback, with durable commits: changes
// a second in batches of a hundred, beside the native protocol in the same run; and what a typical
// edit weighs beside the whole state.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "bench/light_replica.h"
#include "bench/server_process.h"

using namespace syncline;
using namespace syncline::bench;

namespace {

constexpr std::size_t batch = 100;

double wall() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One HTTP connection that is kept, and as little work as can be.
class Poster {
 public:
  Poster(std::uint16_t port, std::string workspace) : workspace_(std::move(workspace)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      give_up("cannot connect");
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;
  ~Poster() { ::close(fd_); }

  // The answer's body.
  std::string post(const std::string& body) {
    const std::string request =
        "POST /api/sync/v2?workspace=" + workspace_ +
        " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    for (std::size_t at = 0; at < request.size();) {
      const ssize_t sent = ::write(fd_, request.data() + at, request.size() - at);
      if (sent <= 0) {
        give_up("cannot send");
      }
      at += static_cast<std::size_t>(sent);
    }
    std::string in;
    std::size_t head = std::string::npos;
    std::size_t size = 0;
    while (head == std::string::npos || in.size() < head + size) {
      char buffer[65536];
      const ssize_t got = ::read(fd_, buffer, sizeof buffer);
      if (got <= 0) {
        give_up("the server hung up");
      }
      in.append(buffer, static_cast<std::size_t>(got));
      if (head == std::string::npos && in.find("\r\n\r\n") != std::string::npos) {
        head = in.find("\r\n\r\n") + 4;
        const std::size_t length = in.find("Content-Length: ");
        size = std::strtoul(in.c_str() + length + 16, nullptr, 10);
      }
    }
    if (in.rfind("HTTP/1.1 200", 0) != 0) {
      give_up(in);
    }
    return in.substr(head);
  }

 private:
  std::string workspace_;
  int fd_ = -1;
};

std::int64_t number_in(const std::string& answer, const std::string& name) {
  const std::size_t at = answer.find("\"" + name + "\":");
  return at == std::string::npos ? -1
                                 : std::strtol(answer.c_str() + at + name.size() + 3, nullptr, 10);
}

std::size_t count_in(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

constexpr const char* text =
    "Bring the papers, ask about the second delivery, and call back before noon if you can.";

std::string change(const char* type, const std::string& change_id, const std::string& row,
                   const std::string& data) {
  return "{\"changeId\":\"" + change_id + "\",\"type\":\"" + type +
         "\",\"entityType\":\"notes\",\"entityId\":\"" + row + "\",\"data\":" + data +
         ",\"timestamp\":1767225600123}";
}

std::string note(int number) {
  return "{\"title\":\"Note " + std::to_string(number) + "\",\"body\":\"" + text +
         "\",\"done\":false,\"rank\":" + std::to_string(number) + "}";
}

std::string request(std::int64_t known, const std::string& device, const std::string& changes) {
  return "{\"lastKnownServerVersion\":" + std::to_string(known) + ",\"deviceId\":\"" + device +
         "\",\"changes\":[" + changes + "]}";
}

// One device that pushes batches, each when the one before was answered.
class Device {
 public:
  Device(std::uint16_t port, const std::string& workspace, std::string name)
      : poster_(port, workspace), name_(std::move(name)) {}
  void push(std::size_t batches, bool updates) {
    for (std::size_t b = 0; b < batches; ++b) {
      std::string changes;
      for (std::size_t i = 0; i < batch; ++i, ++next_) {
        const std::string row = name_ + std::to_string(updates ? next_ % batch : next_);
        changes += i == 0 ? "" : ",";
        changes += change(
            updates ? "UPDATED" : "CREATED", name_ + "-" + std::to_string(next_), row,
            updates ? "{\"rank\":" + std::to_string(next_) + "}" : note(static_cast<int>(next_)));
      }
      const std::string answer = poster_.post(request(known_, name_, changes));
      if (count_in(answer, "\"changeId\"") < batch ||
          answer.find("\"rejected\":[]") == std::string::npos) {
        give_up("not all were accepted: " + answer.substr(0, 500));
      }
      known_ = number_in(answer, "latestServerVersion");
    }
  }

 private:
  Poster poster_;
  std::string name_;
  std::size_t next_ = 0;
  std::int64_t known_ = 0;
};

// Changes a second, and what each cost the server.
struct Rate {
  std::vector<double> per_second;
  std::vector<double> cpu_us;
};

void timed(const ServerProcess& server, std::size_t changes, Rate& rate,
           const std::function<void()>& work) {
  const double cpu = server.cpu_seconds();
  const double from = wall();
  work();
  const auto count = static_cast<double>(changes);
  rate.per_second.push_back(count / (wall() - from));
  rate.cpu_us.push_back((server.cpu_seconds() - cpu) * 1e6 / count);
}

void json_rate(const ServerProcess& server, int round, std::size_t devices, bool updates,
               Rate& rate) {
  constexpr std::size_t batches = 100;
  const std::string workspace =
      "json" + std::to_string(round) + (updates ? "u" : "c") + std::to_string(devices);
  std::vector<std::unique_ptr<Device>> all;
  for (std::size_t i = 0; i < devices; ++i) {
    all.push_back(
        std::make_unique<Device>(server.port(), workspace, "d" + std::to_string(i) + "-"));
    if (updates) {
      all.back()->push(1, false);
    }
  }
  timed(server, devices * batches * batch, rate, [&] {
    std::vector<std::thread> threads;
    for (const auto& device : all) {
      threads.emplace_back([&device, updates] { device->push(batches, updates); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  });
}

// A hundred changes are pushed, then their acknowledgement is waited for, as a batch is.
void native_rate(const ServerProcess& server, int round, SystemRandom& random, Rate& rate) {
  constexpr std::size_t batches = 100;
  LightReplica writer(server.port(), "native" + std::to_string(round), random);
  timed(server, batches * batch, rate, [&] {
    for (std::size_t b = 0; b < batches; ++b) {
      for (std::size_t i = 0; i < batch; ++i) {
        writer.push(150);
      }
      for (;;) {
        const Message message = LightReplica::decoded(writer.client().wait_for_next());
        const auto* ack = std::get_if<Ack>(&message);
        if (ack != nullptr && ack->through.get() == writer.pushed()) {
          break;
        }
      }
    }
  });
}

void rates(const ServerProcess& server, std::vector<std::pair<std::string, double>>& figures) {
  SystemRandom random;
  Rate created;
  Rate updated;
  Rate four;
  Rate native;
  for (int round = 0; round < 5; ++round) {
    json_rate(server, round, 1, false, created);
    native_rate(server, round, random, native);
    json_rate(server, round, 1, true, updated);
    json_rate(server, round, 4, false, four);
  }
  const auto tell = [&](const char* what, const std::string& name, const Rate& rate,
                        const char* goal) {
    std::printf("%-58s %9.0f /s  %5.1f us of the server's CPU each  %s\n", what,
                median(rate.per_second), median(rate.cpu_us), goal);
    figures.emplace_back(name + "_per_s", median(rate.per_second));
    figures.emplace_back(name + "_cpu_us", median(rate.cpu_us));
  };
  tell("JSON, batches of 100, one device, CREATED", "created", created, "(at least 20,000)");
  tell("JSON, batches of 100, one device, UPDATED", "updated", updated, "(at least 20,000)");
  tell("JSON, batches of 100, four devices, CREATED", "four", four, "(at least 20,000)");
  tell("native, a hundred changes, then their acknowledgement", "native", native, "");
}

void sizes(const ServerProcess& server, std::vector<std::pair<std::string, double>>& figures) {
  Poster writer(server.port(), "sizes");
  Poster reader(server.port(), "sizes");
  std::string state;
  for (int i = 0; i < 1000; ++i) {
    state += (i == 0 ? "" : ",") +
             change("CREATED", "s" + std::to_string(i), "n" + std::to_string(i), note(i));
  }
  std::int64_t known = number_in(writer.post(request(0, "w", state)), "latestServerVersion");
  const std::string whole = reader.post("{\"lastKnownServerVersion\":0,\"limit\":5000}");
  std::printf("%-58s %9.1f KB  (over 100)\n", "the whole state: 1,000 notes",
              static_cast<double>(whole.size()) / 1024);
  figures.emplace_back("state_bytes", static_cast<double>(whole.size()));
  const struct {
    const char* what;
    const char* name;
    int updates;
    int creates;
    int deletes;
  } edits[] = {{"one field of one note", "one_field", 1, 0, 0},
               {"five notes ticked off, one written, one deleted", "seven_edits", 5, 1, 1},
               {"twelve notes ticked off, two written, one deleted", "fifteen_edits", 12, 2, 1}};
  int count = 0;
  for (const auto& edit : edits) {
    std::string changes;
    const auto add = [&](const char* type, const std::string& row, const std::string& data) {
      changes +=
          (changes.empty() ? "" : ",") + change(type, "e" + std::to_string(++count), row, data);
    };
    for (int i = 0; i < edit.updates; ++i) {
      add("UPDATED", "n" + std::to_string(count + 10), "{\"done\":true}");
    }
    for (int i = 0; i < edit.creates; ++i) {
      add("CREATED", "new" + std::to_string(count), note(count));
    }
    for (int i = 0; i < edit.deletes; ++i) {
      add("DELETED", "n" + std::to_string(count + 500), "{}");
    }
    const std::string pushed = request(known, "w", changes);
    (void)writer.post(pushed);
    const std::string pulled =
        reader.post("{\"lastKnownServerVersion\":" + std::to_string(known) + "}");
    known = number_in(pulled, "latestServerVersion");
    std::printf("%-58s %9.1f KB pushed, %.1f KB pulled  (1 to 5)\n", edit.what,
                static_cast<double>(pushed.size()) / 1024,
                static_cast<double>(pulled.size()) / 1024);
    figures.emplace_back(std::string(edit.name) + "_pushed_bytes",
                         static_cast<double>(pushed.size()));
    figures.emplace_back(std::string(edit.name) + "_pulled_bytes",
                         static_cast<double>(pulled.size()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string program;
  std::string json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--server") {
      program = argv[i + 1];
    } else if (name == "--json") {
      json = argv[i + 1];
    } else {
      give_up("there is no option " + name);
    }
  }
  if (program.empty()) {
    give_up("--server names the program");
  }
  const std::string data =
      (std::filesystem::temp_directory_path() / ("syncline_delta_" + std::to_string(::getpid())))
          .string();
  std::vector<std::pair<std::string, double>> figures;
  {
    const ServerProcess server(program, data);
    sizes(server, figures);
    rates(server, figures);
  }
  std::filesystem::remove_all(data);
  if (!json.empty()) {
    std::FILE* const out = std::fopen(json.c_str(), "w");
    if (out == nullptr) {
      give_up("cannot write " + json);
    }
    for (std::size_t i = 0; i < figures.size(); ++i) {
      std::fprintf(out, "%s\"%s\":%.1f", i == 0 ? "{" : ",", figures[i].first.c_str(),
                   figures[i].second);
    }
    std::fprintf(out, "}\n");
    std::fclose(out);
  }
  return 0;
}
