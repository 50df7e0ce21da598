"""docs/delta.md, done as it says: its commands, its answers, its queries."""

import http.client
import json
import os
import re
import shlex
import sqlite3
import subprocess
import unittest

from case import PATIENCE_S
from delta_case import DeltaCase, Door

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "delta.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


class Documented(DeltaCase):
    def assert_holds(self, shown, real, place="answer"):
        """Whatever the page shows is there; the answer may hold more."""
        if isinstance(shown, dict):
            for name, value in shown.items():
                self.assertIn(name, real, place)
                self.assert_holds(value, real[name], f"{place}.{name}")
        elif isinstance(shown, list):
            self.assertEqual(len(shown), len(real), f"{place}: {real}")
            for index, (one, other) in enumerate(zip(shown, real)):
                self.assert_holds(one, other, f"{place}[{index}]")
        else:
            self.assertEqual(shown, real, place)

    def test_the_page_is_true(self):
        with open(PAGE, encoding="utf-8") as page:
            blocks = BLOCK.findall(page.read())
        _, url = self.serve("--demo")
        host = url.removeprefix("http://")
        shell = subprocess.Popen(["bash", "-eu"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 cwd=self.folder, text=True)
        self.addCleanup(shell.wait)
        self.addCleanup(shell.stdout.close)
        self.addCleanup(shell.stdin.close)
        answer = ""
        counts = {"sh": 0, "json": 0, "sql": 0}
        for kind, text in blocks:
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "sh":
                shell.stdin.write(text.replace("127.0.0.1:8080", host) + "\necho; echo " +
                                  shlex.quote("=the end=") + "\n")
                shell.stdin.flush()
                answer = "".join(iter(shell.stdout.readline, "=the end=\n"))
            elif kind == "json":
                self.assert_holds(json.loads(text), json.loads(answer))
            elif kind == "sql":
                self.assertTrue(self.log(text), text)
        self.assertGreater(min(counts["sh"], counts["json"], counts["sql"]), 3)
        ((reason, fields),) = self.log("SELECT reason, fields FROM audit_conflicts WHERE reason <> "
                                       "'differs'")
        self.assertEqual((reason, json.loads(fields)["title"]["theirs"]),
                         ("concurrent_update", "Oat milk"))
        lines = self.run_it("server-log", "--data", self.path("srv"), "--workspace", "team")
        self.assertEqual(lines[0]["device_name"], "laptop")
        log = ("server-log", "--data", self.path("srv"), "--workspace", "team")
        self.assertEqual(len(self.run_it(*log, "--user", "anyone")), len(lines))
        self.assertEqual(self.run_it(*log, "--user", "nobody"), [])
        self.assertEqual({line["device_name"] for line in self.run_it(*log, "--device", "phone")},
                         {"phone"})
        told = {one["reason"]: one["fields"]["title"] for one in self.run_it(*log, "--conflicts")}
        self.assertEqual(told, {"concurrent_update": {"yours": "Soy milk", "theirs": "Oat milk"},
                                "differs": {"yours": "Milk", "theirs": "Soy milk"}})
        self.assertEqual(sum(day["changes"] for day in self.run_it(*log, "--volume")),
                         len({line["change_id"] for line in lines}))
        admin = Door(self, url)
        for path, count in (("changes", len(lines)), ("conflicts/told", 2), ("volume", 1)):
            self.assertEqual(len(admin.get(f"/admin/{path}?workspace=team")), count, path)
        # The rows as a database have the columns that JSON brought.
        line = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        line.request("GET", "/team/file")
        with open(self.path("copy.db"), "wb") as copy:
            copy.write(line.getresponse().read())
        line.close()
        database = sqlite3.connect(self.path("copy.db"))
        self.assertEqual(database.execute("SELECT id, title FROM notes ORDER BY id").fetchall(),
                         [("a", "Soy milk"), ("b", "Bread"), ("c", "Tea")])
        database.close()
        self.assertEqual([line["type"] for line in lines[:3]], ["CREATED", "CREATED", "UPDATED"])


if __name__ == "__main__":
    unittest.main()
