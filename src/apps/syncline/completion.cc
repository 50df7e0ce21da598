// Completion for shells, made of the same table as help.
#include "apps/syncline/commands.h"

namespace syncline::cli {
namespace {

std::string words_of(const Command& command) {
  std::string out;
  for (const Flag& flag : command.flags) {
    out += std::string("--") + flag.name + " ";
  }
  return out + "--json --help";
}

std::string bash() {
  std::string names;
  std::string cases;
  for (const Command& command : commands()) {
    names += (names.empty() ? "" : " ") + std::string(command.name);
    cases += std::string("    ") + command.name + ") words=\"" + words_of(command) + "\" ;;\n";
  }
  return "_syncline() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} words=\n"
         "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
         "    COMPREPLY=($(compgen -W \"" +
         names +
         "\" -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  case $current in\n"
         "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -F _syncline syncline";
}

std::string zsh_quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == ':' || c == '[' || c == ']') {
      out += std::string("\\") + c;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string zsh() {
  std::string names;
  std::string cases;
  for (const Command& command : commands()) {
    names += "    '" + std::string(command.name) + ":" + zsh_quoted(command.summary) + "'\n";
    cases += std::string("    ") + command.name + ") _arguments";
    for (const Flag& flag : command.flags) {
      cases += " '--" + std::string(flag.name) + "[" + zsh_quoted(flag.help) + "]" +
               (*flag.value == 0 ? "" : ":" + zsh_quoted(flag.value) + ":_files") + "'";
    }
    cases += " '*:file:_files' ;;\n";
  }
  return "#compdef syncline\n"
         "_syncline() {\n"
         "  local -a names\n"
         "  names=(\n" +
         names +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command names\n"
         "    return\n"
         "  fi\n"
         "  local name=$words[2]\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $name in\n" +
         cases +
         "  esac\n"
         "}\n"
         "compdef _syncline syncline";
}

}  // namespace

Result<int> run_completion(const Arguments& arguments, Output& out) {
  if (arguments.operand(0) != "bash" && arguments.operand(0) != "zsh") {
    return Error(ErrorCode::invalid_argument, "there is completion for bash and for zsh");
  }
  out.raw(arguments.operand(0) == "bash" ? bash() : zsh());
  return exit_ok;
}

}  // namespace syncline::cli
