#include <algorithm>

#include "base/check.h"
#include "fuzz/choices.h"
#include "fuzz/chosen_cells.h"
#include "model/merge_world.h"
#include "model/schema.h"
#include "model/version_vector.h"
#include "server/row_bytes.h"
#include "wire/change_codec.h"
#include "wire/codec.h"
#include "wire/limits.h"
#include "wire/state_part.h"

// Cells, rows and schemas that are valid, at and around every limit, and merged in any order: what
// comes out keeps the laws of merging and can be told, or somebody says that it has no room.
using namespace syncline;
using namespace syncline::merge_world;

namespace {

// --- Edits and states, each as a server lets it in
// -------------------------------------------------------

// One edit or one state, as it comes to a row.
struct Piece {
  RowEdit edit;
  Stamp stamp;
  bool is_state = false;
  RowState state;
};

MergeEffect take_in(RowState& row, const Piece& piece) {
  return piece.is_state ? merge_state(row, piece.state) : merge_edit(row, piece.edit, piece.stamp);
}

class Maker {
 public:
  explicit Maker(Choices& choices) : choices_(choices), random_(choices), large_(choices) {}

  // What it made takes long to merge.
  bool is_heavy() const { return large_.used > 4U << 20U; }

  std::optional<Piece> make(const RowState& row) {
    Piece piece;
    piece.is_state = choices_.one_in(3);
    if (piece.is_state) {
      piece.state = state();
      return piece;
    }
    piece.stamp = chosen_stamp(choices_);
    piece.edit = edit(row, piece.stamp);
    for (const CellEdit& cell : piece.edit.cells) {
      if (!check_cell(cell, piece.stamp)) {
        return std::nullopt;
      }
    }
    return piece;
  }

