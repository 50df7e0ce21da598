#!/usr/bin/env python3
"""How a file is compiled, from compile_commands.json: its flags, separated by NUL, for clang.

  tools/compile_command.py BUILD FILE     the flags, then the file
  tools/compile_command.py BUILD --list   every file that is compiled, relative to here
"""

import json
import os
import shlex
import sys


def main():
    build, wanted = sys.argv[1:3]
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    if wanted == "--list":
        print("\n".join(sorted({os.path.relpath(c["file"]) for c in commands})))
        return 0
    for command in commands:
        if os.path.relpath(command["file"]) == os.path.normpath(wanted):
            words = shlex.split(command["command"])
            flags = [w for w in words if w.startswith(("-I", "-D", "-std=", "-f"))]
            for at, word in enumerate(words):
                if word == "-isystem":
                    flags += [word, words[at + 1]]
            sys.stdout.write("\0".join(flags + [command["file"]]))
            return 0
    print(f"{wanted} is not compiled in {build}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
