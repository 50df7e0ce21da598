#include "wire/change_codec.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "wire/wire_samples.h"

using namespace syncline;

TEST_CASE("a change comes back from its bytes as it was") {
  const Change change = sample_change();
  const auto back = decode_change(encode_change(change));
  REQUIRE(back.has_value());
  CHECK(*back == change);
}

TEST_CASE("a change cut anywhere never decodes as the change it was") {
  const ByteVector part = encode_change(sample_change());
  for (std::size_t size = 0; size < part.size(); ++size) {
    const auto back = decode_change(Bytes(part).first(size));
    if (back.has_value()) {
      // Between two tables the bytes end like a shorter change's.
      CHECK(back->edits.size() < sample_change().edits.size());
    }
  }
}

TEST_CASE("parts of one change make one change, in order and complete") {
  const Change whole = sample_change();
  const auto part_of = [&](std::size_t edit, std::uint64_t index, bool last) {
    Change piece = whole;
    piece.edits = {whole.edits[edit]};
    const ByteVector encoded = encode_change(piece);
    Reader in(encoded);
    auto header = read_part_header(in);
    REQUIRE(header.has_value());
    header->index = index;
    header->last = last;
    Writer out;
    write_part_header(out, *header);
    out.raw(in.rest());
    return out.take();
  };
  const ByteVector first = part_of(0, 0, false);
  const ByteVector second = part_of(1, 1, false);
  const ByteVector third = part_of(2, 2, true);
  const Bytes all[] = {first, second, third};
  const auto back = decode_parts(all);
  REQUIRE(back.has_value());
  CHECK(*back == whole);
  const Bytes incomplete[] = {first, second};
  CHECK_FALSE(decode_parts(incomplete).has_value());
  const Bytes swapped[] = {second, first, third};
  CHECK_FALSE(decode_parts(swapped).has_value());
  CHECK_FALSE(decode_parts({}).has_value());
}

TEST_CASE("a change that names a row twice is malformed") {
  Change change = sample_change();
  change.edits.push_back(change.edits[0]);
  CHECK(decode_change(encode_change(change)).error().code() == ErrorCode::malformed);
}

TEST_CASE("a change of another format is unsupported") {
  ByteVector part = encode_change(sample_change());
  part[0] = 2;
  CHECK(decode_change(part).error().code() == ErrorCode::unsupported);
}

TEST_CASE("the bytes of change format 1 are these") {
  const std::string golden =
#include "wire/golden_change_v1.inc"
      ;
  CHECK(to_hex(encode_change(sample_change())) == golden);
}

TEST_CASE("edits that differ in all their columns, or in the width of their keys, come back") {
  Change change = sample_change();
  change.edits.clear();
  for (int i = 0; i < 3; ++i) {
    RowEdit edit{EditKind::put, "notes", sample_key(i), {}, {}};
    for (int j = 0; j < 900; ++j) {
      edit.cells.push_back(
          {std::to_string(10'000 * (i + 1) + j), CellForm::plain, Value::integer(j), {}});
    }
    change.edits.push_back(std::move(edit));
  }
  RowEdit wide{EditKind::erase, "notes", sample_key(1), {}, {}};
  wide.key.bytes.push_back(0x41);
  change.edits.push_back(wide);
  const auto back = decode_change(encode_change(change));
  REQUIRE(back.has_value());
  REQUIRE(back->edits.size() == change.edits.size());
  for (const RowEdit& edit : change.edits) {
    CHECK(std::find(back->edits.begin(), back->edits.end(), edit) != back->edits.end());
  }
}
