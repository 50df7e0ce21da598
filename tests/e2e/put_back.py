"""An older copy of a server's folder is put back by hand: the server notices, begins a new lineage, and its
replicas bring what it has lost. And nothing of this happens to a server that lost nothing."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest
import urllib.request

from case import PATIENCE_S, PROGRAM, Case


class PutBack(Case):
    def start(self, *arguments, port=0, data="srv"):
        log = open(self.path("log"), "a", encoding="utf-8")
        self.addCleanup(log.close)
        return self.listening(self.spawn("serve", "--demo", "--data", self.path(data), "--listen",
                                         f"127.0.0.1:{port}", *arguments, stderr=log))

    def stop(self, child, how=signal.SIGTERM):
        child.send_signal(how)
        child.wait(PATIENCE_S)

    def told(self, event):
        with open(self.path("log"), encoding="utf-8") as lines:
            return [line for line in map(json.loads, (text for text in lines if text[0] == "{"))
                    if line["event"] == event]

    def copy(self, source, target):
        shutil.rmtree(self.path(target), ignore_errors=True)
        shutil.copytree(self.path(source), self.path(target))


    def device(self, name, *rules, workspace="team"):
        self.run_it("init", "--db", self.path(name), "--workspace", workspace, "--schema",
                    self.path("schema.sql"))
        self.run_it("track", "--db", self.path(name), "notes", *(rules or ("--column", "n=counter")))

    def id_of(self, name):
        (status,) = self.run_it("status", "--db", self.path(name))
        return status["device"]

    def add(self, name, key, by):
        self.order(name, id=1, do="sql", sql=f"UPDATE notes SET n = n + {by} WHERE id = '{key}'")

    def delete(self, name, key):
        self.order(name, id=1, do="del", table="notes", key=key)

    def until(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def metric(self, url, name):
        with urllib.request.urlopen(url + "/metrics", timeout=PATIENCE_S) as page:
            for line in page.read().decode().splitlines():
                if line.split(" ")[0] == "syncline_" + name:
                    return int(line.split(" ")[1])
        return 0

    def a_server_with_a_past(self):
        """Two devices know what the copy `old` does not."""
        server, url = self.start()
        for name in ("phone", "laptop"):
            self.device(name)
        for key in "abc":
            self.put("phone", key, body="old", n=1)
        for name in ("phone", "laptop"):
            self.sync(name, url)
        self.stop(server)
        self.copy("srv", "old")
        server, url = self.start()
        self.put("phone", "d", body="new", n=10)
        self.add("phone", "a", 5)
        self.delete("phone", "b")
        self.sync("phone", url)
        self.add("laptop", "a", 7)
        self.sync("laptop", url)
        self.sync("phone", url)
        return server, url

    def check_healed(self, url, *names):
        for name in (*names, *names):
            self.sync(name, url)
        self.device("tablet")
        self.sync("tablet", url)
        for name in (*names, "tablet"):
            rows = self.rows(name)
            self.assertEqual(set(rows), {"a", "c", "d"}, name)
            self.assertEqual((rows["a"]["n"], rows["c"]["n"], rows["d"]["n"]), (13, 1, 10), name)
            self.assertEqual(rows["d"]["body"], "new")
            self.run_it("verify", "--db", self.path(name))

    def test_nothing_is_lost_when_an_old_folder_is_put_back(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how=how):
                self.setUp()
                server, url = self.a_server_with_a_past()
                ids = [self.id_of(name) for name in ("phone", "laptop")]
                self.stop(server, how)
                self.copy("old", "srv")
                server, url = self.start()
                self.assertEqual(len(self.told("put_back")), 1)
                self.check_healed(url, "phone", "laptop")
                self.assertEqual([self.id_of(name) for name in ("phone", "laptop")], ids)
                self.stop(server)
                server, url = self.start()
                self.check_healed_quietly(url)
                self.stop(server)

    def check_healed_quietly(self, url):
        self.assertEqual(len(self.told("put_back")), 1)
        for name in ("phone", "laptop", "tablet"):
            phases = {event.get("phase") for event in self.sync(name, url)}
            self.assertNotIn("rescan", phases, name)

    def test_a_replica_shows_it_when_the_witness_is_lost(self):
        server, url = self.a_server_with_a_past()
        self.stop(server)
        self.copy("old", "srv")
        os.remove(self.path("srv.witness"))
        server, url = self.start()
        self.assertEqual(self.told("put_back"), [])
        self.sync("laptop", url)
        self.assertEqual(len(self.told("put_back")), 1)
        self.assertEqual(self.metric(url, "put_back_total"), 1)
        self.check_healed(url, "phone", "laptop")
        self.assertEqual(len(self.told("put_back")), 1)
        self.assertEqual(self.metric(url, "put_back_total"), 1)

    def test_a_server_that_went_on_from_the_old_copy_is_healed_too(self):
        """Others write until it is at the same version again, with another history."""
        server, url = self.a_server_with_a_past()
        self.stop(server)
        self.copy("old", "srv")
        os.remove(self.path("srv.witness"))
        server, url = self.start()
        self.device("guest")
        for number in range(12):
            self.put("guest", f"g{number}", body="guest")
        self.sync("guest", url)
        self.assertEqual(self.told("put_back"), [])
        self.sync("phone", url)
        self.assertEqual(len(self.told("put_back")), 1)
        for name in ("phone", "laptop", "guest", "phone", "laptop", "guest"):
            self.sync(name, url)
        rows = self.rows("phone")
        self.assertEqual(set(rows), {"a", "c", "d"} | {f"g{number}" for number in range(12)})
        self.assertEqual(rows["a"]["n"], 13)
        for name in ("laptop", "guest"):
            self.assertEqual(self.rows(name), rows)

    def test_readers_bring_back_what_an_author_who_is_gone_had_written(self):
        server, url = self.a_server_with_a_past()
        self.stop(server)
        self.copy("old", "srv")
        server, url = self.start()
        self.check_healed(url, "laptop")

    def test_a_folder_is_put_back_twice(self):
        server, url = self.a_server_with_a_past()
        for times in (1, 2):
            self.stop(server, signal.SIGKILL)
            self.copy("old", "srv")
            server, url = self.start()
            self.assertEqual(len(self.told("put_back")), times)
            for name in ("phone", "laptop"):
                self.sync(name, url)
        self.check_healed(url, "phone", "laptop")

    def test_a_copy_of_a_running_server_is_known_by_its_heads(self):
        server, url = self.start()
        self.device("phone")
        self.put("phone", "a", n=1)
        self.sync("phone", url)
        self.until("the witness says so", lambda: self.witnessed()["heads"] == 1)
        self.copy("srv", "old")
        self.put("phone", "b", n=2)
        self.sync("phone", url)
        self.until("the witness says so", lambda: self.witnessed()["heads"] == 2)
        self.stop(server, signal.SIGKILL)
        self.copy("old", "srv")
        server, url = self.start()
        self.assertEqual(len(self.told("put_back")), 1)
        self.sync("phone", url)
        self.device("laptop")
        self.sync("laptop", url)
        self.assertEqual(set(self.rows("laptop")), {"a", "b"})

    def witnessed(self):
        with open(self.path("srv.witness"), encoding="utf-8") as file:
            return json.load(file)

    def test_a_workspace_that_lost_nothing_goes_on_where_it_was(self):
        server, url = self.start()
        self.device("phone")
        self.device("other", workspace="other")
        for name in ("phone", "other"):
            self.put(name, "a", n=1)
            self.sync(name, url)
        self.stop(server)
        self.copy("srv", "old")
        server, url = self.start()
        self.put("phone", "b", n=2)
        self.sync("phone", url)
        self.stop(server)
        self.copy("old", "srv")
        server, url = self.start()
        self.assertEqual(len(self.told("put_back")), 1)
        phases = {event.get("phase") for event in self.sync("other", url)}
        self.assertNotIn("rescan", phases)
        self.sync("phone", url)
        self.assertEqual(set(self.rows("other")), {"a"})
        self.assertEqual(set(self.rows("phone")), {"a", "b"})

    def test_a_live_replica_lives_through_it(self):
        server, url = self.start()
        port = int(url.rsplit(":", 1)[1])
        self.device("phone")
        self.put("phone", "a", n=1)
        live = subprocess.Popen([PROGRAM, "sync", "--db", self.path("phone"), "--server", url,
                                 "--live"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (live.kill(), live.wait()))

        def acknowledged(count):
            (status,) = self.run_it("status", "--db", self.path("phone"))
            return status["pending"] == 0 and status["cursor"] >= count

        self.until("the first is acknowledged", lambda: acknowledged(1))
        self.stop(server)
        self.copy("srv", "old")
        server, _ = self.start(port=port)
        self.put("phone", "b", n=2)
        self.until("the second is acknowledged", lambda: acknowledged(2))
        self.stop(server)
        self.copy("old", "srv")
        server, _ = self.start(port=port)
        self.device("laptop")

        def is_there():
            self.sync("laptop", url)
            return set(self.rows("laptop")) == {"a", "b"}

        self.until("the server has it again", is_there)
        self.assertEqual(len(self.told("put_back")), 1)

    def test_a_folder_that_is_moved_or_restarted_lost_nothing(self):
        server, url = self.a_server_with_a_past()
        self.stop(server, signal.SIGKILL)
        os.rename(self.path("srv"), self.path("moved"))
        server, url = self.start(data="moved")
        self.check_quiet(url)
        self.stop(server)
        # With its witness, to another machine.
        os.mkdir(self.path("machine"))
        for name in ("moved", "moved.witness"):
            shutil.move(self.path(name), self.path(os.path.join("machine", name)))
        server, url = self.start(data="machine/moved")
        self.check_quiet(url)

    def check_quiet(self, url):
        for name in ("phone", "laptop"):
            phases = {event.get("phase") for event in self.sync(name, url)}
            self.assertNotIn("rescan", phases)
        self.assertEqual(self.told("put_back"), [])

    def test_a_witness_may_lie_elsewhere_be_damaged_or_unwritable(self):
        where = self.path("witness")
        server, url = self.start("--witness", where)
        self.device("phone")
        self.put("phone", "a", n=1)
        self.sync("phone", url)
        self.stop(server)
        self.assertTrue(os.path.exists(where))
        self.assertFalse(os.path.exists(self.path("srv.witness")))
        with open(where, "w", encoding="utf-8") as file:
            file.write("{")
        server, url = self.start("--witness", where)
        self.assertEqual(len(self.told("witness_not_read")), 1)
        self.stop(server)
        server, url = self.start("--witness", self.path("nowhere/witness"))
        self.assertEqual(len(self.told("witness_not_written")), 1)
        self.sync("phone", url)
        self.assertEqual(self.told("put_back"), [])

    def test_another_servers_witness_says_nothing(self):
        where = self.path("witness")
        for data in ("one", "two", "one"):
            server, _ = self.start("--witness", where, data=data)
            self.stop(server)
        self.assertEqual(len(self.told("witness_of_another_store")), 2)
        self.assertEqual(self.told("put_back"), [])

    def test_restoring_by_command_is_no_accident(self):
        server, url = self.a_server_with_a_past()
        self.run_it("backup", "--data", self.path("srv"), "--to", self.path("backup.db"))
        self.stop(server)
        server, url = self.start()
        self.stop(server)
        os.rename(self.path("srv"), self.path("broken"))
        self.run_it("restore", "--data", self.path("srv"), "--from", self.path("backup.db"))
        server, url = self.start()
        self.assertEqual(self.told("put_back"), [])
        self.check_healed(url, "phone", "laptop")

    def test_a_log_that_is_replaced_under_the_server_ends_it(self):
        server, url = self.a_server_with_a_past()
        os.rename(self.path("srv"), self.path("away"))
        shutil.copytree(self.path("old"), self.path("srv"))
        self.assertEqual(server.wait(PATIENCE_S), 8)
        self.assertEqual(len(self.told("data_replaced")), 1)
        server, url = self.start()
        self.assertEqual(len(self.told("put_back")), 1)
        self.check_healed(url, "phone", "laptop")


if __name__ == "__main__":
    unittest.main()
