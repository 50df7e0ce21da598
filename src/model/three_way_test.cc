#include "model/three_way.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "model/merge_world.h"

using namespace syncline;

namespace {

using Merge = ThreeWay (*)(const ValueView&, const ValueView&, const ValueView&);

ThreeWay texts(Merge merge, std::string_view base, std::string_view ours, std::string_view theirs) {
  return merge(ValueView::of(base), ValueView::of(ours), ValueView::of(theirs));
}

std::string merged(Merge merge, std::string_view base, std::string_view ours,
                   std::string_view theirs) {
  const ThreeWay out = texts(merge, base, ours, theirs);
  CHECK(out.is_clean());
  return std::string(out.merged.view().text());
}

std::string random_lines(Random& random) {
  std::string text;
  const std::uint64_t count = random.below(7);
  for (std::uint64_t i = 0; i < count; ++i) {
    text += static_cast<char>('a' + random.below(3));
    text += i + 1 < count || random.chance(1, 2) ? "\n" : "";
  }
  return text;
}

}  // namespace

TEST_CASE("a side that changed nothing gives way, and sides that changed alike agree") {
  CHECK(merged(merge_values, "0", "0", "1") == "1");
  CHECK(merged(merge_values, "0", "1", "0") == "1");
  CHECK(merged(merge_values, "0", "1", "1") == "1");
}

TEST_CASE("two different changes of one value disagree and keep ours for now") {
  const ThreeWay out = texts(merge_values, "0", "1", "2");
  CHECK(out.merged == Value::text("1"));
  REQUIRE(out.disagreements.size() == 1);
  CHECK(out.disagreements[0] ==
        Disagreement{{}, Value::text("0"), Value::text("1"), Value::text("2")});
}

TEST_CASE("one and one point nothing are two values") {
  CHECK(!merge_values(ValueView::null(), ValueView::of(std::int64_t{1}), ValueView::of(1.0))
             .is_clean());
}

TEST_CASE("documents merge field by field, nested ones too") {
  CHECK(merged(merge_documents, R"({"a":1,"b":{"c":1,"d":1},"e":1})",
               R"({"a":2,"b":{"c":1,"d":2},"e":1})",
               R"({"a":1,"b":{"c":3,"d":1},"f":{}})") == R"({"a":2,"b":{"c":3,"d":2},"f":{}})");
}

TEST_CASE("each field in dispute is told by its path, and the others merge all the same") {
  const ThreeWay out =
      texts(merge_documents, R"({"a":{"x":1,"y":1},"b":1,"c":[1]})",
            R"({"a":{"x":2,"y":1},"b":2,"c":[1]})", R"({"a":{"x":3,"y":3},"c":[2]})");
  CHECK(out.merged == Value::text(R"({"a":{"x":2,"y":3},"b":2,"c":[2]})"));
  REQUIRE(out.disagreements.size() == 2);
  CHECK(out.disagreements[0] ==
        Disagreement{{"a", "x"}, Value::text("1"), Value::text("2"), Value::text("3")});
  CHECK(out.disagreements[1] == Disagreement{{"b"}, Value::text("1"), Value::text("2"), Value()});
}

TEST_CASE("two sides that add one object merge its fields") {
  CHECK(merged(merge_documents, "{}", R"({"a":{"x":1}})", R"({"a":{"y":2}})") ==
        R"({"a":{"x":1,"y":2}})");
}

TEST_CASE("what is no document merges as a value") {
  CHECK(merged(merge_documents, "[1]", "[1]", "[2]") == "[2]");
  CHECK(!texts(merge_documents, "[1]", "[2]", "[3]").is_clean());
}

TEST_CASE("lines changed apart from each other merge") {
  CHECK(merged(merge_lines, "a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n") == "A\nb\nc\nD\n");
  CHECK(merged(merge_lines, "a\nb\nc\n", "a\nb\nc\nnew\n", "b\nc\n") == "b\nc\nnew\n");
  CHECK(merged(merge_lines, "", "", "x") == "x");
  CHECK(merged(merge_lines, "a\nb", "a\nb", "a\nb\n") == "a\nb\n");
}

