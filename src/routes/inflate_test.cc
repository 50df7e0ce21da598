#include "routes/inflate.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

namespace syncline {
namespace {

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstandard(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string mixed_text(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; out.size() < size; ++i) {
    out += std::to_string(i * 2654435761U) + ",";
  }
  return out;
}

constexpr std::size_t most = std::size_t{1} << 20U;

}  // namespace

TEST_CASE("packed bodies are what they were") {
  for (const std::string& text : {std::string(), std::string("{}"), mixed_text(300'000)}) {
    CHECK(*inflate_body("", text, most) == text);
    CHECK(*inflate_body("identity", text, most) == text);
    CHECK(*inflate_body("GZIP", gzipped(text), most) == text);
    CHECK(*inflate_body("zstd", zstandard(text), most) == text);
  }
}

TEST_CASE("a small body that repeats itself may unpack to more than a hundred times its size") {
  const std::string text(60'000, ' ');
  CHECK(*inflate_body("gzip", gzipped(text), most) == text);
  CHECK(*inflate_body("zstd", zstandard(text), most) == text);
}

TEST_CASE("bombs are refused before they are large") {
  const std::string text(8 * most, ' ');
  CHECK(inflate_body("gzip", gzipped(text), most).error().code() == ErrorCode::too_large);
  CHECK(inflate_body("zstd", zstandard(text), most).error().code() == ErrorCode::too_large);
  // Within the bound, but out of all proportion.
  CHECK(inflate_body("gzip", gzipped(text), 16 * most).error().code() == ErrorCode::too_large);
  CHECK(inflate_body("zstd", zstandard(text), 16 * most).error().code() == ErrorCode::too_large);
  CHECK(inflate_body("", mixed_text(most + 1), most).error().code() == ErrorCode::too_large);
}

TEST_CASE("what is cut, followed by more, or something else is malformed") {
  const std::string text = mixed_text(10'000);
  for (const std::string& packed : {gzipped(text), zstandard(text)}) {
    const char* encoding = packed[0] == '\x1f' ? "gzip" : "zstd";
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, packed.size() - 1}) {
      const auto out = inflate_body(encoding, packed.substr(0, size), most);
      CHECK_FALSE(out.has_value());
    }
    CHECK_FALSE(inflate_body(encoding, packed + "x", most).has_value());
    CHECK_FALSE(inflate_body(encoding, text, most).has_value());
  }
  CHECK(inflate_body("br", text, most).error().code() == ErrorCode::unsupported);
}

}  // namespace syncline
