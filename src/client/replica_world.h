#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/change_file.h"
#include "client/engine.h"
#include "model/merge.h"
#include "sqlite/database.h"
#include "wire/change_codec.h"

namespace syncline {

// What tests of whole replicas share: a replica with clock and randomness of its own, and ways to
// look at everything it holds as text that can be compared.

class WorldClock final : public WallClock {
 public:
  explicit WorldClock(std::int64_t ms) : ms_(ms) {}
  std::int64_t now_ms() override { return ms_; }
  void advance(std::int64_t ms) { ms_ += ms; }

 private:
  std::int64_t ms_;
};

inline std::string exact_text(const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      return "null";
    case ValueType::integer:
      return std::to_string(value.integer);
    case ValueType::real: {
      Writer bits;
      bits.f64(value.real);
      return "real:" + to_hex(bits.bytes());
    }
    case ValueType::text:
      return "text:" + (value.data.size() > 40 ? std::to_string(value.data.size()) + "#" : "") +
             to_hex(value.data.subspan(0, std::min<std::size_t>(value.data.size(), 40)));
    case ValueType::blob:
      return "blob:" + (value.data.size() > 40 ? std::to_string(value.data.size()) + "#" : "") +
             to_hex(value.data.subspan(0, std::min<std::size_t>(value.data.size(), 40)));
  }
  return "?";
}

// The rows of a query, one text each; an error is a row that says so.
inline std::vector<std::string> rows_of(Connection connection, std::string_view sql) {
  std::vector<std::string> out;
  auto statement = connection.prepare(sql);
  if (!statement) {
    return {"error: " + statement.error().message()};
  }
  for (;;) {
    const auto row = statement->step();
    if (!row) {
      out.push_back("error: " + row.error().message());
      return out;
    }
    if (!*row) {
      return out;
    }
    std::string text;
    for (int i = 0; i < statement->column_count(); ++i) {
      text += (i == 0 ? "" : "|") + exact_text(statement->column(i));
    }
    out.push_back(std::move(text));
  }
}

inline std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += (out.empty() ? "" : "; ") + text;
  }
  return out;
}

inline std::string text_of(const RowEdit& edit) {
  static constexpr const char* kinds[] = {"?", "put", "set", "erase"};
  std::string out = std::string(kinds[static_cast<unsigned>(edit.kind)]) + " " + edit.table + "[";
  const auto key = key_values(edit.key.view());
  for (std::size_t i = 0; key && i < key->size(); ++i) {
    out += (i == 0 ? "" : ",") + exact_text((*key)[i].view());
  }
  out += "]";
  for (const CellEdit& cell : edit.cells) {
    out += " " + cell.column + "=" + exact_text(cell.value.view());
  }
  return out;
}

// A file of changes taken apart: whole changes, and apart from them the rows that travel as states.
struct DecodedFile {
  std::vector<Change> changes;
  std::vector<std::string> faults;
  std::size_t states = 0;
};

inline DecodedFile decode_file(Bytes file) {
  DecodedFile out;
  std::vector<ByteVector> parts;
  const auto read = read_change_file(file, [&](Bytes part) -> Result<void> {
    Reader in(part);
    SL_TRY(const PartHeader header, read_part_header(in));
    RowReader rows(in.rest(), header.stamp.replica);
    std::string told;
    bool has_state = header.sequence == ChangeSequence(0);
    for (;;) {
      SL_TRY(const bool table, rows.next_table());
      if (!table) {
        break;
      }
      for (;;) {
        SL_TRY(const bool row, rows.next_row());
        if (!row) {
          break;
        }
        has_state = has_state || rows.kind() == RowKind::state;
        if (rows.kind() != RowKind::state) {
          told += "; " + text_of(read_edit(rows));
        }
      }
    }
    if (has_state) {
      ++out.states;
      return {};
    }
    parts.push_back(to_vector(part));
    if (header.last) {
      const std::vector<Bytes> views(parts.begin(), parts.end());
      auto change = decode_parts(views);
      parts.clear();
      if (!change) {
        out.faults.push_back(change.error().message() + told);
      } else {
        out.changes.push_back(std::move(*change));
      }
    }
    return {};
  });
  if (!read) {
    out.faults.push_back(read.error().message());
  }
  return out;
}

