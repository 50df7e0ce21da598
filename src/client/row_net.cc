#include "client/row_net.h"

#include <algorithm>
#include <set>

#include "model/value_codec.h"

namespace syncline {

std::map<std::size_t, Bytes> split_values(const ColumnSet& columns, Bytes values) {
  std::map<std::size_t, Bytes> out;
  Reader in(values);
  columns.for_each([&](std::size_t column) {
    const std::size_t start = in.position();
    SL_CHECK(skip_value(in).has_value());
    out[column] = in.since(start);
  });
  return out;
}

void RowNet::note(const LogRun& run, const Passage& passage) {
  if (passage.is_known) {
    if (steps_.empty() && any_) {
      earlier_ = std::make_unique<RowNet>(copy());
    }
    steps_.push_back({run.kind, passage, false, run.columns, run.key, run.old_values});
  } else {
    is_mixed_ = !steps_.empty();
  }
  if (passage.is_in_doubt) {
    return;
  }
  if (!any_) {
    any_ = true;
    was_there = run.kind == OpKind::set || run.kind == OpKind::erase;
    is_there = was_there;
    begins_with_birth_ = run.kind == OpKind::put;
  }
  count(run);
  LogRun in_turn = run;
  ByteVector changed_values;
  if (passage.is_known && run.kind == OpKind::set) {
    in_turn.columns = passage.changed;
    for (const auto& [column, value] : split_values(run.columns, run.old_values)) {
      if (passage.changed.contains(column)) {
        changed_values.insert(changed_values.end(), value.begin(), value.end());
      }
    }
    in_turn.old_values = changed_values;
  }
  note_in_turn(in_turn);
}

void RowNet::count(const LogRun& run) {
  if (run.kind == OpKind::put) {
    ++births_;
  } else if (run.kind == OpKind::erase) {
    // Of one that REPLACE removed a trigger may have told, too.
    const bool is_known =
        !run.had_row && std::any_of(ends_.begin(), ends_.end(), [&](const End& end) {
          return equal_bytes(end.key, run.key) && equal_bytes(end.values, run.old_values);
        });
    if (!is_known) {
      ends_.push_back({to_vector(run.key), to_vector(run.old_values)});
    }
  }
}

void RowNet::keep_old(const LogRun& run) {
  if (!run.has_old) {
    return;
  }
  has_old = true;
  // The first value a column had in this transaction is the one that others know.
  for (const auto& [column, value] : split_values(run.columns, run.old_values)) {
    old_values.try_emplace(column, to_vector(value));
  }
}

// As if it had happened after what was noted before it.
void RowNet::note_in_turn(const LogRun& run) {
  switch (run.kind) {
    case OpKind::put:
      reborn = was_there;
      is_there = true;
      break;
    case OpKind::over:
      if (!was_there && !is_there) {
        was_there = true;
        old_row = run.old_rowid;
        key = to_vector(run.key);
        keep_old(run);
      } else if (was_there && !reborn) {
        key = to_vector(run.key);
        keep_old(run);
      }
      reborn = was_there;
      is_there = true;
      break;
    case OpKind::set:
      if (was_there && !reborn) {
        columns.insert_all(run.columns);
        keep_old(run);
      }
      break;
    case OpKind::erase:
      if (was_there && !reborn) {
        keep_old(run);
        key = to_vector(run.key);
      }
      is_there = false;
      break;
    case OpKind::rich:
    case OpKind::install:
    case OpKind::leave:
    case OpKind::bury:
    case OpKind::aside:
      SL_CHECK(false);  // never the application's doing
  }
}

Result<void> RowNet::settle(FunctionRef<Result<std::uint64_t>(RowId row)> state_of) {
  if (!is_mixed_ && !steps_.empty()) {
    SL_TRY(const std::uint64_t now, state_of(row));
    follow(now);
    if (earlier_ != nullptr) {
      join(*earlier_);
    }
  } else if (births_ > 0 && (!ends_.empty() || !begins_with_birth_)) {
    SL_TRY(const std::uint64_t now, state_of(row));
    put_in_order(now != 0);
  }
  steps_.clear();
  return {};
}

// Where the operations without doubt lead.
struct RowNet::Path {
  // How often to a content, less how often away from it.
  std::map<std::uint64_t, std::int64_t> surplus;
  std::set<std::uint64_t> from_empty;  // what may be reached from an empty rowid

