"""Servers that mean harm, written by hand: whatever one sends, the program lives in bounded memory, says
what is wrong, keeps every write, and is in step with an honest server afterwards."""

import base64
import hashlib
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import zlib

from case import PATIENCE_S, PROGRAM, Case
from wire import REFUSED, WELCOME, text, varint

MEMORY_MIB_MAX = 200  # what a quiet client needs is some 20
ENDLESS_BYTES = 64 << 20  # what an endless server sends before it goes, and in small frames
ENDLESS_SMALL_BYTES = 4 << 20
CALLS_MAX = 200  # without a pause it would be thousands
HEARTBEAT, SNAPSHOT_BEGIN, PRESENCE = 18, 11, 19


def framed(payload, kind=2, flags=0x80):
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 65536:
        length = b"\x7e" + struct.pack(">H", size)
    else:
        length = b"\x7f" + struct.pack(">Q", size)
    return bytes([flags | kind]) + length + payload


def now():
    return varint(int(time.time() * 1000) * 2)


def welcome():
    return (bytes([WELCOME]) + varint(3) + b"\7" * 16 + varint(0) + varint(0) + varint(0) + varint(0)
            + now() + varint(1 << 25) + varint(1 << 25) + varint(1 << 28) + varint(1000) + varint(0)
            + b"\1")


def refused(reason, message):
    return (bytes([REFUSED, reason]) + text(message) + text(message) + now() + varint(1) + varint(3)
            + varint(0) + varint(0))


def heartbeat():
    return bytes([HEARTBEAT]) + varint(0) + now() + bytes(16)


class Liar:
    """Listens, and does to whoever connects what `act` does with a connection."""

    def __init__(self, act):
        self.act = act
        self.calls = 0
        self.done = threading.Event()  # something was done to somebody, to the end
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.calls += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(PATIENCE_S)
        try:
            with connection:
                self.act(connection)
                connection.shutdown(socket.SHUT_RDWR)  # another thread may read it
        except OSError:
            pass  # it left, which is its right
        self.done.set()

    def close(self):
        self.listener.close()


def request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            raise ConnectionError
        data += got
    return data


def drained(connection):
    """What the client says is taken, so that nobody waits for us."""
    def take():
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass
    threading.Thread(target=take, daemon=True).start()


def upgraded(connection, accept=None, extra=""):
    head = request(connection).decode("latin-1")
    key = [line.split(":", 1)[1].strip() for line in head.split("\r\n")
           if line.lower().startswith("sec-websocket-key:")][0]
    good = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
                            .digest()).decode()
    connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Accept: {accept or good}\r\n{extra}\r\n").encode())
    drained(connection)


def until_left(connection):
    """Waits until the client ends the connection."""
    while True:
        connection.sendall(framed(b"", kind=10))
        time.sleep(0.05)


