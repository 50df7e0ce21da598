#pragma once

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ydoc/doc.h"

namespace syncline::ydoc {

struct UndoOptions {
  // Edits closer together than this are undone as one.
  std::int64_t capture_timeout_ms = 500;
  // Whose transactions are undone; the empty origin is that of edits that name none.
  std::set<std::string> tracked_origins = {""};
  // Milliseconds of any clock that only runs forward and never says zero.
  std::function<std::int64_t()> now_ms;
};

// Undoes and redoes what tracked transactions did within some types, whatever others did since.
// What it might bring back is kept from garbage collection. Must not outlive the document.
class UndoManager {
 public:
  UndoManager(Doc& doc, std::vector<Type> scope, UndoOptions options);
  ~UndoManager();
  UndoManager(const UndoManager&) = delete;
  UndoManager& operator=(const UndoManager&) = delete;

  // False when there was nothing that could be undone (redone).
  bool undo();
  bool redo();
  bool can_undo() const { return !undo_stack_.empty(); }
  bool can_redo() const { return !redo_stack_.empty(); }
  // The next edit starts a new step, however soon it comes.
  void stop_capturing() { last_change_ms_ = 0; }
  void clear();

 private:
  // Which units a step made or deleted. The order of the clients decides in what order they come
  // back, and so their new clocks.
  struct Units {
    DeleteSet set;
    std::vector<ClientId> order;
  };
  struct Step {
    Units insertions;
    Units deletions;
  };
  enum class Running : std::uint8_t { nothing, undo, redo };
  friend class Redoer;

  void after_transaction(struct Transaction& txn);
  template <typename Visit>
  static void visit_units(Store& store, const Units& units, const Visit& visit);
  static void join(Units& units, const Units& more);
  bool in_scope(const Item* item) const;
  bool pop(std::vector<Step>& stack, Running running);
  bool perform(const Step& step);
  void clear_stack(std::vector<Step>& stack);

  Doc& doc_;
  std::vector<Type> scope_;
  UndoOptions options_;
  Subscription subscription_ = 0;
  std::string own_origin_;
  std::vector<Step> undo_stack_;
  std::vector<Step> redo_stack_;
  Running running_ = Running::nothing;
  std::int64_t last_change_ms_ = 0;
};

}  // namespace syncline::ydoc
