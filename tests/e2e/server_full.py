"""A server whose disk takes nothing: what an operator and a user are told, and that it goes on by itself."""

import json
import os
import resource
import shutil
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from case import PATIENCE_S, PROGRAM, Case

NO_LIMIT = resource.RLIM_INFINITY


class ServerFull(Case):
    def start(self):
        # Not into a file: that would be full, too.
        child = subprocess.Popen([PROGRAM, "serve", "--demo", "--data", self.path("srv"), "--listen",
                                  "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(child.stderr))
        reader.start()

        def end():
            if child.poll() is None:
                child.kill()
            child.wait()
            reader.join()
            child.stdout.close()
            child.stderr.close()
            return [json.loads(line)["event"] for line in lines if line[0] == "{"]

        self.addCleanup(end)
        line = json.loads(child.stdout.readline())
        return child, f"http://127.0.0.1:{line['port']}", end

    def fill(self, child):
        """From now on no write to a file comes through."""
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (0, NO_LIMIT))

    def make_room(self, child):
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))

    def ask(self, url, path, body=None):
        request = urllib.request.Request(url + path, data=body and json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metrics(self, url):
        lines = self.ask(url, "/metrics")[1].splitlines()
        return {line.split(" ")[0]: int(line.split(" ")[1]) for line in lines
                if line.startswith("syncline_") and line.split(" ")[1].isdigit()}

    def status(self, name):
        return self.run_it("status", "--db", self.path(name))[0]

    def until(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def test_a_full_disk_is_said_to_everybody_and_got_over(self):
        server, url, end = self.start()
        for name in ("phone", "laptop"):
            self.device(name)
        self.put("phone", "a", body="stored")
        self.sync("phone", url)
        self.assertEqual(self.ask(url, "/readyz")[0], 200)
        self.assertEqual(self.metrics(url)["syncline_storage_ok"], 1)
        live = subprocess.Popen([PROGRAM, "sync", "--db", self.path("phone"), "--server", url,
                                 "--live"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (live.kill(), live.wait()))
        self.until("the phone is in step", lambda: self.status("phone")["status"] == "synced")
        self.fill(server)
        self.put("phone", "b", body="waits")
        self.until("the phone says why",
                   lambda: self.status("phone").get("cause") == "server_storage")
        said = self.status("phone")
        self.assertEqual(said["status"], "stuck")
        self.assertEqual(said["pending"], 1)
        self.assertIn("the server cannot store anything now", said["message"])
        status, text = self.ask(url, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("cannot be written", text)
        self.assertEqual(self.ask(url, "/healthz")[0], 200)
        metrics = self.metrics(url)
        self.assertEqual(metrics["syncline_storage_ok"], 0)
        self.assertGreater(metrics["syncline_commits_failed"], 0)
        self.assertGreater(metrics["syncline_last_commit_timestamp_ms"], 0)
        # The other door says it, too, and both still read.
        status, text = self.ask(url, "/api/sync/v2?workspace=team", {
            "deviceId": "tablet", "lastKnownServerVersion": 0, "changes": [
                {"changeId": "1", "entityType": "notes", "entityId": "z", "type": "CREATED",
                 "data": {"body": "no"}}]})
        self.assertEqual(status, 503, text)
        self.assertIn("cannot store anything now", text)
        status, text = self.ask(url, "/team/meta")
        self.assertEqual(status, 200, text)
        self.make_room(server)
        self.until("the phone is in step", lambda: self.status("phone")["status"] == "synced")
        self.until("it is ready", lambda: self.ask(url, "/readyz")[0] == 200)
        self.assertEqual(self.metrics(url)["syncline_storage_ok"], 1)
        self.sync("laptop", url)
        self.assertEqual(set(self.rows("laptop")), {"a", "b"})
        events = end()
        self.assertEqual(events.count("storage_failed"), 1)
        self.assertEqual(events.count("storage_recovered"), 1)

    def test_a_server_that_cannot_start_on_a_full_disk_says_so(self):
        _, _, end = self.start()
        end()
        code, said = self.refused_start(self.path("srv"), "ulimit -S -f 0; ")
        self.assertEqual(code, 8, said)
        self.assertIn("log.db", said)
        self.start()

    def refused_start(self, data, before=""):
        done = subprocess.run(["sh", "-c", f"{before}exec {PROGRAM} serve --demo --data {data} "
                               "--listen 127.0.0.1:0"],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, done.stdout + done.stderr

    def test_a_log_that_is_none_is_not_served(self):
        server, _, end = self.start()
        end()
        shutil.copytree(self.path("srv"), self.path("torn"))
        with open(self.path("torn/log.db"), "r+b") as file:
            file.write(b"this is no database")
        for name in os.listdir(self.path("torn")):
            if name.startswith("log.db-"):
                os.remove(self.path("torn/" + name))
        code, said = self.refused_start(self.path("torn"))
        self.assertEqual(code, 8, said)
        self.assertIn("log.db", said)
        os.mkdir(self.path("foreign"))
        subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1])"
                        ".executescript('CREATE TABLE mine(x)')", self.path("foreign/log.db")],
                       check=True)
        code, said = self.refused_start(self.path("foreign"))
        self.assertEqual(code, 9, said)
        self.assertIn("no server's log", said)
        code, said = self.refused_start("/proc/nothing/here")
        self.assertEqual(code, 8, said)
        self.assertIn("/proc/nothing/here", said)

    def test_a_backup_to_a_full_disk_leaves_nothing_that_looks_like_one(self):
        server, url, _ = self.start()
        self.device("phone")
        for number in range(50):
            self.put("phone", f"k{number}", body="x" * 2000)
        self.sync("phone", url)
        command = (f"ulimit -S -f 40; exec {PROGRAM} backup --data {self.path('srv')} --to "
                   f"{self.path('backup.db')}")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 8, done.stdout + done.stderr)
        self.assertFalse(os.path.exists(self.path("backup.db")))
        self.sync("phone", url)


if __name__ == "__main__":
    unittest.main()
