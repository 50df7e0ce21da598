// What capture, extraction and merging cost beside plain SQLite: the workloads of docs/bench.md,
// each run on a plain and on a tracked file in turn, CPU time of this process, medians of the
// rounds.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/engine.h"
#include "sqlite/database.h"

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
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

std::string uuid(Random& random) {
  std::uint8_t raw[16];
  random.fill(raw);
  const std::string hex = to_hex(raw);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
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
    rows[i].id = uuid(random);
    rows[i].a = "name " + std::to_string(random.below(1'000'000)) + " first";
    rows[i].b = "a somewhat longer text " + std::to_string(random.next());
    rows[i].c = static_cast<std::int64_t>(random.below(1'000'000));
    rows[i].d = static_cast<double>(random.below(1'000'000)) / 7;
    rows[i].e = "tag " + std::to_string(random.below(100));
  }
  return rows;
}

// One file, with or without the engine.
class File {
 public:
  File(const std::string& path, bool tracked, std::uint64_t seed) : path_(path), random_(seed) {
    remove();
    OpenOptions options;
    options.synchronous_full = false;
    database_.emplace(must(Database::open(path, options), "open"));
    must(connection().execute("PRAGMA wal_autocheckpoint = 1000"), "pragma");
    must(connection().execute(schema_sql), "schema");
    if (tracked) {
      engine_ = must(Engine::attach({connection(), &clock_, &random_, true}), "attach");
      must(engine_->track("t", {}), "track");
    }
  }
  ~File() {
    statements_.clear();
    if (engine_) {
      engine_->release();
    }
    database_.reset();
    remove();
  }

  Connection connection() const { return database_->connection(); }
  Engine& engine() { return *engine_; }
  Statement& statement(const std::string& sql) {
    Statement& kept = statements_[sql];
    if (!kept) {
      kept = must(connection().prepare_kept(sql), sql.c_str());
    }
    return kept;
  }
  void run(const std::string& sql) { must(connection().execute(sql), sql.c_str()); }

  void insert(const Row& row) {
    Statement& insert = statement("INSERT INTO t VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
    insert.bind_text(1, row.id).bind_text(2, row.a).bind_text(3, row.b).bind(4, row.c);
    insert.bind(5, ValueView::of(row.d)).bind_text(6, row.e);
    must(insert.run(), "insert");
  }
  void update(const char* column, const std::string& id, const std::string& value) {
    Statement& update = statement("UPDATE t SET " + std::string(column) + " = ?2 WHERE id = ?1");
    update.bind_text(1, id).bind_text(2, value);
    must(update.run(), "update");
  }
  // Does `work` for each of `count` items, `batch` of them a transaction.
  void batches(std::size_t count, std::size_t batch, const std::function<void(std::size_t)>& work) {
    for (std::size_t i = 0; i < count; ++i) {
      if (i % batch == 0) {
        run("BEGIN");
      }
      work(i);
      if (i % batch == batch - 1 || i + 1 == count) {
        run("COMMIT");
      }
    }
  }
  double bytes() {
    run("PRAGMA wal_checkpoint(TRUNCATE)");
    return static_cast<double>(std::filesystem::file_size(path_));
  }
  std::string content() {
    std::string out;
    Statement& rows = statement("SELECT id, a, b, c, d, e FROM t ORDER BY id");
    const ResetGuard guard(rows);
    Writer bytes;
    while (must(rows.step(), "read")) {
      for (int i = 0; i < 6; ++i) {
        write_value(bytes, rows.column(i));
      }
    }
    return std::string(as_text(bytes.bytes()));
  }

 private:
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path_ + suffix);
    }
  }

  std::string path_;
  SystemClock clock_;
  SeededRandom random_;
  std::unique_ptr<Engine> engine_;
  std::optional<Database> database_;
  std::map<std::string, Statement> statements_;
};