  // Names of columns: a few, or as many as there may be.
  std::vector<std::string> columns() {
    if (choices_.one_in(24)) {
      std::vector<std::string> out;
      const std::size_t count = size_around(choices_, limits::columns_max);
      for (std::size_t i = 0; i < std::min(count, limits::columns_max); ++i) {
        out.push_back((choices_.at_end() ? "m" : "n") + std::to_string(10'000 + i));
      }
      return out;
    }
    std::vector<std::string> out;
    for (const char* name : {"a", "b"}) {
      if (!choices_.one_in(3)) {
        out.emplace_back(name);
      }
    }
    if (choices_.one_in(16)) {
      out.push_back(repeated(choices_, 1 + choices_.below(2) * (limits::name_bytes_max - 1)));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

 private:
  RowEdit edit(const RowState& row, const Stamp& stamp) {
    RowEdit out;
    out.kind = static_cast<EditKind>(1 + choices_.below(3));
    out.table = "t";
    if (out.kind != EditKind::set && choices_.one_in(2)) {
      out.replaced = chosen_stamp(choices_);
    }
    if (out.kind != EditKind::erase) {
      const std::vector<std::string> names = columns();
      for (const std::string& name : names) {
        out.cells.push_back(names.size() > 8
                                ? CellEdit{name, CellForm::plain, Value::integer(1), {}}
                                : cell(row, name, stamp));
        if (out.kind == EditKind::put) {
          out.cells.back().replaced = Stamp();  // it does not travel
        }
      }
    }
    return out;
  }

  CellEdit cell(const RowState& row, const std::string& column, const Stamp& stamp) {
    CellEdit out{column, CellForm::plain, {}, {}};
    switch (choices_.below(6)) {
      case 1:
        out.form = CellForm::counter;
        out.value = encode_counter_edit({chosen_stamp(choices_), chosen_number(choices_)});
        break;
      case 2:
        out.form = CellForm::json;
        out.value = encode_json_edit(chosen_fields(choices_, large_));
        break;
      case 3:
        out = forged_document_cell(random_, column.c_str());
        break;
      case 4:
        return next_cell(row, column, stamp);
      default:
        out.value = chosen_value(choices_, large_);
    }
    out.replaced = choices_.one_in(2) ? chosen_stamp(choices_) : Stamp();
    return out;
  }

  // What an honest writer who sees the row does next.
  CellEdit next_cell(const RowState& row, const std::string& column, const Stamp& stamp) {
    const auto counted = increment(row, column, stamp, chosen_number(choices_));
    if (counted && choices_.one_in(2)) {
      return *counted;
    }
    const CellState* present = row.find(column);
    const auto before = present == nullptr ? Result<Value>(Value()) : cell_value(*present);
    SL_CHECK(before.has_value());
    return edit_document(present, column, before->view(),
                         Value::text(random_document(random_)).view());
  }

  RowState state() {
    RowState out;
    out.life = choices_.one_in(4) ? Stamp() : chosen_stamp(choices_);
    out.alive = !out.life.is_zero() && !choices_.one_in(3);
    const std::vector<std::string> names = columns();
    for (const std::string& name : names) {
      CellContent content;
      if (!choices_.one_in(3) || names.size() > 8) {
        content.base = chosen_stamp(choices_);
        content.base_value = names.size() > 8 ? Value::integer(1) : chosen_value(choices_, large_);
      }
      if (names.size() <= 8 && choices_.one_in(2)) {
        content.counts = chosen_counts(choices_, large_);
      } else if (names.size() <= 8 && choices_.one_in(2)) {
        content.fields = entries_of(chosen_fields(choices_, large_), chosen_stamp(choices_));
      }
      auto cell = cell_of(name, content);
      // A server takes states apart and looks at every cell; so does this.
      if (cell && check_cell(*cell)) {
        out.cells.push_back(std::move(*cell));
      }
    }
    return out;
  }

  Choices& choices_;
  ChosenRandom random_;
  Large large_;
};

// --- What must hold of a row
// -----------------------------------------------------------------------

// What of a row travels and is stored: stamps that were replaced are not.
RowState told(RowState row) {
  row.life_replaced = Stamp();
  for (CellState& cell : row.cells) {
    cell.replaced = Stamp();
  }
  return row;
}

void check_cells(const RowState& row) {
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    const CellState& cell = row.cells[i];
    SL_CHECK(i == 0 || row.cells[i - 1].column < cell.column);
    const auto sound = check_cell(cell);
    if (!sound) {
      std::fprintf(stderr, "%s: %s\n", cell.column.c_str(), sound.error().message().c_str());
    }
    SL_CHECK(sound.has_value());
    SL_CHECK(!row.voids(cell.stamp));
    SL_CHECK(cell_value(cell).has_value());
    const std::vector<Stamp> stamps = stamps_of(cell);
    SL_CHECK(!stamps.empty());
    SL_CHECK(*std::max_element(stamps.begin(), stamps.end()) == cell.stamp);
  }
}

// A row that a server would store, as everybody reads it. What is too large it refuses.
void check_told(const RowState& row) {
  const ValueView key[] = {ValueView::of(std::int64_t{1})};
  const RowKey id = make_key(key);
  const ByteVector stored = encode_row_state(row);
  if (row.cells.size() > limits::columns_max ||
      id.bytes.size() + stored.size() > limits::row_bytes_max) {
    return;
  }
  const auto again = decode_row_state(stored);
  SL_CHECK(again.has_value() && *again == told(row));
  StatePartWriter out(numbered_replica(0));
  out.row("t", id.view(), row);
  SnapshotPage page;
  page.rows = out.rows();
  page.states = out.finish();
  const auto frame = encode_message(page);
  SL_CHECK(frame.has_value());
  const auto message = decode_from_server(*frame);
  SL_CHECK(message.has_value());
  std::size_t rows = 0;
  const auto read = read_state_part(
      std::get<SnapshotPage>(*message).states,
      [&](const std::string& table, Bytes read_key, const RowState& state) -> Result<void> {
        SL_CHECK(table == "t" && equal_bytes(read_key, id.view()));
        SL_CHECK(state == told(row));
        ++rows;
        return {};
      });
  SL_CHECK(read.has_value() && rows == 1);
}

void check_travels(const Piece& piece) {
  if (piece.is_state) {
    return;
  }
  Change change;
  change.sequence = ChangeSequence(1);
  change.stamp = piece.stamp;
  change.edits = {piece.edit};
  const ValueView key[] = {ValueView::of(std::int64_t{1})};
  change.edits[0].key = make_key(key);
  const ByteVector part = encode_change(change);
  if (part.size() <= limits::part_bytes_max) {
    const auto again = decode_change(part);
    // A cell of more bytes than a row may have is not read.
    const bool is_large = part.size() > limits::row_bytes_max;
    SL_CHECK(is_large || (again.has_value() && *again == change));
  }
}

// Merges the pieces in that order. Nothing when one found no room: then no law holds any more.
std::optional<RowState> merge_all(const std::vector<Piece>& pieces,
                                  const std::vector<std::size_t>& order) {
  RowState row;
  for (const std::size_t i : order) {
    const RowState before = row;
    const MergeEffect effect = take_in(row, pieces[i]);
    SL_CHECK(!effect.is_unreadable);
    SL_CHECK(effect.changed || row == before);
    if (effect.room == CellRoom::none) {
      return std::nullopt;
    }
  }
  return row;
}

void merge_rows(Choices& choices) {
  Maker maker(choices);
  std::vector<Piece> pieces;
  RowState row;
  bool has_room = true;
  for (int i = 0; i < (maker.is_heavy() ? 3 : 6) && !choices.at_end(); ++i) {
    auto piece = maker.make(row);
    if (!piece) {
      continue;
    }
    check_travels(*piece);
    const RowState before = row;
    const MergeEffect effect = take_in(row, *piece);
    SL_CHECK(!effect.is_unreadable);
    check_cells(row);
    check_told(row);
    has_room = has_room && effect.room != CellRoom::none;
    // Once more changes nothing, and neither does what it was before.
    const RowState once = row;
    SL_CHECK(effect.room == CellRoom::none || !take_in(row, *piece).changed);
    SL_CHECK(row == once);
    SL_CHECK(!merge_state(row, before).changed && row == once);
    SL_CHECK(!merge_state(row, once).changed && row == once);
    pieces.push_back(std::move(*piece));
  }
  if (!has_room) {
    return;
  }
  std::vector<std::size_t> order = in_order(pieces.size());
  std::reverse(order.begin(), order.end());
  const auto backwards = merge_all(pieces, order);
  SL_CHECK(!backwards || *backwards == row);
  ChosenRandom random(choices);
  shuffle(random, order);
  const auto shuffled = merge_all(pieces, order);
  SL_CHECK(!shuffled || *shuffled == row);
  // In two halves that meet.
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2);
  const auto left = merge_all(pieces, {order.begin(), middle});
  const auto right = merge_all(pieces, {middle, order.end()});
  if (left && right) {
    RowState both = *left;
    const MergeEffect effect = merge_state(both, *right);
    SL_CHECK(effect.room == CellRoom::none || both == row);
    check_cells(both);
  }
}

// --- The rest that merges
// --------------------------------------------------------------------------

std::string chosen_name(Choices& choices) {
  static constexpr const char* names[] = {"a", "A", "b", "n", "N", "\xC3\xA4", "\xC3\x84", "k"};
  if (choices.one_in(12)) {
    return repeated(choices, schema_name_bytes_max - 1 + choices.below(3));
  }
  return choices.one_in(12) ? choices.text(choices.below(5)) : choices.pick(names);
}

TableSchema chosen_table(Choices& choices, std::size_t& large) {
  static constexpr const char* types[] = {"", "TEXT", "INTEGER", "REAL", "BLOB", "NUMERIC"};
  TableSchema table;
  table.name = chosen_name(choices);
  std::size_t count = 1 + choices.below(3);
  if (choices.one_in(16) && large > 0) {
    --large;
    count = size_around(choices, schema_columns_max);
  }
  for (std::size_t i = 0; i < count; ++i) {
    ColumnSchema column;
    column.name = i < 3 ? chosen_name(choices) : "c" + std::to_string(i);
    column.type = choices.pick(types);
    column.is_not_null = choices.one_in(2);
    column.has_default = choices.one_in(2);
    column.rule = choices.one_in(4) ? static_cast<MergeRule>(choices.below(7)) : MergeRule::lww;
    table.columns.push_back(std::move(column));
  }
  const std::size_t keys = choices.one_in(16) ? 63 + choices.below(3) : 1 + choices.below(2);
  for (std::size_t i = 0; i < std::min(keys, count); ++i) {
    table.key.push_back(table.columns[i].name);
  }
  return table;
}

// As a hello brings it: nothing when it does not decode.
std::optional<Schema> chosen_schema(Choices& choices) {
  Schema schema;
  schema.version = choices.byte();
  std::size_t large = 2;
  std::size_t count = 1 + choices.below(3);
  if (choices.one_in(32)) {
    count = size_around(choices, schema_tables_max);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (i < 4) {
      schema.tables.push_back(chosen_table(choices, large));
    } else {
      schema.tables.push_back({"t" + std::to_string(i), {{"k", "", true, false, {}}}, {"k"}});
    }
  }
  Writer bytes;
  encode_schema(bytes, schema);
  Reader in(bytes.bytes());
  auto out = decode_schema(in);
  if (!out || !in.at_end()) {
    return std::nullopt;
  }
  SL_CHECK(*out == canonical_schema(schema));
  return std::move(*out);
}

ByteVector schema_bytes(const Schema& schema) {
  Writer out;
  encode_schema(out, schema);
  return out.take();
}

void merge_schemas_of(Choices& choices) {
  const auto a = chosen_schema(choices);
  const auto b = chosen_schema(choices);
  const auto c = chosen_schema(choices);
  if (!a || !b || !c || !check_schema(*a) || !check_schema(*b) || !check_schema(*c)) {
    return;
  }
  SL_CHECK(check_compatible(*a, *a).has_value());
  SL_CHECK(check_compatible(*a, *b).has_value() == check_compatible(*b, *a).has_value());
  SL_CHECK(merge_schemas(*a, *a) == *a);
  if (!check_compatible(*a, *b)) {
    return;
  }
  const Schema both = merge_schemas(*a, *b);
  if (const auto fits = check_schema(both); !fits) {
    return;
  }
  const ByteVector bytes = schema_bytes(both);
  SL_CHECK(bytes.size() <= limits::schema_bytes_max);
  Reader in(bytes);
  const auto again = decode_schema(in);
  SL_CHECK(again.has_value() && in.at_end() && *again == both);
  SL_CHECK(check_compatible(both, *a).has_value() && check_compatible(*b, both).has_value());
  SL_CHECK(merge_schemas(both, *a) == both && merge_schemas(both, *b) == both);
  // Whoever was compatible with both is so with the two together.
  const bool fits_each =
      check_compatible(*a, *c).has_value() && check_compatible(*b, *c).has_value();
  SL_CHECK(!fits_each || check_compatible(both, *c).has_value());
}

void merge_vectors(Choices& choices) {
  VersionVector vectors[3];
  for (VersionVector& vector : vectors) {
    for (std::size_t left = choices.below(6); left > 0; --left) {
      const std::uint64_t sequences[] = {1, 2, 3, limits::sequence_max, UINT64_MAX};
      vector.cover({numbered_replica(choices.below(4)), ChangeSequence(choices.pick(sequences))});
    }
    Writer out;
    vector.encode(out);
    Reader in(out.bytes());
    const auto again = VersionVector::decode(in);
    SL_CHECK(again.has_value() && *again == vector);
  }
  const auto join = [](VersionVector into, const VersionVector& from) {
    into.merge(from);
    return into;
  };
  const auto& [a, b, c] = vectors;
  SL_CHECK(join(a, b) == join(b, a));
  SL_CHECK(join(join(a, b), c) == join(a, join(b, c)));
  SL_CHECK(join(a, a) == a && join(a, b).covers(b));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(Bytes(data, size));
  switch (choices.below(8)) {
    case 0: {
      ChosenRandom random(choices);
      const std::string broken = broken_law(
          random, honest_history(random, {"n", "j", "t", "d", "a"}, 1 + random.below(7)));
      if (!broken.empty()) {
        std::fprintf(stderr, "%s\n", broken.c_str());
      }
      SL_CHECK(broken.empty());
      break;
    }
    case 1: {
      ChosenRandom random(choices);
      const std::string broken = broken_law(random, forged_history(random, Forms::any));
      if (!broken.empty()) {
        std::fprintf(stderr, "%s\n", broken.c_str());
      }
      SL_CHECK(broken.empty());
      break;
    }
    case 2:
      merge_schemas_of(choices);
      break;
    case 3:
      merge_vectors(choices);
      break;
    default:
      merge_rows(choices);
  }
  return 0;
}