  Path(const std::vector<Step>& steps, std::uint64_t now) {
    --surplus[now];
    std::multimap<std::uint64_t, std::uint64_t> onward;
    for (const Step& step : steps) {
      if (!step.passage.is_in_doubt) {
        ++surplus[step.passage.after];
        --surplus[step.passage.before];
        onward.emplace(step.passage.before, step.passage.after);
      }
    }
    std::vector<std::uint64_t> waiting{0};
    while (!waiting.empty()) {
      const auto [begin, end] = onward.equal_range(waiting.back());
      waiting.pop_back();
      for (auto next = begin; next != end; ++next) {
        if (from_empty.insert(next->second).second) {
          waiting.push_back(next->second);
        }
      }
    }
  }
  std::int64_t surplus_of(std::uint64_t state) const {
    const auto found = surplus.find(state);
    return found == surplus.end() ? 0 : found->second;
  }
};

// A BEFORE trigger may write the row that is about to be updated, deleted or replaced. SQLite then
// tells of that with the content that it read before: it left what the trigger made of it, from
// where nothing leads on.
void RowNet::mend_stale(std::uint64_t now) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::uint64_t end = steps_[i].passage.after;
    if (steps_[i].passage.is_in_doubt || end == 0 || end == now ||
        std::any_of(steps_.begin(), steps_.end(),
                    [&](const Step& step) { return step.passage.before == end; })) {
      continue;
    }
    const Path path(steps_, now);
    const auto after = steps_.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    auto stale = std::find_if(after, steps_.end(), [&](const Step& step) {
      return !step.passage.is_in_doubt && step.passage.before != 0 &&
             path.surplus_of(step.passage.before) < 0;
    });
    if (stale == steps_.end()) {
      stale = std::find_if(steps_.begin(), after, [&](const Step& step) {
        return step.passage.is_in_doubt && step.passage.before == steps_[i].passage.before;
      });
      if (stale == after) {
        continue;
      }
    }
    stale->passage.before = end;
    stale->is_stale = true;
  }
}

// The operation that leads away from what the rowid was before the transaction; null when it was
// empty.
const RowNet::Step* RowNet::first_step(std::uint64_t now) {
  mend_stale(now);
  const Path path(steps_, now);
  const auto leads_from_start = [&](const Step& step) {
    return step.passage.before != 0 && !step.is_stale && path.surplus_of(step.passage.before) < 0;
  };
  const auto found = std::find_if(steps_.begin(), steps_.end(), leads_from_start);
  if (found != steps_.end()) {
    return &*found;
  }
  // Nothing is missing but what a REPLACE removed. A row that it found was there from the beginning
  // when it cannot have come since; or when it is the first that is known of the rowid, and may
  // have been removed once more than it came.
  std::map<std::uint64_t, std::int64_t> doubts;
  for (const Step& step : steps_) {
    if (!step.passage.is_in_doubt) {
      continue;
    }
    if (path.from_empty.count(step.passage.before) == 0) {
      return &step;
    }
    ++doubts[step.passage.before];
  }
  const Step& first = steps_.front();
  const std::uint64_t state = first.passage.before;
  may_have_come = state != 0 && doubts[state] > path.surplus_of(state);
  return may_have_come ? &first : nullptr;
}

void RowNet::renounce() {
  was_there = false;
  reborn = false;
  has_old = false;
  may_have_come = false;
  key.clear();
  old_values.clear();
  columns.clear();
}

void RowNet::follow(std::uint64_t now) {
  const Step* const first = first_step(now);
  const bool in_doubt = may_have_come;
  renounce();
  is_there = now != 0;
  was_there = first != nullptr;
  may_have_come = in_doubt;
  old_row = row;
  if (first == nullptr) {
    return;
  }
  has_old = true;
  for (const auto& [column, value] : split_values(first->columns, first->values)) {
    old_values[column] = to_vector(value);
  }
  for (const Step& step : steps_) {
    if (step.passage.is_in_doubt) {
      continue;
    }
    columns.insert_all(step.passage.changed);
    reborn = reborn || step.kind != OpKind::set;
  }
  reborn = reborn && is_there;
  if (reborn || !is_there) {
    key = to_vector(first->key);
  }
}

// Adds what happened before the path began.
void RowNet::join(const RowNet& earlier) {
  const bool was_between = was_there;
  const bool ended = reborn || !was_between || earlier.reborn || !earlier.is_there;
  was_there = earlier.was_there;
  reborn = was_there && is_there && ended;
  if (!was_there) {
    has_old = false;
    key.clear();
    old_values.clear();
    columns.clear();
    return;
  }
  columns.insert_all(earlier.columns);
  if (!earlier.key.empty() || earlier.reborn || !earlier.is_there) {
    // That life ended, and another began in between.
    key = earlier.key;
    old_values.clear();
    has_old = false;
  }
  for (const auto& [column, value] : earlier.old_values) {
    old_values[column] = value;
  }
  has_old = has_old || earlier.has_old;
  old_row = earlier.old_row;
  may_have_come = false;
}

RowNet RowNet::copy() const {
  RowNet out;
  out.row = row;
  out.was_there = was_there;
  out.is_there = is_there;
  out.reborn = reborn;
  out.old_row = old_row;
  out.has_old = has_old;
  out.key = key;
  out.old_values = old_values;
  out.columns = columns;
  out.may_have_come = may_have_come;
  return out;
}

// Births and ends take turns: with what stands now they say what stood before.
void RowNet::put_in_order(bool stands) {
  const bool stood = (stands ? 1U : 0U) + ends_.size() > births_;
  is_there = stands;
  reborn = stood && stands;
  if (!stood) {
    key.clear();
    old_values.clear();
    has_old = false;
  } else if (!ends_.empty() && (!was_there || key.empty())) {
    key = ends_.front().key;
  }
  was_there = stood;
}

}  // namespace syncline
