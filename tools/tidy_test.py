#!/usr/bin/env python3
"""Proves that each rule of tidy.py can fail, and that a clean tree passes."""

import os
import tempfile
import unittest

from tidy import Tidy

FLOORS = "0 base\n1 sqlite\n1 ydoc\n2 model\n5 client\n5 server\n6 routes\n7 net\n8 bindings/c\n"
HEADER = "#pragma once\n"


def long_function(lines):
    return "void f() {\n" + "  g();\n" * (lines - 2) + "}\n"


CLEAN = {
    "src/floors.txt": FLOORS,
    "src/base/a.h": HEADER + "#include <vector>\n",
    "src/base/a.cc": '#include "base/a.h"\n\n#include <string>\n' + long_function(70),
    "src/base/a_test.cc": '#include "base/a.h"\n#include <doctest/doctest.h>\n',
    "src/base/a_laws_test.cc": '#include "base/a.h"\n',
    "src/sqlite/db.h": HEADER + '#include <sqlite3.h>\n#include "base/a.h"\n',
    "src/client/engine.h": HEADER + '#include "sqlite/db.h"\n// time(0) in a comment\n',
    "src/net/socket.h": HEADER + "#include <boost/asio.hpp>\n#include <thread>\n"
                        + "inline std::shared_ptr<int> p; // std::this_thread::sleep_for(1)\n",
    "src/bindings/c/abi.cc": '#include "client/engine.h"\n#include "syncline.h"\n',
    "include/syncline.h": "#include <stdint.h>\n",
    "docs/README.md": "# Docs\n[page](page.md#the-words)\n`[not](a-link.md)`\n",
    "docs/page.md": "## The words\n[home](../docs/README.md) [web](https://example.com/x)\n",
    "fuzz/a.cc": '#include "base/a.h"\n',
    "fuzz/corpus/a/1": "x",
}

# rule, file, its contents
BAD = [
    ("floor", "src/base/b.h", HEADER + '#include "model/m.h"\n'),
    ("floor", "src/sqlite/b.h", HEADER + '#include "ydoc/y.h"\n'),
    ("floor", "src/client/b.h", HEADER + '#include "server/s.h"\n'),
    ("floor", "src/model/b.h", HEADER + '#include "sqlite/db.h"\n'),
    ("floor", "src/net/b.h", HEADER + '#include "bindings/c/abi.h"\n'),
    ("floor", "src/client/b.h", HEADER + '#include "tests/t.h"\n'),
    ("floor", "fuzz/b.cc", '#include "net/socket.h"\n'),
    ("floor", "src/util/b.h", HEADER),
    ("include", "src/base/b.h", HEADER + '#include "a.h"\n'),
    ("include", "src/base/b.h", HEADER + '#include "base/gone.h"\n'),
    ("include", "src/base/a.cc", '#include <string>\n#include "base/a.h"\n'),
    ("door", "src/client/b.h", HEADER + "#include <sqlite3.h>\n"),
    ("door", "src/client/b.h", HEADER + "#include <sqlite3ext.h>\n"),
    ("door", "src/server/b.h", HEADER + "#include <libpq-fe.h>\n"),
    ("door", "src/routes/b.h", HEADER + "#include <boost/asio.hpp>\n"),
    ("door", "src/routes/b.h", HEADER + "#include <openssl/evp.h>\n"),
    ("door", "src/base/b.h", HEADER + "#include <doctest/doctest.h>\n"),
    ("door", "src/base/b.h", HEADER + "#include <unistd.h>\n"),
    ("door", "src/base/b.h", HEADER + "#include <expected>\n"),
    ("door", "src/base/b.h", HEADER + "#include <thread>\n"),
    ("door", "src/net/b.h", HEADER + "#include <leftpad/pad.hpp>\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline void f() { std::thread t; }\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline void f() { usleep(5); }\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline auto t = std::chrono::system_clock::now();\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline auto t = time(nullptr);\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline int f() { return rand(); }\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline std::random_device device;\n"),
    ("banned-call", "src/client/b.h", HEADER + 'inline auto home = getenv("HOME");\n'),
    ("banned-call", "src/client/b.h", HEADER + "inline int s = socket(AF_INET, SOCK_STREAM, 0);\n"),
    ("banned-call", "src/client/b.h", HEADER + 'inline auto f = fopen("x", "r");\n'),
    ("banned-call", "src/client/b.h", HEADER + 'inline void f() { std::cout << "x"; }\n'),
    ("banned-call", "src/client/b.h", HEADER + "inline int r = rand();  // tidy-allow(size): no\n"),
    ("banned-call", "src/client/b.h", HEADER + "inline int r = rand();  // tidy-allow(banned-call):\n"),
    ("size", "src/base/b.h", HEADER + "\n" * 800),
    ("function-size", "src/base/b.h", HEADER + "namespace a {\n" + long_function(71) + "}\n"),
    ("function-size", "src/base/b.h", HEADER + "struct A {\n" + long_function(71) + "};\n"),
    ("header", "src/base/b.h", "int x;\n"),
    ("header", "src/base/b.h", HEADER + "using namespace std;\n"),
    ("ownership", "src/client/b.h", HEADER + "std::shared_ptr<int> p;\n"),
    ("todo", "src/base/b.h", HEADER + "// TODO: later\n"),
    ("machine-path", "docs/page.md", "## The words\nsee /home" + "/someone/x\n"),
    ("registry-host", "docs/page.md", "## The words\nregistry" + ".example.org\n"),
    ("blunt-test", "src/base/a_test.cc", '#include "base/a.h"\nvoid f() { CHECK' + "(true); }\n"),
    ("dead-link", "docs/page.md", "## The words\n[x](gone.md)\n"),
    ("dead-link", "docs/page.md", "## The words\n[x](README.md#gone)\n"),
    ("unreachable", "docs/lonely.md", "# Lonely\n"),
    ("dead-file", "src/base/b.cc", "int x;\n"),
    ("dead-file", "src/base/b_test.cc", "int x;\n"),
    ("dead-file", "fuzz/corpus/gone/1", "x"),
]


def run_tidy(files, unused=False):
    """(problems, warnings) of a tree with these files."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        tidy = Tidy(root, unused)
        return tidy.run(), tidy.warnings


class TidyTest(unittest.TestCase):
    def test_a_clean_tree_passes(self):
        self.assertEqual(run_tidy(CLEAN), ([], []))

    def test_each_rule_can_fail(self):
        for rule, name, text in BAD:
            with self.subTest(rule=rule, name=name, text=text[:60]):
                problems, _ = run_tidy({**CLEAN, name: text})
                self.assertEqual(len(problems), 1, problems)
                self.assertTrue(problems[0].startswith(name + ":"), problems)
                self.assertIn(f": {rule}: ", problems[0])

    def test_an_excuse_with_a_reason_is_accepted(self):
        text = HEADER + "inline int r = rand();  // tidy-allow(banned-call): a game\n"
        self.assertEqual(run_tidy({**CLEAN, "src/client/b.h": text}), ([], []))

    def test_a_long_file_is_mentioned_and_passes(self):
        problems, warnings = run_tidy({**CLEAN, "src/base/b.h": HEADER + "\n" * 600})
        self.assertEqual(problems, [])
        self.assertIn("src/base/b.h: 601 lines", warnings[0])

    def test_unused_headers_are_found_when_asked_for(self):
        problems, _ = run_tidy({**CLEAN, "src/base/b.h": HEADER}, unused=True)
        self.assertTrue(any(p.startswith("src/base/b.h:1: unused: ") for p in problems), problems)


if __name__ == "__main__":
    unittest.main()
