#include "routes/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "routes/http.h"

namespace syncline {
namespace {

constexpr std::size_t ratio_max = 100;
// Below this nobody counts: headers and short texts repeat themselves.
constexpr std::size_t small_bytes = std::size_t{64} << 10U;
constexpr std::size_t step_bytes = std::size_t{64} << 10U;
// A window of 8 MiB, which every level below the "ultra" ones keeps to.
constexpr int zstd_window_log_max = 23;

Error too_large() {
  return Error(ErrorCode::too_large, "the body is too large once it is unpacked; send less");
}
Error broken(const char* what) {
  return Error(ErrorCode::malformed, std::string("the body is no ") + what);
}

Result<std::string> from_gzip(const std::string& body, std::size_t bytes_max) {
  z_stream stream{};
  constexpr int gzip_window = 15 + 16;
  if (inflateInit2(&stream, gzip_window) != Z_OK) {
    return Error(ErrorCode::out_of_memory, "no memory to unpack a body");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  // zlib takes a pointer to what it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  std::string out;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (out.size() > bytes_max) {
      return too_large();
    }
    const std::size_t before = out.size();
    out.resize(before + step_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(step_bytes);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (state != Z_OK && state != Z_STREAM_END) {
      return broken("gzip");
    }
    if (state == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) {
      return broken("whole gzip");
    }
  }
  return stream.avail_in == 0 ? Result<std::string>(std::move(out)) : broken("single gzip");
}

Result<std::string> from_zstd(const std::string& body, std::size_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  if (!context) {
    return Error(ErrorCode::out_of_memory, "no memory to unpack a body");
  }
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, zstd_window_log_max);
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  std::string out;
  std::size_t left = 1;
  while (left != 0 || in.pos < in.size) {
    if (out.size() > bytes_max) {
      return too_large();
    }
    const std::size_t before = out.size();
    out.resize(before + step_bytes);
    ZSTD_outBuffer into{out.data() + before, step_bytes, 0};
    left = ZSTD_decompressStream(context.get(), &into, &in);
    out.resize(before + into.pos);
    if (ZSTD_isError(left) != 0 || (left != 0 && in.pos == in.size && into.pos < step_bytes)) {
      return broken("whole zstd");
    }
  }
  return out;
}

}  // namespace

Result<std::string> inflate_body(std::string_view encoding, const std::string& body,
                                 std::size_t bytes_max) {
  if (encoding.empty() || equal_ignoring_case(encoding, "identity")) {
    return body.size() > bytes_max ? Result<std::string>(too_large()) : Result<std::string>(body);
  }
  const bool is_gzip =
      equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip");
  if (!is_gzip && !equal_ignoring_case(encoding, "zstd")) {
    return Error(ErrorCode::unsupported, "Content-Encoding may be gzip, zstd or none");
  }
  const std::size_t most = std::min(bytes_max, std::max(small_bytes, body.size() * ratio_max));
  SL_TRY(std::string out, is_gzip ? from_gzip(body, most) : from_zstd(body, most));
  return out.size() > most ? Result<std::string>(too_large()) : Result<std::string>(std::move(out));
}

}  // namespace syncline