class Table {
 public:
  void add(const std::string& name, bool tracked, double value) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      names_.push_back(name);
    }
    values_[name][tracked ? 1 : 0].push_back(value);
  }
  double median(const std::string& name, bool tracked) const {
    std::vector<double> sorted = values_.at(name).at(tracked ? 1 : 0);
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  double ratio(const std::string& name) const { return median(name, true) / median(name, false); }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::array<std::vector<double>, 2>> values_;
};

struct Settings {
  std::size_t rows = 100'000;
  std::size_t singles = 10'000;
  int rounds = 5;
  std::string folder = "/tmp";
};

// Times `work` and files it under `name`.
void timed(Table& table, const std::string& name, bool tracked, const std::function<void()>& work) {
  const double start = cpu_seconds();
  work();
  table.add(name, tracked, cpu_seconds() - start);
}

void writes(Table& table, const Settings& settings, bool tracked, const std::vector<Row>& rows,
            const std::vector<Row>& more) {
  File file(settings.folder + (tracked ? "/syncline_bench_t.db" : "/syncline_bench_p.db"), tracked,
            1);
  const std::size_t count = rows.size();
  timed(table, "W1 insert, 1000 a transaction", tracked,
        [&] { file.batches(count, 1000, [&](std::size_t i) { file.insert(rows[i]); }); });
  table.add("W8a bytes after W1", tracked, file.bytes());
  timed(table, "W9 point and range reads", tracked, [&] {
    Statement& point = file.statement("SELECT a, b, c, d, e FROM t WHERE id = ?1");
    for (const Row& row : rows) {
      point.bind_text(1, row.id);
      must(point.step(), "point read");
      point.reset();
    }
    Statement& range = file.statement("SELECT * FROM t WHERE id >= ?1 ORDER BY id LIMIT 100");
    for (std::size_t i = 0; i < 1000; ++i) {
      range.bind_text(1, rows[i * count / 1000].id);
      while (must(range.step(), "range read")) {
      }
      range.reset();
    }
  });
  timed(table, "W3 update a column of all rows", tracked, [&] {
    file.batches(count, 1000, [&](std::size_t i) { file.update("a", rows[i].id, more[i].a); });
  });
  table.add("W8b bytes after W3", tracked, file.bytes());
  timed(table, "W2 insert, one a transaction", tracked, [&] {
    for (std::size_t i = 0; i < settings.singles; ++i) {
      file.insert(more[i]);
    }
  });
  timed(table, "W2u update, one a transaction", tracked, [&] {
    for (std::size_t i = 0; i < settings.singles; ++i) {
      file.update("b", rows[(i * 7919) % count].id, more[i].b);
    }
  });
  timed(table, "W4 delete half", tracked, [&] {
    Statement& erase = file.statement("DELETE FROM t WHERE id = ?1");
    file.batches(count / 2, 1000, [&](std::size_t i) {
      erase.bind_text(1, rows[i * 2].id);
      must(erase.run(), "delete");
    });
  });
}

using Cells = std::vector<std::vector<Value>>;

Cells select_all(File& file, const std::string& sql) {
  Cells out;
  Statement& rows = file.statement(sql);
  const ResetGuard guard(rows);
  while (must(rows.step(), "select")) {
    out.emplace_back();
    for (int i = 0; i < rows.column_count(); ++i) {
      out.back().emplace_back(rows.column(i));
    }
  }
  return out;
}

