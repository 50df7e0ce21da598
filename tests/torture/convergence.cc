// Replicas that write random SQL and exchange files of changes: late, twice, out of order and in
// part. Once everybody has heard everything all must hold the same rows with the same stamps, and
// these must be what the merge of all changes says.

#include <cstdio>
#include <set>

#include "client/documents.h"
#include "client/replica_world.h"
#include "model/cell_content.h"
#include "tests/torture/arguments.h"
#include "tests/torture/random_sql.h"

namespace syncline::torture {
namespace {

// Foreign keys have their parent's type: SQLite itself leaves children behind that are equal only
// after a conversion.
struct Shape {
  const char* name;
  const char* create;
  MergeRule rule;
  std::vector<const char*> key;
  std::vector<const char*> columns;
  bool refuses;
  // Of columns a and b.
  std::vector<MergeRule> rules = {};
};
const std::vector<Shape>& plain_shapes() {
  static const std::vector<Shape> all = {
      {"ints",
       "CREATE TABLE ints(id INTEGER PRIMARY KEY, a, b INT DEFAULT 7)",
       MergeRule::lww,
       {"id"},
       {"a", "b"},
       false},
      {"texts",
       "CREATE TABLE texts(id TEXT PRIMARY KEY NOT NULL, a TEXT COLLATE NOCASE, b)",
       MergeRule::lww,
       {"id"},
       {"a", "b"},
       false},
      {"pairs",
       "CREATE TABLE pairs(a, x TEXT NOT NULL, b NUMERIC, y INT NOT NULL, PRIMARY KEY(y, x))",
       MergeRule::manual,
       {"x", "y"},
       {"a", "b"},
       false},
      {"bare",
       "CREATE TABLE bare(k TEXT PRIMARY KEY, a, b) WITHOUT ROWID",
       MergeRule::lww,
       {"k"},
       {"a", "b"},
       false},
      {"whole",
       "CREATE TABLE whole(k PRIMARY KEY NOT NULL, a, b)",
       MergeRule::row,
       {"k"},
       {"a", "b"},
       false},
      {"unique_one",
       "CREATE TABLE unique_one(k INTEGER PRIMARY KEY, a UNIQUE, b)",
       MergeRule::lww,
       {"k"},
       {"a", "b"},
       true},
      {"strict_one",
       "CREATE TABLE strict_one(k TEXT PRIMARY KEY NOT NULL, a INT NOT NULL DEFAULT 1 CHECK(a <> "
       "3), b INT REFERENCES ints(id) ON DELETE SET NULL)",
       MergeRule::lww,
       {"k"},
       {"a", "b"},
       true},
      {"kin",
       "CREATE TABLE kin(k INTEGER PRIMARY KEY, a INT REFERENCES kin(k) ON DELETE RESTRICT, b INT "
       "REFERENCES unique_one(k) "
       "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)",
       MergeRule::lww,
       {"k"},
       {"a", "b"},
       true},
      {"links",
       "CREATE TABLE links(x TEXT, y INT, a TEXT REFERENCES strict_one(k) ON DELETE CASCADE, b "
       "INT REFERENCES kin(k) ON UPDATE CASCADE ON DELETE SET NULL, PRIMARY KEY(x, y)) WITHOUT "
       "ROWID",
       MergeRule::lww,
       {"x", "y"},
       {"a", "b"},
       true},
  };
  return all;
}

const std::vector<Shape>& document_shapes() {
  static const std::vector<Shape> all = {
      {"written",
       "CREATE TABLE written(id INTEGER PRIMARY KEY, a TEXT, b BLOB)",
       MergeRule::lww,
       {"id"},
       {"a", "b"},
       false,
       {MergeRule::text, MergeRule::doc}},
      {"letters",
       "CREATE TABLE letters(x TEXT, y INT, a TEXT DEFAULT 'dear', b DEFAULT 1, PRIMARY KEY(x, "
       "y)) WITHOUT ROWID",
       MergeRule::lww,
       {"x", "y"},
       {"a", "b"},
       false,
       {MergeRule::text, MergeRule::lww}},
      {"titles",
       "CREATE TABLE titles(k INTEGER PRIMARY KEY, a TEXT UNIQUE, b TEXT NOT NULL DEFAULT 'x' "
       "CHECK(length(b) < 9))",
       MergeRule::lww,
       {"k"},
       {"a", "b"},
       true,
       {MergeRule::text, MergeRule::text}},
  };
  return all;
}

const std::vector<Shape>& world_shapes() {
  static const std::vector<Shape> all = [] {
    std::vector<Shape> out = plain_shapes();
    out.insert(out.end(), document_shapes().begin(), document_shapes().end());
    return out;
  }();
  return all;
}

class World {
 public:
  World(std::uint64_t seed, Random& random, bool with_refusals)
      : random_(random), with_refusals_(with_refusals) {
    const std::uint64_t count = 2 + random.below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      replicas_.push_back(std::make_unique<WorldReplica>(seed * 16 + i));
      WorldReplica& replica = *replicas_.back();
      if (with_refusals) {
        SL_CHECK(replica.run("PRAGMA foreign_keys = ON").empty());
      }
      for (const Shape& shape : world_shapes()) {
        if (!with_refusals && shape.refuses) {
          continue;
        }
        SL_CHECK(replica.run(shape.create).empty());
        TrackOptions options;
        options.rule = shape.rule;
        for (std::size_t column = 0; column < shape.rules.size(); ++column) {
          options.column_rules[shape.columns[column]] = shape.rules[column];
        }
        const std::string error = replica.track(shape.name, options);
        if (!error.empty()) {
          std::printf("%s\n", error.c_str());
          SL_CHECK(false);
        }
      }
    }
    sent_.resize(replicas_.size());
  }

