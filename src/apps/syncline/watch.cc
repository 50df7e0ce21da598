// A live query: the result, then each new result.
#include <poll.h>
#include <signal.h>

#include "apps/syncline/commands.h"
#include "client/live_query.h"

namespace syncline::cli {
namespace {

// Commits of other processes are noticed within it.
constexpr int look_every_ms = 50;

volatile sig_atomic_t ended = 0;
extern "C" void end_watch(int /*signal*/) { ended = 1; }

}  // namespace

Result<int> run_watch(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  struct sigaction stop {};
  stop.sa_handler = end_watch;
  ::sigaction(SIGTERM, &stop, nullptr);
  ::sigaction(SIGINT, &stop, nullptr);
  LiveQueries queries(replica->connection());
  Result<void> told;
  SL_TRY(queries.subscribe(arguments.operand(0), {}, [&](Statement& rows) {
    Json::Array list;
    for (;;) {
      const auto found = rows.step();
      if (!found) {
        told = found.error();
        return;
      }
      if (!*found) {
        break;
      }
      auto row = row_json(rows);
      if (!row) {
        told = row.error();
        return;
      }
      list.push_back(std::move(*row));
    }
    Json result;
    result.set("ev", Json("result"));
    result.set("rows", Json(std::move(list)));
    out.row(result);
  }));
  while (ended == 0) {
    // A file that is locked is weather, and looked at again.
    if (const auto polled = queries.poll(); !polled && !polled.error().retryable()) {
      return polled.error();
    }
    SL_TRY(told);
    ::poll(nullptr, 0, look_every_ms);
  }
  return exit_ok;
}

}  // namespace syncline::cli
