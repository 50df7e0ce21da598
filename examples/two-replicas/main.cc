// Two replicas in one program: a live query on one of them is told of what the other one wrote.
#include <cstdio>
#include <syncline.hpp>

namespace {

bool must(const syncline::Status& status, const char* what) {
  if (!status) {
    std::fprintf(stderr, "%s: %s\n", what, status.text().c_str());
  }
  return status.ok();
}

bool open_replica(syncline::Database& db) {
  return must(db.open(":memory:"), "open") && must(db.collection("tasks"), "collection");
}

// Everything that `from` knows, merged into `to`; in life over any channel you like.
bool carry(syncline::Database& from, syncline::Database& to) {
  syncline::Blob changes;
  return must(from.changes(0, changes), "changes") && must(to.apply(changes), "apply") &&
         must(to.poll(), "poll");
}

}  // namespace

int main() {
  syncline::Database ann;
  syncline::Database bob;
  if (!open_replica(ann) || !open_replica(bob)) {
    return 1;
  }
  std::string seen;
  std::uint64_t id = 0;
  const auto show = [&seen](syncline::Rows rows) {
    seen.clear();
    while (rows.next()) {
      seen += rows.text(0) + "\n";
    }
    std::printf("bob sees:\n%s", seen.c_str());
  };
  if (!must(bob.subscribe("SELECT doc FROM tasks ORDER BY id", {}, show, id), "subscribe") ||
      !must(bob.poll(), "poll")) {
    return 1;
  }
  if (!must(ann.exec("INSERT INTO tasks VALUES('1', '{\"title\":\"sail\",\"done\":false}')"),
            "insert") ||
      !carry(ann, bob)) {
    return 1;
  }
  // Each edits another field of one document, without seeing the other: both edits stay.
  if (!must(ann.exec("UPDATE tasks SET doc = json_set(doc, '$.title', 'sail home')"), "update") ||
      !must(bob.exec("UPDATE tasks SET doc = json_set(doc, '$.done', json('true'))"), "update") ||
      !carry(ann, bob) || !carry(bob, ann)) {
    return 1;
  }
  std::string digests[2];
  if (!must(ann.digest(digests[0]), "digest") || !must(bob.digest(digests[1]), "digest")) {
    return 1;
  }
  const bool together = seen == "{\"done\":true,\"title\":\"sail home\"}\n";
  std::printf("%s\n", digests[0] == digests[1] && together ? "both agree" : "they differ");
  return digests[0] == digests[1] && together ? 0 : 1;
}
