#include "wire/message.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "wire/codec.h"
#include "wire/version.h"

using namespace syncline;

namespace {

std::string read_document() {
  // tidy-allow(banned-call): the test reads the document that it checks
  std::FILE* file = std::fopen(SYNCLINE_PROTOCOL_DOC, "rb");  // tidy-allow(banned-call): as above
  REQUIRE(file != nullptr);
  std::string out;
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
    out.append(buffer, got);
  }
  std::fclose(file);
  return out;
}

std::string row_of(std::size_t type, const MessageShape& shape) {
  std::string fields;
  for (const std::string_view field : shape.fields) {
    fields += (fields.empty() ? "`" : ", `") + std::string(field) + "`";
  }
  return "| " + std::to_string(type) + " | `" + std::string(shape.name) + "` | ? | " + fields +
         " |";
}

}  // namespace

TEST_CASE("docs/protocol.md lists exactly the messages and fields of the code") {
  const std::string document = read_document();
  const std::size_t start = document.find("## Messages");
  const std::size_t end = document.find("## The conversation");
  REQUIRE((start != std::string::npos && end != std::string::npos));
  std::vector<std::string> rows;
  for (std::size_t at = start; at < end;) {
    const std::size_t line_end = document.find('\n', at);
    std::string line = document.substr(at, line_end - at);
    at = line_end + 1;
    if (line.rfind("| ", 0) != 0 || line.rfind("| type", 0) == 0 || line.rfind("| ---", 0) == 0) {
      continue;
    }
    // Who sends a message is prose.
    const std::size_t third = line.find("| ", line.find("` |") + 1);
    const std::size_t fourth = line.find(" |", third + 2);
    line.replace(third + 2, fourth - third - 2, "?");
    rows.push_back(line);
  }
  const std::vector<MessageShape> shapes = message_shapes();
  REQUIRE(rows.size() == shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    CHECK(rows[i] == row_of(i + 1, shapes[i]));
  }
}

TEST_CASE("docs/protocol.md names every version that is spoken, and no other") {
  const std::string document = read_document();
  for (std::uint32_t version = protocol_spoken.min; version <= protocol_spoken.max; ++version) {
    CHECK(document.find("\n| " + std::to_string(version) + " | ", document.find("## Versions")) <
          document.find("## Messages"));
  }
  CHECK(document.find("\n| " + std::to_string(protocol_spoken.max + 1) + " | ",
                      document.find("## Versions")) > document.find("## Messages"));
}

TEST_CASE("docs/protocol.md names every reason of a refusal") {
  const std::string document = read_document();
  const std::string list = document.substr(document.find("## Refusals"));
  for (int reason = 1; reason <= static_cast<int>(Refusal::cannot_store); ++reason) {
    CHECK(list.find(std::string(refusal_name(static_cast<Refusal>(reason)))) != std::string::npos);
  }
}
