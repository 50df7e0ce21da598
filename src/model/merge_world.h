#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/random.h"
#include "model/cell_content.h"
#include "model/merge.h"

// Small worlds for tests and fuzzers: replicas that write one row and hear of each other now and
// then. Nothing in the product includes this.
namespace syncline::merge_world {

struct StampedEdit {
  RowEdit edit;
  Stamp stamp;
  // Indexes of the edits its writer had seen; ascending. Empty for forged histories.
  std::vector<std::size_t> seen;
};
using History = std::vector<StampedEdit>;

inline Stamp make_stamp(std::uint64_t time, unsigned replica) {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>('a' + replica);
  return stamp;
}

// --- What a history looks like to a person
// ---------------------------------------------------------

inline std::string short_text(const Stamp& stamp) {
  if (stamp.is_zero()) {
    return "0";
  }
  return std::to_string(stamp.time) + static_cast<char>(stamp.replica.bytes[0]);
}

inline std::string short_text(const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      return "null";
    case ValueType::integer:
      return std::to_string(value.integer);
    case ValueType::real:
      return "real " + std::to_string(value.real);
    case ValueType::text:
      return "'" + std::string(value.text()) + "'";
    case ValueType::blob:
      return "x'" + to_hex(value.data) + "'";
  }
  return "?";
}

inline std::string short_text(const StampedEdit& one) {
  static constexpr const char* kinds[] = {"?", "put", "set", "erase"};
  std::string out = short_text(one.stamp) + " " + kinds[static_cast<unsigned>(one.edit.kind)] +
                    " (saw " + short_text(one.edit.replaced) + ")";
  for (const CellEdit& cell : one.edit.cells) {
    out += " " + cell.column + "=" + short_text(cell.value.view()) + ":" +
           std::to_string(static_cast<unsigned>(cell.form)) + " (saw " + short_text(cell.replaced) +
           ")";
  }
  return out;
}

inline std::string short_text(const History& history) {
  std::string out = "\n";
  for (std::size_t i = 0; i < history.size(); ++i) {
    out += "  " + std::to_string(i) + ": " + short_text(history[i]) + "\n";
  }
  return out;
}

inline std::string short_text(const RowState& row) {
  std::string out = (row.alive ? "alive since " : "dead since ") + short_text(row.life) + " (saw " +
                    short_text(row.life_replaced) + ")";
  for (const CellState& cell : row.cells) {
    const auto value = cell_value(cell);
    out += " " + cell.column + "@" + short_text(cell.stamp) + ":" +
           std::to_string(static_cast<unsigned>(cell.form)) + "=" +
           (value ? short_text(value->view()) : value.error().message()) + " (saw " +
           short_text(cell.replaced) + ")";
  }
  return out;
}

// --- Forged histories: anything that decodes
// ---------------------------------------------------------

inline Json random_json(Random& random, unsigned depth) {
  switch (random.below(depth == 0 ? 3 : 5)) {
    case 0:
      return Json::integer(static_cast<std::int64_t>(random.below(3)));
    case 1:
      return Json("s");
    case 2:
      return Json(Json::Array{Json::integer(static_cast<std::int64_t>(random.below(2)))});
    default: {
      Json object{Json::Object{}};
      for (const char* name : {"x", "y"}) {
        if (random.chance(1, 2)) {
          object.set(name, random_json(random, depth - 1));
        }
      }
      return object;
    }
  }
}

inline std::string random_document(Random& random) {
  Json document{Json::Object{}};
  for (const char* name : {"x", "y", ""}) {
    if (random.chance(1, 2)) {
      document.set(name, random_json(random, 2));
    }
  }
  return write_json(document);
}

inline Stamp forged_stamp(Random& random) {
  return make_stamp(1 + random.below(6), static_cast<unsigned>(random.below(3)));
}

inline CellEdit forged_cell(Random& random, const char* column, bool any_form) {
  CellEdit cell{column, CellForm::plain, {}, {}};
  if (random.chance(1, 2)) {
    cell.replaced = forged_stamp(random);
  }
  switch (any_form ? random.below(5) : 0) {
    case 1:
      cell.form = CellForm::counter;
      cell.value = encode_counter_edit(
          {forged_stamp(random), Value::integer(static_cast<std::int64_t>(random.below(3)))});
      break;
    case 2: {
      const auto changed = diff_documents(random_document(random), random_document(random));
      cell.form = CellForm::json;
      cell.value = encode_json_edit(*changed);
      break;
    }
    case 3:
      cell.value = Value::text(random_document(random));
      break;
    case 4:
      cell.form = random.chance(1, 2) ? CellForm::doc : CellForm::counter;
      cell.value = Value::blob(as_bytes("?"));  // malformed where it is no document
      break;
    default:
      cell.value = Value::integer(static_cast<std::int64_t>(random.below(3)));
  }
  return cell;
}

