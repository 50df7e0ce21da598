#include "client/log_body.h"

#include "model/value_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::uint8_t table_mark = 0;
constexpr std::uint8_t old_flag = 0x10;

RowId plus(RowId a, std::uint64_t b) {
  // Rowids use all 64 bits; wrapping is what the reader undoes.
  return static_cast<RowId>(static_cast<std::uint64_t>(a) + b);
}
std::int64_t minus(RowId a, RowId b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

}  // namespace

void LogBodyWriter::begin_table(TableId table) {
  out_.u8(table_mark);
  out_.varint(static_cast<std::uint64_t>(table));
  last_ = 0;
}

void LogBodyWriter::run(const LogRun& run) {
  out_.u8(
      static_cast<std::uint8_t>(static_cast<unsigned>(run.kind) | (run.has_old ? old_flag : 0U)));
  out_.signed_varint(minus(run.first, last_));
  last_ = plus(run.first, run.count);
  switch (run.kind) {
    case OpKind::put:
      out_.varint(run.count);
      return;
    case OpKind::set:
      out_.varint(run.count);
      run.columns.write(out_);
      if (run.has_old) {
        out_.blob(run.old_values);
      }
      return;
    case OpKind::over:
    case OpKind::erase:
      if (run.kind == OpKind::over) {
        out_.signed_varint(minus(run.old_rowid, run.first));
      }
      out_.blob(run.key);
      if (run.has_old) {
        run.columns.write(out_);
        out_.blob(run.old_values);
      }
      return;
    case OpKind::install:
      out_.varint(run.count);
      out_.blob(run.clock);
      if (run.has_old) {
        run.columns.write(out_);
        out_.blob(run.old_values);
      }
      return;
    case OpKind::leave:
      out_.blob(run.key);
      if (run.has_old) {
        run.columns.write(out_);
        out_.blob(run.old_values);
      }
      return;
    case OpKind::bury:
      out_.u8(run.had_row ? 1 : 0);
      out_.blob(run.key);
      out_.blob(run.clock);
      if (run.has_old) {
        run.columns.write(out_);
        out_.blob(run.old_values);
      }
      return;
    case OpKind::aside:
      out_.blob(run.key);
      return;
    case OpKind::rich:
      out_.varint(run.column);
      out_.u8(run.form);
      out_.blob(run.edit);
      return;
  }
}

ByteVector LogBodyWriter::finish() {
  last_ = 0;
  return out_.take();
}

Result<bool> LogBodyReader::next(LogRun& run) {
  auto read_run = read(run);
  if (!read_run) {
    return Error(ErrorCode::corrupt, "the replica's log is damaged: " + read_run.error().message());
  }
  return read_run;
}

Result<void> LogBodyReader::read_at(Bytes part, std::size_t position, LogRun& run) {
  SL_CHECK(position < part.size());
  LogBodyReader reader(part.subspan(position));
  reader.table_ = 1;  // any: a run is meant to stand in a table
  SL_TRY(reader.next(run));
  return {};
}

Result<bool> LogBodyReader::read_mark(LogRun& run) {
  for (;;) {
    if (in_.at_end()) {
      return false;
    }
    position_ = in_.position();
    SL_TRY(const std::uint8_t mark, in_.u8());
    if (mark == table_mark) {
      SL_TRY(const std::uint64_t table, in_.varint_at_most(INT64_MAX));
      table_ = static_cast<TableId>(table);
      last_ = 0;
      continue;
    }
    const unsigned kind = mark & 0x0FU;
    if (kind < 1 || kind > 9 || table_ == 0) {
      return Error(ErrorCode::malformed, "unknown mark " + std::to_string(mark));
    }
    run.kind = static_cast<OpKind>(kind);
    run.has_old = (mark & old_flag) != 0;
    run.old_values = {};
    run.count = 1;
    return true;
  }
}

Result<void> LogBodyReader::read_fields(LogRun& run) {
  switch (run.kind) {
    case OpKind::put: {
      SL_TRY(run.count, in_.varint());
      break;
    }
    case OpKind::set: {
      SL_TRY(run.count, in_.varint());
      SL_TRY(run.columns, ColumnSet::read(in_));
      if (run.has_old) {
        SL_TRY(run.old_values, in_.blob());
      }
      break;
    }
    case OpKind::over: {
      SL_TRY(const std::int64_t old_delta, in_.signed_varint());
      run.old_rowid = plus(run.first, static_cast<std::uint64_t>(old_delta));
      SL_TRY(run.key, in_.blob());
      SL_TRY(read_old(run));
      break;
    }
    case OpKind::erase: {
      SL_TRY(run.key, in_.blob());
      SL_TRY(read_old(run));
      break;
    }
    case OpKind::install: {
      SL_TRY(run.count, in_.varint());
      SL_TRY(run.clock, in_.blob());
      SL_TRY(read_old(run));
      break;
    }
    case OpKind::leave: {
      SL_TRY(run.key, in_.blob());
      SL_TRY(read_old(run));
      break;
    }
    case OpKind::bury: {
      SL_TRY(const std::uint8_t had_row, in_.u8());
      run.had_row = had_row != 0;
      SL_TRY(run.key, in_.blob());
      SL_TRY(run.clock, in_.blob());
      SL_TRY(read_old(run));
      break;
    }
    case OpKind::aside: {
      SL_TRY(run.key, in_.blob());
      break;
    }
    case OpKind::rich: {
      SL_TRY(const std::uint64_t column, in_.varint_at_most(limits::columns_max));
      run.column = static_cast<std::uint16_t>(column);
      SL_TRY(run.form, in_.u8());
      SL_TRY(run.edit, in_.blob());
      break;
    }
  }
  return {};
}

Result<bool> LogBodyReader::read(LogRun& run) {
  SL_TRY(const bool more, read_mark(run));
  if (!more) {
    return false;
  }
  SL_TRY(const std::int64_t delta, in_.signed_varint());
  run.first = plus(last_, static_cast<std::uint64_t>(delta));
  SL_TRY(read_fields(run));
  if (run.count == 0) {
    return Error(ErrorCode::malformed, "a run of no rows");
  }
  last_ = plus(run.first, run.count);
  return true;
}

Result<void> LogBodyReader::read_old(LogRun& run) {
  if (run.has_old) {
    SL_TRY(run.columns, ColumnSet::read(in_));
    SL_TRY(run.old_values, in_.blob());
  }
  return {};
}

}  // namespace syncline
