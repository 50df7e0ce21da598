#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "fuzz/chosen_cells.h"
#include "model/cell_content.h"
#include "model/merge_world.h"
#include "wire/change_codec.h"
#include "wire/state_part.h"
#include "wire/wire_samples.h"

// Changes and rows as whoever lies to a replica would make them: for its tables mostly, and mostly
// of a form that decodes.
namespace syncline {

class ForgedRows {
 public:
  explicit ForgedRows(Choices& choices) : choices_(choices), random_(choices), large_(choices) {}

  ReplicaId replica() { return sample_replica(static_cast<int>(1 + choices_.below(6))); }

  std::uint64_t time() {
    const std::uint64_t now = std::uint64_t{1'700'000'000'000} << Stamp::counter_bits;
    const std::uint64_t times[] = {now,
                                   now + 1,
                                   now - 1,
                                   1,
                                   now + (std::uint64_t{30'000} << Stamp::counter_bits),
                                   now + (std::uint64_t{59'000} << Stamp::counter_bits),
                                   now + (std::uint64_t{70'000} << Stamp::counter_bits),
                                   std::uint64_t{1} << 62U,
                                   std::uint64_t{1} << 63U,
                                   UINT64_MAX};
    return choices_.one_in(3) ? choices_.pick(times) : now;
  }
  Stamp stamp() { return {time(), replica()}; }

  std::string table() {
    static constexpr const char* names[] = {"notes", "tags", "notes", "notes", "other", "Notes"};
    if (choices_.one_in(32)) {
      return choices_.one_in(2) ? choices_.text(choices_.below(6))
                                : std::string(limits::name_bytes_max + choices_.below(2), 't');
    }
    return choices_.pick(names);
  }
  std::string column() {
    static constexpr const char* names[] = {"body", "count", "doc", "note", "new", "id", "Body"};
    return choices_.one_in(32) ? choices_.text(choices_.below(6)) : choices_.pick(names);
  }
  RowKey key() {
    static constexpr const char* names[] = {"a", "b", "own0", "own1", "c", "d"};
    if (choices_.one_in(8)) {
      const ValueView key[] = {ValueView::of(std::int64_t{choices_.byte()})};
      return make_key(key);
    }
    if (choices_.one_in(32)) {
      RowKey out;
      out.bytes = to_vector(choices_.bytes(choices_.below(12)));
      return out;
    }
    const ValueView key[] = {ValueView::of(std::string_view(choices_.pick(names)))};
    return make_key(key);
  }

  // In one part or several.
  std::vector<ByteVector> change(const ReplicaId& author, std::uint64_t sequence) {
    Change out;
    out.sequence = ChangeSequence(sequence);
    out.stamp = {time() + sequence % 256, author};
    out.schema_version = 1;
    const std::size_t edits = choices_.one_in(16) ? 40 : 1 + choices_.below(3);
    for (std::size_t i = 0; i < edits; ++i) {
      RowEdit made = edit(out.stamp);
      if (key_values(made.key.view()).has_value()) {
        out.edits.push_back(std::move(made));
      }
    }
    return parts_of(out);
  }

  // A part of states, and how many rows are in it.
  std::pair<ByteVector, std::uint64_t> states(std::size_t rows, const std::string& of = "") {
    StatePartWriter out(replica());
    for (std::size_t i = 0; i < rows; ++i) {
      const std::string whose = of.empty() || choices_.one_in(16) ? table() : of;
      const RowKey made = key();
      if (key_values(made.view()).has_value()) {
        out.row(whose, made.view(), state());
      }
    }
    const std::uint64_t count = out.rows();
    return {count == 0 ? ByteVector() : out.finish(), count};
  }

 private:
  RowEdit edit(const Stamp& stamp) {
    RowEdit out;
    out.kind = static_cast<EditKind>(1 + choices_.below(3));
    out.table = table();
    out.key = key();
    if (out.kind != EditKind::set && choices_.one_in(4)) {
      out.replaced = this->stamp();
    }
    if (out.kind == EditKind::erase) {
      return out;
    }
    std::set<std::string> names;
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      names.insert(column());
    }
    for (const std::string& name : names) {
      out.cells.push_back(cell(name, stamp));
      if (out.kind == EditKind::put) {
        out.cells.back().replaced = Stamp();
      }
    }
    return out;
  }

  CellEdit cell(const std::string& name, const Stamp& stamp) {
    CellEdit out{name, CellForm::plain, {}, {}};
    const std::size_t what = name == "count" ? 1 : name == "doc" ? 2 : choices_.below(8);
    switch (choices_.one_in(8) ? choices_.below(5) : what) {
      case 1:
        out.form = CellForm::counter;
        out.value = encode_counter_edit({this->stamp(), chosen_number(choices_)});
        break;
      case 2:
        out.form = CellForm::json;
        out.value = encode_json_edit(chosen_fields(choices_, large_));
        break;
      case 3:
        out = merge_world::forged_document_cell(random_, name.c_str());
        out.replaced = Stamp();
        break;
      case 4:
        out.form = static_cast<CellForm>(1 + choices_.below(3));
        out.value = Value::blob(choices_.bytes(choices_.below(40)));
        break;
      default:
        out.value = choices_.one_in(2) ? Value::text("own1") : chosen_value(choices_, large_);
    }
    if (choices_.one_in(4)) {
      out.replaced = choices_.one_in(2) ? stamp : this->stamp();
    }
    return out;
  }

  RowState state() {
    RowState out;
    out.life = choices_.one_in(6) ? Stamp() : stamp();
    out.alive = !out.life.is_zero() && !choices_.one_in(4);
    std::set<std::string> names;
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      names.insert(column());
    }
    for (const std::string& name : names) {
      CellContent content;
      if (!choices_.one_in(3)) {
        content.base = stamp();
        content.base_value = chosen_value(choices_, large_);
      }
      if (choices_.one_in(4)) {
        content.counts = chosen_counts(choices_, large_);
      } else if (choices_.one_in(4)) {
        content.fields = entries_of(chosen_fields(choices_, large_), stamp());
      }
      if (auto cell = cell_of(name, content)) {
        out.cells.push_back(std::move(*cell));
      }
    }
    return out;
  }

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
        return {whole};
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
};

}  // namespace syncline