TEST_CASE("lines that both sides changed disagree with the lines of all three") {
  const ThreeWay out = texts(merge_lines, "a\nb\nc\n", "a\nour\nc\n", "a\ntheir\nc\n");
  CHECK(out.merged == Value::text("a\nour\nc\n"));
  REQUIRE(out.disagreements.size() == 1);
  CHECK(out.disagreements[0] ==
        Disagreement{{}, Value::text("b\n"), Value::text("our\n"), Value::text("their\n")});
  CHECK(merged(merge_lines, "a\nb\nc\n", "a\nsame\nc\n", "a\nsame\nc\n") == "a\nsame\nc\n");
}

TEST_CASE("additions at one place disagree, since nobody knows which comes first") {
  CHECK(!texts(merge_lines, "a\n", "a\nour\n", "a\ntheir\n").is_clean());
}

TEST_CASE("text of too many lines, or with too little in common, still merges as a whole") {
  std::string many;
  std::string other;
  for (std::size_t i = 0; i < three_way_lines_max; ++i) {
    many += "x\n";
    other += "y" + std::to_string(i) + "\n";
  }
  CHECK(merged(merge_lines, many, many, other) == other);
  CHECK(merged(merge_lines, many + "x\n", many, many + "x\n") == many);
}

TEST_CASE("three-way merges are symmetric: swapping the sides swaps only whose side is kept") {
  for (std::uint64_t seed = 1; seed <= 10'000; ++seed) {
    SeededRandom random(seed);
    const bool is_lines = random.chance(1, 2);
    const auto draw = [&] {
      return is_lines ? random_lines(random) : merge_world::random_document(random);
    };
    const std::string base = draw();
    const std::string ours = draw();
    const std::string theirs = draw();
    const Merge merge = is_lines ? merge_lines : merge_documents;
    INFO("seed " << seed << ": " << base << " | " << ours << " | " << theirs);
    const ThreeWay one = texts(merge, base, ours, theirs);
    const ThreeWay other = texts(merge, base, theirs, ours);
    REQUIRE(one.disagreements.size() == other.disagreements.size());
    REQUIRE((!one.is_clean() || one.merged == other.merged));
    for (std::size_t i = 0; i < one.disagreements.size(); ++i) {
      const Disagreement& left = one.disagreements[i];
      const Disagreement& right = other.disagreements[i];
      REQUIRE(left == Disagreement{right.path, right.base, right.theirs, right.ours});
    }
  }
}

TEST_CASE("a three-way merge with an unchanged side is the other side") {
  for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
    SeededRandom random(seed);
    const std::string base = random_lines(random);
    const std::string changed = random_lines(random);
    INFO("seed " << seed << ": " << base << " | " << changed);
    REQUIRE(merged(merge_lines, base, changed, base) == changed);
    REQUIRE(merged(merge_lines, base, base, changed) == changed);
    REQUIRE(merged(merge_lines, base, changed, changed) == changed);
  }
}

TEST_CASE("anything merges in the finest way that fits it") {
  const auto merge = [](std::string_view base, std::string_view ours, std::string_view theirs) {
    return merge_any(ValueView::of(base), ValueView::of(ours), ValueView::of(theirs));
  };
  CHECK(merge(R"({"a":1,"b":1})", R"({"a":2,"b":1})", R"({"a":1,"b":3})").merged ==
        Value::text(R"({"a":2,"b":3})"));
  const ThreeWay fields = merge(R"({"a":1})", R"({"a":2})", R"({"a":3})");
  REQUIRE(fields.disagreements.size() == 1);
  CHECK(fields.disagreements[0].path == JsonPath{"a"});
  CHECK(merge("one\ntwo\nthree\n", "ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n").merged ==
        Value::text("ONE\ntwo\nTHREE\n"));
  CHECK_FALSE(merge("one", "two", "three").is_clean());
  const ValueView four = ValueView::of(std::int64_t{4});
  const ValueView five = ValueView::of(std::int64_t{5});
  CHECK(merge_any(four, five, four).merged == Value(five));
  CHECK_FALSE(merge_any(ValueView(), five, four).is_clean());
}
