#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fuzz/forger.h"
#include "wire/state_part.h"
#include "wire/wire_samples.h"

// Changes and rows as whoever lies to a replica would make them: for its tables mostly.
namespace syncline {

class ForgedRows final : public Forger {
 public:
  explicit ForgedRows(Choices& choices) : Forger(choices) {}

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
  Stamp stamp() override { return {time(), replica()}; }

  std::string table() override {
    static constexpr const char* names[] = {"notes", "tags", "notes", "notes", "other", "Notes"};
    if (choices_.one_in(32)) {
      return choices_.one_in(2) ? choices_.text(choices_.below(6))
                                : std::string(limits::name_bytes_max + choices_.below(2), 't');
    }
    return choices_.pick(names);
  }
  std::string column() override {
    static constexpr const char* names[] = {"body", "count", "doc", "note", "new", "id", "Body"};
    return choices_.one_in(32) ? choices_.text(choices_.below(6)) : choices_.pick(names);
  }
  RowKey key() override {
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
      RowEdit made = bare_edit();
      add_cells(made, out.stamp);
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
        out.row(whose, made.view(), state({.lifeless = 6, .dead = 4, .counted = 4, .document = 4}));
      }
    }
    const std::uint64_t count = out.rows();
    return {count == 0 ? ByteVector() : out.finish(), count};
  }

 private:
  Form form(const std::string& column) override {
    static constexpr Form forms[] = {Form::plain, Form::counter, Form::json,  Form::document,
                                     Form::wrong, Form::plain,   Form::plain, Form::plain};
    static constexpr Form any[] = {Form::plain, Form::counter, Form::json, Form::document,
                                   Form::wrong};
    const Form fitting = column == "count" ? Form::counter
                         : column == "doc" ? Form::json
                                           : choices_.pick(forms);
    return choices_.one_in(8) ? choices_.pick(any) : fitting;
  }
  Value plain_value() override {
    return choices_.one_in(2) ? Value::text("own1") : Forger::plain_value();
  }
};

}  // namespace syncline
