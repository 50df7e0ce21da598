#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "model/merge_world.h"

using namespace syncline;
using namespace syncline::merge_world;

namespace {

// Runs `check` on histories from seeds of their own, so that a failing case replays alone.
template <typename Make>
void check_laws(const std::string& name, std::uint64_t first_seed, std::uint64_t cases,
                const Make& make) {
  for (std::uint64_t seed = first_seed; seed < first_seed + cases; ++seed) {
    SeededRandom random(seed);
    const History history = make(random);
    const std::string broken = broken_law(random, history);
    if (!broken.empty()) {
      FAIL("seed " << seed << ", " << name << ", broke the law of " << broken);
    }
  }
  MESSAGE(name << ": " << cases << " cases");
}

// Every set of edits has one state, whichever way it is reached: by adding each of its edits last,
// by adding one of its edits again, and by joining any two states. `states[set]` is indexed by the
// bits of the edits. Covers all orders, since every order walks these steps.
void check_all_orders(const History& history, std::vector<RowState>& states) {
  const std::size_t sets = std::size_t{1} << history.size();
  states.assign(sets, RowState());
  for (std::size_t set = 0; set < sets; ++set) {
    bool is_known = set == 0;
    for (std::size_t i = 0; i < history.size(); ++i) {
      const std::size_t bit = std::size_t{1} << i;
      RowState row = states[set & ~bit];
      if ((set & bit) == 0) {
        continue;
      }
      merge_edit(row, history[i].edit, history[i].stamp);
      if (!is_known) {
        is_known = true;
        states[set] = row;
      } else if (!(row == states[set])) {
        FAIL("edit " << i << " merged last into set " << set << " of" << short_text(history));
      }
      merge_edit(row, history[i].edit, history[i].stamp);
      if (!(row == states[set])) {
        FAIL("edit " << i << " merged twice into set " << set << " of" << short_text(history));
      }
    }
  }
}

void check_all_joins(const History& history, const std::vector<RowState>& states) {
  for (std::size_t a = 0; a < states.size(); ++a) {
    for (std::size_t b = 0; b < states.size(); ++b) {
      RowState row = states[a];
      merge_state(row, states[b]);
      if (!(row == states[a | b])) {
        FAIL("sets " << a << " and " << b << " joined, of" << short_text(history));
      }
    }
  }
}

// What one replica may do next, and whether it hears of everything before.
struct Move {
  unsigned writer;
  unsigned act;
  bool hears;
};
constexpr unsigned acts = 4;

bool write_move(History& history, std::array<Replica, 3>& replicas, const Move& move) {
  Replica& replica = replicas[move.writer];
  for (std::size_t i = 0; move.hears && i < history.size(); ++i) {
    if (!replica.has_seen(i)) {
      replica.hear(history, i);
    }
  }
  if (replica.row.alive == (move.act == 0)) {
    return false;  // Alive rows are set and erased, others are put.
  }
  StampedEdit one;
  one.stamp = make_stamp(replica.time + 1, move.writer);
  one.seen = replica.seen;
  one.edit.replaced = replica.row.newest();
  one.edit.kind = move.act == 0 ? EditKind::put : move.act == 3 ? EditKind::erase : EditKind::set;
  for (const char* column : {"a", "b"}) {
    if (move.act == 0 || (move.act == 1 && column[0] == 'a') ||
        (move.act == 2 && column[0] == 'b')) {
      const CellState* present = replica.row.find(column);
      one.edit.cells.push_back({column, CellForm::plain,
                                Value::integer(static_cast<std::int64_t>(history.size())),
                                present == nullptr ? Stamp() : present->stamp});
    }
  }
  history.push_back(std::move(one));
  replica.hear(history, history.size() - 1);
  return true;
}

struct Count {
  std::uint64_t histories = 0;
  std::uint64_t orders = 0;
};

// Every history of up to `left` more edits. Replicas are named in the order in which they first
// write, since any other naming is the same world.
void enumerate_worlds(const History& history, const std::array<Replica, 3>& replicas,
                      unsigned writers, unsigned left, Count& count) {
  static std::vector<RowState> states;
  if (!history.empty()) {
    check_all_orders(history, states);
    ++count.histories;
    std::uint64_t orders = 1;
    for (std::size_t i = 2; i <= history.size(); ++i) {
      orders *= i;
    }
    count.orders += orders;
    if (history.size() < 4) {
      check_all_joins(history, states);
    }
  }
  for (unsigned writer = 0; left > 0 && writer <= std::min(writers, 2U); ++writer) {
    for (unsigned act = 0; act < acts; ++act) {
      for (const bool hears : {false, true}) {
        History next = history;
        std::array<Replica, 3> after = replicas;
        if ((hears && history.empty()) || !write_move(next, after, {writer, act, hears})) {
          continue;
        }
        enumerate_worlds(next, after, std::max(writers, writer + 1), left - 1, count);
      }
    }
  }
}

}  // namespace

TEST_CASE("all orders of up to 5 edits by 3 replicas of a row with 2 cells give the same row") {
  Count count;
  enumerate_worlds({}, {}, 0, 5, count);
  MESSAGE(count.histories << " histories, " << count.orders << " orders");
  CHECK(count.histories > 10'000);
}

TEST_CASE("any order, grouping and repetition of honest edits gives the same row") {
  check_laws("plain cells", 1'000'000, 100'000, [](Random& random) {
    return honest_history(random, {"a", "b"}, 1 + random.below(6));
  });
}

TEST_CASE("any order, grouping and repetition of forged edits gives the same row") {
  check_laws("forged plain cells", 2'000'000, 120'000,
             [](Random& random) { return forged_history(random, Forms::plain); });
}

TEST_CASE("any order, grouping and repetition of increments gives the same row") {
  check_laws("counters", 3'000'000, 50'000,
             [](Random& random) { return honest_history(random, {"n"}, 1 + random.below(6)); });
}

TEST_CASE("any order, grouping and repetition of document edits gives the same row") {
  check_laws("documents", 4'000'000, 20'000,
             [](Random& random) { return honest_history(random, {"j"}, 1 + random.below(5)); });
}

TEST_CASE("any order, grouping and repetition of edits inside texts gives the same row") {
  check_laws("texts", 6'000'000, 6'000,
             [](Random& random) { return honest_history(random, {"t"}, 1 + random.below(7)); });
}

TEST_CASE("any order, grouping and repetition of edits of Yjs documents gives the same row") {
  check_laws("Yjs documents", 7'000'000, 6'000, [](Random& random) {
    return honest_history(random, {"d", "t"}, 1 + random.below(7));
  });
}

TEST_CASE("any order, grouping and repetition holds even where forms meet that never should") {
  check_laws("forms that meet", 5'000'000, 30'000,
             [](Random& random) { return forged_history(random, Forms::any); });
}
