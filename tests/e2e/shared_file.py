"""Several processes on one database: who leads the conversation, and what is locked."""

import json
import os
import signal
import sqlite3
import subprocess
import threading
import unittest

from case import PATIENCE_S, PROGRAM, Case


class Live:
    """A `sync --live` whose lines are kept, and waited for."""

    def __init__(self, case, name, url):
        self.case = case
        self.child = subprocess.Popen([PROGRAM, "sync", "--db", case.path(name), "--server", url,
                                       "--live"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True)
        self.lines = []
        self.more = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        case.addCleanup(self.end, signal.SIGKILL)

    def read(self):
        for line in self.child.stdout:
            with self.more:
                self.lines.append(json.loads(line))
                self.more.notify_all()
        with self.more:
            self.more.notify_all()

    def wait_for(self, what):
        with self.more:
            found = self.more.wait_for(lambda: any(what(line) for line in self.lines), PATIENCE_S)
        self.case.assertTrue(found, self.lines)

    def wait_for_synced(self):
        self.wait_for(lambda line: line.get("status") == "synced")

    def wait_until_it_follows(self):
        self.wait_for(lambda line: line.get("cause") == "led_elsewhere")

    def send(self, number):
        self.child.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(number)
        self.child.wait()
        self.reader.join()
        self.child.stdout.close()
        self.child.stderr.close()
        return self.child.returncode

    def troubles(self):
        return [line for line in self.lines
                if line["ev"] == "error" or line.get("status") in ("stuck", "incompatible")]


class Writer:
    """An `exec` that stays open, and remembers what it was answered."""

    def __init__(self, case, name):
        self.case = case
        self.child = subprocess.Popen([PROGRAM, "exec", "--db", case.path(name)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ops = {}
        case.addCleanup(self.end)

    def put(self, key):
        order = {"id": key, "do": "put", "table": "notes", "key": key, "value": {"body": key}}
        self.child.stdin.write(json.dumps(order) + "\n")
        self.child.stdin.flush()
        answer = json.loads(self.child.stdout.readline())
        self.case.assertTrue(answer["ok"], answer)
        self.ops[key] = answer["op"]

    def end(self):
        if self.child.poll() is None:
            self.child.stdin.close()
            self.child.wait()
            self.child.stdout.close()


class SharedFile(Case):
    def setUp(self):
        super().setUp()
        _, self.url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)

    def id_of(self, name):
        (status,) = self.run_it("status", "--db", self.path(name))
        return status["device"]

    def test_two_live_a_writer_and_one_that_syncs_once_are_one_replica(self):
        writer = Writer(self, "phone")
        writer.put("first")
        name = self.id_of("phone")
        leader = Live(self, "phone", self.url)
        leader.wait_for_synced()
        heir = Live(self, "phone", self.url)
        heir.wait_until_it_follows()
        for i in range(40):
            writer.put(f"beside both {i}")
        lines = self.sync("phone", self.url)
        self.assertEqual(lines[-1]["ev"], "idle")
        self.assertEqual(lines[-1]["pending"], 0)
        acked = {line["op"] for line in lines if line["ev"] == "acked"}
        self.assertLessEqual(acked, set(writer.ops.values()))
        leader.end(signal.SIGKILL)
        for i in range(40):
            writer.put(f"beside one {i}")
        heir.wait_for(lambda line: line["ev"] == "connected")
        self.run_it("sync", "--db", self.path("phone"), "--server", self.url, "--once",
                    "--timeout", "20s")
        self.assertEqual(heir.end(), 0)
        writer.put("last")
        self.sync("phone", self.url)
        self.sync("laptop", self.url)
        self.assertEqual(set(self.rows("laptop")), set(writer.ops))
        self.assertEqual(self.rows("laptop"), self.rows("phone"))
        self.assertEqual(self.id_of("phone"), name)
        self.assertEqual({op.split(":")[0] for op in writer.ops.values()}, {name})
        self.assertEqual(leader.troubles() + heir.troubles(), [])

    def test_a_leader_that_is_stopped_keeps_the_lead_and_is_named(self):
        leader = Live(self, "phone", self.url)
        leader.wait_for_synced()
        # It is stopped while it cannot be writing: nobody could write beside it otherwise.
        other = sqlite3.connect(self.path("phone"), isolation_level=None, timeout=20)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        leader.send(signal.SIGSTOP)
        os.waitpid(leader.child.pid, os.WUNTRACED)
        other.execute("COMMIT")
        self.put("phone", "a", body="waits")
        (error,) = [line for line in self.run_it(
            "sync", "--db", self.path("phone"), "--server", self.url, "--until-idle",
            "--timeout", "2s", expect=6) if not line.get("ok", True)]
        self.assertEqual(error["error"]["code"], "timed_out")
        self.assertIn(f"another process syncs this database (process {leader.child.pid})",
                      error["error"]["message"])
        leader.send(signal.SIGCONT)
        self.sync("phone", self.url)
        self.sync("laptop", self.url)
        self.assertEqual(self.rows("laptop"), {"a": {"body": "waits", "n": 0}})
        self.assertEqual(leader.end(), 0)

    def test_a_link_to_the_database_is_the_same_database(self):
        os.symlink(self.path("phone"), self.path("link"))
        leader = Live(self, "phone", self.url)
        leader.wait_for_synced()
        other = Live(self, "link", self.url)
        other.wait_until_it_follows()
        self.assertEqual((leader.end(), other.end()), (0, 0))

    def test_a_resync_beside_the_leader_is_no_trouble(self):
        self.put("laptop", "a", body="from the laptop")
        self.sync("laptop", self.url)
        leader = Live(self, "phone", self.url)
        leader.wait_for_synced()
        self.put("phone", "b", body="from the phone")
        self.run_it("resync", "--db", self.path("phone"), "--yes")
        self.sync("phone", self.url)
        self.assertEqual(set(self.rows("phone")), {"a", "b"})
        self.assertEqual(leader.troubles(), [])
        self.assertEqual(leader.end(), 0)

    def test_a_locked_file_is_waited_for(self):
        self.put("laptop", "a", body="comes later")
        self.sync("laptop", self.url)
        live = Live(self, "phone", self.url)
        live.wait_for_synced()
        other = sqlite3.connect(self.path("phone"), isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.put("laptop", "b", body="while it is locked")
        self.sync("laptop", self.url)
        live.wait_for(lambda line: line.get("cause") == "busy")
        (error,) = [line for line in self.run_it(
            "sync", "--db", self.path("phone"), "--server", self.url, "--once", "--timeout", "1s",
            expect=6) if not line.get("ok", True)]
        self.assertEqual(error["error"]["code"], "timed_out")
        other.execute("COMMIT")
        self.sync("phone", self.url)
        self.assertEqual(set(self.rows("phone")), {"a", "b"})
        self.assertEqual(live.troubles(), [])
        self.assertEqual(live.end(), 0)

    def test_writers_beside_a_session_make_no_trouble(self):
        writers = [Writer(self, name) for name in ("phone", "laptop")]
        lives = [Live(self, name, self.url) for name in ("phone", "laptop")]

        def write(writer, number):
            for i in range(200):
                writer.put(f"{number}-{i}")

        threads = [threading.Thread(target=write, args=(writer, number))
                   for number, writer in enumerate(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ("phone", "laptop", "phone"):
            self.sync(name, self.url)
        expected = set(writers[0].ops) | set(writers[1].ops)
        self.assertEqual(len(expected), 400)
        for name in ("phone", "laptop"):
            self.assertEqual(set(self.rows(name)), expected)
        for live in lives:
            self.assertEqual(live.troubles(), [])
            self.assertEqual(live.end(), 0)


if __name__ == "__main__":
    unittest.main()
