// What the server does, as it is shipped, over loopback: a process of its own, durable commits,
// real replicas where rows are counted and bare sockets where connections are. Beside it, in the
// same run, a bare Beast echo, and what a durable write costs on this disk.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/echo.h"
#include "bench/light_replica.h"
#include "bench/live_replica.h"
#include "bench/server_process.h"

using namespace syncline;
using namespace syncline::bench;

namespace {

double seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}
double wall() { return seconds(CLOCK_MONOTONIC); }
double own_cpu() { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

void pause_ms(long ms) {
  const timespec wait{ms / 1000, (ms % 1000) * 1'000'000};
  ::nanosleep(&wait, nullptr);
}

double at_percent(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::lround(last * percent / 100))];
}

struct Options {
  std::string program;
  std::string data;
  std::string json;
  std::string only;
  std::size_t rows = 1'000'000;
  std::size_t idle = 9'000;
};

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  void run() {
    std::filesystem::create_directories(options_.data);
    if (wanted("floor")) {
      disk();
      echo();
    }
    const std::pair<const char*, void (Bench::*)()> parts[] = {
        {"edit", &Bench::edits},     {"push", &Bench::pushed_rows},    {"fanout", &Bench::fan_out},
        {"acks", &Bench::acks},      {"bootstrap", &Bench::bootstrap}, {"idle", &Bench::idle},
        {"stalled", &Bench::stalled}};
    for (const auto& [name, part] : parts) {
      if (wanted(name)) {
        begin();
        (this->*part)();
        end();
      }
    }
    write_json();
  }

 private:
  bool wanted(const std::string& name) const {
    return options_.only.empty() ||
           ("," + options_.only + ",").find("," + name + ",") != std::string::npos;
  }

  void begin() {
    const std::string data = options_.data + "/server";
    std::filesystem::remove_all(data);
    server_ = std::make_unique<ServerProcess>(options_.program, data);
  }
  void end() {
    server_.reset();
    for (const char* name : {"a.db", "b.db", "c.db", "server"}) {
      for (const char* suffix : {"", "-wal", "-shm"}) {
        std::filesystem::remove_all(options_.data + "/" + name + suffix);
      }
    }
  }
  std::string file(const std::string& name) const { return options_.data + "/" + name; }

  struct Cpu {
    double server = 0;
    double own = 0;
  };
  Cpu cpu() const { return {server_->cpu_seconds(), own_cpu()}; }
  // The CPU time that was used since, of the server and of this process with its replicas.
  void tell_cpu(const std::string& name, const Cpu& since) {
    const Cpu now = cpu();
    std::printf("    CPU: server %.2f s, clients %.2f s\n", now.server - since.server,
                now.own - since.own);
    keep(name + "_server_cpu_s", now.server - since.server);
    keep(name + "_client_cpu_s", now.own - since.own);
    std::fflush(stdout);
  }
  void keep(const std::string& name, double value) { figures_.emplace_back(name, value); }
  void tell_times(const char* what, const std::string& name, const std::vector<double>& times,
                  const char* goal) {
    const double p50 = at_percent(times, 50) * 1000;
    const double p99 = at_percent(times, 99) * 1000;
    std::printf("%-46s p50 %7.2f ms  p99 %7.2f ms  %s\n", what, p50, p99, goal);
    keep(name + "_p50_ms", p50);
    keep(name + "_p99_ms", p99);
    std::fflush(stdout);
  }
  void tell_rate(const char* what, const std::string& name, double rate, const char* goal) {
    std::printf("%-46s %10.0f /s  %s\n", what, rate, goal);
    keep(name + "_per_s", rate);
    std::fflush(stdout);
  }

  static void wait_until(const char* what, const std::function<bool()>& condition) {
    const double end = wall() + 300;
    while (!condition()) {
      if (wall() > end) {
        give_up(std::string("still not so: ") + what);
      }
      pause_ms(1);
    }
  }

  // What a durable write of one page costs, over what was written before.
  void disk() {
    const std::string path = file("disk");
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const std::vector<char> page(4096, 'x');
    std::vector<double> times;
    for (int round = 0; round < 2; ++round) {
      times.clear();
      for (int i = 0; i < 300; ++i) {
        const double from = wall();
        if (::pwrite(fd, page.data(), page.size(), i * 4096) != 4096 || ::fdatasync(fd) != 0) {
          give_up("cannot write " + path);
        }
        times.push_back(wall() - from);
      }
    }
    ::close(fd);
    std::filesystem::remove(path);
    tell_times("a page written and synced on this disk", "disk", times, "");
  }

  void echo() {
    const auto server = Echo::start();
    LightClient client(server->port(), "/");
    const ByteVector message(150, 7);
    std::vector<double> times;
    for (int i = 0; i < 5000; ++i) {
      const double from = wall();
      client.send(message);
      (void)client.wait_for_next();
      times.push_back(wall() - from);
    }
    tell_times("a bare Beast echo, 150 bytes there and back", "echo", times, "");
  }

  // One row is changed at A; how long until it stands in B's database.
  void edits() {
    constexpr int warm_up = 50;
    constexpr int count = 500;
    LiveReplica a(file("a.db"));
    LiveReplica b(file("b.db"));
    must(a.connection().execute("INSERT INTO t(id, c) VALUES('row', 0)"), "insert");
    std::atomic<int> seen{-1};
    std::atomic<bool> go{false};
    std::atomic<double> written{0};
    int next = 1;
    std::vector<double> times;
    a.start(server_->url(), "edit", [&] {
      if (go && seen == next - 1 && next <= warm_up + count) {
        written = wall();
        must(a.connection().execute("UPDATE t SET c = " + std::to_string(next)), "update");
        ++next;
      }
    });
    Statement look = must(b.connection().prepare("SELECT c FROM t"), "c");
    b.start(server_->url(), "edit", [&] {
      const std::int64_t value = must(look.step(), "c") ? look.column_int(0) : -1;
      look.reset();
      if (value > seen) {
        times.push_back(wall() - written);
        seen = static_cast<int>(value);
      }
    });
    wait_until("in step", [&] { return a.is_synced() && b.is_synced() && seen == 0; });
    const Cpu before = cpu();
    go = true;
    wait_until("all edits seen", [&] { return seen == warm_up + count; });
    a.stop();
    b.stop();
    times.erase(times.begin(), times.begin() + warm_up + 1);
    tell_times("an edit at A in B's database", "edit", times, "(at most 1.5 and 8)");
    tell_cpu("edit", before);
  }

  // Rows that lie ready at A until all of them stand at B.
  void pushed_rows() {
    constexpr std::size_t count = 10'000;
    LiveReplica b(file("b.db"));
    std::atomic<std::int64_t> arrived{0};
    // Rows are only added, so the last rowid counts them without reading all.
    b.start(server_->url(), "push", [&] {
      arrived = must(b.connection().query_int("SELECT max(rowid) FROM t"), "max").value_or(0);
    });
    wait_until("in step", [&] { return b.is_synced(); });
    LiveReplica a(file("a.db"));
    std::vector<double> rates;
    const Cpu before = cpu();
    for (int round = 1; round <= 7; ++round) {
      a.insert(count, 1000);
      const double from = wall();
      a.start(server_->url(), "push");
      const auto all = static_cast<std::int64_t>(count) * round;
      wait_until("all rows arrived", [&] { return arrived == all; });
      rates.push_back(static_cast<double>(count) / (wall() - from));
      wait_until("all acknowledged", [&] { return a.is_synced(); });
      a.stop();
    }
    b.stop();
    tell_rate("rows pushed by A and applied at B (median of 7)", "push", at_percent(rates, 50),
              "(at least 60,000)");
    tell_cpu("push", before);
  }

  // Sockets that have something to read.
  class Poll {
   public:
    Poll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
    Poll(const Poll&) = delete;
    Poll& operator=(const Poll&) = delete;
    ~Poll() { ::close(fd_); }
    void add(int fd, std::size_t index) const {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = index;
      ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event);
    }
    template <typename F>
    void wait(int ms, const F& visit) const {
      epoll_event events[256];
      const int count = ::epoll_wait(fd_, events, 256, ms);
      for (int i = 0; i < count; ++i) {
        visit(static_cast<std::size_t>(events[i].data.u64));
      }
    }

   private:
    int fd_;
  };

  void fan_out() {
    constexpr std::size_t readers = 200;
    constexpr int warm_up = 20;
    constexpr int count = 200;
    std::vector<LightReplica> replicas;
    const Poll poll;
    for (std::size_t i = 0; i < readers; ++i) {
      replicas.emplace_back(server_->port(), "fan", random_);
      replicas.back().follow(ServerVersion(0));
      poll.add(replicas.back().client().fd(), i);
    }
    LightReplica writer(server_->port(), "fan", random_);
    std::vector<double> times;
    Cpu before = cpu();
    for (int i = 0; i < warm_up + count; ++i) {
      if (i == warm_up) {
        before = cpu();
      }
      const double from = wall();
      writer.push();
      for (std::size_t left = readers; left > 0;) {
        poll.wait(1000, [&](std::size_t which) {
          LightClient& client = replicas[which].client();
          client.receive();
          while (auto frame = client.next()) {
            const Message message = LightReplica::decoded(*frame);
            if (const auto* part = std::get_if<PullPart>(&message)) {
              --left;
              if (i >= warm_up) {
                times.push_back(wall() - from);
              }
              replicas[which].follow(part->version);
            }
          }
        });
      }
      while (!std::holds_alternative<Ack>(LightReplica::decoded(writer.client().wait_for_next()))) {
      }
    }
    tell_times("one writer's edit at 200 connections", "fanout", times, "(at most 4 and 12)");
    tell_cpu("fanout", before);
  }

  void acks() {
    constexpr std::size_t writers = 64;
    constexpr double how_long = 5;
    std::vector<LightReplica> replicas;
    const Poll poll;
    for (std::size_t i = 0; i < writers; ++i) {
      // Eight to a workspace.
      replicas.emplace_back(server_->port(), "acks" + std::to_string(i / 8), random_);
      poll.add(replicas.back().client().fd(), i);
    }
    for (LightReplica& replica : replicas) {
      replica.push();
    }
    const Cpu before = cpu();
    const double from = wall();
    std::uint64_t count = 0;
    while (wall() - from < how_long) {
      poll.wait(1000, [&](std::size_t which) {
        LightReplica& replica = replicas[which];
        replica.client().receive();
        while (auto frame = replica.client().next()) {
          const Message message = LightReplica::decoded(*frame);
          const auto* ack = std::get_if<Ack>(&message);
          if (ack != nullptr && ack->through.get() == replica.pushed()) {
            ++count;
            replica.push();
          }
        }
      });
    }
    tell_rate("acknowledged changes of 64 clients, one each", "acks",
              static_cast<double>(count) / (wall() - from), "(at least 10,000)");
    tell_cpu("acks", before);
  }

  void bootstrap() {
    {
      LiveReplica a(file("a.db"));
      a.insert(options_.rows, 50);
      a.start(server_->url(), "boot");
      wait_until("all rows acknowledged", [&] { return a.is_synced(); });
    }
    const Cpu before = cpu();
    LiveReplica c(file("c.db"));
    const double from = wall();
    c.start(server_->url(), "boot");
    wait_until("in step", [&] { return c.is_synced(); });
    const double took = wall() - from;
    c.stop();
    if (c.rows() != static_cast<std::int64_t>(options_.rows)) {
      give_up("rows are missing");
    }
    tell_rate("rows of a bootstrap into a durable replica", "bootstrap",
              static_cast<double>(options_.rows) / took, "(at least 150,000)");
    tell_cpu("bootstrap", before);
  }

  void idle() {
    std::vector<LightReplica> replicas;
    for (std::size_t i = 0; i < 500; ++i) {
      replicas.emplace_back(server_->port(), "idle" + std::to_string(i % 100), random_);
      replicas.back().follow(replicas.back().head());
    }
    const double from = server_->memory("VmRSS");
    for (std::size_t i = 0; i < options_.idle; ++i) {
      replicas.emplace_back(server_->port(), "idle" + std::to_string(i % 100), random_);
      replicas.back().follow(replicas.back().head());
    }
    const Cpu before = cpu();
    pause_ms(5000);
    const double each = (server_->memory("VmRSS") - from) / static_cast<double>(options_.idle);
    std::printf("%-46s %10.1f KB  (at most 20)\n", "memory of an idle, welcomed connection",
                each / 1024);
    keep("idle_kb", each / 1024);
    tell_cpu("idle_5s", before);
  }

  // Somebody who was welcomed reads nothing any more while others write.
  void stalled() {
    LightReplica reader(server_->port(), "stall", random_);
    reader.follow(ServerVersion(0));
    LightReplica writer(server_->port(), "stall", random_);
    const auto write = [&](int changes) {
      for (int i = 0; i < changes; ++i) {
        writer.push(100'000);
        for (;;) {
          const Message message = LightReplica::decoded(writer.client().wait_for_next());
          const auto* ack = std::get_if<Ack>(&message);
          if (ack != nullptr && ack->through.get() == writer.pushed()) {
            break;
          }
        }
      }
    };
    write(300);
    const double from = server_->memory("VmRSS");
    write(3000);
    const double grown = server_->memory("VmRSS") - from;
    std::printf("%-46s %10.1f MB of 300 MB written  (flat)\n",
                "the server's growth under a stalled reader", grown / 1048576);
    keep("stalled_growth_mb", grown / 1048576);
  }

  void write_json() const {
    if (options_.json.empty()) {
      return;
    }
    std::FILE* const out = std::fopen(options_.json.c_str(), "w");
    if (out == nullptr) {
      give_up("cannot write " + options_.json);
    }
    std::fprintf(out, "{");
    for (std::size_t i = 0; i < figures_.size(); ++i) {
      std::fprintf(out, "%s\"%s\":%.3f", i == 0 ? "" : ",", figures_[i].first.c_str(),
                   figures_[i].second);
    }
    std::fprintf(out, "}\n");
    std::fclose(out);
  }

  Options options_;
  SystemRandom random_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.data =
      (std::filesystem::temp_directory_path() / ("syncline_bench_" + std::to_string(::getpid())))
          .string();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--server") {
      options.program = argv[i + 1];
    } else if (name == "--data") {
      options.data = argv[i + 1];
    } else if (name == "--json") {
      options.json = argv[i + 1];
    } else if (name == "--only") {
      options.only = argv[i + 1];
    } else if (name == "--rows") {
      options.rows = std::strtoul(argv[i + 1], nullptr, 10);
    } else if (name == "--idle") {
      options.idle = std::strtoul(argv[i + 1], nullptr, 10);
    } else {
      give_up("there is no option " + name);
    }
  }
  if (options.program.empty()) {
    give_up("--server names the program");
  }
  const std::string data = options.data;
  Bench(std::move(options)).run();
  std::filesystem::remove_all(data);
  return 0;
}