// Extract and apply, beside reading all rows and inserting or updating them in another file.
void exchange(Table& table, const Settings& settings, const std::vector<Row>& rows,
              const std::vector<Row>& more, double& wire_bytes) {
  const std::string folder = settings.folder;
  File plain(folder + "/syncline_bench_p.db", false, 1);
  File plain_to(folder + "/syncline_bench_q.db", false, 2);
  File from(folder + "/syncline_bench_t.db", true, 1);
  File to(folder + "/syncline_bench_u.db", true, 2);
  for (File* file : {&plain, &from}) {
    file->batches(rows.size(), 1000, [&](std::size_t i) { file->insert(rows[i]); });
  }
  Cells cells;
  timed(table, "W5 extract everything", false,
        [&] { cells = select_all(plain, "SELECT id, a, b, c, d, e FROM t"); });
  ByteVector file;
  timed(table, "W5 extract everything", true,
        [&] { file = must(from.engine().changes_since(LocalVersion(0)), "changes"); });
  wire_bytes = static_cast<double>(file.size()) / static_cast<double>(rows.size());
  const auto plain_write = [&](const std::string& sql) {
    plain_to.run("BEGIN");
    Statement& write = plain_to.statement(sql);
    for (const std::vector<Value>& row : cells) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        write.bind(static_cast<int>(i) + 1, row[i].view());
      }
      must(write.run(), "write");
    }
    plain_to.run("COMMIT");
  };
  timed(table, "W6 apply everything", false,
        [&] { plain_write("INSERT INTO t VALUES(?1, ?2, ?3, ?4, ?5, ?6)"); });
  timed(table, "W6 apply everything", true, [&] { must(to.engine().apply_file(file), "apply"); });
  const LocalVersion before = must(from.engine().version(), "version");
  for (File* each : {&plain, &from}) {
    each->batches(rows.size(), 1000,
                  [&](std::size_t i) { each->update("a", rows[i].id, more[i].a); });
  }
  timed(table, "W5b extract the updates", false,
        [&] { cells = select_all(plain, "SELECT id, a FROM t"); });
  timed(table, "W5b extract the updates", true,
        [&] { file = must(from.engine().changes_since(before), "changes"); });
  timed(table, "W6b apply the updates", false,
        [&] { plain_write("UPDATE t SET a = ?2 WHERE id = ?1"); });
  timed(table, "W6b apply the updates", true, [&] { must(to.engine().apply_file(file), "apply"); });
  if (from.content() != to.content() || plain.content() != plain_to.content()) {
    std::fprintf(stderr, "bench: the copies differ\n");
    std::exit(1);
  }
}

// Two files edit 55% of the rows each, a tenth in common, and exchange their edits.
void merge(Table& table, const Settings& settings, bool tracked, const std::vector<Row>& rows,
           const std::vector<Row>& more) {
  File one(settings.folder + "/syncline_bench_1.db", tracked, 1);
  File two(settings.folder + "/syncline_bench_2.db", tracked, 2);
  const std::size_t count = rows.size();
  const std::size_t part = count * 55 / 100;
  one.batches(count, 1000, [&](std::size_t i) { one.insert(rows[i]); });
  LocalVersion one_before;
  LocalVersion two_before;
  if (tracked) {
    must(two.engine().apply_file(must(one.engine().changes_since(LocalVersion(0)), "changes")),
         "apply");
    one_before = must(one.engine().version(), "version");
    two_before = must(two.engine().version(), "version");
  } else {
    two.batches(count, 1000, [&](std::size_t i) { two.insert(rows[i]); });
  }
  timed(table, "W7 two replicas edit 55% and merge", tracked, [&] {
    one.batches(part, 1000, [&](std::size_t i) { one.update("a", rows[i].id, more[i].a); });
    two.batches(part, 1000, [&](std::size_t i) {
      const Row& row = rows[count - part + i];
      two.update("a", row.id, more[i].b);
    });
    if (tracked) {
      const ByteVector to_two = must(one.engine().changes_since(one_before), "changes");
      const ByteVector to_one = must(two.engine().changes_since(two_before), "changes");
      must(two.engine().apply_file(to_two), "apply");
      must(one.engine().apply_file(to_one), "apply");
      return;
    }
    // Plain SQLite cannot merge: it reads and writes the same rows.
    one.run("BEGIN");
    for (std::size_t i = 0; i < part; ++i) {
      one.update("a", rows[count - part + i].id, more[i].b);
    }
    one.run("COMMIT");
    two.run("BEGIN");
    for (std::size_t i = 0; i < count - part; ++i) {
      two.update("a", rows[i].id, more[i].a);
    }
    two.run("COMMIT");
  });
  if (tracked && one.content() != two.content()) {
    std::fprintf(stderr, "bench: the merged copies differ\n");
    std::exit(1);
  }
}

