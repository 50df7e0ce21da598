"""People who mean harm, over real sockets: each is turned away with a reason and a metric, and nobody
else notices."""

import json
import os
import re
import socket
import subprocess
import time
import unittest
import zlib

from case import PATIENCE_S, PROGRAM, Case
from wire import (ACK, BYE, REFUSED, REJECTED, WELCOME, Closed, Line, Socket, hello, part, push,
                  refusal, text, token, varint)

SECRET = "a secret of more than thirty-two bytes, for tests"
HERE = os.path.dirname(os.path.abspath(__file__))


class Hostile(Case):
    def begin(self, *arguments):
        self.server, self.url = self.serve("--key-file", self.path("secret"), "--log-level", "error",
                                           *arguments)
        self.port = int(self.url.rsplit(":", 1)[1])

    def line(self, **how):
        line = Line(self.port, **how)
        self.addCleanup(line.close)
        return line

    def socket(self, **how):
        one = Socket(self.port, **how)
        self.addCleanup(one.close)
        return one

    def metric(self, name, **labels):
        """From another address, so that limits by address do not hide it."""
        line = self.line(host="127.0.0.1", source=("127.0.0.9", 0))
        status, _, body = line.ask("GET", "/metrics")
        line.close()
        self.assertEqual(status, 200)
        wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
        found = re.search(rf"^syncline_{name}{re.escape('{' + wanted + '}') if wanted else ''} (\d+)$",
                          body.decode(), re.MULTILINE)
        return int(found.group(1)) if found else 0

    def counted(self, reason, least=1):
        """Refusals are counted within a second or so."""
        end = time.monotonic() + PATIENCE_S
        while self.metric("refusals_total", reason=reason) < least:
            self.assertLess(time.monotonic(), end, f"nothing counted as {reason}")
            time.sleep(0.05)

    def welcomed(self, source=None, **claims):
        one = self.socket(source=source)
        replica = os.urandom(16)
        one.frame(hello(token=token(SECRET, **claims), replica=replica))
        one.until(WELCOME)
        return one, replica

    def turned_away(self, frame, **how):
        one = self.socket(**how)
        one.frame(frame)
        reason = refusal(one.until(REFUSED))
        with self.assertRaises(Closed):
            one.next()
        return reason

    def others_are_well(self):
        """Somebody else, from another address, still writes and gets an acknowledgement."""
        one, replica = self.welcomed(source=("127.0.0.7", 0))
        one.frame(push(part(replica)))
        self.assertEqual(one.until(ACK, REFUSED)[0], ACK)
        one.frame(bytes([BYE, 1]) + text(""))
        one.close()

    def test_forged_and_expired_tokens_of_every_kind(self):
        self.begin("--issuer", "home", "--audience", "sync")
        good = {"iss": "home", "aud": "sync"}
        self.welcomed(**good)
        now = int(time.time())
        with open(os.path.join(HERE, "../../src/routes/jwt_test_keys.h"), encoding="utf-8") as keys:
            rsa = re.search(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", keys.read(),
                            re.DOTALL).group(0)
        forged = {
            "no token": "",
            "no JWT": "hello",
            "three dots": "...",
            "another secret": token("x" * 40, **good),
            "an empty signature": token(SECRET, signature=b"", **good),
            "none": token(SECRET, {"alg": "none"}, b"", **good),
            "None": token(SECRET, {"alg": "None"}, b"", **good),
            "hs256 in small letters": token(SECRET, {"alg": "hs256"}, **good),
            "an algorithm that is no text": token(SECRET, {"alg": 5}, **good),
            "RS256 by a secret": token(SECRET, {"alg": "RS256"}, **good),
            "a public key as a secret": token(rsa, **good),
            "a key of its own": token("y" * 40, {"alg": "HS256", "jwk": {
                "kty": "oct", "k": "eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXk"}}, **good),
            "a key by URL": token("y" * 40, {"alg": "HS256", "jku": "http://127.0.0.1/keys"}, **good),
            "a key by path": token("y" * 40, {"alg": "HS256", "kid": "../../../dev/null"}, **good),
            "expired": token(SECRET, exp=now - 60, **good),
            "without an end": token(SECRET, exp=None, **good),
            "an end that is no number": token(SECRET, exp="never", **good),
            "an end in a million years": token(SECRET, exp=now + 10**12, **good),
            "not yet": token(SECRET, nbf=now + 600, **good),
            "another issuer": token(SECRET, iss="away", aud="sync"),
            "no issuer": token(SECRET, aud="sync"),
            "another audience": token(SECRET, iss="home", aud="mail"),
            "another workspace": token(SECRET, workspaces=["others"], **good),
            "no workspaces": token(SECRET, workspaces=None, **good),
            "workspaces of another shape": token(SECRET, workspaces="team", **good),
            "no rights": token(SECRET, rights="", **good),
            "rights that nobody knows": token(SECRET, rights="rx", **good),
            "cut off": token(SECRET, **good)[:-8],
            "longer than any": "a" * 16000 + "." + "b" * 100,
        }
        before = self.metric("refusals_total", reason="not_allowed")
        for name, one in forged.items():
            with self.subTest(name):
                reason, words = self.turned_away(hello(token=one))
                self.assertEqual(reason, "not_allowed", words)
                if len(one) > 8:
                    self.assertNotIn(one[:8], words)
        self.counted("not_allowed", before + len(forged))
        self.welcomed(**good)

    def test_rights_of_reading_are_none_of_writing(self):
        self.begin()
        one, replica = self.welcomed(rights="r")
        one.frame(push(part(replica)))
        self.assertEqual(refusal(one.until(REFUSED, ACK))[0], "not_allowed")
        self.counted("not_allowed")

    def test_other_workspaces_look_like_none(self):
        self.begin()
        bob = token(SECRET, sub="bob", workspaces=["secret plans"])
        one = self.socket()
        one.frame(hello("secret plans", token=bob))
        one.until(WELCOME)
        ann = token(SECRET)
        answers = {self.turned_away(hello(name, token=ann)) for name in (
            "secret plans", "nothing", "Team", "team ", "teams", "../team", "team\x01",
            "' OR 1=1 --", "\"; DROP TABLE workspaces; --", "%00", "*", "", "x" * 200)}
        self.assertEqual(len(answers), 1, answers)
        # The same over plain HTTP, and at the operator's pages.
        pages = set()
        for name in ("secret%20plans", "nothing", "..%2f", "'%20OR%201=1"):
            for page in ("devices", "changes", "conflicts", "volume"):
                for headers in ([], [f"Authorization: Bearer {ann}"]):
                    status, _, body = self.line().ask(
                        "GET", f"/admin/{page}?workspace={name}", headers)
                    pages.add((bool(headers), status, body))
        self.assertEqual({status for with_token, status, _ in pages if with_token}, {404})
        self.assertEqual(len({body for with_token, _, body in pages if with_token}), 1)
        self.assertEqual({status for with_token, status, _ in pages if not with_token}, {401})
        # A token for one workspace cannot be refreshed into another user's session.
        mine, _ = self.welcomed()
        mine.frame(b"\x15" + text(bob))
        self.assertEqual(refusal(mine.until(REFUSED))[0], "not_allowed")
        self.others_are_well()

    def test_oversize_and_lying_frames(self):
        self.begin()
        # More than anybody unknown may send, announced or sent.
        for size in ((1 << 20) + 1, 1 << 40, (1 << 63) - 1):
            one = self.socket()
            with self.assertRaises(Closed):
                one.send(one.head(size))
                one.next()
        one = self.socket()
        with self.assertRaises(Closed):
            for _ in range(40):
                one.frame(bytes(1 << 16), kind=2 if _ == 0 else 0, flags=0)
            one.next()
        self.counted("frame_too_large", 2)
        # What the framing forbids.
        for bad in (b"\x82\x05hello",  # not masked
                    b"\xf2\x80\0\0\0\0",  # flags that nobody agreed on
                    b"\x83\x80\0\0\0\0",  # a kind that does not exist
                    b"\x09\x80\0\0\0\0",  # a ping in pieces
                    b"\x89\xfe\x00\xff\0\0\0\0" + bytes(255)):  # a ping that is too long
            one = self.socket()
            with self.assertRaises(Closed):
                one.send(bad)
                one.next()
        self.counted("malformed", 3)
        one = self.socket()
        one.frame(b"hello", kind=1)
        with self.assertRaises(Closed):
            one.next()
        self.counted("text_message")
        # Sizes inside a message that lie.
        before = self.metric("refusals_total", reason="malformed")
        whole = hello(token=token(SECRET))
        lies = [b"", b"\x00", b"\xff", whole[:40], whole + b"\0", b"\x01\x01\x01" + varint(1 << 40),
                b"\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x04" + text(b"x"),
                b"\x02", b"\x01\x01\x01" + b"\x80" * 20]
        for lie in lies:
            with self.subTest(lie[:20]):
                self.assertEqual(self.turned_away(lie)[0], "malformed")
        self.counted("malformed", before + len(lies))
        # After the welcome, too.
        for lie in (b"\x04" + varint(1 << 40), b"\x04" + text(b"\x01" * 10), b"\x09" + b"\xff" * 9,
                    b"\x0e" + text("t") + text(b"\xff" * 70000) + text(b""), whole):
            one, _ = self.welcomed()
            one.frame(lie)
            self.assertEqual(refusal(one.until(REFUSED))[0], "malformed")
        self.others_are_well()

    def test_versions_that_nobody_speaks(self):
        self.begin()
        self.assertEqual(self.turned_away(hello(protocol=(0, 0)))[0], "protocol_too_old")
        self.assertEqual(self.turned_away(hello(protocol=(7, 9)))[0], "protocol_too_new")
        for reason in ("protocol_too_old", "protocol_too_new"):
            self.counted(reason)

    def test_bombs_that_inflate(self):
        self.begin()

        def deflated(size):
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20))
            packed += deflate.flush(zlib.Z_SYNC_FLUSH)
            return packed[:-4]

        bomb = deflated(256 << 20)
        self.assertLess(len(bomb), 1 << 20)
        one = self.socket(deflate=True)
        self.assertIn("permessage-deflate", one.headers.get("sec-websocket-extensions", ""))
        with self.assertRaises(Closed):
            one.frame(bomb, flags=0xC0)
            one.next()
        self.counted("frame_too_large")
        # Whoever is known may send more, but not out of nothing: 15 MiB from 15 KiB.
        one = self.socket(deflate=True)
        one.frame(hello(token=token(SECRET)))
        one.until(WELCOME)
        with self.assertRaises(Closed):
            one.frame(deflated(15 << 20), flags=0xC0)
            while True:
                one.next()
        self.counted("inflation")
        # A change does, though: an empty drawing of the largest size packs a thousandfold.
        one = self.socket(deflate=True)
        replica = os.urandom(16)
        one.frame(hello(token=token(SECRET), replica=replica))
        one.until(WELCOME)
        rows = (b"\x01" + text("notes") + b"\x01\x01" + text("body") + b"\x01\x01\x01\x00"
                + b"\x81a" + b"\x04" + varint(20 << 20) + bytes(20 << 20) + b"\x00")
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = deflate.compress(push(part(replica, rows=rows))) + deflate.flush(zlib.Z_SYNC_FLUSH)
        self.assertLess(len(packed), 100_000)
        one.frame(packed[:-4], flags=0xC0)
        one.until(ACK)
        with self.assertRaises(Closed):
            one = self.socket(deflate=True)
            one.frame(hello(token=token(SECRET)))
            one.until(WELCOME)
            one.frame(deflated(64 << 20), flags=0xC0)
            while True:
                one.next()
        self.others_are_well()

    def test_slow_heads_and_endless_ones(self):
        self.begin()
        began = time.monotonic()
        slow = [self.line(source=("127.0.0.3", 0)) for _ in range(20)]
        for line in slow:
            line.send(b"GET /v1/sync HTTP/1.1\r\nHost: x\r\n")
        silent = self.line(source=("127.0.0.3", 0))
        endless = self.line()
        try:
            endless.send(b"GET / HTTP/1.1\r\n")
            for _ in range(1000):
                endless.send(b"X-Padding: " + b"x" * 1000 + b"\r\n")
            self.assertEqual(endless.reply()[0], 431)
        except Closed:
            pass  # the answer was overtaken by the end
        self.counted("head_too_large")
        self.others_are_well()
        end = time.monotonic() + PATIENCE_S
        for line in [*slow, silent]:
            line.socket.settimeout(0.5)
            while True:
                self.assertLess(time.monotonic(), end)
                try:
                    line.send(b"X-A: b\r\n" if line is not silent else b"")
                    line.more()
                except socket.timeout:
                    continue
                except Closed:
                    break
        # Ten seconds, whatever trickles in.
        self.assertGreater(time.monotonic() - began, 5)
        self.counted("slow_head", len(slow))
        self.others_are_well()

    def test_requests_that_bring_more_than_anybody_unknown_may(self):
        self.begin()
        line = self.line()
        line.send(b"POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n")
        self.assertEqual(line.reply()[0], 413)
        line = self.line()
        line.send(b"POST /v1/sync HTTP/1.1\r\nHost: x\r\nSyncline-Session: " + b"a" * 32 +
                  b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(300):
                line.send(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            self.assertEqual(line.reply()[0], 413)
        except Closed:
            pass
        self.counted("body_too_large", 2)
        status, _, body = self.line().ask("POST", "/v1/sync", ["Syncline-Session: guessed"])
        self.assertEqual((status, json.loads(body)["error"]["code"]), (410, "not_found"))
        status, _, _ = self.line().ask("POST", "/v1/sync", body=b"\xff\xff\xff\xff\xff\x7f")
        self.assertEqual(status, 400)
        status, _, body = self.line().ask("POST", "/v1/sync", body=text(hello(token="x")))
        self.assertEqual(status, 200)
        self.assertIn(b"\x03\x05", body[:6])  # refused: not allowed
        self.counted("not_allowed")
        self.others_are_well()

    def test_large_bodies_are_read_from_people_with_a_token_only(self):
        self.begin()
        large = b"POST /api/sync/v2?workspace=team HTTP/1.1\r\nHost: x\r\n"
        for head in (b"Content-Length: 16000000\r\n", b"Transfer-Encoding: chunked\r\n",
                     b"Authorization: Bearer a.b.c\r\nContent-Length: 16000000\r\n"):
            line = self.line()
            line.send(large + head + b"\r\n")
            self.assertEqual(line.reply()[0], 401)
        self.counted("unknown", 3)
        body = json.dumps({"deviceId": "d", "pad": "x" * 1_000_000}).encode()
        status, _, _ = self.line().ask("POST", "/api/sync/v2?workspace=team",
                                       [f"Authorization: Bearer {token(SECRET)}"], body)
        self.assertEqual(status, 200)
        self.others_are_well()

    def test_a_conversation_by_post_begins_with_a_hello_that_is_let_in(self):
        self.begin()
        for body in (b"", text(hello(token="x"))):
            for _ in range(50):
                status, headers, _ = self.line().ask("POST", "/v1/sync", body=body)
                self.assertEqual(status, 400 if body == b"" else 200)
        pages = self.line().ask("GET", "/metrics")[2].decode()
        self.assertIn("\nsyncline_http_sessions 0\n", pages)
        self.others_are_well()

    def test_requests_that_two_servers_could_read_differently(self):
        self.begin()
        post = b"POST /api/sync/v2 HTTP/1.1\r\n"
        for head in (b"Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
                     b"Host: x\r\nTransfer-Encoding: identity\r\n",
                     b"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                     b"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                     b"Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
                     b"Host: x\r\nHost: y\r\n", b"Host: x\r\nHost: x\r\n", b""):
            line = self.line()
            line.send(post + head + b"\r\n0\r\n\r\n")
            try:
                self.assertEqual(line.reply()[0], 400, head)
            except Closed:
                self.fail(head)
        self.counted("malformed", 8)
        self.others_are_well()

    def test_no_http_at_all(self):
        self.begin()
        for bad in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
                    b"GET / HTTP/9.9\r\n\r\n", b"G\0T / HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            line = self.line()
            try:
                line.send(bad)
                self.assertEqual(line.reply()[0], 400)
            except Closed:
                pass
        self.counted("malformed", 4)
        self.others_are_well()

    def test_paths_that_climb_and_names_that_are_sql(self):
        self.begin()
        for path in ("/../secret", "/admin/../../secret", "/%2e%2e/secret", "/..%2fsecret",
                     "/admin/%2e%2e/x", "/%00", "/./healthz", "//etc/passwd", "/v1/sync/..",
                     "/admin/workspaces'--", "/" + "a" * 3000, "*", "http://other/healthz"):
            status, _, body = self.line().ask("GET", path)
            self.assertIn(status, (400, 401, 404), path)
            self.assertNotIn(b"secret of more", body)
        self.counted("target", 3)
        admin = token(SECRET, admin=True)
        for value in ("'%20OR%20'1'='1", "x';DROP%20TABLE%20log;--", "team%00", "%ff%fe"):
            for page in ("changes", "devices", "volume", "conflicts"):
                status, _, _ = self.line().ask(
                    "GET", f"/admin/{page}?workspace={value}&device={value}&entity={value}/{value}",
                    [f"Authorization: Bearer {admin}"])
                self.assertEqual(status, 404)
        # Names that are SQL are names.
        name = "x'); DROP TABLE log; --"
        one = self.socket()
        one.frame(hello(name, token=token(SECRET, workspaces=[name])))
        one.until(WELCOME)
        self.others_are_well()
        (line,) = self.run_it("server-dump", "--data", self.path("srv"), "--workspace", "team")
        self.assertEqual(line["seq"], 1)

    def test_pages_of_other_sites(self):
        self.begin("--allow-origin", "https://app.example")
        for origin in ("https://evil.example", "null", "https://app.example.evil.example",
                       "http://app.example", "https://app.example, https://evil.example"):
            one = self.socket(headers=[f"Origin: {origin}"])
            self.assertEqual(one.status, 403, origin)
            status, _, _ = self.line().ask("POST", "/v1/sync", [f"Origin: {origin}"])
            self.assertEqual(status, 403)
        one = self.socket(headers=["Origin: https://app.example", "Origin: https://evil.example"])
        self.assertEqual(one.status, 403)
        self.counted("origin", 11)
        one = self.socket(headers=["Origin: https://app.example"])
        self.assertEqual(one.status, 101)
        # A token in a URL would stand in logs.
        one = self.socket(path="/v1/sync?token=x")
        self.assertEqual(one.status, 400)
        for path in ("/metrics", "/healthz", "/admin/workspaces", "/"):
            self.assertEqual(self.socket(path=path).status, 404)
        self.counted("upgrade", 5)

    def test_origins_are_read_as_they_are_meant(self):
        # Somebody else's variable stops no server.
        os.environ["SYNCLINE_OF_SOMEBODY_ELSE"] = "1"
        self.addCleanup(os.environ.pop, "SYNCLINE_OF_SOMEBODY_ELSE")
        self.begin("--allow-origin", "https://one.example, https://two.example")
        for origin in ("https://one.example", "https://two.example"):
            self.assertEqual(self.socket(headers=[f"Origin: {origin}"]).status, 101)
        self.assertEqual(self.socket(headers=["Origin: https://three.example"]).status, 403)
        for wrong in ("one.example", "https://one.example/", "https://One.example", ""):
            done = subprocess.run([PROGRAM, "serve", "--demo", "--data", self.path("other"), "--allow-origin",
                                   wrong], capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn("is no origin", done.stdout + done.stderr)

    def test_connections_without_number_from_one_address(self):
        self.begin("--connections-per-address", "50")
        kept = [self.line(source=("127.0.0.4", 0)) for _ in range(50)]
        refused = 0
        for _ in range(10_000 - len(kept)):
            line = Line(self.port, source=("127.0.0.4", 0))
            # Those beyond the bound are closed; nobody waits for each.
            line.close()
            refused += 1
        one = self.line(source=("127.0.0.4", 0))
        with self.assertRaises(Closed):
            one.more()
        self.counted("too_many_connections", 1000)
        self.others_are_well()
        for line in kept:
            line.close()
        end = time.monotonic() + PATIENCE_S
        while True:
            one = self.line(source=("127.0.0.4", 0))
            try:
                self.assertEqual(one.ask("GET", "/healthz")[0], 200)
                break
            except Closed:
                self.assertLess(time.monotonic(), end, "the address stays shut")

    def test_more_requests_than_one_address_may(self):
        self.begin("--rate-per-address", "5")
        line = self.line()
        statuses = [line.ask("GET", "/healthz")[0] for _ in range(60)]
        self.assertIn(429, statuses)
        self.assertEqual(statuses[0], 200)
        self.counted("rate")
        self.others_are_well()

    def test_floods_of_frames_and_pings(self):
        self.begin("--rate-per-identity", "20")
        one, _ = self.welcomed()
        beat = b"\x12" + varint(0) + varint(0) + bytes(16)
        with self.assertRaises(Closed):
            for _ in range(2000):
                one.frame(beat)
            while True:
                message = one.next()
                if message[0] == REFUSED:
                    self.assertEqual(refusal(message)[0], "busy")
        self.counted("rate")
        one = self.socket()
        with self.assertRaises(Closed):
            for _ in range(20_000):
                one.frame(b"", kind=9)
            while True:
                one.next()
        self.counted("pings")

    def test_forged_replicas_and_stamps(self):
        self.begin()
        victim, replica = self.welcomed(source=("127.0.0.7", 0))
        victim.frame(push(part(replica)))
        victim.until(ACK)
        # Another member of the workspace takes the victim's name: it is not theirs, and nothing of
        # its history is told.
        for last in (0, 1):
            self.assertEqual(self.turned_away(hello(
                token=token(SECRET, sub="mallory"), replica=replica, last_sequence=last))[0],
                "not_allowed")
        # The victim's own copy does not know its openings.
        for last in (0, 1):
            self.assertEqual(self.turned_away(hello(
                token=token(SECRET), replica=replica, last_sequence=last))[0], "replica_forked")
        victim.frame(push(part(replica, 2)))
        self.assertEqual(victim.until(ACK, REFUSED)[0], ACK)
        # Or signs a change with it.
        for forged in (part(replica, 3), part(replica, 1), part(os.urandom(16), 1)):
            one, _ = self.welcomed(sub="mallory")
            one.frame(push(forged))
            self.assertEqual(refusal(one.until(REFUSED, ACK))[0], "malformed")
        # Stamps of tomorrow, of the end of time, of before the last one; numbers out of order.
        now = int(time.time() * 1000)
        for stamp, wanted in ((now + 86_400_000, "clock_skew"), ((1 << 48) - 1, "clock_skew")):
            one, own = self.welcomed()
            one.frame(push(part(own, 1, stamp)))
            self.assertEqual(refusal(one.until(REFUSED, ACK))[0], wanted)
        one, own = self.welcomed()
        one.frame(push(part(own, 1, now)))
        one.until(ACK)
        one.frame(push(part(own, 2, now - 1000)))
        self.assertEqual(refusal(one.until(REFUSED, ACK))[0], "replica_forked")
        one, own = self.welcomed()
        one.frame(push(part(own, 7)))
        self.assertEqual(refusal(one.until(REFUSED, ACK))[0], "malformed")
        # Rows that are noise: the change is refused, the connection is not.
        one, own = self.welcomed()
        one.frame(push(part(own, 1, rows=os.urandom(40))))
        self.assertEqual(one.until(REFUSED, REJECTED)[0], REJECTED)
        one.frame(push(part(own, 2)))
        self.assertEqual(one.until(REFUSED, ACK)[0], ACK)
        for reason in ("replica_forked", "clock_skew", "malformed"):
            self.counted(reason)
        self.assertEqual(self.metric("rejected_changes_total", code="malformed"), 1)
        self.others_are_well()


if __name__ == "__main__":
    unittest.main()
