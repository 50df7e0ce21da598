"""What the program keeps to itself: files, terminals, a server without tokens, and whose a device is."""

import glob
import json
import os
import pty
import shutil
import stat
import subprocess
import unittest

from case import PATIENCE_S, PROGRAM, Case
from wire import REFUSED, WELCOME, Line, Socket, hello, refusal, token

SECRET = "a secret of more than thirty-two bytes, for tests"
EVIL = "\x1b]0;title\x07\x1b[2J\u009b31m\u202e\x7f"


class Guarded(Case):
    def on_a_terminal(self, *arguments):
        """What the program writes to a terminal."""
        ours, theirs = pty.openpty()
        child = subprocess.Popen([PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        out = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:
                break
            if not more:
                break
            out += more
        os.close(ours)
        child.wait(timeout=PATIENCE_S)
        return out.decode()

    def ask(self, url, method, path, body=b"", **how):
        line = Line(int(url.rsplit(":", 1)[1]))
        self.addCleanup(line.close)
        return line.ask(method, path, body=body, **how)

    def write_evil(self, url):
        change = {"changeId": "1", "type": "CREATED", "entityType": "notes", "entityId": "id" + EVIL,
                  "data": {"body": "v" + EVIL}}
        body = json.dumps({"deviceId": "dev" + EVIL, "changes": [change]}).encode()
        status, _, answer = self.ask(url, "POST", "/api/sync/v2?workspace=team", body)
        self.assertEqual((status, json.loads(answer)["rejected"]), (200, []))

    def is_harmless(self, shown):
        self.assertNotEqual(shown, "")
        for bad in ("\x1b", "\x07", "\u009b", "\u202e", "\x7f"):
            self.assertNotIn(bad, shown)

    def test_what_others_wrote_cannot_speak_to_a_terminal(self):
        _, url = self.serve("--demo")
        self.write_evil(url)
        self.device("phone")
        self.put("phone", "mine", body="w" + EVIL)
        self.sync("phone", url)
        data = ("--data", self.path("srv"), "--workspace", "team")
        for command in (("server-log", *data), ("server-log", *data, "--json"),
                        ("server-dump", *data),
                        ("dump", "--db", self.path("phone"), "--table", "notes"),
                        ("log", "--db", self.path("phone")),
                        ("status", "--db", self.path("phone"))):
            with self.subTest(command=command[0]):
                self.is_harmless(self.on_a_terminal(*command))
        # For programs it stays what it was.
        self.assertEqual(self.rows("phone")["id" + EVIL]["body"], "v" + EVIL)

    def test_what_a_server_stores_is_for_its_user_alone(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        os.mkdir(self.path("srv"), 0o755)
        with open(self.path("srv/log.db.old"), "w", encoding="utf-8") as old:
            old.write("copied here by hand")
        _, url = self.serve("--demo")
        self.write_evil(url)
        self.run_it("backup", "--data", self.path("srv"), "--to", self.path("copy"))
        self.run_it("restore", "--from", self.path("copy"), "--data", self.path("again"))
        with open(self.path("token"), "w", encoding="utf-8") as old:
            old.write("x")
        shutil.copy(self.path("token"), self.path("token.new"))
        self.token("--workspace", "team")
        files = [self.path("copy"), self.path("token"), *glob.glob(self.path("srv") + "/*"),
                 *glob.glob(self.path("again") + "/*")]
        self.assertGreater(len(files), 5)
        for file in files:
            self.assertEqual(stat.S_IMODE(os.stat(file).st_mode) & 0o077, 0, file)

    def test_a_server_without_tokens_answers_to_this_machine_alone(self):
        _, url = self.serve("--demo", "--allow-host", "demo.test")
        self.write_evil(url)
        paths = (("GET", "/team/meta"), ("GET", "/team/file"), ("GET", "/admin/workspaces"),
                 ("POST", "/team/exec"), ("GET", "/api/sync/v2/openapi.json"), ("POST", "/v1/sync"))
        for method, path in paths:
            for host in ("evil.example", "127.0.0.1.evil.example:80", "127.evil.example"):
                status, _, _ = self.ask(url, method, path, host=host)
                self.assertEqual(status, 421, (method, path, host))
        for host in ("localhost", "127.0.0.1:8080", "[::1]:80", "demo.test", "demo.test:8080"):
            self.assertEqual(self.ask(url, "GET", "/team/meta", host=host)[0], 200, host)
        for listen in ("127.0.0.1.evil.example:0", "127.evil.example:0", "localhost.evil:0", "127.1:0",
                       "0.0.0.0:0", "[::]:0"):
            self.run_it("serve", "--data", self.path("other"), "--demo", "--listen", listen, expect=2)

    def test_sql_of_strangers_stays_where_it_is_and_ends(self):
        _, url = self.serve("--demo")
        self.write_evil(url)
        endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r"
        out = self.path("out.db")
        for sql in (endless, f"ATTACH '{out}' AS o", f"VACUUM INTO '{out}'", "PRAGMA query_only = OFF",
                    "PRAGMA hard_heap_limit = 1", "SELECT length(hex(zeroblob(400000000)))",
                    "DELETE FROM notes", "CREATE TEMP TABLE t(a)"):
            status, _, body = self.ask(url, "POST", "/team/exec", json.dumps({"sql": sql}).encode())
            self.assertIn(status, (400, 413), (sql, body))
        self.assertFalse(os.path.exists(out))
        status, _, body = self.ask(url, "POST", "/team/exec", b'{"sql":"SELECT count(*) AS n FROM notes"}')
        self.assertEqual((status, json.loads(body)["rows"]), (200, [{"n": 1}]))

    def test_a_device_is_its_users_until_it_is_given_away(self):
        server, url = self.serve("--key-file", self.path("secret"))
        port = int(url.rsplit(":", 1)[1])
        self.device("phone")
        self.put("phone", "a", body="hers")
        self.sync("phone", url, *self.token("--workspace", "team"))
        self.run_it("token", "--key-file", self.path("secret"), "--subject", "bob", "--workspace",
                    "team", "--to", self.path("bob"))
        self.put("phone", "b", body="unsent")
        self.sync("phone", url, "--token-file", self.path("bob"), expect=5)
        (status,) = self.run_it("status", "--db", self.path("phone"))
        self.assertEqual(status["pending"], 1)
        self.assertIn("another user", json.dumps(status))
        server.terminate()
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        (given,) = self.run_it("give", "--data", self.path("srv"), "--workspace", "team", "--from",
                               "ann", "--to", "bob")
        self.assertEqual(given["user"], "bob")
        _, url = self.serve("--key-file", self.path("secret"))
        self.assertNotEqual(port, 0)
        self.sync("phone", url, "--token-file", self.path("bob"))
        (status,) = self.run_it("status", "--db", self.path("phone"))
        self.assertEqual(status["pending"], 0)

    def test_a_key_that_goes_ends_what_it_opened(self):
        _, url = self.serve("--key-file", self.path("secret"))
        one = Socket(int(url.rsplit(":", 1)[1]))
        self.addCleanup(one.close)
        one.frame(hello(token=token(SECRET)))
        one.until(WELCOME)
        with open(self.path("secret"), "w", encoding="utf-8") as secret:
            secret.write("another secret of more than thirty-two bytes\n")
        farewell = one.until(22)
        self.assertIn(b"key", farewell)
        two = Socket(int(url.rsplit(":", 1)[1]))
        self.addCleanup(two.close)
        two.frame(hello(token=token(SECRET)))
        self.assertEqual(refusal(two.until(REFUSED))[0], "not_allowed")


if __name__ == "__main__":
    unittest.main()
