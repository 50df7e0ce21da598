// What the running transaction did to documents, and what it must know of the row for that.
#include "client/capture_buffer.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

// Which of a run's rows this is; nothing when it is none.
std::optional<std::uint64_t> index_in(const LogRun& run, RowId row) {
  const std::uint64_t index =
      static_cast<std::uint64_t>(row) - static_cast<std::uint64_t>(run.first);
  return index < run.count ? std::optional(index) : std::nullopt;
}

// The value of one column of the run's row of that index.
std::optional<Value> old_value(const LogRun& run, std::uint64_t index, std::uint16_t column) {
  Reader in(run.old_values);
  std::optional<Value> out;
  for (std::uint64_t i = 0; i <= index; ++i) {
    run.columns.for_each([&](std::size_t id) {
      DecodedValue value;
      SL_CHECK(value.read(in).has_value());
      if (i == index && id == column) {
        out = Value(value.view());
      }
    });
  }
  return out;
}

}  // namespace

void CaptureBuffer::stage(const TrackedTable& table, RowId row, std::uint16_t column,
                          Bytes update) {
  staged_.push_back({table.id, row, column, false, to_vector(update)});
}

void CaptureBuffer::end_staged(TableId table, RowId row) {
  if (!staged_.empty()) {
    staged_.push_back({table, row, 0, true, {}});
  }
}

std::vector<Bytes> CaptureBuffer::staged(TableId table, RowId row, std::uint16_t column) const {
  std::vector<Bytes> out;
  for (const Staged& one : staged_) {
    if (one.table != table || one.row != row) {
      continue;
    }
    if (one.ends) {
      out.clear();
    } else if (one.column == column) {
      out.emplace_back(one.update);
    }
  }
  return out;
}

const CaptureBuffer::TableOps* CaptureBuffer::find_ops(TableId table) const {
  for (std::size_t i = 0; i < table_count_; ++i) {
    if (tables_[i].id == table) {
      return &tables_[i];
    }
  }
  return nullptr;
}

bool CaptureBuffer::is_born(TableId table, RowId row) const {
  const TableOps* ops = find_ops(table);
  bool born = false;
  for (std::size_t i = 0; ops != nullptr && i < ops->ops.size(); ++i) {
    const LogRun run = run_of(*ops, ops->ops[i]);
    if (index_in(run, row).has_value() && run.kind != OpKind::set) {
      born = run.kind == OpKind::put || run.kind == OpKind::over;
    }
  }
  return born;
}

std::optional<Value> CaptureBuffer::value_before(TableId table, RowId row,
                                                 std::uint16_t column) const {
  const TableOps* ops = find_ops(table);
  for (std::size_t i = 0; ops != nullptr && i < ops->ops.size(); ++i) {
    const LogRun run = run_of(*ops, ops->ops[i]);
    const auto index = index_in(run, row);
    if (index.has_value() && run.kind == OpKind::set && run.has_old &&
        run.columns.contains(column)) {
      return old_value(run, *index, column);
    }
  }
  return std::nullopt;
}

}  // namespace syncline
