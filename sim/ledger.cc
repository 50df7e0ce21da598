#include "sim/ledger.h"

namespace syncline::sim {
namespace {

constexpr const char* make_tables = R"sql(
CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, total INTEGER, essay TEXT);
CREATE TABLE IF NOT EXISTS entries(id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER);
CREATE TABLE IF NOT EXISTS counts(id TEXT PRIMARY KEY NOT NULL, n INTEGER, label TEXT);
CREATE TABLE IF NOT EXISTS papers(id TEXT PRIMARY KEY NOT NULL, body TEXT);
CREATE TABLE IF NOT EXISTS parents(id TEXT PRIMARY KEY NOT NULL, name TEXT);
CREATE TABLE IF NOT EXISTS children(id TEXT PRIMARY KEY NOT NULL,
  parent TEXT REFERENCES parents(id) ON DELETE CASCADE, note TEXT);
)sql";

constexpr std::size_t essay_length_max = 120;

std::string text(std::int64_t number) { return std::to_string(number); }
std::string name(const char* letter, std::uint64_t pick) {
  return "'" + std::string(letter) + std::to_string(pick) + "'";
}

// Chance that was drawn once, cut into pieces.
class Picks {
 public:
  explicit Picks(std::uint64_t seed) : left_(seed) {}
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t out = left_ % bound;
    left_ /= bound;
    return out;
  }

 private:
  std::uint64_t left_;
};

Result<std::int64_t> any_account(Connection connection, Picks& picks, std::int64_t fresh) {
  SL_TRY(const auto count, connection.query_int("SELECT count(*) FROM accounts"));
  const auto there = static_cast<std::uint64_t>(count.value_or(0));
  const std::uint64_t pick = picks.below(8);
  if (there == 0 || (there < 4 && pick == 0)) {
    SL_TRY(connection.execute("INSERT INTO accounts(id, total) VALUES(" + text(fresh) + ", 0)"));
    return fresh;
  }
  SL_TRY(const auto id, connection.query_int("SELECT id FROM accounts ORDER BY id LIMIT 1 OFFSET " +
                                             std::to_string(pick % there)));
  return id.value_or(0);
}

Result<void> pay(Connection connection, Picks& picks, std::int64_t number) {
  SL_TRY(const std::int64_t account, any_account(connection, picks, number));
  const auto amount = static_cast<std::int64_t>(picks.below(19)) - 9;
  SL_TRY(connection.execute("UPDATE accounts SET total = total + " + text(amount) +
                            " WHERE id = " + text(account)));
  return connection.execute("INSERT INTO entries VALUES(" + text(number) + ", " + text(account) +
                            ", " + text(amount) + ")");
}

Result<void> count(Connection connection, Picks& picks, std::int64_t number) {
  const std::string id = name("c", picks.below(4));
  const std::string other = name("c", picks.below(4));
  switch (picks.below(6)) {
    case 0:
      return connection.execute("DELETE FROM counts WHERE id = " + id);
    case 1:
      return connection.execute("INSERT OR REPLACE INTO counts VALUES(" + id + ", 1, " +
                                text(number) + ")");
    case 2:
      return connection.execute("UPDATE counts SET n = " + text(number % 100) +
                                " WHERE id = " + id);
    case 3:
      return connection.execute("UPDATE OR REPLACE counts SET id = " + other + " WHERE id = " + id);
    default:
      return connection.execute("INSERT INTO counts VALUES(" + id +
                                ", 1, NULL) ON CONFLICT(id) DO UPDATE SET n = n + 1");
  }
}

Result<void> paper(Connection connection, Picks& picks, std::int64_t number) {
  const std::string id = name("p", picks.below(4));
  const std::string field = "'$.f" + std::to_string(picks.below(6)) + "'";
  switch (picks.below(5)) {
    case 0:
      return connection.execute("DELETE FROM papers WHERE id = " + id);
    case 1:
      // A row that is there for a part of the transaction only.
      SL_TRY(connection.execute("INSERT OR REPLACE INTO papers VALUES(" + id +
                                ", '{\"ghost\":" + text(number) + "}')"));
      return connection.execute("DELETE FROM papers WHERE id = " + id);
    case 2:
      SL_TRY(connection.execute("INSERT OR REPLACE INTO papers VALUES(" + id + ", '{\"a\":1}')"));
      return connection.execute("INSERT OR REPLACE INTO papers VALUES(" + id +
                                ", '{\"b\":" + text(number) + "}')");
    default:
      return connection.execute("INSERT INTO papers VALUES(" + id + ", '{\"f0\":" + text(number) +
                                "}') ON CONFLICT(id) DO UPDATE SET body = json_set(body, " + field +
                                ", " + text(number) + ")");
  }
}

