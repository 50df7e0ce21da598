// ydoc_vectors DIR: checks the document library against every case in the folder's .json and
// .json.gz files, and prints each failing case with the reason. The last line counts.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "tests/ydoc/gunzip.h"
#include "tests/ydoc/vector_case.h"

namespace {

using namespace syncline;
using namespace syncline::ydoc_test;

struct Totals {
  int passed = 0;
  int failed = 0;
};

void run_file(const std::filesystem::path& path, Totals& totals) {
  std::string text = read_text_file(path.string());
  if (path.extension() == ".gz") {
    std::optional<std::string> plain = gunzip(as_bytes(text));
    if (!plain) {
      std::printf("%s: cannot be decompressed\n", path.c_str());
      totals.failed += 1;
      return;
    }
    text = std::move(*plain);
  }
  const Result<ydoc::Any> parsed = ydoc::from_json(text);
  if (!parsed) {
    std::printf("%s: %s\n", path.c_str(), parsed.error().message().c_str());
    totals.failed += 1;
    return;
  }
  const ydoc::Any* cases = parsed->find("cases");
  if (cases == nullptr || cases->kind() != ydoc::Any::Kind::array) {
    // Encodings of single values are no cases; they count only where they fail.
    const std::string reason = check_lib0(*parsed);
    if (!reason.empty()) {
      std::printf("%s: %s\n", path.c_str(), reason.c_str());
      totals.failed += 1;
    }
    return;
  }
  for (const ydoc::Any& each : cases->as_array()) {
    const std::string reason = check_case(each);
    if (reason.empty()) {
      totals.passed += 1;
    } else {
      std::printf("%s: %s\n", text_of(at(each, "id")).c_str(), reason.c_str());
      totals.failed += 1;
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a test that throws has failed.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ydoc_vectors DIR\n");
    return 2;
  }
  std::vector<std::filesystem::path> files;
  std::error_code trouble;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], trouble)) {
    const std::string name = entry.path().filename().string();
    const bool plain = name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0;
    const bool packed = name.size() > 8 && name.compare(name.size() - 8, 8, ".json.gz") == 0;
    if (plain || packed) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  Totals totals;
  if (files.empty()) {
    std::printf("%s: no .json or .json.gz files\n", argv[1]);
    totals.failed += 1;
  }
  for (const auto& path : files) {
    run_file(path, totals);
  }
  std::printf("%d passed, %d failed\n", totals.passed, totals.failed);
  return totals.failed == 0 ? 0 : 1;
}
