// The same random SQL on a tracked and on an untracked copy: every answer, every error and every
// counter must be the same, and what the log says must be exactly what happened.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "client/replica_world.h"
#include "tests/torture/arguments.h"
#include "tests/torture/random_sql.h"

namespace syncline::torture {
namespace {

struct Side {
  std::vector<std::string> answer;
  std::int64_t rowid = 0;
  std::int64_t changes = 0;
  bool autocommit = true;
};

// What changes() tells is about the last of these.
bool is_write(const std::string& sql) {
  return sql.compare(0, 6, "INSERT") == 0 || sql.compare(0, 6, "UPDATE") == 0 ||
         sql.compare(0, 6, "DELETE") == 0;
}

Side run_on(Connection connection, const std::string& sql) {
  Side side;
  side.answer = rows_of(connection, sql);
  side.rowid = connection.last_insert_rowid();
  side.changes = connection.changes();
  side.autocommit = connection.autocommit();
  return side;
}

std::string control(Random& random, bool in_transaction) {
  if (!in_transaction) {
    return "BEGIN";
  }
  switch (random.below(8)) {
    case 0:
    case 1:
      return "COMMIT";
    case 2:
      return "ROLLBACK";
    case 3:
      return "SAVEPOINT one";
    case 4:
      return "SAVEPOINT two";
    case 5:
      return "ROLLBACK TO one";
    case 6:
      return "RELEASE two";
    default:
      return "RELEASE one";
  }
}

class Pair {
 public:
  Pair(std::uint64_t seed, Random& random)
      : random_(random), plain_(std::move(*Database::open_memory())), tracked_(seed) {
    for (const Connection connection : {plain_.connection(), tracked_.connection()}) {
      SL_CHECK(connection.execute("PRAGMA foreign_keys = ON").has_value());
    }
    if (random.chance(1, 3)) {
      both("PRAGMA recursive_triggers = ON");
    }
    const bool late = random.chance(1, 2);
    create_tables(plain_.connection());
    create_tables(tracked_.connection());
    if (late) {
      track();
    }
    if (random.chance(1, 2)) {
      // The application's triggers may be older or newer than ours: they run in another order.
      both(
          "CREATE TRIGGER folded_before BEFORE INSERT ON folded BEGIN INSERT OR IGNORE INTO "
          "audit(what, id) VALUES('f', new.k); END");
      both(
          "CREATE TRIGGER pairs_before BEFORE INSERT ON pairs WHEN new.a = 3 BEGIN INSERT OR "
          "REPLACE INTO pairs VALUES(4, new.x, 4, new.y + 1); END");
    }
    if (!late) {
      track();
    }
  }

  bool both(const std::string& sql) {
    history_.push_back(sql);
    const Side expected = run_on(plain_.connection(), sql);
    const Side found = run_on(tracked_.connection(), sql);
    if (expected.answer != found.answer || expected.autocommit != found.autocommit ||
        expected.rowid != found.rowid || (is_write(sql) && expected.changes != found.changes)) {
      report("the answers differ", sql);
      for (const std::string& row : expected.answer) {
        std::printf("  expected %s\n", row.c_str());
      }
      for (const std::string& row : found.answer) {
        std::printf("  found    %s\n", row.c_str());
      }
      std::printf("  rowid %lld %lld, changes %lld %lld, autocommit %d %d\n",
                  static_cast<long long>(expected.rowid), static_cast<long long>(found.rowid),
                  static_cast<long long>(expected.changes), static_cast<long long>(found.changes),
                  expected.autocommit ? 1 : 0, found.autocommit ? 1 : 0);
      return false;
    }
    return true;
  }

  bool step() {
    const bool open = !plain_.connection().autocommit();
    const std::string sql =
        random_.chance(1, open ? 4 : 3) ? control(random_, open) : maker_.statement();
    if (refused_by_tracking(sql)) {
      return true;
    }
    if (!both(sql)) {
      return false;
    }
    if (plain_.connection().autocommit()) {
      return log_tells_the_truth(sql);
    }
    return true;
  }

