// One binary: finds the command, and says what came of it.
#include <signal.h>

#include "apps/syncline/commands.h"

namespace {

using namespace syncline;
using namespace syncline::cli;

int fail(Output& out, const Error& error) {
  out.error(error);
  return exit_code_of(error.code());
}

int run(const std::vector<std::string>& words) {
  Output unnamed(!Output::stdout_is_terminal());
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    const Command* about = words.size() > 1 ? find_command(words[1]) : nullptr;
    unnamed.raw(about == nullptr ? overview() : usage_of(*about));
    return words.empty() ? exit_usage : exit_ok;
  }
  if (words[0] == "--version") {
    unnamed.raw(SYNCLINE_VERSION);
    return exit_ok;
  }
  const Command* command = find_command(words[0]);
  if (command == nullptr) {
    std::vector<std::string> known;
    for (const Command& one : commands()) {
      known.emplace_back(one.name);
    }
    const std::string meant = nearest(words[0], known);
    return fail(unnamed, Error(ErrorCode::invalid_argument,
                               "there is no command \"" + words[0] + "\"" +
                                   (meant.empty() ? "" : "; did you mean \"" + meant + "\"?") +
                                   " (syncline --help lists them)"));
  }
  const auto arguments = Arguments::parse(*command, {words.begin() + 1, words.end()});
  if (!arguments) {
    return fail(unnamed, arguments.error());
  }
  if (arguments->wants_help()) {
    unnamed.raw(usage_of(*command));
    return exit_ok;
  }
  Output out(arguments->has("json") || !Output::stdout_is_terminal());
  const Result<int> done = command->run(*arguments, out);
  return done ? *done : fail(out, done.error());
}

}  // namespace

int main(int count, char** words) {
  // A reader that went away is an error of write(), not the end of us.
  ::signal(SIGPIPE, SIG_IGN);
  // So is a limit on the size of files: as good as a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  return run({words + 1, words + count});
}
