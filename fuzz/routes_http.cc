#include "base/check.h"
#include "routes/http.h"
#include "routes/sync.h"

using namespace syncline;

// A target that is accepted is a path that does not climb.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  Request request;
  if (split_target(target, request)) {
    SL_CHECK(request.path.find("/../") == std::string::npos);
    SL_CHECK(request.path.find('\0') == std::string::npos);
    (void)request.parameter("workspace");
    (void)has_token_in_url(request);
  }
  request.headers = {{"Authorization", std::string(target)}, {"Origin", std::string(target)}};
  (void)request.bearer();
  (void)refuse_upgrade(request, {});
  return 0;
}