// The promised limits (docs/bench.md).
const std::map<std::string, double>& limits() {
  static const std::map<std::string, double> all{
      {"W1 insert, 1000 a transaction", 1.25},
      {"W2 insert, one a transaction", 1.45},
      {"W2u update, one a transaction", 1.55},
      {"W3 update a column of all rows", 1.60},
      {"W4 delete half", 1.30},
      {"W5 extract everything", 1.60},
      {"W6 apply everything", 1.60},
      {"W7 two replicas edit 55% and merge", 1.70},
      {"W8a bytes after W1", 1.15},
      {"W8b bytes after W3", 1.25},
      {"W9 point and range reads", 1.05},
  };
  return all;
}

void report(const Table& table, double wire_bytes, const std::string& json_path) {
  std::printf("%-38s %12s %12s %8s %8s\n", "", "plain", "syncline", "ratio", "limit");
  std::string json = "{\"wire_bytes_per_row\":" + std::to_string(wire_bytes) + ",\"workloads\":{";
  bool first = true;
  for (const std::string& name : table.names()) {
    const bool is_size = name.find("bytes") != std::string::npos;
    const double scale = is_size ? 1e-6 : 1e3;
    const auto limit = limits().find(name);
    std::printf("%-38s %9.1f %s %9.1f %s %8.2f %8s\n", name.c_str(),
                table.median(name, false) * scale, is_size ? "MB" : "ms",
                table.median(name, true) * scale, is_size ? "MB" : "ms", table.ratio(name),
                limit == limits().end() ? "-" : std::to_string(limit->second).substr(0, 4).c_str());
    json += (first ? "\"" : ",\"") + name +
            "\":{\"plain\":" + std::to_string(table.median(name, false)) +
            ",\"syncline\":" + std::to_string(table.median(name, true)) +
            ",\"ratio\":" + std::to_string(table.ratio(name)) + "}";
    first = false;
  }
  std::printf("%-38s %12s %9.1f %15s %8s\n", "bytes a row on the wire", "", wire_bytes, "", "125");
  if (!json_path.empty()) {
    std::FILE* out = std::fopen(json_path.c_str(), "w");
    if (out == nullptr) {
      std::fprintf(stderr, "bench: cannot write %s\n", json_path.c_str());
      std::exit(1);
    }
    std::fputs((json + "}}\n").c_str(), out);
    std::fclose(out);
  }
}

int usage() {
  std::fprintf(stderr,
               "usage: bench_capture [--rows N] [--rounds N] [--folder DIR] [--json FILE]\n"
               "Prints what tracking costs beside plain SQLite: CPU time, medians, ratios.\n"
               "example: bench_capture --rows 100000 --rounds 5 --json capture.json\n");
  return 2;
}

}  // namespace

int main(int count, char** values) {
  Settings settings;
  std::string json_path;
  for (int i = 1; i < count; i += 2) {
    const std::string flag = values[i];
    if (i + 1 == count) {
      return usage();
    }
    const std::string value = values[i + 1];
    if (flag == "--rows") {
      settings.rows = std::max<std::size_t>(1000, std::strtoull(value.c_str(), nullptr, 10));
    } else if (flag == "--rounds") {
      settings.rounds = std::max(1, std::atoi(value.c_str()));
    } else if (flag == "--folder") {
      settings.folder = value;
    } else if (flag == "--json") {
      json_path = value;
    } else {
      return usage();
    }
  }
  settings.singles = settings.rows / 10;
  const std::vector<Row> rows = make_rows(settings.rows, 7);
  const std::vector<Row> more = make_rows(settings.rows, 8);
  Table table;
  double wire_bytes = 0;
  for (int round = 0; round < settings.rounds; ++round) {
    std::fprintf(stderr, "round %d of %d\n", round + 1, settings.rounds);
    for (const bool tracked : {false, true}) {
      writes(table, settings, tracked, rows, more);
    }
    exchange(table, settings, rows, more, wire_bytes);
    for (const bool tracked : {false, true}) {
      merge(table, settings, tracked, rows, more);
    }
  }
  report(table, wire_bytes, json_path);
  return 0;
}