// An edit of a document, of whatever base. It keeps the one rule without which documents have no
// law (doc_cell.h): its client is named by what it writes, and so never writes two things under one
// clock.
inline CellEdit forged_document_cell(Random& random, const char* column) {
  DocEdit edit;
  edit.kind = random.chance(1, 2) ? DocKind::text : DocKind::doc;
  edit.base = {forged_stamp(random),
               random.chance(1, 2) ? 0 : doc_base_hash(ValueView::of(std::int64_t{1}))};
  ydoc::DocOptions options;
  const std::string words = random_document(random);
  options.client_id = 1 + (hash64(as_bytes(words)) & 0xFFFFFFFFU);
  ydoc::Doc doc(options);
  DocRecorder recorder(doc);
  SL_CHECK(recorder.become(words).has_value());
  const auto update = recorder.finish();
  SL_CHECK(update.has_value());
  edit.update = std::string(as_text(*update));
  return {column, CellForm::doc, encode_doc_edit(edit), forged_stamp(random)};
}

enum class Forms { plain, any };

inline StampedEdit forged_edit(Random& random, Forms forms) {
  StampedEdit out;
  out.stamp = forged_stamp(random);
  out.edit.kind = static_cast<EditKind>(1 + random.below(3));
  if (random.chance(1, 2)) {
    out.edit.replaced = forged_stamp(random);
  }
  for (const char* column : {"a", "b"}) {
    if (out.edit.kind != EditKind::erase && random.chance(2, 3)) {
      const bool is_document = forms == Forms::any && random.chance(1, 6);
      out.edit.cells.push_back(is_document ? forged_document_cell(random, column)
                                           : forged_cell(random, column, forms == Forms::any));
    }
  }
  return out;
}

inline History forged_history(Random& random, Forms forms) {
  History history(1 + random.below(6));
  for (StampedEdit& one : history) {
    one = forged_edit(random, forms);
  }
  return history;
}

// --- Honest histories: what real replicas write
// ------------------------------------------------------

// One replica of the world: what it has seen, in the order in which it came.
struct Replica {
  RowState row;
  std::vector<std::size_t> seen;
  std::uint64_t time = 0;

  bool has_seen(std::size_t index) const {
    return std::find(seen.begin(), seen.end(), index) != seen.end();
  }
  MergeEffect hear(const History& history, std::size_t index) {
    seen.push_back(index);
    time = std::max(time, history[index].stamp.time);
    return merge_edit(row, history[index].edit, history[index].stamp);
  }
};

// An edit may be delivered once all that its writer had seen was.
inline bool is_deliverable(const History& history, const Replica& replica, std::size_t index) {
  const auto& needs = history[index].seen;
  return !replica.has_seen(index) && std::all_of(needs.begin(), needs.end(), [&](std::size_t i) {
    return replica.has_seen(i);
  });
}

inline std::string random_words(Random& random) {
  static constexpr const char* words[] = {"ab", "c", " ", "xyz", "\xF0\x9F\x98\x80", "."};
  std::string out;
  for (std::uint64_t left = random.below(5); left > 0; --left) {
    out += words[random.below(std::size(words))];
  }
  return out;
}

// A document's client is named by its edit's stamp: no two edits ever write under one.
inline ydoc::ClientId client_of(const Stamp& stamp) {
  return 1000 + stamp.time * 16 + stamp.replica.bytes[0] % 16U;
}

// Rule `text` in columns named t, `doc` in columns named d.
inline CellEdit honest_document_cell(Random& random, const RowState& row, const char* column,
                                     const Stamp& stamp) {
  const CellState* present = row.find(column);
  const DocKind kind = column[0] == 't' ? DocKind::text : DocKind::doc;
  auto document = open_document(present, row.life, kind, client_of(stamp));
  SL_CHECK(document.has_value());
  DocRecorder recorder(*document->doc);
  ydoc::Text text = document->doc->text(text_root);
  if (random.chance(1, 4) && text.length() > 0) {
    const std::uint64_t from = random.below(text.length());
    SL_CHECK(text.format(from, 1 + random.below(text.length() - from),
                         {{"bold", ydoc::Any::boolean(random.chance(1, 2))}})
                 .has_value());
  } else {
    SL_CHECK(recorder.become(random_words(random)).has_value());
  }
  if (kind == DocKind::doc && random.chance(1, 2)) {
    ydoc::Map map = document->doc->map("map");
    const char* key = random.chance(1, 2) ? "x" : "y";
    if (random.chance(1, 3)) {
      SL_CHECK(map.remove(key).has_value());
    } else if (random.chance(1, 2)) {
      SL_CHECK(map.set(key, ydoc::TypeInput{}).has_value());
    } else {
      SL_CHECK(map.set(key, ydoc::Any::number(static_cast<double>(stamp.time))).has_value());
    }
  }
  const auto update = recorder.finish();
  SL_CHECK(update.has_value());
  return edit_of_document(*document, column, *update);
}

