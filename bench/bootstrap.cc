// What the first fill of a replica costs beside plain SQLite inserts of the same rows: a snapshot
// from the server's store through both sessions and the codec into a real engine, without a socket.
// Each round runs both in turn; CPU time of this process, medians of the rounds.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/replica_host.h"
#include "server/hub.h"
#include "server/sqlite_log_store.h"
#include "sqlite/database.h"
#include "sqlite/savepoint.h"

using namespace syncline;

namespace {

constexpr const char* schema_sql =
    "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b TEXT, c INTEGER, d REAL, e TEXT)";

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "bench: %s: %s\n", what, result.error().message().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(result).value();
  }
}

class SystemClock final : public WallClock {
 public:
  std::int64_t now_ms() override {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  }
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Row {
  std::string id, a, b, e;
  std::int64_t c = 0;
  double d = 0;
};

std::vector<Row> make_rows(std::size_t count, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<Row> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t raw[16];
    random.fill(raw);
    rows[i].id = to_hex(raw);
    rows[i].a = "name " + std::to_string(random.below(1'000'000)) + " first";
    rows[i].b = "a somewhat longer text " + std::to_string(random.next());
    rows[i].c = static_cast<std::int64_t>(random.below(1'000'000));
    rows[i].d = static_cast<double>(random.below(1'000'000)) / 7;
    rows[i].e = "tag " + std::to_string(random.below(100));
  }
  return rows;
}

void insert_rows(Connection connection, const std::vector<Row>& rows, std::size_t first,
                 std::size_t count) {
  Transaction transaction = must(Transaction::begin(connection), "begin");
  Statement insert = must(
      connection.prepare("INSERT INTO t(id, a, b, c, d, e) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"), "sql");
  for (std::size_t i = first; i < std::min(first + count, rows.size()); ++i) {
    const Row& row = rows[i];
    insert.bind_text(1, row.id).bind_text(2, row.a).bind_text(3, row.b).bind(4, row.c);
    insert.bind(5, ValueView::of(row.d)).bind_text(6, row.e);
    must(insert.run(), "insert");
  }
  must(transaction.commit(), "commit");
}

// A replica with its host; what it wants of the outside is noted.
struct Replica final : ReplicaLink {
  SystemClock clock;
  SeededRandom random;
  std::unique_ptr<Engine> engine;
  std::optional<Database> database;
  std::unique_ptr<ReplicaHost> host;
  std::deque<ByteVector> outgoing;
  bool wants_dial = false;

  Replica(const std::string& path, std::uint64_t seed) : random(seed) {
    OpenOptions how;
    how.synchronous_full = false;
    database.emplace(must(Database::open(path, how), "open"));
    engine = must(Engine::attach({database->connection(), &clock, &random, true}), "attach");
    must(database->connection().execute(schema_sql), "schema");
    must(engine->track("t", {}), "track");
    host = std::make_unique<ReplicaHost>(
        ReplicaHost::Parts{engine.get(), &clock, &random, this, nullptr}, ClientOptions());
  }
  ~Replica() override {
    host.reset();
    engine->release();
    database.reset();
  }
  void dial() override { wants_dial = true; }
  void send(ByteVector frame) override { outgoing.push_back(std::move(frame)); }
  void hang_up(const std::string& reason) override {
    std::fprintf(stderr, "bench: the replica hung up: %s\n", reason.c_str());
    std::exit(1);
  }
  void wake_at(Instant /*at*/) override {}
};

struct Server {
  SystemClock clock;
  SeededRandom random{7};
  std::unique_ptr<SqliteLogStore> store;
  std::unique_ptr<Hub> hub;

  explicit Server(const std::string& path) {
    SqliteLogStore::Options how;
    how.open.synchronous_full = false;
    store = must(SqliteLogStore::open(path, random, how), "server");
    hub = std::make_unique<Hub>(*store, clock, HubOptions());
  }
};

