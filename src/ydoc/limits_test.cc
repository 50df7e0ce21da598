#include "ydoc/limits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/random.h"
#include "ydoc/doc.h"
#include "ydoc/merge.h"
#include "ydoc/update_v2.h"

namespace syncline::ydoc {
namespace {

// How large the hostile updates are. By hand: SYNCLINE_HOSTILE_MIB=100 build/dev/ydoc_tests
// -tc='*hostile*', with /usr/bin/time -v before it.
std::size_t hostile_bytes() {
  const char* mib =
      std::getenv("SYNCLINE_HOSTILE_MIB");  // tidy-allow(banned-call): a person says how large
  return (mib == nullptr ? std::size_t{1} : std::strtoull(mib, nullptr, 10)) << 20U;
}

// Refused or taken in, what stays is in proportion to the bytes that came: the smallest structs
// take two bytes there and a hundred here.
constexpr std::size_t growth_max = 80;
constexpr std::size_t empty_bytes_max = std::size_t{4} << 20U;

struct Outcome {
  bool taken = false;
  ErrorCode code = ErrorCode::internal;
};

Outcome outcome_of(const ByteVector& update, Limits limits = {}) {
  DocOptions options;
  options.client_id = 1;
  options.limits = limits;
  Doc doc(options);
  const Result<void> done = doc.apply_update(update);
  CHECK(doc.memory_bytes() <= empty_bytes_max + (done ? growth_max * update.size() : 0));
  if (!done) {
    CHECK(doc.state_vector().entries().empty());
    return {false, done.error().code()};
  }
  (void)merge_updates(std::vector<Bytes>{update, update});
  (void)convert_v1_to_v2(update);
  return {true, {}};
}

// One section of `count` structs, each by `write`, and no deletions.
template <typename Write>
ByteVector sections(std::uint64_t clients, std::uint64_t structs, const Write& write) {
  Encoder out;
  out.var_uint(clients);
  for (std::uint64_t client = clients; client > 0; --client) {
    out.var_uint(structs);
    out.var_uint(client);
    out.var_uint(0);
    for (std::uint64_t i = 0; i < structs; ++i) {
      write(out, client, i);
    }
  }
  out.var_uint(0);
  return out.take();
}

void write_root_letter(Encoder& out) {
  out.u8(4);  // a string, without origins
  out.var_uint(1);
  out.string("t");
  out.string("x");
}

TEST_CASE("a hostile update beyond the limit is refused before it is read") {
  Limits limits;
  limits.update_bytes_max = hostile_bytes() - 1;
  const ByteVector zeros(hostile_bytes(), 0);
  CHECK(outcome_of(zeros, limits).code == ErrorCode::too_large);
}

TEST_CASE("a hostile update of random bytes is malformed") {
  SeededRandom random(1);
  ByteVector bytes(hostile_bytes());
  random.fill(bytes);
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  CHECK(outcome_of(bytes, limits).code == ErrorCode::malformed);
}

TEST_CASE("a hostile count of what does not follow is malformed and reserves nothing") {
  for (const std::uint64_t count : {std::uint64_t{1} << 31U, (std::uint64_t{1} << 53U) - 1}) {
    Encoder out;
    out.var_uint(1);
    out.var_uint(count);
    out.var_uint(7);
    out.var_uint(0);
    CHECK(outcome_of(out.take()).code == ErrorCode::malformed);
    out.var_uint(0);
    out.var_uint(count);
    CHECK(outcome_of(out.take()).code == ErrorCode::malformed);
  }
}

TEST_CASE("hostile structs of two bytes are refused beyond their number") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  limits.structs_max = hostile_bytes() / 4;
  const ByteVector update =
      sections(1, hostile_bytes() / 2, [](Encoder& out, std::uint64_t, std::uint64_t) {
        out.u8(0);  // gc
        out.var_uint(1);
      });
  CHECK(outcome_of(update, limits).code == ErrorCode::too_large);
}

TEST_CASE("hostile crowds of clients are refused beyond their number") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  limits.clients_max = hostile_bytes() / 32;
  const ByteVector update =
      sections(hostile_bytes() / 8, 1, [](Encoder& out, std::uint64_t, std::uint64_t) {
        out.u8(0);
        out.var_uint(1);
      });
  CHECK(outcome_of(update, limits).code == ErrorCode::too_large);
}

