// "Nuke and resync": begins anew, without losing what is unsent.
#include <unistd.h>

#include "apps/syncline/commands.h"
#include "net/system.h"

namespace syncline::cli {
namespace {

bool is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

// One line from whoever sits there.
bool says_yes() {
  std::string answer;
  char letter = 0;
  while (::read(STDIN_FILENO, &letter, 1) == 1 && letter != '\n' && answer.size() < 16) {
    answer.push_back(letter);
  }
  return answer == "y" || answer == "yes" || answer == "Y" || answer == "YES";
}

}  // namespace

Result<int> run_resync(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  Engine& engine = replica->engine();
  SL_TRY(const Engine::Counts before, engine.counts());
  if (!arguments.has("yes") && is_terminal()) {
    Output::note("This drops every synced row of " + arguments.get("db") +
                 " and fetches them anew at the next sync. " + std::to_string(before.pending) +
                 " unsent changes are kept. Go on? [y/N]");
    if (!says_yes()) {
      return Error(ErrorCode::cancelled, "nothing was done");
    }
  }
  SL_TRY(const ByteVector file, engine.resync());
  Json answer;
  answer.set("ok", Json(true));
  answer.set("kept", Json::integer(static_cast<std::int64_t>(before.pending)));
  if (!file.empty()) {
    // The outbox still has them; a file beside it is for people who trust nothing else.
    const std::string path = arguments.has("to") ? arguments.get("to") : std::string();
    if (!path.empty()) {
      SL_TRY(write_file(path, std::string(as_text(file))));
      answer.set("salvaged", Json(path));
    }
  }
  SL_TRY(const Engine::Counts after, engine.counts());
  answer.set("pending", Json::integer(static_cast<std::int64_t>(after.pending)));
  answer.set("next", Json("syncline sync --db " + arguments.get("db") +
                          " --server URL --until-idle fetches the rows"));
  out.object(answer);
  return exit_ok;
}

}  // namespace syncline::cli
