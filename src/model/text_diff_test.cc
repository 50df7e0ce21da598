#include "model/text_diff.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "base/text.h"
#include "ydoc/doc.h"

namespace syncline {
namespace {

std::u16string applied(std::u16string_view before, const std::vector<TextChange>& changes) {
  std::u16string out(before);
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    out.replace(change->index, change->removed, change->inserted);
  }
  return out;
}

std::string told(std::u16string_view before, std::u16string_view after) {
  std::string out;
  for (const TextChange& change : diff_texts(before, after)) {
    out += "@" + std::to_string(change.index) + "-" + std::to_string(change.removed) + "+" +
           utf16_to_utf8(change.inserted);
  }
  return out;
}

TEST_CASE("a text's changes are told by words, each as small as it can be") {
  CHECK(told(u"same", u"same").empty());
  CHECK(told(u"", u"all") == "@0-0+all");
  CHECK(told(u"all", u"") == "@0-3+");
  CHECK(told(u"one two three", u"one 2 three") == "@4-3+2");
  CHECK(told(u"The cat sat on the mat.", u"A cat sat on a mat!") == "@0-3+A@15-3+a@22-1+!");
  CHECK(told(u"walk home", u"walking homes") == "@4-0+ing@9-0+s");
}

TEST_CASE("the halves of a pair are never parted") {
  CHECK(told(u"a\U0001F600b", u"a\U0001F601b") == "@1-2+\xF0\x9F\x98\x81");
  CHECK(told(u"\U0001F600\U0001F600", u"\U0001F600\U0001F4A9\U0001F600") ==
        "@2-0+\xF0\x9F\x92\xA9");
}

TEST_CASE("applying the changes of any two texts gives the second") {
  SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::u16string texts[2];
    for (std::u16string& text : texts) {
      for (std::uint64_t left = random.below(30); left > 0; --left) {
        static constexpr std::u16string_view parts[] = {u"a",  u"b",  u" ",          u"word",
                                                        u"\n", u".",  u"\U0001F600", u"other",
                                                        u"_1", u"äö", u"\U0001F601"};
        text += parts[random.below(std::size(parts))];
      }
    }
    REQUIRE(applied(texts[0], diff_texts(texts[0], texts[1])) == texts[1]);
  }
}

TEST_CASE("texts that share next to nothing are replaced, in bounded time") {
  std::u16string before;
  std::u16string after;
  for (int i = 0; i < 50'000; ++i) {
    before += u"a ";
    after += u"b,";
  }
  const auto changes = diff_texts(before, after);
  CHECK(changes.size() == 1);
  CHECK(applied(before, changes) == after);
}

TEST_CASE("a document's text changes around what is embedded in it") {
  ydoc::DocOptions options;
  options.client_id = 1;
  ydoc::Doc doc(options);
  ydoc::Text text = doc.text("t");
  REQUIRE(text.insert(0, u"one two three"));
  REQUIRE(text.embed(4, ydoc::Any::object({{"image", ydoc::Any::string("x")}})));
  REQUIRE(text.embed(0, ydoc::Any::object({})));
  REQUIRE(change_text(text, "uno two tree"));
  CHECK(text.to_string() == "uno two tree");
  CHECK(text.length() == 14);
  REQUIRE(change_text(text, ""));
  CHECK(text.length() == 2);
  CHECK_FALSE(change_text(text, "\xFF"));
}

}  // namespace
}  // namespace syncline
