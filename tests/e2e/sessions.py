"""Sessions over real sockets: a thousand at once, tokens that end and are renewed, certificates that
change, compression, and every reason for which a server refuses."""

import json
import os
import re
import selectors
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

from case import PATIENCE_S, Case
from wire import (ACK, REFUSED, WELCOME, Closed, Line, Socket, extent, hello, part, push, refusal,
                  text, token, varint)

SECRET = "a secret of more than thirty-two bytes, for tests"
PULL = 7


class Sessions(Case):
    def begin(self, *arguments):
        self.server, self.url = self.serve(*arguments)
        self.port = int(self.url.rsplit(":", 1)[1])

    def socket(self, **how):
        one = Socket(self.port, **how)
        self.addCleanup(one.close)
        return one

    def metrics(self):
        line = Line(self.port)
        self.addCleanup(line.close)
        status, _, body = line.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        return body.decode()

    def refused(self, **how):
        one = self.socket()
        one.frame(hello(**how))
        return refusal(one.until(REFUSED, WELCOME))[0]

    def wait_for(self, child, condition):
        for line in child.stdout:
            event = json.loads(line)
            if condition(event):
                return event
        raise AssertionError("the process ended before")

    def mint(self, path, **claims):
        fresh = self.path(path + ".new")
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(token(SECRET, **claims))
        os.rename(fresh, self.path(path))

    def test_a_thousand_replicas_at_once(self):
        self.begin("--demo", "--rate-per-address", "100000")
        teams, each = 50, 20
        selector = selectors.DefaultSelector()
        self.addCleanup(selector.close)
        sockets = []
        for number in range(teams * each):
            one = self.socket()
            one.replica = os.urandom(16)
            one.got = set()
            one.acked = 0
            one.frame(hello(f"team {number % teams}", replica=one.replica))
            sockets.append(one)
        for one in sockets:
            one.until(WELCOME)
            one.frame(b"\x09" + varint(0))
            one.frame(push(part(one.replica)))
            one.socket.setblocking(False)
            selector.register(one.socket, selectors.EVENT_READ, one)
        left = len(sockets)
        end = time.monotonic() + PATIENCE_S
        while left:
            self.assertLess(time.monotonic(), end, f"{left} replicas still wait")
            for key, _ in selector.select(1):
                one = key.data
                one.more()
                before = one.acked and len(one.got) == each - 1
                while message := self.whole(one):
                    if message[0] == ACK:
                        one.acked += 1
                    elif message[0] == PULL:
                        self.assertNotIn(message, one.got)
                        one.got.add(message)
                if not before and one.acked and len(one.got) == each - 1:
                    left -= 1
        self.assertEqual({one.acked for one in sockets}, {1})
        self.assertIn("syncline_websockets 1000", self.metrics())

    def whole(self, one):
        """The next message if all of it is there."""
        data = one.data
        if len(data) < 2:
            return None
        head, size = extent(data)
        if len(data) < head + size:
            return None
        one.data = data[head + size:]
        return data[head:head + size]

    def test_a_token_that_ends_ends_the_session_and_a_new_one_goes_on(self):
        self.begin("--key-file", self.path("secret"))
        now = int(time.time())
        for name in ("phone", "laptop"):
            self.device(name)
            self.mint(name + ".token", exp=now + 3)
        phone = self.follow("phone", self.url, "--token-file", self.path("phone.token"))
        laptop = self.follow("laptop", self.url, "--token-file", self.path("laptop.token"))
        for child in (phone, laptop):
            self.wait_for(child, lambda event: event["ev"] == "idle")
        # The laptop's is renewed in time: it goes on over the same connection.
        self.mint("laptop.token", exp=now + 600)
        ended = self.wait_for(phone, lambda event: event["ev"] == "status" and
                              event["cause"] == "not_allowed")
        self.assertEqual(ended["status"], "stuck")
        self.assertLess(time.time() - now, 60)
        self.put("phone", "a", body="written while locked out")
        self.mint("phone.token")
        acked = self.wait_for(phone, lambda event: event["ev"] == "acked")
        self.assertTrue(acked["op"].endswith(":1"))
        seen = []
        self.wait_for(laptop, lambda event: seen.append(event["ev"]) or event["ev"] == "pulled")
        self.assertNotIn("connected", seen)
        self.assertEqual(self.rows("laptop")["a"]["body"], "written while locked out")

    def test_who_is_revoked_is_sent_away(self):
        self.begin("--key-file", self.path("secret"))
        now = int(time.time())
        one = self.socket()
        one.frame(hello(token=token(SECRET, sub="bob", iat=now - 5)))
        one.until(WELCOME)
        admin = [f"Authorization: Bearer {token(SECRET, sub='root', admin=True)}"]
        line = Line(self.port)
        self.addCleanup(line.close)
        self.assertEqual(line.ask("POST", "/admin/revoke", admin, b'{"subject":"bob"}')[0], 200)
        with self.assertRaises(Closed):
            while True:
                one.next()
        self.assertEqual(self.refused(token=token(SECRET, sub="bob", iat=now - 5)), "not_allowed")
        # Also after the server was killed.
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.begin("--key-file", self.path("secret"))
        self.assertEqual(self.refused(token=token(SECRET, sub="bob", iat=now - 5)), "not_allowed")

    def test_every_reason_for_a_refusal(self):
        self.begin("--demo")
        first = self.socket()
        first.frame(hello(schema=b"\x01\x01\x00"))
        welcome = first.until(WELCOME)
        lineage = welcome[2:18]
        found = {
            "protocol_too_old": self.refused(protocol=(0, 0)),
            "protocol_too_new": self.refused(protocol=(4, 9)),
            "malformed": self.refused(schema=b"\xff"),
            "unknown_lineage": self.refused(lineage=os.urandom(16), cursor=3),
            "cursor_expired": self.refused(lineage=lineage, cursor=77),
        }
        replica = os.urandom(16)
        one = self.socket()
        one.frame(hello(replica=replica))
        one.until(WELCOME)
        found["replica_forked"] = self.refused(replica=replica)
        one = self.socket()
        replica = os.urandom(16)
        one.frame(hello(replica=replica))
        one.until(WELCOME)
        one.frame(push(part(replica, 1, int(time.time() * 1000) + 3_600_000)))
        found["clock_skew"] = refusal(one.until(REFUSED, ACK))[0]
        # Two schemas that name one row differently.
        self.device("phone")
        self.sync("phone", self.url)
        self.run_it("init", "--db", self.path("laptop"), "--workspace", "team", "--schema",
                    self.other_schema())
        self.sync("laptop", self.url, expect=9)
        found["schema_incompatible"] = "schema_incompatible"
        self.assertEqual(found, {name: name for name in found})
        for name in found:
            self.assertIn(f'refusals_total{{reason="{name}"}}', self.metrics())

    def test_queues_are_measured(self):
        self.begin("--demo")
        deadline = time.monotonic() + PATIENCE_S
        found = {}
        while len(found) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)  # bytes are told once a second
            found = dict(re.findall(r"^syncline_((?:receive_|send_)?queue_\w+?) (\d+)$",
                                    self.metrics(), re.M))
        self.assertGreaterEqual(int(found["queue_tasks"]), 1, "the question itself waits there")
        self.assertEqual(found["receive_queue_bytes"], "0")
        self.assertEqual(found["send_queue_bytes"], "0")
        self.assertGreaterEqual(int(found["queue_seconds_count"]), 1)

    def other_schema(self):
        path = self.path("other.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write("CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT, n INTEGER);\n")
        return path

    def test_messages_are_compressed_for_whoever_wants_it(self):
        self.begin("--demo")
        one = self.socket(deflate=True)
        plain = self.socket()
        for who in (one, plain):
            who.replica = os.urandom(16)
            who.frame(hello(replica=who.replica))
            who.until(WELCOME)
        one.frame(b"\x0a" + varint(0))  # a snapshot
        one.frame(b"\x09" + varint(0))
        key = "long presence " * 15
        plain.frame(b"\x13" + plain.replica + text(key) + text(b"x" * 8000))
        seen = one.until(0x13)
        self.assertIn(b"x" * 8000, seen)
        self.assertEqual(one.deflated, 1)

    def test_an_answer_on_its_way_arrives_though_the_server_ends(self):
        os.mkdir(self.path("web"))
        content = os.urandom(16 << 20)
        with open(self.path("web/large"), "wb") as file:
            file.write(content)
        self.begin("--demo", "--web", self.path("web"))
        line = Line(self.port)
        self.addCleanup(line.close)
        line.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        line.more()
        self.server.send_signal(signal.SIGTERM)
        self.until_nobody_listens()
        # A reader who is slow, and goes on reading, has longer than the server waits for one who
        # takes nothing.
        pieces = [line.data]
        for _ in range(4):
            for _ in range(60):
                pieces.append(line.receive())
            time.sleep(1)
        line.data = b"".join(pieces)
        status, _, body = line.reply()
        self.assertEqual(status, 200)
        self.assertTrue(body == content, "the answer was cut")
        self.assertEqual(self.server.wait(PATIENCE_S), 0)

    def until_nobody_listens(self):
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                return
            self.assertLess(time.monotonic(), end, "the server still listens")
            time.sleep(0.01)

    def test_a_certificate_that_was_renewed_is_served(self):
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl to make certificates with")
        self.certify("first")
        self.begin("--demo", "--tls-cert", self.path("cert.pem"), "--tls-key", self.path("key.pem"))
        before = self.served()
        self.certify("second")
        self.server.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE_S
        while self.served() == before:
            self.assertLess(time.monotonic(), end, "the old certificate stays")
            time.sleep(0.05)

    def certify(self, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem")], check=True, capture_output=True)

    def served(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as raw:
            with context.wrap_socket(raw) as secure:
                return secure.getpeercert(binary_form=True)


if __name__ == "__main__":
    unittest.main()