// Frames to and fro until `done`; returns the CPU time that the server took.
template <typename Done>
double converse(Server& server, Replica& replica, const Done& done) {
  Instant now{1000};
  double server_seconds = 0;
  std::optional<ConnectionId> id;
  std::deque<ByteVector> incoming;
  must(replica.host->start(now, "bench", "token"), "start");
  while (!done()) {
    now.ms += 10;
    if (replica.wants_dial) {
      replica.wants_dial = false;
      id = server.hub->open(now);
      replica.host->on_connected(now);
    }
    const double before = cpu_seconds();
    for (; !replica.outgoing.empty(); replica.outgoing.pop_front()) {
      server.hub->on_frame(now, *id, replica.outgoing.front());
    }
    server.hub->on_wakeup(now, *id);
    while (auto effect = server.hub->next_effect()) {
      if (auto* send = std::get_if<HubSend>(&*effect)) {
        server.hub->on_sent(now, send->connection, send->frame.size());
        incoming.push_back(std::move(send->frame));
      } else if (auto* ask = std::get_if<HubAuthorise>(&*effect)) {
        server.hub->on_authorised(now, ask->connection, Rights{true, true, "user", 0, ""});
      } else if (std::holds_alternative<HubCommitWanted>(*effect)) {
        server.hub->commit(now);
      } else if (std::holds_alternative<HubWorkWanted>(*effect)) {
        server.hub->work(now);
      }
    }
    server_seconds += cpu_seconds() - before;
    for (; !incoming.empty(); incoming.pop_front()) {
      replica.host->on_frame(now, incoming.front());
    }
    replica.host->on_wakeup(now);
  }
  server.hub->on_closed(now, *id);
  return server_seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Measured {
  std::vector<double> plain;
  std::vector<double> both;
  std::vector<double> server;
};

void one_round(const std::filesystem::path& folder, const std::vector<Row>& rows, Server& server,
               std::uint64_t seed, Measured& measured) {
  const std::string plain_path = (folder / "plain.db").string();
  const std::string path = (folder / "replica.db").string();
  for (const std::string& file : {plain_path, path}) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(file + suffix);
    }
  }
  {
    OpenOptions how;
    how.synchronous_full = false;
    const Database plain = must(Database::open(plain_path, how), "open");
    must(plain->execute(schema_sql), "schema");
    const double before = cpu_seconds();
    // In the order and in transactions of the size in which a snapshot brings them.
    constexpr std::size_t rows_each = 2000;
    for (std::size_t first = 0; first < rows.size(); first += rows_each) {
      insert_rows(plain.connection(), rows, first, rows_each);
    }
    measured.plain.push_back(cpu_seconds() - before);
  }
  Replica replica(path, seed);
  const double before = cpu_seconds();
  measured.server.push_back(converse(server, replica, [&] {
    const ClientSession& session = replica.host->session();
    return session.cursor() > ServerVersion(0) &&
           session.status(Instant{0}).activity != Activity::bootstrap;
  }));
  measured.both.push_back(cpu_seconds() - before);
  const auto count = must(replica.database->connection().query_int("SELECT count(*) FROM t"), "");
  if (count.value_or(0) != static_cast<std::int64_t>(rows.size())) {
    std::fprintf(stderr, "bench: %lld rows arrived\n", static_cast<long long>(count.value_or(0)));
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 100'000;
  int rounds = 5;
  std::string json;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rows") == 0) {
      count = std::strtoul(argv[i + 1], nullptr, 10);
    } else if (std::strcmp(argv[i], "--rounds") == 0) {
      rounds = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--json") == 0) {
      json = argv[i + 1];
    }
  }
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / "syncline_bench_bootstrap";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::vector<Row> rows = make_rows(count, 1);
  std::vector<Row> sorted = rows;
  std::sort(sorted.begin(), sorted.end(), [](const Row& a, const Row& b) { return a.id < b.id; });
  Server server((folder / "server.db").string());
  {
    Replica author((folder / "author.db").string(), 2);
    // Many transactions, as in life, so that rows do not all share a stamp.
    for (std::size_t first = 0; first < rows.size(); first += 50) {
      insert_rows(author.database->connection(), rows, first, 50);
    }
    converse(server, author, [&] {
      return author.host->session().cursor() > ServerVersion(0) &&
             must(author.engine->counts(), "counts").pending == 0;
    });
  }
  Measured measured;
  for (int round = 0; round < rounds; ++round) {
    one_round(folder, sorted, server, 100 + static_cast<std::uint64_t>(round), measured);
  }
  const double plain = median(measured.plain);
  const double both = median(measured.both);
  const double server_part = median(measured.server);
  const auto per_second = [&](double seconds) { return static_cast<double>(count) / seconds; };
  std::printf("bootstrap of %zu rows, medians of %d rounds, rows per CPU second\n", count, rounds);
  std::printf("  plain SQLite inserts     %10.0f\n", per_second(plain));
  std::printf("  both ends together       %10.0f   (%.2f times the plain inserts' time)\n",
              per_second(both), both / plain);
  std::printf("  the replica's part alone %10.0f\n", per_second(both - server_part));
  std::printf("  the server's part alone  %10.0f\n", per_second(server_part));
  if (!json.empty()) {
    if (std::FILE* out = std::fopen(json.c_str(), "w")) {
      std::fprintf(out,
                   "{\"rows\":%zu,\"rounds\":%d,\"plain_rows_per_second\":%.0f,"
                   "\"rows_per_second\":%.0f,\"replica_rows_per_second\":%.0f,"
                   "\"server_rows_per_second\":%.0f,\"ratio\":%.3f}\n",
                   count, rounds, per_second(plain), per_second(both),
                   per_second(both - server_part), per_second(server_part), both / plain);
      std::fclose(out);
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