  bool finish() {
    if (!plain_.connection().autocommit() && !both("COMMIT")) {
      return false;
    }
    if (!log_tells_the_truth("at the end")) {
      return false;
    }
    for (const TableShape& shape : shapes()) {
      if (!both("SELECT * FROM " + std::string(shape.name) + " ORDER BY 1, 2")) {
        return false;
      }
      for (const std::string& row : tracked_.stamped_rows(shape.name)) {
        if (row.find("without a clock") != std::string::npos) {
          report("a row has no clock: " + row, shape.name);
          return false;
        }
      }
    }
    const auto check = tracked_.rows("PRAGMA integrity_check");
    return check == std::vector<std::string>{"text:6f6b"};
  }

  std::uint64_t statements() const { return history_.size(); }

 private:
  void track() {
    for (const TableShape& shape : shapes()) {
      const std::string error = tracked_.track(shape.name);
      if (!error.empty()) {
        std::printf("cannot track %s: %s\n", shape.name, error.c_str());
        std::exit(1);
      }
    }
    known_ = tracked_.version();
    // Tracking writes tables of ours.
    tracked_.connection().set_last_insert_rowid(plain_.connection().last_insert_rowid());
  }

  // A key that is NULL is refused in a tracked table, and only there: that one difference is
  // promised. The statement is tried where it leaves no trace.
  bool refused_by_tracking(const std::string& sql) {
    Connection connection = tracked_.connection();
    if (sql.find("NULL") == std::string::npos && sql.find("+ 1") == std::string::npos &&
        sql.find("texts") == std::string::npos) {
      return false;
    }
    const std::int64_t rowid = connection.last_insert_rowid();
    if (!connection.execute("SAVEPOINT trial").has_value()) {
      return false;
    }
    const auto tried = rows_of(connection, sql);
    if (connection.autocommit()) {
      // OR ROLLBACK took everything back.
      (void)plain_.connection().execute("ROLLBACK");
      connection.set_last_insert_rowid(rowid);
      return true;
    }
    (void)connection.execute("ROLLBACK TO trial");
    (void)connection.execute("RELEASE trial");
    connection.set_last_insert_rowid(rowid);
    return !tried.empty() && tried.back().find("a synced row needs a key") != std::string::npos;
  }

  // Replays what the log says since the last commit on an image of the rows.
  bool log_tells_the_truth(const std::string& sql) {
    const std::uint64_t now = tracked_.version();
    if (now == known_ && now != 0) {
      return images_equal(sql);
    }
    const ByteVector file = tracked_.changes(known_);
    if (file.empty()) {
      report("the log cannot be told: " + tracked_.last_error(), sql);
      return false;
    }
    const DecodedFile decoded = decode_file(file);
    for (const std::string& fault : decoded.faults) {
      report("a change is malformed: " + fault, sql);
      return false;
    }
    if (decoded.changes.size() != now - known_) {
      report("not one change for each version", sql);
      return false;
    }
    known_ = now;
    for (const Change& change : decoded.changes) {
      told_.push_back(texts_of(change));
      for (const RowEdit& edit : change.edits) {
        merge_edit(image_[{edit.table, edit.key}], edit, change.stamp);
      }
    }
    return images_equal(sql);
  }

