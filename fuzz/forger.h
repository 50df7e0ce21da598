#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/chosen_cells.h"
#include "model/cell_content.h"
#include "model/merge_world.h"
#include "wire/change_codec.h"

namespace syncline {

// Changes and rows as somebody who lies would make them: mostly of a form that decodes. Whoever
// lies says which tables, columns, keys and stamps they name.
class Forger {
 public:
  virtual ~Forger() = default;

 protected:
  // How rare it is that a row as somebody knows it is so: one in so many.
  struct Odds {
    std::size_t lifeless;
    std::size_t dead;
    std::size_t counted;   // a cell
    std::size_t document;  // the same, of the others
  };
  enum class Form { plain, counter, json, document, wrong };

  explicit Forger(Choices& choices) : choices_(choices), random_(choices), large_(choices) {}

  virtual std::string table() = 0;
  virtual std::string column() = 0;
  virtual RowKey key() = 0;
  virtual Stamp stamp() = 0;
  // Of a counter.
  virtual Stamp counted_from() { return stamp(); }
  virtual Value plain_value() { return chosen_value(choices_, large_); }
  virtual Form form(const std::string& column) = 0;

  // Without cells.
  RowEdit bare_edit() {
    RowEdit out;
    out.kind = static_cast<EditKind>(1 + choices_.below(3));
    out.table = table();
    out.key = key();
    if (out.kind != EditKind::set && choices_.one_in(4)) {
      out.replaced = stamp();
    }
    return out;
  }

  // None to an erase. `stamp` is the change's.
  void add_cells(RowEdit& edit, const Stamp& stamp) {
    if (edit.kind == EditKind::erase) {
      return;
    }
    for (const std::string& name : columns()) {
      edit.cells.push_back(cell(name, stamp));
      if (edit.kind == EditKind::put) {
        edit.cells.back().replaced = Stamp();
      }
    }
  }

  RowState state(const Odds& odds) {
    RowState out;
    out.life = choices_.one_in(odds.lifeless) ? Stamp() : stamp();
    out.alive = !out.life.is_zero() && !choices_.one_in(odds.dead);
    for (const std::string& name : columns()) {
      CellContent content;
      if (!choices_.one_in(3)) {
        content.base = stamp();
        content.base_value = chosen_value(choices_, large_);
      }
      if (choices_.one_in(odds.counted)) {
        content.counts = chosen_counts(choices_, large_);
      } else if (choices_.one_in(odds.document)) {
        content.fields = entries_of(chosen_fields(choices_, large_), stamp());
      }
      if (auto cell = cell_of(name, content)) {
        out.cells.push_back(std::move(*cell));
      }
    }
    return out;
  }

  // The change in one part or several, with headers as they should be but for a choice.
  std::vector<ByteVector> parts_of(const Change& change) {
    if (change.edits.size() < 2 || !choices_.one_in(4)) {
      return {encode_change(change)};
    }
    std::vector<ByteVector> out;
    for (std::size_t i = 0; i < change.edits.size(); ++i) {
      Change one = change;
      one.edits = {change.edits[i]};
      const ByteVector whole = encode_change(one);
      Reader in(whole);
      const auto read = read_part_header(in);
      if (!read) {
        return {whole};  // its number is above any
      }
      PartHeader header = *read;
      header.index = choices_.one_in(32) ? choices_.byte() : i;
      header.last = choices_.one_in(32) != (i + 1 == change.edits.size());
      Writer part;
      write_part_header(part, header);
      part.raw(in.rest());
      out.push_back(part.take());
    }
    return out;
  }

  Choices& choices_;
  ChosenRandom random_;
  Large large_;

 private:
  std::set<std::string> columns() {
    std::set<std::string> names;
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      names.insert(column());
    }
    return names;
  }

  CellEdit cell(const std::string& name, const Stamp& stamp) {
    CellEdit out{name, CellForm::plain, {}, {}};
    switch (form(name)) {
      case Form::plain:
        out.value = plain_value();
        break;
      case Form::counter:
        out.form = CellForm::counter;
        out.value = encode_counter_edit({counted_from(), chosen_number(choices_)});
        break;
      case Form::json:
        out.form = CellForm::json;
        out.value = encode_json_edit(chosen_fields(choices_, large_));
        break;
      case Form::document:
        out = merge_world::forged_document_cell(random_, name.c_str());
        out.replaced = Stamp();
        break;
      case Form::wrong:
        out.form = static_cast<CellForm>(1 + choices_.below(3));
        out.value = Value::blob(choices_.bytes(choices_.below(40)));
        break;
    }
    if (choices_.one_in(4)) {
      out.replaced = choices_.one_in(2) ? stamp : this->stamp();
    }
    return out;
  }
};

}  // namespace syncline
