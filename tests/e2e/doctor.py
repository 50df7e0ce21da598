"""The ten troubles that the doctor must find, each made for real; and what is asked of a server by
those who look at it."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from case import PATIENCE_S, Case
from wire import Line, token

SECRET = "a secret of more than thirty-two bytes, for tests"


class Doctor(Case):
    def look(self, name, *arguments, expect=0):
        lines = self.run_it("doctor", "--db", self.path(name), *arguments, expect=expect)
        self.assertEqual(lines[-1]["ev"], "verdict")
        for line in lines[:-1]:
            if line["ev"] == "problem":
                self.assertTrue(line["message"] and line["advice"], line)
        self.assertEqual(lines[-1]["ok"], not lines[-1]["problems"])
        return lines[-1]["problems"]

    def stop(self, server):
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)

    def test_a_sound_replica_is_told_so(self):
        _, url = self.serve("--key-file", self.path("secret"))
        self.device("phone")
        self.put("phone", "a", body="fine")
        who = self.token("--workspace", "team")
        self.sync("phone", url, *who)
        self.assertEqual(self.look("phone", "--server", url, *who), [])

    def test_a_token_that_expired_or_opens_nothing(self):
        _, url = self.serve("--key-file", self.path("secret"))
        self.device("phone")
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write(token(SECRET, exp=int(time.time()) - 100))
        found = self.look("phone", "--server", url, "--token-file", self.path("token"), expect=5)
        self.assertEqual(found[0], "token_expired")
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write(token("x" * 40))
        found = self.look("phone", "--server", url, "--token-file", self.path("token"), expect=5)
        self.assertEqual(found, ["not_allowed"])
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write("what is this")
        found = self.look("phone", "--token-file", self.path("token"), expect=5)
        self.assertEqual(found, ["token_malformed"])

    def test_a_server_that_is_not_there_and_one_that_is_something_else(self):
        self.device("phone")
        self.assertEqual(self.look("phone", "--server", "http://127.0.0.1:9", expect=6),
                         ["server_unreachable"])
        self.assertEqual(self.look("phone", "--server", "http://no-such-host.invalid", expect=6),
                         ["server_unreachable"])
        other = subprocess.Popen(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1",
                                  "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 cwd=self.folder, text=True, env={"PYTHONUNBUFFERED": "1"})
        self.addCleanup(lambda: (other.kill(), other.wait(), other.stdout.close()))
        port = other.stdout.readline().split(" port ")[1].split()[0]
        self.assertEqual(self.look("phone", "--server", f"http://127.0.0.1:{port}", expect=6),
                         ["server_unreachable"])

    def test_a_clock_that_is_off(self):
        """A stand-in for the server whose clock runs an hour ahead of this device's."""
        self.device("phone")
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        _, url = self.serve("--demo")
        real = Line(int(url.rsplit(":", 1)[1]))
        self.addCleanup(real.close)
        ahead = int(time.time() * 1000) + 3_600_000

        def zigzag(number):
            number <<= 1
            out = bytearray()
            while number >= 128:
                out.append(number & 127 | 128)
                number >>= 7
            return bytes(out) + bytes([number])

        frame = b"\x03\x07" + b"\x01x" + b"\x01y" + zigzag(ahead) + b"\x01\x01" + b"\0" + b"\0"
        body = bytes([len(frame)]) + frame
        child = subprocess.Popen(
            ["/usr/bin/python3", "-c",
             "import socket,sys\n"
             "s=socket.socket(fileno=int(sys.argv[1]))\n"
             "body=bytes.fromhex(sys.argv[2])\n"
             "for i in range(2):\n"
             "    c,_=s.accept()\n"
             "    c.recv(65536)\n"
             "    c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n'%len(body)+body)\n"
             "    c.close()\n", str(listener.fileno()), body.hex()], pass_fds=[listener.fileno()])
        self.addCleanup(lambda: (child.kill(), child.wait()))
        port = listener.getsockname()[1]
        found = self.look("phone", "--server", f"http://127.0.0.1:{port}", expect=7)
        self.assertEqual(found, ["clock_off"])

    def test_a_certificate_that_nobody_vouches_for(self):
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl to make a certificate with")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")],
                       check=True, capture_output=True)
        _, url = self.serve("--demo", "--tls-cert", self.path("cert.pem"), "--tls-key",
                            self.path("key.pem"))
        url = url.replace("http://127.0.0.1", "https://localhost")
        self.device("phone")
        self.assertEqual(self.look("phone", "--server", url, expect=6), ["tls"])
        self.assertEqual(self.look("phone", "--server", url, "--ca-file", self.path("cert.pem")), [])
        # The same server carries a session, by either transport.
        self.put("phone", "a", body="over TLS")
        for transport in ("websocket", "http"):
            self.sync("phone", url, "--ca-file", self.path("cert.pem"), "--transport", transport)
        self.run_it("sync", "--db", self.path("phone"), "--server", url, "--once", "--timeout", "9s",
                    expect=6)

    def test_a_schema_that_cannot_live_with_the_servers(self):
        _, url = self.serve("--demo")
        self.device("phone")
        self.put("phone", "a", body="x")
        self.sync("phone", url)
        self.device("laptop", "--merge", "row")
        self.sync("laptop", url, expect=9)
        self.assertEqual(self.look("laptop", "--server", url, expect=9), ["schema_mismatch"])

    def test_a_server_that_was_restored(self):
        server, url = self.serve("--demo")
        self.device("phone")
        self.put("phone", "a", body="x")
        self.sync("phone", url)
        self.run_it("backup", "--data", self.path("srv"), "--to", self.path("copy"))
        self.stop(server)
        self.run_it("restore", "--from", self.path("copy"), "--data", self.path("srv2"))
        _, url = self.serve("--demo", data="srv2")
        self.assertEqual(self.look("phone", "--server", url, expect=10), ["lineage_changed"])
        self.sync("phone", url)
        self.assertEqual(self.look("phone", "--server", url), [])

    def test_a_disk_that_is_full(self):
        place = self.path("small")
        os.mkdir(place)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place],
                              capture_output=True)
        if made.returncode != 0:
            self.skipTest("a small disk needs the right to mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        self.device("small/phone")
        with open(os.path.join(place, "filler"), "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        self.assertEqual(self.look("small/phone", expect=8)[0], "disk_full")

    def test_a_table_that_is_not_tracked(self):
        self.device("phone")
        plain = sqlite3.connect(self.path("phone"))
        plain.execute("CREATE TABLE forgotten(id INTEGER PRIMARY KEY, x)")
        plain.commit()
        plain.close()
        self.assertEqual(self.look("phone", expect=3), ["table_not_tracked"])
        self.run_it("track", "--db", self.path("phone"), "forgotten")
        self.assertEqual(self.look("phone"), [])

    def test_a_program_that_wrote_without_the_extension(self):
        self.device("phone")
        plain = sqlite3.connect(self.path("phone"))
        with self.assertRaises(sqlite3.OperationalError):
            plain.execute("INSERT INTO notes(id, body) VALUES('x', 'refused')")
        for (name,) in plain.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            plain.execute(f'DROP TRIGGER "{name}"')
        plain.execute("INSERT INTO notes(id, body) VALUES('x', 'behind its back')")
        plain.commit()
        plain.close()
        self.assertEqual(self.look("phone", expect=8), ["written_without_extension"])

    def test_a_change_that_was_refused(self):
        server, url = self.serve("--demo")
        for name in ("phone", "laptop"):
            self.device(name)
        self.put("phone", "a", body="first")
        self.sync("phone", url)
        self.sync("laptop", url)
        self.order("laptop", id=1, do="sql",
                   sql="INSERT OR REPLACE INTO notes(id, body) VALUES('a', 'late')")
        self.order("phone", id=1, do="del", table="notes", key="a")
        self.sync("phone", url)
        self.stop(server)
        self.run_it("gc", "--data", self.path("srv"), "--horizon", "2")
        _, url = self.serve("--demo")
        self.sync("laptop", url)
        self.assertEqual(self.look("laptop", "--server", url, expect=7), ["change_rejected"])

    def test_a_workspace_is_a_database_to_those_who_know_no_better(self):
        _, url = self.serve("--demo")
        port = int(url.rsplit(":", 1)[1])
        self.device("phone", "--column", "n=counter")
        self.put("phone", "a", body="first", n=2)
        self.order("phone", id=1, do="incr", table="notes", key="a", column="n", by=5)
        self.put("phone", "b", body="second")
        self.order("phone", id=1, do="del", table="notes", key="b")
        self.sync("phone", url)

        def ask(method, path, body=b""):
            line = Line(port)
            self.addCleanup(line.close)
            return line.ask(method, path, body=body)

        status, _, body = ask("GET", "/team/meta")
        meta = json.loads(body)
        (known,) = self.run_it("status", "--db", self.path("phone"))
        self.assertEqual(status, 200)
        self.assertEqual((meta["site_id"], meta["schema_name"]), (known["lineage"], "team"))
        self.assertEqual(meta["schema_version"], known["schema"]["version"])
        status, headers, body = ask("GET", "/team/file")
        self.assertEqual((status, headers["content-type"]), (200, "application/vnd.sqlite3"))
        with open(self.path("copy.db"), "wb") as file:
            file.write(body)
        copy = sqlite3.connect(self.path("copy.db"))
        self.assertEqual(copy.execute("SELECT id, body, n FROM notes").fetchall(), [("a", "first", 7)])
        self.assertEqual(copy.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        copy.close()
        query = {"sql": "SELECT n FROM notes WHERE id = ?", "args": ["a"]}
        status, _, body = ask("POST", "/team/exec", json.dumps(query).encode())
        self.assertEqual((status, json.loads(body)["rows"]), (200, [{"n": 7}]))
        for sql in ("DELETE FROM notes", "ATTACH '/etc/passwd' AS x", "nonsense"):
            status, _, _ = ask("POST", "/team/exec", json.dumps({"sql": sql}).encode())
            self.assertIn(status, (400, 503), sql)
        for path in ("/nothing/meta", "/nothing/file", "/team/else"):
            self.assertEqual(ask("GET", path)[0], 404)
        endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r"
        status, _, _ = ask("POST", "/team/exec", json.dumps({"sql": endless}).encode())
        self.assertIn(status, (400, 503))
        self.assertEqual(ask("POST", "/nothing/reset")[0], 404)
        self.assertEqual(ask("GET", "/team/reset")[0], 404)
        self.assertEqual(ask("POST", "/team/reset")[0], 200)
        self.assertEqual(ask("GET", "/team/meta")[0], 404)
        self.device("laptop", "--column", "n=counter")
        self.sync("laptop", url)
        self.assertEqual(self.rows("laptop"), {})
        self.sync("phone", url)
        self.sync("laptop", url)
        self.assertEqual(self.rows("laptop"), {"a": {"body": "first", "n": 7}})

    def test_what_is_for_development_is_not_there_otherwise(self):
        _, url = self.serve("--key-file", self.path("secret"))
        port = int(url.rsplit(":", 1)[1])
        self.device("phone")
        self.sync("phone", url, *self.token("--workspace", "team"))
        answers = {}
        for who, given in (("nobody", None), ("ann", token(SECRET)),
                           ("bob", token(SECRET, sub="bob", workspaces=["others"]))):
            headers = [] if given is None else [f"Authorization: Bearer {given}"]
            for method, what in (("GET", "meta"), ("GET", "file"), ("POST", "exec"), ("POST", "reset")):
                line = Line(port)
                self.addCleanup(line.close)
                answers[who, what] = line.ask(method, f"/team/{what}", headers)[0]
        self.assertEqual(answers, {
            ("nobody", "meta"): 401, ("nobody", "file"): 401, ("nobody", "exec"): 404, ("nobody", "reset"): 404,
            ("ann", "meta"): 200, ("ann", "file"): 200, ("ann", "exec"): 404, ("ann", "reset"): 404,
            ("bob", "meta"): 404, ("bob", "file"): 404, ("bob", "exec"): 404, ("bob", "reset"): 404})

    def test_equal_seeds_give_equal_traces(self):
        runs = [self.run_it("sim", "--seed", seed, "--steps", "2000")[0]
                for seed in ("7", "7", "8")]
        self.assertTrue(all(run["ok"] for run in runs), runs)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0]["trace"], runs[2]["trace"])
        self.run_it("sim", "--steps", "0", expect=2)

    def test_the_bench_measures_something(self):
        lines = self.run_it("bench", "--rows", "2000", "--data", self.folder)
        self.assertEqual(len(lines), 5)
        self.assertTrue(all(line["count"] > 0 for line in lines))


if __name__ == "__main__":
    unittest.main()