TEST_CASE("hostile inserts at one place are refused when ordering them takes too long") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  limits.conflict_steps_max = 100'000;
  DocOptions options;
  options.client_id = 1;
  options.limits = limits;
  Doc doc(options);
  // Each stands at the beginning, and looks at all that stand there already.
  const ByteVector update =
      sections(hostile_bytes() / 16, 1,
               [](Encoder& out, std::uint64_t, std::uint64_t) { write_root_letter(out); });
  const Result<void> done = doc.apply_update(update);
  CHECK(doc.memory_bytes() <= empty_bytes_max + growth_max * update.size());
  CHECK((done || done.error().code() == ErrorCode::too_large));
}

TEST_CASE("hostile deletions of what nobody wrote wait in proportion to their bytes") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  Encoder out;
  out.var_uint(0);
  out.var_uint(1);
  out.var_uint(7);
  // No document takes more by itself.
  const std::uint64_t ranges =
      std::min<std::uint64_t>(hostile_bytes() / 6, Limits().delete_ranges_max);
  out.var_uint(ranges);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    out.var_uint(i * 2);
    out.var_uint(1);
  }
  const ByteVector update = out.take();
  limits.delete_ranges_max = ranges;
  CHECK(outcome_of(update, limits).taken);
  limits.delete_ranges_max = ranges - 1;
  CHECK(outcome_of(update, limits).code == ErrorCode::too_large);
}

TEST_CASE("hostile structs that wait for ever wait in proportion to their bytes") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  // An update has no more by itself.
  const std::uint64_t count = std::min<std::uint64_t>(hostile_bytes() / 12, limits.structs_max);
  const ByteVector update = sections(1, count, [](Encoder& out, std::uint64_t, std::uint64_t i) {
    out.u8(0x84);  // a string with an origin that never came
    out.var_uint(999'999);
    out.var_uint(i);
    out.string("x");
  });
  CHECK(outcome_of(update, limits).taken);
}

TEST_CASE("a hostile nest of values is refused beyond its depth, and one long text is just long") {
  Limits limits;
  limits.update_bytes_max = SIZE_MAX;
  const ByteVector nest = sections(1, 1, [](Encoder& out, std::uint64_t, std::uint64_t) {
    out.u8(8);  // any
    out.var_uint(1);
    out.string("t");
    out.var_uint(1);
    for (std::size_t i = 0; i < hostile_bytes() / 2; ++i) {
      out.u8(117);  // an array of one
      out.u8(1);
    }
  });
  CHECK_FALSE(outcome_of(nest, limits).taken);
  const ByteVector text = sections(1, 1, [](Encoder& out, std::uint64_t, std::uint64_t) {
    out.u8(4);
    out.var_uint(1);
    out.string("t");
    out.string(std::string(hostile_bytes(), 'x'));
  });
  CHECK(outcome_of(text, limits).taken);
}

TEST_CASE("a hostile update of the second format unfolds no further than its limit") {
  // A run length is a few bytes and may claim any number.
  Doc doc(DocOptions{});
  doc.set_client_id(7);
  REQUIRE(doc.text("t").insert(0, std::u16string(1000, u'x')));
  ByteVector second = *doc.encode_state_as_update_v2();
  Limits limits;
  limits.update_bytes_max = hostile_bytes();
  SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    ByteVector bad = second;
    for (int left = 1 + static_cast<int>(random.below(3)); left > 0; --left) {
      bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.below(256));
    }
    const auto first = convert_v2_to_v1(bad, limits);
    CHECK((!first || first->size() <= limits.update_bytes_max));
  }
}

}  // namespace
}  // namespace syncline::ydoc
