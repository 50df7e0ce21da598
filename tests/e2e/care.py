"""A replica that needs care: beginning anew, what the server refused, and what is said of it."""

import json
import signal
import subprocess
import time
import unittest

from case import PATIENCE_S, Case
from wire import Line


class Care(Case):
    def status(self, name):
        (status,) = self.run_it("status", "--db", self.path(name))
        return status

    def until(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def live(self, name, url, *arguments):
        return self.follow(name, url, *arguments, stdout=subprocess.DEVNULL)

    def test_a_replica_begins_anew_and_loses_nothing(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        for key in "abc":
            self.put("phone", key, body=f"note {key}")
        self.sync("phone", url)
        self.sync("laptop", url)
        first = self.put("laptop", "d", body="unsent")
        self.put("phone", "a", body="changed meanwhile")
        self.sync("phone", url)
        (done,) = self.run_it("resync", "--db", self.path("laptop"), "--yes", "--to",
                              self.path("unsent"))
        self.assertEqual((done["kept"], done["pending"]), (1, 1))
        self.assertEqual(set(self.rows("laptop")), {"d"})
        second = self.put("laptop", "e", body="counted on")
        device, number = first["op"].split(":")
        self.assertEqual(second["op"], f"{device}:{int(number) + 1}")
        events = self.sync("laptop", url)
        self.assertIn("bootstrap", {event.get("phase") for event in events})
        self.sync("phone", url)
        self.assertEqual(self.rows("laptop"), self.rows("phone"))
        self.assertEqual(set(self.rows("phone")), set("abcde"))
        self.assertEqual([line["state"] for line in self.run_it("log", "--db", self.path("laptop"))],
                         ["acked", "acked"])
        (repeated,) = self.run_it("import", "--db", self.path("phone"), "--pending",
                                  self.path("unsent"))
        self.assertEqual((repeated["changes"], repeated["repeated"]), (0, 1))

    def test_what_a_lost_server_held_comes_back_from_whoever_has_it(self):
        server, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name, "--column", "n=counter")
        self.put("phone", "a", body="by the phone", n=1)
        self.put("phone", "b", body="too", n=2)
        self.sync("phone", url)
        self.sync("laptop", url)
        self.put("phone", "a", n=7)  # not sent, and the phone is away
        held = self.rows("laptop")
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_S)
        server, url = self.serve("--demo", data="anew")
        self.sync("laptop", url)
        self.assertEqual(self.rows("laptop"), held)
        self.assertEqual(self.status("laptop")["pending"], 0)
        line = Line(int(url.rsplit(":", 1)[1]))
        self.addCleanup(line.close)
        _, _, body = line.ask("POST", "/api/sync/v2?workspace=team",
                              ["Content-Type: application/json"],
                              b'{"lastKnownServerVersion": 0, "deviceId": "till"}')
        told = {change["entityId"]: change["data"] for change in json.loads(body)["newChanges"]}
        self.assertEqual(told, held)
        self.sync("phone", url)
        self.sync("laptop", url)
        self.assertEqual(self.rows("laptop"), {**held, "a": {"body": "by the phone", "n": 7}})
        self.assertEqual(self.rows("phone"), self.rows("laptop"))
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_S)
        log = self.run_it("server-log", "--data", self.path("anew"), "--workspace", "team")
        self.assertEqual([(row["type"], row["entity_id"]) for row in log[:2]],
                         [("CREATED", "a"), ("CREATED", "b")])
        dump = self.run_it("server-dump", "--data", self.path("anew"), "--workspace", "team")
        self.assertEqual({row["kind"] for row in dump[0]["tables"]["notes"]}, {"put"})

    def test_what_a_file_brought_reaches_the_server_without_its_author(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop", "tablet"):
            self.device(name, "--column", "n=counter")
        self.put("phone", "a", body="by the phone", n=1)
        self.put("phone", "b", body="ends", n=2)
        self.order("phone", id=1, do="del", table="notes", key="b")
        self.put("tablet", "t", body="by the tablet", n=5)
        # One before its first sync, one between two.
        self.sync("tablet", url)
        for name in ("laptop", "tablet"):
            self.run_it("export", "--db", self.path("phone"), "--to", self.path("file"))
            self.run_it("import", "--db", self.path(name), self.path("file"))
            self.assertGreater(self.status(name)["pending"], 0)
        held = {"a": {"body": "by the phone", "n": 1}, "t": {"body": "by the tablet", "n": 5}}
        for name in ("laptop", "tablet", "laptop"):
            self.sync(name, url)
            self.assertEqual(self.rows(name), held)
            self.assertEqual(self.status(name)["pending"], 0)
        self.run_it("import", "--db", self.path("laptop"), self.path("file"))
        self.assertEqual(self.status("laptop")["pending"], 0)
        self.order("phone", id=1, do="sql", sql="UPDATE notes SET n = n + 3 WHERE id = 'a'")
        held["a"]["n"] = 4
        for name in ("phone", "laptop", "tablet"):
            self.sync(name, url)
            self.assertEqual(self.rows(name), held)

    def test_a_live_process_goes_on_though_another_resyncs_its_database(self):
        _, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        for key in range(40):
            self.put("phone", f"k{key}", body=f"note {key}")
        self.sync("phone", url)
        self.live("laptop", url)
        self.until("the laptop has the rows", lambda: len(self.rows("laptop")) == 40)
        self.run_it("resync", "--db", self.path("laptop"), "--yes")
        self.put("phone", "new", body="afterwards")
        self.sync("phone", url)
        self.until("the laptop has them again", lambda: len(self.rows("laptop")) == 41)
        self.until("and is green", lambda: self.status("laptop")["status"] == "synced")

    def test_status_says_what_a_live_process_knows_and_no_more(self):
        server, url = self.serve("--key-file", self.path("secret"))
        self.device("phone")
        self.assertEqual(self.status("phone")["status"], "disconnected")
        child = self.live("phone", url, *self.token("--workspace", "team"))
        self.until("it is green", lambda: self.status("phone")["status"] == "synced")
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=PATIENCE_S)
        status = self.status("phone")
        self.assertEqual(status["status"], "disconnected")
        self.assertIsNotNone(status["last_synced_ms"])
        # A dead process proves nothing: killed, its last word still says that it is green.
        child = self.live("phone", url, *self.token("--workspace", "team"))
        self.until("it is green again", lambda: self.status("phone")["status"] == "synced")
        child.kill()
        child.wait()
        self.until("nobody takes a dead process's word", lambda: self.status("phone")["status"] ==
                   "disconnected")
        # What waiting does not mend is still true afterwards.
        self.sync("phone", url, *self.token("--workspace", "others"), expect=5)
        status = self.status("phone")
        self.assertEqual((status["status"], status["cause"]), ("stuck", "not_allowed"))
        self.assertNotEqual(status["last_error"], "")
        self.sync("phone", url, *self.token("--workspace", "team"))
        self.assertEqual(self.status("phone")["last_error"], "")
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE_S)

    def test_a_refused_change_is_looked_at_mended_and_done_again(self):
        server, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        self.put("phone", "a", body="first")
        self.sync("phone", url)
        self.sync("laptop", url)
        self.order("laptop", id=1, do="sql",
                   sql="INSERT OR REPLACE INTO notes(id, body) VALUES('a', 'late')")
        self.order("phone", id=1, do="del", table="notes", key="a")
        self.put("phone", "b", body="second")
        self.sync("phone", url)
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE_S)
        self.run_it("gc", "--data", self.path("srv"), "--horizon", "3")
        _, url = self.serve("--demo")
        events = self.sync("laptop", url)
        self.assertIn("rejected", {event["ev"] for event in events})
        (refused,) = self.run_it("rejected", "--db", self.path("laptop"))
        self.assertEqual(refused["edits"], [{"do": "put", "table": "notes", "key": ["a"],
                                             "value": {"body": "late", "n": 0}}])
        number = str(refused["id"])
        self.run_it("rejected", "--db", self.path("laptop"), "edit", number, expect=2)
        self.run_it("rejected", "--db", self.path("laptop"), "edit", number, "--value",
                    '{"nothing": 1}', expect=3)
        self.run_it("rejected", "--db", self.path("laptop"), "edit", "77", "--value",
                    '{"body": "x"}', expect=3)
        self.run_it("rejected", "--db", self.path("laptop"), "edit", number, "--value",
                    json.dumps({"body": "mended", "n": 4}))
        self.assertEqual(self.run_it("rejected", "--db", self.path("laptop")), [])
        for name in ("laptop", "phone"):
            self.sync(name, url)
        self.assertEqual(self.rows("phone")["a"], {"body": "mended", "n": 4})


if __name__ == "__main__":
    unittest.main()
