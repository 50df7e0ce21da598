// The part of the engine that sees to it that what a file of changes brought reaches the server,
// whoever wrote it (docs/decisions/0016).
#include "client/engine.h"

namespace syncline {
namespace {

RowId plus(RowId row, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(row) + count);
}

}  // namespace

Result<ApplyReport> Engine::apply_file(Bytes file) {
  return applying(file.size(), [&](ApplyReport& report) -> Result<void> {
    SL_TRY(const LogHead before, log_.head());
    SL_TRY(read_change_file(file,
                            [&](Bytes part) -> Result<void> { return apply_.part(part, report); }));
    SL_TRY(const LogHead after, log_.head());
    // A row of a table that is not tracked is held, and the log does not say so.
    if (after.version == before.version && report.held == 0) {
      return {};
    }
    SL_TRY(note_leap(report));
    return keepsakes_.hear(before.version.next());
  });
}

// What a writer counts is a running total: it holds what changes that are missing here counted, and
// the other rows of those are not here. The server has them, or hears of them with this file.
Result<void> Engine::note_leap(const ApplyReport& report) {
  return report.leaped ? meta_.set(meta_name::in_pieces, ValueView::of(std::int64_t{1}))
                       : Result<void>();
}

// Names the rows of the log that files brought. What a server told since is named with them: that
// does no harm, and it is rare.
Result<void> Engine::name_heard() {
  SL_TRY(const std::optional<LocalVersion> heard, keepsakes_.heard());
  if (!heard.has_value()) {
    return {};
  }
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(log_.for_each(LocalVersion(heard->get() - 1), head.version,
                       [&](const LogRow& row, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                         // Our own changes tell themselves, and what was learned whole is relayed.
                         const bool runs =
                             row.form == LogForm::runs || row.form == LogForm::runs_parts;
                         if (row.origin == first_own_origin || !runs) {
                           return true;
                         }
                         for (const Bytes part : parts) {
                           SL_TRY(name_rows(part));
                         }
                         return true;
                       }));
  SL_TRY(held_.for_each([&](const HeldRow& row) -> Result<void> {
    SL_TRY(const TrackedTable* table, catalog_.find(row.table));
    return table == nullptr ? keepsakes_.add(row.table, row.key.view()) : Result<void>();
  }));
  return keepsakes_.heard_is_named();
}

Result<void> Engine::name_rows(Bytes part) {
  LogBodyReader body(part);
  LogRun run;
  for (;;) {
    SL_TRY(const bool more, body.next(run));
    if (!more) {
      return {};
    }
    auto found = catalog_.table(body.table());
    if (!found && found.error().code() == ErrorCode::not_found) {
      continue;  // untracked since: nothing of it is synced any more
    }
    SL_TRY(const TrackedTable* table, std::move(found));
    switch (run.kind) {
      case OpKind::put:
      case OpKind::set:
      case OpKind::install:
        SL_TRY(name_standing(*table, run));
        break;
      case OpKind::over:
      case OpKind::erase:
      case OpKind::leave:
      case OpKind::bury:
      case OpKind::aside:
        SL_TRY(name_key(*table, run.key));
        break;
      case OpKind::rich:
        break;
    }
  }
}

// What is no key of the table's (a damaged log row) names no row.
Result<void> Engine::name_key(const TrackedTable& table, Bytes key) {
  const auto values = key_values(key);
  const bool is_key = values && values->size() == table.key.size();
  return is_key ? keepsakes_.add(table.name, key) : Result<void>();
}

// A row that stands no more has ended since, and whatever ended it names its key.
Result<void> Engine::name_standing(const TrackedTable& table, const LogRun& run) {
  SL_TRY(TableAccess * access, tables_.access(table.id));
  for (std::uint64_t i = 0; i < run.count; ++i) {
    SL_TRY(const StoredRow* stored, access->read(plus(run.first, i)));
    if (stored == nullptr) {
      continue;
    }
    Writer key;
    for (std::size_t k = 0; k < table.key.size(); ++k) {
      write_value(key, stored->values[k]);
    }
    access->end_range();
    SL_TRY(keepsakes_.add(table.name, key.bytes()));
  }
  return {};
}

}  // namespace syncline
