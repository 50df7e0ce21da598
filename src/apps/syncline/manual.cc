// The manual page, made of the same table as help.
#include "apps/syncline/commands.h"

namespace syncline::cli {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '-') {
      out += "\\-";
    } else if (c == '\\') {
      out += "\\e";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string section(const Command& command) {
  std::string out = ".SS " + escaped(command.name) + "\n" + escaped(command.summary) + "\n.PP\n";
  out += ".B syncline " + escaped(command.name);
  for (const Flag& flag : command.flags) {
    if (flag.is_required) {
      out += " \\-\\-" + escaped(flag.name) + " \\fI" + escaped(flag.value) + "\\fR";
    }
  }
  out += *command.operands == 0 ? "\n" : " \\fI" + escaped(command.operands) + "\\fR\n";
  for (const Flag& flag : command.flags) {
    out += ".TP\n.B \\-\\-" + escaped(flag.name) +
           (*flag.value == 0 ? "" : " \\fI" + escaped(flag.value) + "\\fR") + "\n" +
           escaped(flag.help) + "\n";
  }
  return out + ".PP\n.nf\n" + escaped(command.example) + "\n.fi\n";
}

}  // namespace

Result<int> run_manual(const Arguments& /*arguments*/, Output& out) {
  std::string page =
      ".TH SYNCLINE 1 \"\" \"Syncline " SYNCLINE_VERSION
      "\" \"User Commands\"\n"
      ".SH NAME\nsyncline \\- makes SQLite databases sync\n"
      ".SH SYNOPSIS\n.B syncline\n.I COMMAND\n[flags]\n"
      ".SH DESCRIPTION\n"
      "One program for replicas and for the server. Programs read one JSON object a line from "
      "standard output (\\-\\-json, or whenever it is no terminal); text for people goes to "
      "standard "
      "error.\n"
      ".SH COMMANDS\n";
  for (const Command& command : commands()) {
    page += section(command);
  }
  page +=
      ".SH EXIT STATUS\n"
      "0 ok, 2 usage, 3 not found, 5 not allowed, 6 unreachable or timed out, 7 refused for good, "
      "8 "
      "storage, 9 incompatible schema or protocol, 10 a fresh bootstrap is needed.\n"
      ".SH SEE ALSO\n.BR syncline (7),\n.BR sqlite3 (1)";
  out.raw(page);
  return exit_ok;
}

}  // namespace syncline::cli