inline std::vector<std::string> texts_of(const Change& change) {
  std::vector<std::string> out;
  for (const RowEdit& edit : change.edits) {
    out.push_back(text_of(edit));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Owns a database, and the engine on it. Failures of what must not fail stop the test.
class WorldReplica {
 public:
  explicit WorldReplica(std::uint64_t seed,
                        const std::string& path = ":memory:", OpenOptions options = {})
      : clock_(1'700'000'000'000 + static_cast<std::int64_t>(seed)), random_(seed * 77 + 1) {
    options.synchronous_full = false;
    auto opened = Database::open(path, options);
    SL_CHECK(opened.has_value());
    database_.emplace(std::move(*opened));
    auto attached = Engine::attach({database_->connection(), &clock_, &random_, true});
    SL_CHECK(attached.has_value());
    engine_ = std::move(*attached);
  }
  ~WorldReplica() {
    engine_->release();
    database_.reset();
  }
  WorldReplica(const WorldReplica&) = delete;
  WorldReplica& operator=(const WorldReplica&) = delete;

  Engine& engine() { return *engine_; }
  WorldClock& clock() { return clock_; }
  Connection connection() const { return database_->connection(); }

  // Empty when it worked, the error's text when not.
  std::string run(std::string_view sql) {
    const auto done = connection().execute(sql);
    return done ? "" : done.error().message();
  }
  std::vector<std::string> rows(std::string_view sql) const { return rows_of(connection(), sql); }
  std::string track(const std::string& table, const TrackOptions& options = {}) {
    const auto done = engine_->track(table, options);
    return done ? "" : done.error().message();
  }
  ByteVector changes(std::uint64_t since = 0) {
    auto file = engine_->changes_since(LocalVersion(since));
    if (!file) {
      last_error_ = file.error().message();
      return {};
    }
    return std::move(*file);
  }
  std::string apply(Bytes file) {
    const auto report = engine_->apply_file(file);
    return report ? "" : report.error().message();
  }
  std::uint64_t version() {
    const auto version = engine_->version();
    SL_CHECK(version.has_value());
    return version->get();
  }
  const std::string& last_error() const { return last_error_; }

  // What the newest change of the log says, edit by edit; sorted.
  std::string last_change() {
    const std::uint64_t now = version();
    if (now == 0) {
      return "";
    }
    const ByteVector file = changes(now - 1);
    if (file.empty()) {
      return "error: " + last_error_;
    }
    const DecodedFile decoded = decode_file(file);
    if (!decoded.faults.empty()) {
      return "error: " + decoded.faults[0];
    }
    return decoded.changes.empty() ? "" : joined(texts_of(decoded.changes.back()));
  }
  // What all of the log says: changes apart by " / ".
  std::string all_changes() {
    const ByteVector file = changes(0);
    if (file.empty()) {
      return "error: " + last_error_;
    }
    const DecodedFile decoded = decode_file(file);
    if (!decoded.faults.empty()) {
      return "error: " + decoded.faults[0];
    }
    std::string out;
    for (const Change& change : decoded.changes) {
      out += (out.empty() ? "" : " / ") + joined(texts_of(change));
    }
    return out;
  }

  // One log row as it is stored, for people.
  std::string log_runs(std::uint64_t version) {
    static constexpr const char* kinds[] = {"?",    "put",     "set",   "erase", "over",
                                            "rich", "install", "leave", "bury"};
    std::string out;
    const auto read = engine_->log().for_each(
        LocalVersion(version - 1), LocalVersion(version),
        [&](const LogRow&, std::span<const Bytes> parts, Bytes) -> Result<bool> {
          for (const Bytes part : parts) {
            LogBodyReader body(part);
            LogRun run;
            for (;;) {
              SL_TRY(const bool more, body.next(run));
              if (!more) {
                break;
              }
              out += std::to_string(body.table()) + " " + kinds[static_cast<unsigned>(run.kind)] +
                     " " + std::to_string(run.first) + "+" + std::to_string(run.count) + " from " +
                     std::to_string(run.old_rowid) + " key " + to_hex(run.key) + " old " +
                     to_hex(run.old_values) + "\n";
            }
          }
          return true;
        });
    return read ? out : read.error().message();
  }

  // Every row of a tracked table with every stamp that the clocks know of it.
  std::vector<std::string> stamped_rows(const std::string& table) {
    std::vector<std::string> out;
    const auto found = engine_->catalog().find(table);
    if (!found || *found == nullptr) {
      return {"error: not tracked"};
    }
    const TrackedTable& tracked = **found;
    if (!engine_->clocks().catch_up()) {
      return {"error: clocks"};
    }
    std::string keys;
    for (const std::string& column : tracked.key) {
      keys += "," + quote_identifier(column);
    }
    std::string columns;
    for (const TrackedColumn& column : tracked.columns) {
      columns += "," + quote_identifier(column.name);
    }
    auto read = connection().prepare(
        "SELECT " + (tracked.without_rowid ? std::string("0") : tracked.rowid_name) + keys +
        columns + " FROM " + quote_identifier(table));
    if (!read) {
      return {"error: " + read.error().message()};
    }
    while (read->step().value()) {
      Writer key;
      std::string text;
      const int key_count = static_cast<int>(tracked.key.size());
      for (int i = 1; i <= key_count; ++i) {
        write_value(key, read->column(i));
        text += exact_text(read->column(i)) + ",";
      }
      RowId row = read->column_int(0);
      if (tracked.without_rowid) {
        auto number = connection().prepare("SELECT rid FROM syncline_keys_" +
                                           std::to_string(tracked.id) + " WHERE key = ?1");
        number->bind_blob(1, key.bytes());
        row = number->step().value() ? number->column_int(0) : -1;
      }
      const auto clock = engine_->clocks().find(tracked.id, row);
      if (!clock || *clock == nullptr) {
        out.push_back(text + " without a clock");
        continue;
      }
      text += " life " + stamp_text((*clock)->life);
      for (std::size_t i = 0; i < tracked.columns.size(); ++i) {
        text += " " + tracked.columns[i].name + "=" +
                exact_text(read->column(key_count + 1 + static_cast<int>(i))) + "@" +
                stamp_text((*clock)->of(tracked.columns[i].id));
      }
      out.push_back(std::move(text));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::string stamp_text(const ClockTime& time) {
    const auto stamp = engine_->origins().stamp_of(time);
    return stamp ? std::to_string(stamp->time) + "/" + stamp->replica.hex().substr(0, 6) : "?";
  }

  WorldClock clock_;
  SeededRandom random_;
  std::unique_ptr<Engine> engine_;
  std::optional<Database> database_;
  std::string last_error_;
};

}  // namespace syncline
