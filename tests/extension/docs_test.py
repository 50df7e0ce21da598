#!/usr/bin/python3
"""Runs the SQL of a page as written: docs_test.py MODULE PAGE.md

Blocks marked ```sql run in order in the sqlite3 shell with the extension loaded, all in one folder.
A block whose first line is `-- NAME.db` runs on that database. Lines that begin with `-- > ` are what
the block must print, in order; a block with none must print nothing.
"""

import os
import re
import subprocess
import sys
import tempfile


def blocks(page):
    lines, block = [], None
    for number, line in enumerate(page.split("\n"), 1):
        if block is None and line.strip() == "```sql":
            block = (number, [])
        elif block is not None and line.strip() == "```":
            lines.append(block)
            block = None
        elif block is not None:
            block[1].append(line)
    return lines


def main(module, path):
    with open(path, encoding="utf-8") as file:
        found = blocks(file.read())
    if len(found) < 5:
        print(f"{path}: only {len(found)} blocks of SQL: is the page still marked up?")
        return 1
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, lines in found:
            name = re.match(r"-- (\w+\.db)$", lines[0])
            expected = [line[5:] for line in lines if line.startswith("-- > ")]
            # Empty lines are what a SELECT of a function without an answer prints.
            run = subprocess.run(["sqlite3", "-bail", name.group(1) if name else "app.db"],
                                 input=f".load {os.path.splitext(module)[0]}\n" + "\n".join(lines),
                                 capture_output=True, text=True, cwd=folder, check=False)
            printed = [line for line in (run.stdout + run.stderr).split("\n") if line]
            if printed != expected:
                failures += 1
                print(f"{path}:{number}: expected {expected}, printed {printed}")
    print(f"{len(found)} blocks, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2]))
