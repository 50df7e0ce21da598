#!/usr/bin/env python3
"""Checks the house rules that a compiler does not see. Part of every build; takes well under 3 s.

  tools/tidy.py            every rule; prints file:line: rule: what is wrong, exits 1 if anything is
  tools/tidy.py --unused   also headers that nothing includes
  tools/tidy.py --root D   looks at another tree (tools/tidy_test.py does)

A line may be excused, with a reason: // tidy-allow(banned-call): the simulator's own clock
"""

import argparse
import os
import re
import subprocess
import sys

LINES_MAX = 800
LINES_WARN = 500
FUNCTION_LINES_MAX = 70

CODE = (".h", ".hpp", ".cc", ".c")
TEXT = CODE + (".md", ".py", ".sh", ".txt", ".cmake", ".json", ".toml", ".yml", ".yaml", ".ts",
               ".js", ".mjs", ".html", ".css", ".sql", ".in")

# Outside src/. They may look into the house up to a floor; nothing in it may look at them.
OUTBUILDINGS = {"sim": 6, "fuzz": 6, "bench": 7, "tests": 8, "examples": 8}
# Floors 0 to 4 also run where SQLite is not linked by us.
WITHOUT_SQLITE = {"base", "ydoc", "model", "wire", "session"}
# Floors from here on may wait, sleep, read clocks and open sockets.
FIRST_FREE_FLOOR = 7

# Foreign headers, and the paths (prefixes below the root) that are their doors.
OUTSIDE = ("sim/", "fuzz/", "bench/", "tests/", "examples/")
DOORS = [
    (r"sqlite3(ext)?\.h", ("src/sqlite/", "src/bindings/sqlite/", "src/bindings/wasm/") + OUTSIDE),
    (r"libpq-fe\.h", ("src/server/postgres_log_store.", "tests/")),
    (r"boost/.*", ("src/net/", "bench/")),
    (r"openssl/.*", ("src/routes/jwt", "src/net/", "tests/")),
    (r"CLI/.*|toml\+\+/.*|toml\.hpp", ("src/apps/",)),
    (r"zstd\.h|zlib\.h", ("src/net/", "src/routes/", "src/apps/")),
    (r"emscripten(/.*)?\.h", ("src/bindings/wasm/",)),
    (r"rapidcheck(/.*|\.h)|malloc\.h", OUTSIDE),
    (r"syncline\.(h|hpp)", ("src/bindings/", "src/apps/", "include/") + OUTSIDE),
    # POSIX: files, processes, sockets, threads.
    (r"(unistd|fcntl|signal|poll|pthread|dlfcn|netdb|termios|dirent|getopt|spawn)\.h|(sys|netinet|arpa)/.*\.h",
     ("src/net/", "src/apps/", "src/bindings/c/transport") + OUTSIDE),
]
DOCTEST_DOORS = re.compile(r"(_test\.cc|_contract\.h)$|^(tests|sim|bench)/")
C_HEADERS = {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "locale.h",
             "math.h", "setjmp.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
             "stdlib.h", "string.h", "time.h"}
# One of our three compilers lacks or breaks them.
MISSING_HEADERS = {"coroutine", "expected", "format", "memory_resource", "ranges",
                   "source_location", "stop_token", "syncstream"}
# Standard headers that belong to floors which may wait and touch the machine.
FREE_HEADERS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore",
                "latch", "barrier", "random", "fstream", "filesystem", "iostream"}

BANNED_CALLS = [
    (r"\bstd::(this_)?thread\b|\bstd::async\b", "starts or names a thread"),
    (r"\b(sleep|usleep|nanosleep|sleep_for|sleep_until|sqlite3_sleep)\s*\(", "sleeps"),
    (r"\b(system_clock|steady_clock|high_resolution_clock)\b|\b(clock_gettime|gettimeofday)\s*\("
     r"|\bstd::time\s*\(|(?<![\w.:>])time\s*\(\s*(0|NULL|nullptr|&)", "reads a clock"),
    (r"\b(s?rand|arc4random|getrandom|sqlite3_randomness)\s*\(|\brandom_device\b|\bmt19937",
     "draws randomness"),
    (r"\b(secure_)?getenv\s*\(", "reads the environment"),
    (r"\b(socket|connect|accept|bind|listen|recv|send)\s*\((?=[^)]*\b(AF_|SOCK_|sockaddr|MSG_))",
     "opens a socket"),
    (r"\b(fopen|freopen|tmpfile)\s*\(|\bstd::(i|o)?fstream\b|\bstd::filesystem\b",
     "touches files; disk is reached through SQLite"),
    (r"\bstd::(cout|cerr|clog)\b|(?<![\w.:>])(std::)?printf\s*\(", "prints; hand in a Log"),
]

MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:home|Users|root|work|farm)/[\w.]")
REGISTRY_HOST = re.compile(r"registry\.[a-z]+\.|deb\.[a-z]+\.org|\"resolved\": *\"http")
BLUNT_TEST = re.compile(r"DISABLED_|GTEST_SKIP|doctest::skip|doctest::may_fail|\b(?:it|test|describe)"
                        r"\.skip\b|\bxfail\b|\b(?:CHECK|REQUIRE|EXPECT_TRUE)\(true\)")
TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(\#\d+\): \S)")
INCLUDE = re.compile(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]")
ALLOW = re.compile(r"tidy-allow\(([a-z-]+)\): \S")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


def list_files(root):
    """Files that are, or would be, under version control."""
    try:
        out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                             capture_output=True, check=True).stdout
        names = [n for n in out.decode("utf-8", "surrogateescape").split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders
                          if not f.startswith((".git", ".deps", "build", "node_modules"))]
            names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(n for n in set(names) if os.path.isfile(os.path.join(root, n)))


def blank_out(text, strings):
    """Code with comments, and string contents too if asked, blanked; line numbers stay."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
                       r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        if not strings:
            return found
        quote = found[-1]
        return quote + re.sub(r"[^\n]", " ", found[1:-1]) + quote

    return token.sub(blank, text)


class Source:
    def __init__(self, root, name):
        self.name = name
        with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.is_code = name.endswith(CODE)
        self.is_test = bool(re.search(r"_test\.cc$|_contract\.h$", name)) or name.startswith("tests/")
        self.bare = blank_out(self.text, strings=True) if self.is_code else self.text
        self.bare_lines = self.bare.split("\n")


class Tidy:
    def __init__(self, root, unused):
        self.root = root
        self.unused = unused
        self.files = list_files(root)
        self.known = set(self.files)
        self.floors = {}
        self.problems = []
        self.warnings = []
        self.sources = {}

    def problem(self, source, line, rule, message):
        if 1 <= line <= len(source.lines):
            allowed = ALLOW.search(source.lines[line - 1])
            if allowed and allowed.group(1) == rule:
                return
        self.problems.append(f"{source.name}:{line}: {rule}: {message}")

    def run(self):
        self.read_floors()
        for name in self.files:
            if name.endswith(TEXT) or "." not in os.path.basename(name):
                self.sources[name] = Source(self.root, name)
        for source in self.sources.values():
            self.check_text(source)
            if source.is_code:
                self.check_code(source)
            if source.name.endswith(".md"):
                self.check_links(source)
        self.check_dead_files()
        self.check_docs_reachable()
        return self.problems

    def read_floors(self):
        path = os.path.join(self.root, "src/floors.txt")
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split("#")[0].split()
                if words:
                    self.floors[words[1]] = int(words[0])

    # --- Folders and includes ---------------------------------------------------------------------

    def folder_of(self, path):
        """The folder of floors.txt that a path below src/ lies in."""
        folder = os.path.dirname(path)
        return folder if folder in self.floors else None

    def home_of(self, name):
        """(folder, floor) a file looks from; the floor is exclusive for folders of the house."""
        if name.startswith("src/"):
            folder = self.folder_of(name[len("src/"):])
            return (folder, self.floors[folder]) if folder else (None, None)
        top = name.split("/")[0]
        return (top, OUTBUILDINGS[top] + 1) if top in OUTBUILDINGS else (None, None)

    def check_code(self, source):
        folder, floor = self.home_of(source.name)
        if source.name.startswith("src/") and folder is None:
            self.problem(source, 1, "floor", "this folder has no floor in src/floors.txt")
            return
        if folder is not None:
            for number, line in enumerate(source.lines, 1):
                match = INCLUDE.match(line)
                if match:
                    self.check_include(source, number, folder, floor, *match.groups())
            if floor < FIRST_FREE_FLOOR and folder not in OUTBUILDINGS:
                self.check_calls(source)
        self.check_shape(source, folder)
        self.check_functions(source)

    def check_include(self, source, number, folder, floor, mark, header):
        if mark == '"' and self.is_ours(header):
            self.check_floor(source, number, folder, floor, header)
            return
        if mark == '"' and not source.name.endswith(".c") and header != "syncline.h":
            self.problem(source, number, "include",
                         f'"{header}" is no file of the house; write full paths below src/')
            return
        self.check_foreign(source, number, folder, floor, header)

    def is_ours(self, header):
        return "src/" + header in self.known or header.split("/")[0] in {
            f.split("/")[0] for f in self.floors} or header.split("/")[0] in OUTBUILDINGS

    def check_floor(self, source, number, folder, floor, header):
        theirs = self.folder_of(header)
        if theirs is None and folder not in OUTBUILDINGS:
            self.problem(source, number, "floor", f'"{header}" lies outside the house')
        elif theirs is not None and theirs != folder and self.floors[theirs] >= floor:
            what = "higher" if self.floors[theirs] > floor else "the same floor, so a stranger"
            self.problem(source, number, "floor",
                         f"{folder} may not include {theirs} (floor {self.floors[theirs]}: {what})")
        elif theirs == "sqlite" and folder in WITHOUT_SQLITE:
            self.problem(source, number, "floor", f"{folder} also runs without SQLite")
        elif "src/" + header not in self.known and header not in self.known:
            self.problem(source, number, "include", f'"{header}" does not exist')

    def check_foreign(self, source, number, folder, floor, header):
        if header.startswith("doctest/"):
            if not DOCTEST_DOORS.search(source.name):
                self.problem(source, number, "door", "doctest is for tests")
            return
        for pattern, doors in DOORS:
            if re.fullmatch(pattern, header):
                if not source.name.startswith(doors):
                    self.problem(source, number, "door",
                                 f"<{header}> is only for {', '.join(doors)}")
                return
        if header in MISSING_HEADERS and floor < FIRST_FREE_FLOOR:
            self.problem(source, number, "door", f"<{header}> is lacking in one of our compilers")
        elif header in FREE_HEADERS and floor < FIRST_FREE_FLOOR and not source.is_test \
                and folder not in OUTBUILDINGS:
            self.problem(source, number, "door", f"<{header}> is for floors {FIRST_FREE_FLOOR} and up")
        elif ("/" in header or "." in header) and header not in C_HEADERS:
            self.problem(source, number, "door",
                         f"<{header}> has no door; give it one in tools/tidy.py")

    # --- What code may not do ----------------------------------------------------------------------

    def check_calls(self, source):
        for number, line in enumerate(source.bare_lines, 1):
            for pattern, what in BANNED_CALLS:
                if re.search(pattern, line):
                    if source.is_test and (what.startswith(("prints", "touches", "starts"))):
                        continue
                    self.problem(source, number, "banned-call",
                                 f"{what}; below floor {FIRST_FREE_FLOOR} that is handed in")

    def check_shape(self, source, folder):
        lines = len(source.lines)
        if lines > LINES_MAX and not source.is_test:
            self.problem(source, lines, "size", f"{lines} lines; {LINES_MAX} is the most")
        elif lines > LINES_WARN and not source.is_test:
            self.warnings.append(f"{source.name}: {lines} lines: is there a second concept in it?")
        if source.name.endswith(".h") and source.name.startswith("src/"):
            if not source.text.startswith("#pragma once") and "\n#pragma once" not in source.text:
                self.problem(source, 1, "header", "lacks #pragma once")
            for number, line in enumerate(source.bare_lines, 1):
                if re.match(r"\s*using namespace\b", line):
                    self.problem(source, number, "header", "using namespace in a header")
        if folder is None or folder in OUTBUILDINGS:
            return
        for number, line in enumerate(source.bare_lines, 1):
            if re.search(r"\b(?:std::)?(?:shared_ptr|make_shared)\b", line) and folder != "net":
                self.problem(source, number, "ownership", "shared_ptr lives only in net/")
        if source.name.endswith(".cc"):
            self.check_own_header_first(source)

    def check_own_header_first(self, source):
        own = re.sub(r"(_test)?\.cc$", ".h", source.name[len("src/"):])
        if "src/" + own not in self.known:
            return
        for number, line in enumerate(source.lines, 1):
            match = INCLUDE.match(line)
            if match:
                if match.group(2) != own:
                    self.problem(source, number, "include", f'the own header "{own}" comes first')
                return

    def check_functions(self, source):
        """Bodies in a namespace or class, by their braces. Close enough: clang-tidy is exact."""
        stack = []
        head = 0
        line = 1
        text = source.bare
        for at, char in enumerate(text):
            if char == "\n":
                line += 1
            elif char == ";" and not (stack and stack[-1][0] == "body"):
                head = at + 1
            elif char == "{":
                stack.append((self.kind_of(text[head:at], stack), line, text[head:at]))
                head = at + 1
            elif char == "}" and stack:
                kind, first, header = stack.pop()
                head = at + 1
                if kind == "function" and not re.search(r"\bTEST_CASE", header):
                    lines = line - first + 1
                    if lines > FUNCTION_LINES_MAX:
                        self.problem(source, first, "function-size",
                                     f"{lines} lines; {FUNCTION_LINES_MAX} is the most")

    @staticmethod
    def kind_of(header, stack):
        if stack and stack[-1][0] in ("function", "body"):
            return "body"
        header = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", header, flags=re.M)
        if re.search(r"\bnamespace\b|\bextern\s*\"", header):
            return "scope"
        if re.search(r"\b(?:class|struct|union|enum)\b", header) and not header.rstrip().endswith(")"):
            if not re.search(r"\)\s*(?:const|noexcept|override|final|->.*)*\s*$", header):
                return "scope"
        return "function" if ")" in header else "body"

    # --- Text of any kind ---------------------------------------------------------------------------

    def check_text(self, source):
        for number, line in enumerate(source.lines, 1):
            if MACHINE_PATH.search(line):
                self.problem(source, number, "machine-path", "names a path of one machine")
            if REGISTRY_HOST.search(line):
                self.problem(source, number, "registry-host", "names a package registry's host")
            if source.is_code:
                if TODO.search(line):
                    self.problem(source, number, "todo", "write TODO(#number): what is missing")
                if BLUNT_TEST.search(line):
                    self.problem(source, number, "blunt-test", "a test that cannot fail")

    def check_links(self, source):
        for number, line in enumerate(self.prose_lines(source), 1):
            for match in LINK.finditer(line):
                self.check_link(source, number, match.group(1) or match.group(2))

    @staticmethod
    def prose_lines(source):
        in_code = False
        for line in source.lines:
            if line.lstrip().startswith("```"):
                in_code = not in_code
                yield ""
            else:
                yield "" if in_code else re.sub(r"`[^`]*`", "``", line)

    def check_link(self, source, number, target):
        if re.match(r"[a-z]+:", target):
            return
        path, _, anchor = target.partition("#")
        full = source.name if not path else os.path.normpath(
            os.path.join(os.path.dirname(source.name), path))
        if not os.path.exists(os.path.join(self.root, full)):
            self.problem(source, number, "dead-link", f"{target} does not exist")
        elif anchor and full in self.known and full.endswith(".md"):
            if anchor not in self.anchors_of(full):
                self.problem(source, number, "dead-link", f"{target}: no such heading")

    def anchors_of(self, name):
        anchors = set()
        for line in Source(self.root, name).lines:
            match = HEADING.match(line)
            if match:
                words = re.sub(r"[^\w\- ]", "", match.group(1).lower())
                anchors.add(words.replace(" ", "-"))
        return anchors

    # --- Files that nothing needs ---------------------------------------------------------------------

    def check_dead_files(self):
        included = {}
        for source in self.sources.values():
            if source.is_code:
                for line in source.lines:
                    match = INCLUDE.match(line)
                    if match:
                        included.setdefault("src/" + match.group(2), set()).add(source.name)
        for name, source in self.sources.items():
            folder, floor = self.home_of(name)
            if not name.startswith("src/") or folder is None or floor >= 8:
                continue
            if name.endswith("_test.cc"):
                # merge_laws_test.cc is a second test of merge.h.
                words = os.path.basename(name)[:-len("_test.cc")].split("_")
                stems = [os.path.join(os.path.dirname(name), "_".join(words[:n]))
                         for n in range(1, len(words) + 1)]
                if not any(stem + end in self.known for stem in stems for end in (".h", ".cc")):
                    self.problem(source, 1, "dead-file", "tests nothing that is there")
            elif name.endswith(".cc") and name[:-len(".cc")] + ".h" not in self.known:
                # A large class may be written in several files, under one header of their folder.
                if not re.search(rf'^#include "{re.escape(folder)}/', source.text, re.M):
                    self.problem(source, 1, "dead-file", "has no header, so nothing can call it")
            elif self.unused and name.endswith(".h"):
                stem = name[:-len(".h")]
                if not included.get(name, set()) - {stem + ".cc", stem + "_test.cc"}:
                    self.problem(source, 1, "unused", "nothing includes it")
        for name in self.files:
            match = re.match(r"fuzz/corpus/([^/]+)/", name)
            if match and f"fuzz/{match.group(1)}.cc" not in self.known:
                self.problems.append(f"{name}:1: dead-file: a corpus without its fuzz target")

    def check_docs_reachable(self):
        """Every page below docs/ can be reached from docs/README.md."""
        if "docs/README.md" not in self.known:
            return
        reached, todo = {"docs/README.md"}, ["docs/README.md"]
        while todo:
            name = todo.pop()
            for line in self.prose_lines(self.sources[name]):
                for match in LINK.finditer(line):
                    path = (match.group(1) or match.group(2)).partition("#")[0]
                    full = os.path.normpath(os.path.join(os.path.dirname(name), path))
                    if full in self.sources and full.endswith(".md") and full not in reached:
                        reached.add(full)
                        todo.append(full)
        for name in self.files:
            if name.startswith("docs/") and name.endswith(".md") and name not in reached:
                self.problems.append(f"{name}:1: unreachable: docs/README.md does not lead here")


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=here)
    parser.add_argument("--unused", action="store_true")
    options = parser.parse_args()
    tidy = Tidy(options.root, options.unused)
    problems = tidy.run()
    for warning in tidy.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
