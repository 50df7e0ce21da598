#include "model/document_cache.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

DocumentCache::Key key_of(const char* ground) {
  return {DocKind::text, {Stamp{1, ReplicaId{}}, 0}, Value::text(ground), "", ""};
}

TEST_CASE("a document is found by what it was made of, and by nothing else") {
  DocumentCache cache;
  auto entry = cache.open(key_of("one"));
  REQUIRE(entry);
  CHECK(entry->shown == Value::text("one"));
  CHECK(cache.loads() == 1);
  cache.put(std::move(*entry));

  CHECK_FALSE(cache.take(key_of("two")).has_value());
  DocumentCache::Key staged = key_of("one");
  staged.staged = "x";
  CHECK_FALSE(cache.take(staged).has_value());
  CHECK(cache.open(key_of("one")).has_value());
  CHECK(cache.loads() == 1);
  // Whoever took it has it.
  CHECK_FALSE(cache.take(key_of("one")).has_value());
}

TEST_CASE("few documents are kept, and none that waits for changes or is very large") {
  DocumentCache cache;
  for (const char* ground : {"1", "2", "3", "4", "5"}) {
    auto entry = cache.open(key_of(ground));
    REQUIRE(entry);
    cache.put(std::move(*entry));
  }
  CHECK_FALSE(cache.take(key_of("1")).has_value());
  CHECK(cache.take(key_of("5")).has_value());

  auto large = cache.open(key_of(std::string(5'000'000, 'x').c_str()));
  REQUIRE(large);
  const DocumentCache::Key key = large->key;
  cache.put(std::move(*large));
  CHECK_FALSE(cache.take(key).has_value());
}

}  // namespace
}  // namespace syncline
