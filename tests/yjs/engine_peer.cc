// engine_peer: replicas in memory driven over a pipe, for the tests against npm's yjs. One command
// a line, its words separated by spaces, texts and bytes in base64 ("-" when empty); one line
// answers: "ok", "ok BASE64" or "no BASE64" with the reason. Commands are those of Peer::run().
#include <iostream>
#include <memory>
#include <sstream>
#include <vector>

#include "base/base64.h"
#include "client/documents.h"
#include "client/test_replica.h"

namespace {

using namespace syncline;

std::string word(Bytes bytes) { return bytes.empty() ? "-" : to_base64(bytes); }

Result<ByteVector> unpacked(const std::string& text) {
  return text == "-" ? Result<ByteVector>(ByteVector()) : from_base64(text);
}

class Peer {
 public:
  Result<std::string> run(const std::vector<std::string>& words) {
    const std::string& what = words.at(0);
    if (what == "reset") {
      return reset(std::stoul(words.at(1)), std::stoul(words.at(2)));
    }
    TestReplica& replica = *replicas_.at(std::stoul(words.at(1)));
    replica.clock.ms += 1;
    if (what == "pull") {
      SL_TRY(replica.pull(*replicas_.at(std::stoul(words.at(2)))));
      return std::string("-");
    }
    if (what == "sql") {
      SL_TRY(const ByteVector sql, unpacked(words.at(2)));
      SL_TRY(replica.execute(std::string(as_text(sql))));
      return std::string("-");
    }
    if (what == "text" || what == "blob") {
      return word(as_bytes(replica.text(what == "text" ? "SELECT coalesce(body, '') FROM notes"
                                                       : "SELECT hex(page) FROM notes")));
    }
    return replica.engine->with_documents(
        [&](Documents& documents) { return on_document(documents, words); });
  }

 private:
  Result<std::string> reset(std::size_t count, std::uint64_t seed) {
    replicas_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      replicas_.push_back(std::make_unique<TestReplica>(seed * 16 + i));
      SL_TRY(replicas_.back()->execute(
          "CREATE TABLE notes(id INTEGER PRIMARY KEY NOT NULL, body TEXT, page BLOB)"));
      TrackOptions options;
      options.column_rules["body"] = MergeRule::text;
      options.column_rules["page"] = MergeRule::doc;
      SL_TRY(replicas_.back()->engine->track("notes", options));
    }
    return std::string("-");
  }

  static Result<std::string> on_document(Documents& documents,
                                         const std::vector<std::string>& words) {
    const std::string& what = words.at(0);
    const Documents::Place place{"notes", {Value::integer(1)}, words.at(2)};
    if (what == "delta" || what == "json" || what == "name") {
      SL_TRY(const std::string text, what == "delta"  ? documents.text_delta(place)
                                     : what == "json" ? documents.json(place)
                                                      : documents.name(place));
      return word(as_bytes(text));
    }
    SL_TRY(const ByteVector bytes, what == "delete" ? ByteVector() : unpacked(words.back()));
    if (what == "diff") {
      SL_TRY(const ByteVector update, documents.diff(place, bytes));
      return word(update);
    }
    const std::uint64_t index = words.size() > 4 ? std::stoull(words.at(3)) : 0;
    if (what == "apply") {
      SL_TRY(documents.apply(place, bytes));
    } else if (what == "insert") {
      SL_TRY(documents.insert_text(place, index, as_text(bytes)));
    } else if (what == "delete") {
      SL_TRY(documents.delete_text(place, index, std::stoull(words.at(4))));
    } else if (what == "format") {
      SL_TRY(documents.format_text(place, index, std::stoull(words.at(4)), as_text(bytes)));
    } else {
      return Error(ErrorCode::invalid_argument, "no such command: " + what);
    }
    return std::string("-");
  }

  std::vector<std::unique_ptr<TestReplica>> replicas_;
};

}  // namespace

int main() {
  Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string one; in >> one;) {
      words.push_back(one);
    }
    const auto answer = peer.run(words);
    std::cout << (answer ? "ok " + *answer : "no " + word(as_bytes(answer.error().message())))
              << std::endl;
  }
  return 0;
}
