"""What tests of the program share: a folder, a server, devices, and orders given by the command line."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop()
PATIENCE_S = 60


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(self.path("schema.sql"), "w", encoding="utf-8") as schema:
            schema.write("CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, n INTEGER "
                         "DEFAULT 0);\n")
        with open(self.path("secret"), "w", encoding="utf-8") as secret:
            secret.write("a secret of more than thirty-two bytes, for tests\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_it(self, *arguments, expect=0, text=None):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, input=text,
                              timeout=PATIENCE_S)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def serve(self, *arguments, data="srv"):
        return self.listening(self.spawn("serve", "--data", self.path(data), "--listen",
                                         "127.0.0.1:0", *arguments))

    def spawn(self, *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True):
        """The program beside the test, with which it ends at the latest."""
        child = subprocess.Popen([PROGRAM, *arguments], stdout=stdout, stderr=stderr, text=text)

        def end():
            if child.poll() is None:
                child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()

        self.addCleanup(end)
        return child

    def listening(self, child):
        line = json.loads(child.stdout.readline())
        self.assertEqual(line["ev"], "listening")
        return child, f"http://127.0.0.1:{line['port']}"

    def follow(self, name, url, *arguments, **how):
        """A device that goes on syncing."""
        return self.spawn("sync", "--db", self.path(name), "--server", url, "--live", *arguments,
                          **how)

    def rss_mib(self, child, what):
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what))

    def device(self, name, *rules):
        self.run_it("init", "--db", self.path(name), "--workspace", "team", "--schema",
                    self.path("schema.sql"))
        if rules:
            self.run_it("track", "--db", self.path(name), "notes", *rules)

    def sync(self, name, url, *arguments, expect=0):
        return self.run_it("sync", "--db", self.path(name), "--server", url, "--until-idle",
                           "--timeout", "20s", *arguments, expect=expect)

    def order(self, name, **order):
        (answer,) = self.run_it("exec", "--db", self.path(name), text=json.dumps(order) + "\n")
        self.assertTrue(answer["ok"], answer)
        return answer

    def put(self, name, key, **value):
        return self.order(name, id=1, do="put", table="notes", key=key, value=value)

    def rows(self, name):
        return {row["key"][0]: row["value"]
                for row in self.run_it("dump", "--db", self.path(name), "--table", "notes")}

    def token(self, *arguments, key="secret"):
        self.run_it("token", "--key-file", self.path(key), "--subject", "ann", "--to",
                    self.path("token"), *arguments)
        return ("--token-file", self.path("token"))
