#!/usr/bin/env python3
"""Adds up test reports: tools/tally.py REPORT.xml... prints "N passed, N failed, N skipped" and exits 1
if any failed, or if nothing ran. Skipped is what said so itself; a program that is missing has failed.

Reports are ctest's (--output-junit). A doctest program counts as many tests as it has cases; any
other test counts as one. A program that fails beyond its cases (a crash, a leak) counts as one more
failure.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

CASES = re.compile(r"\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")


def count(case):
    """(passed, failed) of one ctest test."""
    good = case.get("status") == "run"
    output = re.sub(r"\x1b\[[0-9;]*m", "", case.findtext("system-out") or "")
    cases = CASES.findall(output)
    if not cases:
        return (1, 0) if good else (0, 1)
    passed = sum(int(p) for p, _ in cases)
    failed = sum(int(f) for _, f in cases)
    return passed, failed if good or failed > 0 else 1


def is_skipped(case):
    skipped = case.find("skipped")
    return skipped is not None and skipped.get("message", "").startswith("SKIP_")


def main():
    passed = failed = skipped = 0
    for name in sys.argv[1:]:
        for case in ElementTree.parse(name).getroot().iter("testcase"):
            if is_skipped(case):
                skipped += 1
                continue
            p, f = count(case)
            passed += p
            failed += f
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