inline CellEdit honest_cell(Random& random, const RowState& row, const char* column,
                            const Stamp& stamp) {
  const CellState* present = row.find(column);
  const Stamp replaced = present == nullptr ? Stamp() : present->stamp;
  CellEdit cell{column, CellForm::plain, Value::integer(static_cast<std::int64_t>(stamp.time)),
                replaced};
  if ((column[0] == 't' || column[0] == 'd') && random.chance(9, 10)) {
    return honest_document_cell(random, row, column, stamp);
  }
  if (column[0] == 'n' && random.chance(3, 4)) {
    const auto counted = increment(row, column, stamp,
                                   Value::integer(static_cast<std::int64_t>(random.below(5)) - 2));
    return counted ? *counted : cell;
  }
  if (column[0] == 'j') {
    Value before;
    if (present != nullptr) {
      const auto value = cell_value(*present);
      SL_CHECK(value.has_value());
      before = *value;
    }
    return edit_document(present, column, before.view(), ValueView::of(random_document(random)));
  }
  return cell;
}

inline RowEdit honest_edit(Random& random, const RowState& row,
                           const std::vector<const char*>& columns, const Stamp& stamp) {
  RowEdit edit;
  edit.table = "t";
  edit.replaced = row.newest();
  if (!row.alive || random.chance(1, 8)) {
    edit.kind = EditKind::put;
    for (const char* column : columns) {
      Value value = Value::integer(0);
      if (column[0] == 'j') {
        value = Value::text(random_document(random));
      } else if (column[0] == 't' && random.chance(2, 3)) {
        value = Value::text(random_words(random));
      } else if (column[0] == 't' || column[0] == 'd') {
        value = Value();
      }
      edit.cells.push_back({column, CellForm::plain, std::move(value), {}});
    }
    return edit;
  }
  if (random.chance(1, 6)) {
    edit.kind = EditKind::erase;
    return edit;
  }
  edit.kind = EditKind::set;
  edit.replaced = Stamp();
  const std::size_t first = random.below(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i == first || random.chance(1, 4)) {
      edit.cells.push_back(honest_cell(random, row, columns[i], stamp));
    }
  }
  return edit;
}

// Appends what replica `writer` writes next.
inline void write_honest(Random& random, History& history, Replica& replica, unsigned writer,
                         const std::vector<const char*>& columns) {
  // Clocks may run ahead of each other, but never behind what was seen.
  StampedEdit one;
  one.stamp = make_stamp(replica.time + 1 + random.below(3), writer);
  one.edit = honest_edit(random, replica.row, columns, one.stamp);
  one.seen = replica.seen;
  std::sort(one.seen.begin(), one.seen.end());
  history.push_back(std::move(one));
  replica.hear(history, history.size() - 1);
}

inline History honest_history(Random& random, const std::vector<const char*>& columns,
                              std::size_t edits) {
  History history;
  std::array<Replica, 3> replicas;
  while (history.size() < edits) {
    const auto writer = static_cast<unsigned>(random.below(replicas.size()));
    Replica& replica = replicas[writer];
    for (std::size_t i = 0; i < history.size(); ++i) {
      if (random.chance(1, 3) && is_deliverable(history, replica, i)) {
        replica.hear(history, i);
      }
    }
    write_honest(random, history, replica, writer, columns);
  }
  return history;
}

// --- Ways to merge a history
// ------------------------------------------------------------------------

inline RowState merged(const History& history, const std::vector<std::size_t>& order) {
  RowState row;
  for (const std::size_t i : order) {
    merge_edit(row, history[i].edit, history[i].stamp);
  }
  return row;
}

inline std::vector<std::size_t> in_order(std::size_t size) {
  std::vector<std::size_t> order(size);
  for (std::size_t i = 0; i < size; ++i) {
    order[i] = i;
  }
  return order;
}

inline void shuffle(Random& random, std::vector<std::size_t>& order) {
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(i)]);
  }
}

// Merges states of single edits pair by pair, in any grouping.
inline RowState grouped(Random& random, const History& history) {
  std::vector<RowState> states;
  for (const StampedEdit& one : history) {
    states.push_back(state_of(one.edit, one.stamp));
  }
  while (states.size() > 1) {
    const std::size_t from = random.below(states.size());
    RowState taken = std::move(states[from]);
    states.erase(states.begin() + static_cast<std::ptrdiff_t>(from));
    RowState& into = states[random.below(states.size())];
    merge_state(into, taken);
  }
  return states.empty() ? RowState() : std::move(states[0]);
}

// The first law that the history breaks, in words; empty when it keeps them all.
inline std::string broken_law(Random& random, const History& history) {
  const RowState expected = merged(history, in_order(history.size()));
  const auto failure = [&](const std::string& law, const RowState& found) {
    return law + ":" + short_text(history) + "  expected " + short_text(expected) +
           "\n  found    " + short_text(found) + "\n";
  };
  std::vector<std::size_t> order = in_order(history.size());
  shuffle(random, order);
  RowState row = merged(history, order);
  if (!(row == expected)) {
    return failure("any order", row);
  }
  order.push_back(order[random.below(order.size())]);
  shuffle(random, order);
  row = merged(history, order);
  if (!(row == expected)) {
    return failure("any repetition", row);
  }
  row = grouped(random, history);
  if (!(row == expected)) {
    return failure("any grouping", row);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (merge_edit(row, history[order[i]].edit, history[order[i]].stamp).changed ||
        !(row == expected)) {
      return failure("an edit merged before changes nothing", row);
    }
  }
  return {};
}

}  // namespace syncline::merge_world