Result<void> essay(Connection connection, Picks& picks, std::int64_t number) {
  SL_TRY(const std::int64_t account, any_account(connection, picks, number));
  const std::string where = " WHERE id = " + text(account);
  SL_TRY(const auto length, connection.query_int("SELECT length(essay) FROM accounts" + where));
  if (static_cast<std::size_t>(length.value_or(0)) > essay_length_max) {
    return connection.execute("UPDATE accounts SET essay = substr(essay, " +
                              std::to_string(1 + picks.below(60)) + ", 40)" + where);
  }
  return connection.execute("UPDATE accounts SET essay = coalesce(essay, '') || ' " + text(number) +
                            "'" + where);
}

Result<void> family(Connection connection, Picks& picks, std::int64_t number) {
  const std::string parent = name("p", picks.below(3));
  const std::string child = name("c", picks.below(6));
  const std::string other = name("p", picks.below(3));
  const std::uint64_t kind = picks.below(4);
  if (kind < 2) {
    SL_TRY(connection.execute("DELETE FROM parents WHERE id = " + parent));
  }
  if (kind == 0) {
    return {};
  }
  // Where a parent went with its children just now, their rowids are free.
  SL_TRY(connection.execute("INSERT INTO parents VALUES(" + other + ", " + text(number) +
                            ") ON CONFLICT(id) DO UPDATE SET name = excluded.name"));
  return connection.execute(
      std::string(kind == 2 ? "INSERT OR REPLACE" : "INSERT") + " INTO children VALUES(" + child +
      ", " + other + ", " + text(number) + ")" +
      (kind == 2 ? "" : " ON CONFLICT(id) DO UPDATE SET note = excluded.note"));
}

}  // namespace

Result<void> open_ledger(Engine& engine) {
  SL_TRY(engine.connection().execute("PRAGMA foreign_keys = ON"));
  SL_TRY(engine.connection().execute(make_tables));
  const std::map<std::string, std::vector<std::string>> rules = {
      {"accounts", {"total=counter", "essay=text"}},
      {"counts", {"n=counter"}},
      {"papers", {"body=json"}}};
  for (const char* table : ledger_tables) {
    const auto at = rules.find(table);
    SL_TRY(const TrackOptions options,
           parse_track_options(at == rules.end() ? std::vector<std::string>() : at->second));
    SL_TRY(engine.track(table, options));
  }
  return {};
}

Result<void> write_ledger(Connection connection, const LedgerWrite& write) {
  Picks picks(write.pick);
  switch (write.kind) {
    case LedgerWrite::Kind::pay:
      return pay(connection, picks, write.number);
    case LedgerWrite::Kind::count:
      return count(connection, picks, write.number);
    case LedgerWrite::Kind::paper:
      return paper(connection, picks, write.number);
    case LedgerWrite::Kind::essay:
      return essay(connection, picks, write.number);
    case LedgerWrite::Kind::family:
      return family(connection, picks, write.number);
  }
  return {};
}

namespace {

constexpr const char* wrong_sql =
    "SELECT id, total, (SELECT coalesce(sum(amount), 0) FROM entries WHERE account = accounts.id) "
    "AS sum FROM accounts WHERE total IS NOT sum";

}  // namespace

Result<std::set<std::int64_t>> wrong_accounts(Connection connection) {
  SL_TRY(Statement wrong, connection.prepare(wrong_sql));
  std::set<std::int64_t> out;
  for (;;) {
    SL_TRY(const bool row, wrong.step());
    if (!row) {
      return out;
    }
    out.insert(wrong.column_int(0));
  }
}

Result<std::string> audit_ledger(Connection connection, const std::set<std::int64_t>& but) {
  SL_TRY(Statement wrong, connection.prepare(wrong_sql));
  for (;;) {
    SL_TRY(const bool row, wrong.step());
    if (!row) {
      return std::string();
    }
    if (but.count(wrong.column_int(0)) == 0) {
      return "account " + text(wrong.column_int(0)) + " counts " + text(wrong.column_int(1)) +
             ", and its entries are " + text(wrong.column_int(2));
    }
  }
}

Result<std::vector<std::int64_t>> ledger_numbers(Connection connection) {
  std::vector<std::int64_t> out;
  SL_TRY(Statement all, connection.prepare("SELECT id FROM entries ORDER BY id"));
  for (;;) {
    SL_TRY(const bool row, all.step());
    if (!row) {
      return out;
    }
    out.push_back(all.column_int(0));
  }
}

Result<std::map<std::string, std::string>> ledger_rows(Connection connection) {
  std::map<std::string, std::string> out;
  for (const char* table : ledger_tables) {
    SL_TRY(Statement all, connection.prepare("SELECT * FROM " + std::string(table)));
    for (;;) {
      SL_TRY(const bool row, all.step());
      if (!row) {
        break;
      }
      std::string rest;
      for (int i = 1; i < all.column_count(); ++i) {
        rest += all.column(i).is_null() ? "|-" : "|" + std::string(all.column_text(i));
      }
      out[std::string(table) + " " + std::string(all.column_text(0))] = rest;
    }
  }
  return out;
}

}  // namespace syncline::sim