  bool images_equal(const std::string& sql) {
    std::map<std::pair<std::string, RowKey>, std::string> expected;
    for (const auto& [name, row] : image_) {
      if (!row.alive) {
        continue;
      }
      std::string text;
      for (const CellState& cell : row.cells) {
        text += " " + cell.column + "=" + exact_text(cell.value.view());
      }
      expected[name] = text;
    }
    std::map<std::pair<std::string, RowKey>, std::string> found;
    for (const TableShape& shape : shapes()) {
      read_table(shape, found);
    }
    if (expected == found) {
      return true;
    }
    report("the log does not say what happened", sql);
    for (const auto& [name, text] : found) {
      if (expected.count(name) == 0 || expected[name] != text) {
        std::printf("  table %s key %s stands as%s\n    told as%s\n", name.first.c_str(),
                    to_hex(name.second.view()).c_str(), text.c_str(),
                    expected.count(name) == 0 ? " nothing" : expected[name].c_str());
      }
    }
    for (const auto& [name, text] : expected) {
      if (found.count(name) == 0) {
        std::printf("  table %s key %s is gone, told as%s\n", name.first.c_str(),
                    to_hex(name.second.view()).c_str(), text.c_str());
      }
    }
    if (!told_.empty()) {
      for (const std::string& text : told_.back()) {
        std::printf("  the last change: %s\n", text.c_str());
      }
    }
    return false;
  }

  void read_table(const TableShape& shape,
                  std::map<std::pair<std::string, RowKey>, std::string>& found) {
    const auto table = tracked_.engine().catalog().find(shape.name);
    SL_CHECK(table.has_value() && *table != nullptr);
    std::string names;
    for (const std::string& column : (*table)->key) {
      names += (names.empty() ? "" : ",") + quote_identifier(column);
    }
    std::vector<std::string> columns;
    for (const TrackedColumn& column : (*table)->columns) {
      columns.push_back(column.name);
    }
    std::sort(columns.begin(), columns.end());
    for (const std::string& column : columns) {
      names += "," + quote_identifier(column);
    }
    auto read = tracked_.connection().prepare("SELECT " + names + " FROM " + shape.name);
    SL_CHECK(read.has_value());
    const std::size_t keys = (*table)->key.size();
    while (read->step().value()) {
      std::vector<ValueView> key;
      for (std::size_t i = 0; i < keys; ++i) {
        key.push_back(read->column(static_cast<int>(i)));
      }
      std::string text;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        text += " " + columns[i] + "=" + exact_text(read->column(static_cast<int>(keys + i)));
      }
      found[{shape.name, make_key(key)}] = text;
    }
  }

  void report(const std::string& what, const std::string& sql) {
    std::printf("%s after: %s\n", what.c_str(), sql.c_str());
    const std::size_t shown = std::min<std::size_t>(history_.size(), 30);
    for (std::size_t i = history_.size() - shown; i < history_.size(); ++i) {
      std::printf("  %s;\n", history_[i].c_str());
    }
  }

  Random& random_;
  Database plain_;
  WorldReplica tracked_;
  SqlMaker maker_{random_};
  std::vector<std::string> history_;
  std::uint64_t known_ = 0;
  std::map<std::pair<std::string, RowKey>, RowState> image_;
  std::vector<std::vector<std::string>> told_;
};

int run(const Arguments& arguments) {
  std::uint64_t statements = 0;
  for (std::uint64_t round = 0; round < arguments.rounds; ++round) {
    const std::uint64_t seed = arguments.seed + round;
    SeededRandom random(seed);
    Pair pair(seed, random);
    const std::uint64_t steps = 20 + random.below(200);
    bool good = true;
    for (std::uint64_t i = 0; good && i < steps; ++i) {
      good = pair.step();
    }
    good = good && pair.finish();
    statements += pair.statements();
    if (!good) {
      std::printf("seed %llu fails: torture_same_answers --seed %llu --rounds 1\n",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
      return 1;
    }
  }
  std::printf("seeds %llu to %llu: %llu statements gave the same answers\n",
              static_cast<unsigned long long>(arguments.seed),
              static_cast<unsigned long long>(arguments.seed + arguments.rounds - 1),
              static_cast<unsigned long long>(statements));
  return 0;
}

}  // namespace
}  // namespace syncline::torture

int main(int count, char** values) {
  return syncline::torture::run(syncline::torture::read_arguments(count, values, {1, 150}));
}