def endless(connection, data):
    block = data * max(1, 65536 // len(data))
    for _ in range((ENDLESS_SMALL_BYTES if len(data) < 100 else ENDLESS_BYTES) // len(block)):
        connection.sendall(block)


def after_upgrade(*frames, stays=False, extra=""):
    def act(connection):
        upgraded(connection, extra=extra)
        for frame in frames:
            connection.sendall(frame)
        if stays:
            until_left(connection)
    return act


def after_upgrade_endless(frame):
    def act(connection):
        upgraded(connection)
        connection.sendall(framed(welcome()))
        endless(connection, frame)
    return act


def plain(*parts):
    def act(connection):
        request(connection)
        for part in parts:
            connection.sendall(part)
    return act


def plain_endless(head, block):
    def act(connection):
        request(connection)
        connection.sendall(head)
        drained(connection)
        endless(connection, block)
    return act


def drop_by_drop(connection):
    request(connection)
    drained(connection)
    for byte in b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def stubborn(connection):
    upgraded(connection)
    connection.sendall(framed(refused(2, "another lineage")))
    until_left(connection)


def heard_out(child):
    """Reads what else it says: called again it would wait for a full pipe, and not end."""
    try:
        for _ in child.stdout:
            pass
    except ValueError:
        pass  # the test is over, and has closed it


def bomb():
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(512))
    return data + squeezer.flush(zlib.Z_SYNC_FLUSH)[:-4]


ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n‮"
OK = b"HTTP/1.1 200 OK\r\nSyncline-Session: a\r\n"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

# What each does, over which transport, and a word of what the client says about it.
ATTACKS = {
    "garbage": ("websocket", plain(os.urandom(4096)), "handshake failed"),
    "wrong_key": ("websocket", lambda one: upgraded(one, accept="AAAA"), "handshake failed"),
    "no_upgrade": ("websocket", plain(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                   "handshake failed"),
    "huge_header": ("websocket", plain_endless(b"HTTP/1.1 101 Switching Protocols\r\nX: ", b"a" * 1000),
                    "handshake failed"),
    "drop_by_drop": ("websocket", drop_by_drop, "did not answer in time"),
    "pings": ("websocket", after_upgrade_endless(framed(b"x" * 100, kind=9)), "too many pings"),
    "huge_frame": ("websocket", after_upgrade(b"\x82\x7f" + struct.pack(">Q", 1 << 62), stays=True),
                   "too large"),
    "half_frame": ("websocket", after_upgrade(b"\x82\x7e\x10\x00half"), "broke off"),
    "fragments": ("websocket", after_upgrade_endless(framed(b"x" * 1000, kind=0, flags=0)),
                  "broke off"),
    "bomb": ("websocket", after_upgrade(framed(bomb(), flags=0xC0), stays=True, extra=DEFLATE),
             "handshake failed|broke off"),
    "text": ("websocket", after_upgrade(framed(b"hello", kind=1), stays=True), "binary"),
    "close_code": ("websocket", after_upgrade(framed(b"\x27\x0f\xff\xfe", kind=8)), "broke off"),
    "nonsense": ("websocket", after_upgrade(framed(b"\xff" * 100), stays=True), "does not decode"),
    "before_welcome": ("websocket", after_upgrade(framed(heartbeat()), stays=True),
                       "before its welcome"),
    "heartbeats": ("websocket", after_upgrade_endless(framed(heartbeat())), "broke off"),
    "presences": ("websocket", after_upgrade_endless(framed(
        bytes([PRESENCE]) + os.urandom(16) + text("k" * 10) + text("v" * 1000))), "broke off"),
    "snapshots": ("websocket", after_upgrade_endless(framed(
        bytes([SNAPSHOT_BEGIN]) + varint(9) + varint(1 << 60) + varint(1 << 60) + varint(0)
        + varint(0))), "broke off"),
    "escapes": ("websocket", after_upgrade(framed(refused(9, ESCAPES)), stays=True), "owned"),
    "sign_in": ("websocket", after_upgrade(framed(refused(5, "show me another token")), stays=True),
                "another token"),
    "stubborn": ("websocket", stubborn, "unknown_lineage"),
    "http_status": ("http", plain(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
                                  b"Content-Length: 0\r\n\r\n"), "status 401"),
    "http_endless": ("http", plain_endless(OK + b"Transfer-Encoding: chunked\r\n\r\n",
                                           b"400\r\n" + b"a" * 1024 + b"\r\n"), "broke off"),
    "http_length": ("http", plain(OK + b"Content-Length: 99999999999999\r\n\r\n"), "broke off"),
    "http_frame": ("http", plain(OK + b"Content-Length: 9\r\n\r\n" + b"\xff" * 8 + b"\x01"),
                   "broke off"),
    "http_packed": ("http", plain(OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
                                  + zlib.compress(bytes(10_000))[:20]), "broke off"),
    "http_session": ("http", plain(b"HTTP/1.1 200 OK\r\nSyncline-Session: " + b"s" * 100_000
                                   + b"\r\nContent-Length: 0\r\n\r\n"), "broke off"),
}


class HostileServer(Case):
    def cause(self, child, wanted):
        """Reads what it says until one word of `wanted` is in it."""
        limit = threading.Timer(PATIENCE_S, child.kill)
        limit.start()
        self.addCleanup(limit.cancel)
        heard = []
        for line in child.stdout:
            heard.append(line)
            event = json.loads(line)
            message = event.get("message", "")
            if event["ev"] == "status" and any(word in message for word in wanted.split("|")):
                limit.cancel()
                threading.Thread(target=heard_out, args=(child,), daemon=True).start()
                return event
        raise AssertionError(f"it ended before it said {wanted}: {heard[-5:]}")

    def prey(self, name):
        self.device(name)
        self.put(name, name, body="unsent", n=1)

    def prey_follows(self, name, liar, transport):
        return self.follow(name, liar.url, "--transport", transport, text=False)

    def liar(self, act):
        one = Liar(act)
        self.addCleanup(one.close)
        return one

    def attack(self, name):
        transport, act, wanted = ATTACKS[name]
        liar = self.liar(act)
        return liar, self.prey_follows(name, liar, transport), wanted

    def test_nothing_that_a_server_sends_harms_a_client(self):
        for name in ATTACKS:
            self.prey(name)
        running = {name: self.attack(name) for name in ATTACKS}
        for name, (liar, child, wanted) in running.items():
            with self.subTest(attack=name):
                event = self.cause(child, wanted)
                self.assertIn(event["status"], ("disconnected", "stuck", "connecting"), event)
                self.assertNotIn(event["cause"], ("none", "storage"), event)
                self.assertTrue(liar.done.wait(PATIENCE_S))
                self.assertIsNone(child.poll())
                self.assertLess(self.rss_mib(child, "VmHWM:"), MEMORY_MIB_MAX)
                self.assertLess(liar.calls, CALLS_MAX)
                # Its application goes on beside it.
                self.put(name, name + " 2", body="written meanwhile", n=2)
        for name, (liar, child, _) in running.items():
            child.send_signal(signal.SIGTERM)
            liar.close()
        for name, (_, child, _) in running.items():
            self.assertEqual(child.wait(PATIENCE_S), 0, name)
        _, url = self.serve("--demo")
        for name in ATTACKS:
            self.sync(name, url)
        self.device("reader")
        self.sync("reader", url)
        wanted = {key for name in ATTACKS for key in (name, name + " 2")}
        self.assertEqual(set(self.rows("reader")), wanted)

    def test_a_server_has_no_power_over_a_terminal(self):
        self.prey("escapes")
        liar = self.liar(after_upgrade(framed(refused(9, ESCAPES)), stays=True))
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        with subprocess.Popen([PROGRAM, "sync", "--db", self.path("escapes"), "--server",
                               liar.url, "--live"], stdout=theirs, stderr=theirs) as child:
            os.close(theirs)
            limit = threading.Timer(PATIENCE_S, child.kill)
            limit.start()
            shown = b""
            while b"owned" not in shown:
                shown += os.read(ours, 4096)
            shown += os.read(ours, 4096) if not shown.endswith(b"\n") else b""
            limit.cancel()
            child.kill()
        for code in shown.decode(errors="replace").replace("\r\n", "\n").replace("\n", ""):
            self.assertTrue(code.isprintable(), shown)

    def test_a_redirect_leads_nowhere(self):
        elsewhere = self.liar(lambda connection: None)
        head = (f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere.url}/v1/sync\r\n"
                "Content-Length: 0\r\n\r\n").encode()
        for transport, wanted in (("websocket", "handshake failed"), ("http", "status 307")):
            self.prey(transport)
            liar = self.liar(plain(head))
            child = self.prey_follows(transport, liar, transport)
            self.cause(child, wanted)
            self.assertEqual(elsewhere.calls, 0)


if __name__ == "__main__":
    unittest.main()
