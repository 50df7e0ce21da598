"""Two devices, a server and the command line, over real sockets: what a person would do by hand."""

import json
import signal
import subprocess
import unittest

from case import PATIENCE_S, PROGRAM, Case


class TwoDevices(Case):
    def test_offline_edits_meet_and_a_conflict_is_settled_everywhere(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name, "--merge", "manual", "--column", "n=counter")
        self.put("phone", "a", body="first", n=1)
        self.sync("phone", url)
        self.sync("laptop", url)
        self.assertEqual(self.rows("laptop"), {"a": {"body": "first", "n": 1}})
        for name, step in (("phone", 10), ("laptop", 100)):
            self.put(name, "a", body=f"from the {name}")
            self.order(name, id=2, do="incr", table="notes", key="a", column="n", by=step)
        self.put("phone", "b", body="offline")
        for name in ("phone", "laptop", "phone"):
            self.sync(name, url)
        self.assertEqual(self.rows("phone")["a"]["n"], 111)
        (conflict,) = self.run_it("conflicts", "--db", self.path("phone"))
        self.assertEqual({conflict["mine"], conflict["theirs"]},
                         {"from the phone", "from the laptop"})
        self.run_it("resolve", "--db", self.path("phone"), conflict["id"], "--value",
                    json.dumps("from both"))
        for name in ("phone", "laptop"):
            self.sync(name, url)
        self.assertEqual(self.run_it("conflicts", "--db", self.path("laptop")), [])
        self.assertEqual(self.rows("laptop"), self.rows("phone"))
        self.assertEqual(self.rows("laptop")["a"], {"body": "from both", "n": 111})
        digests = {self.run_it("digest", "--db", self.path(name))[0]["digest"]
                   for name in ("phone", "laptop")}
        self.assertEqual(len(digests), 1)
        (status,) = self.run_it("status", "--db", self.path("phone"))
        self.assertEqual((status["pending"], status["conflicts"]), (0, 0))

    def test_plain_http_carries_the_same(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        self.put("phone", "a", body="by post")
        self.sync("phone", url, "--transport", "http")
        self.sync("laptop", url, "--transport", "http")
        self.assertEqual(self.rows("laptop")["a"]["body"], "by post")

    def test_a_live_replica_hears_of_what_others_write(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        self.sync("laptop", url)
        live = subprocess.Popen([PROGRAM, "sync", "--db", self.path("laptop"), "--server", url,
                                 "--live"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True)
        self.addCleanup(live.wait)
        self.addCleanup(live.stdout.close)
        self.addCleanup(live.kill)
        self.put("phone", "a", body="over there")
        self.sync("phone", url)
        for line in live.stdout:
            event = json.loads(line)
            if event["ev"] == "pulled" and event["rows"] > 0:
                break
        self.assertEqual(self.rows("laptop")["a"]["body"], "over there")
        # And what another process writes here goes out.
        self.put("laptop", "b", body="and back")
        for line in live.stdout:
            if json.loads(line)["ev"] == "acked":
                break
        self.sync("phone", url)
        self.assertEqual(self.rows("phone")["b"]["body"], "and back")

    def test_tokens_open_what_they_name_and_nothing_else(self):
        _, url = self.serve("--key-file", self.path("secret"))
        self.device("phone")
        self.put("phone", "a", body="mine")
        refused = self.sync("phone", url, expect=5)
        self.assertFalse(refused[-1]["ok"])
        self.sync("phone", url, *self.token("--workspace", "others"), expect=5)
        self.sync("phone", url, *self.token("--workspace", "team"))
        with open(self.path("forger"), "w", encoding="utf-8") as secret:
            secret.write("another secret of more than thirty-two bytes, for tests\n")
        self.put("phone", "b", body="forged")
        self.sync("phone", url, *self.token("--workspace", "team", key="forger"), expect=5)
        (status,) = self.run_it("status", "--db", self.path("phone"))
        self.assertEqual(status["pending"], 1)

    def test_a_restored_server_gets_back_what_its_backup_lacks(self):
        server, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        self.put("phone", "a", body="in the backup")
        self.sync("phone", url)
        self.run_it("backup", "--data", self.path("srv"), "--to", self.path("copy"))
        self.put("phone", "b", body="after it")
        self.sync("phone", url)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        self.run_it("restore", "--from", self.path("copy"), "--data", self.path("srv2"))
        _, url = self.serve("--demo", data="srv2")
        self.sync("laptop", url)
        self.assertEqual(set(self.rows("laptop")), {"a"})
        self.sync("phone", url)
        self.sync("laptop", url)
        self.assertEqual(set(self.rows("laptop")), {"a", "b"})

    def test_a_server_that_is_not_there_is_unreachable(self):
        self.device("phone")
        self.put("phone", "a", body="waits")
        done = self.run_it("sync", "--db", self.path("phone"), "--server", "http://127.0.0.1:9",
                           "--once", "--timeout", "5s", expect=6)
        self.assertTrue(done[-1]["error"]["retryable"])

    def test_mistakes_are_usage_errors_with_a_suggestion(self):
        for arguments, words in ((["statsu"], "status"), (["status", "--bd", "x"], "--db"),
                                 (["status"], "--db")):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                                  timeout=PATIENCE_S)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(words, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