  bool storm(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      const std::size_t who = static_cast<std::size_t>(random_.below(replicas_.size()));
      replicas_[who]->clock().advance(static_cast<std::int64_t>(random_.below(20)));
      if (random_.chance(3, 4)) {
        if (!write(who)) {
          return false;
        }
      } else if (!exchange(who, false)) {
        return false;
      }
    }
    return true;
  }

  bool settle() {
    // Every own change as it was made, straight from the log.
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (!told_exactly(i)) {
        return false;
      }
    }
    for (std::size_t round = 0; round <= replicas_.size(); ++round) {
      for (std::size_t i = 0; i < replicas_.size(); ++i) {
        if (!exchange(i, true)) {
          return false;
        }
      }
    }
    return same_everywhere() && (with_refusals_ || as_the_merge_says()) && sound();
  }

 private:
  bool fail(const std::string& what) {
    std::printf("%s\n", what.c_str());
    for (const std::string& line : history_) {
      std::printf("  %s\n", line.c_str());
    }
    return false;
  }

  const Shape& shape() {
    for (;;) {
      const auto& all = world_shapes();
      const Shape& found = all[static_cast<std::size_t>(random_.below(all.size()))];
      if (with_refusals_ || !found.refuses) {
        return found;
      }
    }
  }
  std::string key() {
    static const std::vector<const char*> keys = {"1", "2", "3", "4"};
    return keys[static_cast<std::size_t>(random_.below(keys.size()))];
  }
  std::string value() {
    static const std::vector<const char*> values = {"NULL", "1",    "1.0", "'a'", "'A'", "x'00'",
                                                    "''",   "-0.0", "2",   "4",   "5",   "6.5"};
    return values[static_cast<std::size_t>(random_.below(values.size()))];
  }
  std::string statement() {
    const Shape& table = shape();
    const std::string name = table.name;
    std::string names;
    std::string tuple;
    for (const char* column : table.key) {
      names += (names.empty() ? "" : ",") + std::string(column);
      tuple += (tuple.empty() ? "" : ",") + key();
    }
    const std::string first = table.key[0];
    const std::string column = table.columns[static_cast<std::size_t>(random_.below(2))];
    switch (random_.below(9)) {
      case 0:
      case 1:
        return "INSERT OR IGNORE INTO " + name + "(" + names + ",a,b) VALUES(" + tuple + "," +
               value() + "," + value() + ")";
      case 2:
        return "INSERT OR REPLACE INTO " + name + "(" + names + ",a,b) VALUES(" + tuple + "," +
               value() + "," + value() + ")";
      case 3:
      case 4:
        return "UPDATE OR IGNORE " + name + " SET " + column + " = " + value() + " WHERE " + first +
               " = " + key();
      case 5:
        return "UPDATE OR REPLACE " + name + " SET a = " + value() + ", b = " + value() +
               " WHERE " + first + " = " + key();
      case 6:
        return "UPDATE OR REPLACE " + name + " SET " + first + " = " + key() + " WHERE " + first +
               " = " + key();
      case 7:
        return "INSERT INTO " + name + "(" + names + ",a) VALUES(" + tuple + "," + value() +
               ") ON CONFLICT(" + names + ") DO UPDATE SET b = " + value();
      default:
        return "DELETE FROM " + name + " WHERE " + first + " = " + key();
    }
  }

  // An update that a page's own document emitted, by a client of its own.
  ByteVector random_update() {
    ydoc::DocOptions options;
    options.client_id = 1 + random_.below(1U << 31U);
    ydoc::Doc page(options);
    DocRecorder recorder(page);
    SL_CHECK(page.text(text_root).insert(0, key()).has_value());
    SL_CHECK(page.map("map").set(key(), ydoc::Any::string(key())).has_value());
    const auto update = recorder.finish();
    SL_CHECK(update.has_value());
    return *update;
  }

  // Edits a document where there is one; how that is called.
  std::string edit_document(WorldReplica& replica) {
    const Shape& table = shape();
    const std::size_t column = static_cast<std::size_t>(random_.below(2));
    if (table.rules.size() <= column || !is_document(table.rules[column])) {
      return "nothing";
    }
    Documents::Place place{table.name, {}, table.columns[column]};
    std::string text;
    for (const char* name : table.key) {
      const std::string part = key();
      place.key.push_back(name[0] == 'x' ? Value::text(part) : Value::integer(std::stoll(part)));
      text += " " + part;
    }
    const std::uint64_t index = random_.below(3);
    const std::uint64_t act = table.rules[column] == MergeRule::doc ? 3 : random_.below(4);
    const ByteVector update = random_update();
    const auto done = replica.engine().with_documents([&](Documents& documents) -> Result<void> {
      switch (act) {
        case 0:
          return documents.insert_text(place, index, key());
        case 1:
          return documents.delete_text(place, index, 1 + index);
        case 2:
          return documents.format_text(place, index, 1, R"({"bold":true})");
        default:
          return documents.apply(place, update);
      }
    });
    return "edit " + std::to_string(act) + " of " + place.table + text + "." + place.column +
           " at " + std::to_string(index) + (done ? "" : " (refused)");
  }

  std::string act(WorldReplica& replica) {
    if (random_.chance(1, 4)) {
      return edit_document(replica);
    }
    std::string sql = statement();
    (void)replica.run(sql);
    return sql;
  }

  bool write(std::size_t who) {
    WorldReplica& replica = *replicas_[who];
    const std::uint64_t before = replica.version();
    std::string line = std::to_string(who) + ":";
    if (random_.chance(1, 3)) {
      const std::uint64_t count = 2 + random_.below(5);
      (void)replica.run("BEGIN");
      for (std::uint64_t i = 0; i < count && !replica.connection().autocommit(); ++i) {
        line += " " + act(replica) + ";";
      }
      if (!replica.connection().autocommit()) {
        if (random_.chance(1, 8)) {
          line += " ROLLBACK";
          (void)replica.run("ROLLBACK");
        } else {
          const std::string error = replica.run("COMMIT");
          if (!error.empty()) {
            line += " " + error;
            (void)replica.run("ROLLBACK");
          }
        }
      }
    } else {
      line += " " + act(replica);
    }
    history_.push_back(line);
    const std::uint64_t now = replica.version();
    if (now == before) {
      return true;
    }
    // What was written now, told before anything else can be written over it.
    const DecodedFile file = decode_file(replica.changes(before));
    if (!file.faults.empty() || file.changes.size() != 1) {
      return fail("a fresh change is not told: " + replica.last_error() +
                  (file.faults.empty() ? "" : file.faults[0]));
    }
    sent_[who][file.changes[0].sequence.get()] = file.changes[0];
    return true;
  }

  bool told_exactly(std::size_t who) {
    WorldReplica& replica = *replicas_[who];
    const ByteVector bytes = replica.changes(0);
    if (bytes.empty()) {
      return fail("replica " + std::to_string(who) + " cannot tell: " + replica.last_error());
    }
    const DecodedFile file = decode_file(bytes);
    std::set<std::uint64_t> told;
    const ReplicaId own = *replica.engine().replica();
    for (const Change& change : file.changes) {
      if (change.stamp.replica != own) {
        continue;
      }
      told.insert(change.sequence.get());
      const Change& fresh = sent_[who][change.sequence.get()];
      if (texts_of(change) != texts_of(fresh)) {
        return fail("change " + std::to_string(change.sequence.get()) + " of replica " +
                    std::to_string(who) + " was told as\n    " + joined(texts_of(fresh)) +
                    "\n  and is now told as\n    " + joined(texts_of(change)));
      }
    }
    if (!file.faults.empty()) {
      return fail("replica " + std::to_string(who) + ": " + file.faults[0]);
    }
    if (told.size() != sent_[who].size()) {
      return fail("replica " + std::to_string(who) + " does not tell all of its changes");
    }
    return true;
  }

  bool exchange(std::size_t from, bool all) {
    WorldReplica& source = *replicas_[from];
    const std::uint64_t version = source.version();
    const std::uint64_t since =
        all || version == 0 || random_.chance(1, 2) ? 0 : random_.below(version + 1);
    const ByteVector file = source.changes(since);
    if (file.empty()) {
      return fail("replica " + std::to_string(from) + " cannot tell: " + source.last_error());
    }
    files_.push_back(file);
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (i == from || (!all && random_.chance(1, 2))) {
        continue;
      }
      const ByteVector& given =
          all || random_.chance(2, 3)
              ? file
              : files_[static_cast<std::size_t>(random_.below(files_.size()))];
      history_.push_back(std::to_string(i) + " hears " + std::to_string(from) + " since " +
                         std::to_string(since) + (&given == &file ? "" : " (an old file)"));
      const std::uint64_t before = replicas_[i]->version();
      const std::string error = replicas_[i]->apply(given);
      if (!error.empty()) {
        return fail("replica " + std::to_string(i) + " cannot apply: " + error);
      }
      // Applying writes changes of its own: conflicts are data.
      for (const Change& change : decode_file(replicas_[i]->changes(before)).changes) {
        if (change.stamp.replica == *replicas_[i]->engine().replica()) {
          sent_[i][change.sequence.get()] = change;
        }
      }
    }
    return true;
  }

  bool same_everywhere() {
    for (const Shape& table : world_shapes()) {
      if (!with_refusals_ && table.refuses) {
        continue;
      }
      const auto expected = replicas_[0]->stamped_rows(table.name);
      for (std::size_t i = 1; i < replicas_.size(); ++i) {
        const auto found = replicas_[i]->stamped_rows(table.name);
        if (found == expected) {
          continue;
        }
        std::string text = std::string("table ") + table.name + " differs:\n";
        for (const std::string& row : expected) {
          text += "    0: " + row + "\n";
        }
        for (const std::string& row : found) {
          text += "    " + std::to_string(i) + ": " + row + "\n";
        }
        for (std::size_t r = 0; r < replicas_.size(); ++r) {
          for (const std::string& row : replicas_[r]->rows(
                   "SELECT tbl, hex(key), reason, message FROM syncline_held_rows")) {
            text += "    held at " + std::to_string(r) + ": " + row + "\n";
          }
        }
        return fail(text);
      }
    }
    return true;
  }

  bool as_the_merge_says() {
    std::map<std::pair<std::string, RowKey>, RowState> rows;
    for (const auto& of_one : sent_) {
      for (const auto& [sequence, change] : of_one) {
        for (const RowEdit& edit : change.edits) {
          merge_edit(rows[{edit.table, edit.key}], edit, change.stamp);
        }
      }
    }
    for (const Shape& table : world_shapes()) {
      if (table.refuses) {
        continue;
      }
      std::vector<std::string> expected;
      for (const auto& [name, row] : rows) {
        if (name.first == table.name && row.alive) {
          std::string text = to_hex(name.second.view()) + ":";
          for (const CellState& cell : row.cells) {
            const auto shown = cell_value(cell);
            text += " " + cell.column + "=" +
                    (shown ? exact_text(shown->view()) : shown.error().message());
          }
          expected.push_back(text);
        }
      }
      std::sort(expected.begin(), expected.end());
      for (std::size_t i = 0; i < replicas_.size(); ++i) {
        std::vector<std::string> found = plain_rows(*replicas_[i], table);
        if (found != expected) {
          return fail(std::string("table ") + table.name + " of replica " + std::to_string(i) +
                      "\n    holds " + joined(found) + "\n    merge " + joined(expected));
        }
      }
    }
    return true;
  }

  static std::vector<std::string> plain_rows(WorldReplica& replica, const Shape& table) {
    const auto tracked = replica.engine().catalog().find(table.name);
    SL_CHECK(tracked.has_value() && *tracked != nullptr);
    std::string names;
    for (const std::string& column : (*tracked)->key) {
      names += (names.empty() ? "" : ",") + column;
    }
    auto read = replica.connection().prepare("SELECT " + names + ",a,b FROM " + table.name);
    SL_CHECK(read.has_value());
    std::vector<std::string> out;
    const int keys = static_cast<int>((*tracked)->key.size());
    while (read->step().value()) {
      Writer key;
      for (int i = 0; i < keys; ++i) {
        write_value(key, read->column(i));
      }
      out.push_back(to_hex(key.bytes()) + ": a=" + exact_text(read->column(keys)) +
                    " b=" + exact_text(read->column(keys + 1)));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  bool sound() {
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (replicas_[i]->rows("PRAGMA integrity_check") != std::vector<std::string>{"text:6f6b"} ||
          !replicas_[i]->rows("PRAGMA foreign_key_check").empty()) {
        return fail("replica " + std::to_string(i) +
                    " is damaged: " + joined(replicas_[i]->rows("PRAGMA integrity_check")) + ", " +
                    joined(replicas_[i]->rows("PRAGMA foreign_key_check")));
      }
    }
    return true;
  }

  Random& random_;
  bool with_refusals_;
  std::vector<std::unique_ptr<WorldReplica>> replicas_;
  // By replica and sequence, as each was told right after its commit.
  std::vector<std::map<std::uint64_t, Change>> sent_;
  std::vector<ByteVector> files_;
  std::vector<std::string> history_;
};

int run(const Arguments& arguments) {
  for (std::uint64_t round = 0; round < arguments.rounds; ++round) {
    const std::uint64_t seed = arguments.seed + round;
    SeededRandom random(seed);
    World world(seed, random, seed % 2 == 0);
    if (!world.storm(4 + random.below(60)) || !world.settle()) {
      std::printf("seed %llu fails: torture_convergence --seed %llu --rounds 1\n",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
      return 1;
    }
  }
  std::printf("seeds %llu to %llu converge\n", static_cast<unsigned long long>(arguments.seed),
              static_cast<unsigned long long>(arguments.seed + arguments.rounds - 1));
  return 0;
}

}  // namespace
}  // namespace syncline::torture

int main(int count, char** values) {
  return syncline::torture::run(syncline::torture::read_arguments(count, values, {1, 400}));
}
