"""A server of 512 MiB under abusive WebSockets of all kinds, with good clients beside them.

The suite runs it small, and looks at what must never happen: a server that ends, more memory than
it was given, a good client that is not served. How long good clients wait is printed; --assert-p99
makes it count, for runs by hand (--good 200 --abusive 8 --seconds 20). Then the server goes before
the good clients and they before everything else on the machine, where the system allows it: the
question is what the server makes them wait for, not who gets a core.
"""

import argparse
import collections
import multiprocessing
import os
import selectors
import socket
import struct
import sys
import threading
import time
import unittest

ASKED = argparse.ArgumentParser()
ASKED.add_argument("--good", type=int, default=20)
ASKED.add_argument("--abusive", type=int, default=2, help="WebSockets of each kind")
ASKED.add_argument("--seconds", type=float, default=4)
ASKED.add_argument("--memory", type=int, default=512)
ASKED.add_argument("--assert-p99", action="store_true", help="under attack at most three times the calm one")
ASKED.add_argument("program")
ASKED = ASKED.parse_args()
sys.argv[1:] = [ASKED.program]

from case import PATIENCE_S, Case  # noqa: E402
from wire import (ACK, WELCOME, Closed, Line, Socket, extent, hello, part, push, text,  # noqa: E402
                  token, varint)

SECRET = "a secret of more than thirty-two bytes, for tests"
APPLIED, SNAPSHOT, RESCAN, RANGE, PRESENCE, SUBSCRIBE = 9, 10, 14, 16, 19, 20

def column(name, flags):
    return text(name) + text("TEXT") + bytes([flags, 0])


SCHEMA = (b"\x01\x01\x01" + text("notes") + b"\x02" + column("body", 0) + column("id", 1) + b"\x01"
          + text("id"))


def value(words):
    words = words.encode()
    return bytes([0x80 + len(words)]) + words if len(words) < 128 else b"\x03" + text(words)


def rows_of(rows):
    """Puts of rows of the table notes."""
    return (b"\x01" + text("notes") + b"\x01\x01" + text("body") + b"\x01" + varint(len(rows)) + b"\x01"
            + b"\x00" + b"".join(value(key) + value(body) for key, body in rows) + b"\x00")


def a_token(subject, rights="rw", workspaces=("team",)):
    return token(SECRET, sub=subject, rights=rights, workspaces=list(workspaces))


class Replica:
    """A replica that says hello, and what it is told to."""

    def __init__(self, port, subject, rights="rw", workspace="team", tables=(), catch_up=1, quiet=False,
                 lines=None):
        self.socket = Socket(port)
        if lines is not None:
            lines.append(self.socket)
        if quiet:
            # The kernel takes little for who does not read.
            self.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.id = os.urandom(16)
        self.sequence = 0
        self.socket.frame(hello(workspace, a_token(subject, rights, [workspace]), replica=self.id,
                                schema=SCHEMA, tables=tables, catch_up=catch_up))
        self.socket.until(WELCOME)

    def write(self, rows):
        self.sequence += 1
        stamp_ms = int(time.time() * 1000) + self.sequence
        self.socket.frame(push(part(self.id, self.sequence, stamp_ms, rows_of(rows))))

    def push(self, rows):
        self.write(rows)
        self.socket.until(ACK)


class Good:
    """Writes, waits for the acknowledgement, reads what others wrote, and notes how long it took."""

    def __init__(self, port, number):
        self.replica = Replica(port, f"good{number}", workspace=f"good{number % 4}")
        self.replica.socket.frame(bytes([APPLIED]) + varint(0))
        self.socket = self.replica.socket.socket
        self.number = number
        self.rest = self.replica.socket.data
        self.asked_at = None
        self.next_at = 0

    def write(self, now):
        self.asked_at = now
        self.replica.write([(f"{self.number}-{self.replica.sequence}", "words " * 20)])

    def read(self):
        """Whether the acknowledgement is there; Closed when the server left."""
        got = self.socket.recv(1 << 18)
        if not got:
            raise Closed("end of stream")
        data, at, is_there = self.rest + got, 0, False
        while len(data) - at >= 2:
            head, size = extent(data, at)
            if len(data) - at < head + size:
                break
            if data[at] & 0x0F == 8:
                raise Closed(data[at + head + 2:at + head + size].decode())
            is_there = is_there or data[at + head] == ACK
            at += head + size
        self.rest = data[at:]
        return is_there


class Crowd(threading.Thread):
    """All good clients, by one thread: two hundred would wait for each other's turns in Python."""

    def __init__(self, good):
        super().__init__(daemon=True)
        self.good = good
        self.waits = []
        self.trouble = []
        self.is_over = threading.Event()
        self.busy = 0

    def run(self):
        ready = selectors.DefaultSelector()
        for one in self.good:
            ready.register(one.socket, selectors.EVENT_READ, one)
        resting = collections.deque(self.good)  # all rest equally long, so in the order of waking
        while not self.is_over.is_set():
            now = time.monotonic()
            while resting and resting[0].next_at <= now:
                resting.popleft().write(now)
            self.busy = time.thread_time()
            for key, _ in ready.select(0.01):
                one = key.data
                try:
                    is_there = one.read()
                except (Closed, OSError) as error:
                    self.trouble.append(f"{one.number}: {type(error).__name__}: {error}")
                    ready.unregister(key.fileobj)
                    continue
                if is_there:
                    now = time.monotonic()
                    self.waits.append(now - one.asked_at)
                    one.next_at = now + 0.2
                    resting.append(one)

    def take(self):
        waits, self.waits = self.waits, []
        return waits


class Abusive(threading.Thread):
    """Comes again whenever it is cut."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port = port
        self.subject = f"{type(self).__name__}{number % 2}"
        self.times = 0
        self.sent = 0
        self.trouble = None
        self.lines = []
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            self.times += 1
            try:
                self.attack()
            except (Closed, OSError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
            for line in self.lines:
                line.close()
            self.lines = []
            self.is_over.wait(0.05)

    def come(self, rights="r", **how):
        return Replica(self.port, self.subject, rights, quiet=True, lines=self.lines, **how)

    def attack(self):
        raise NotImplementedError

    def repeat(self, line, payload):
        """The same message until it is cut, without ever reading."""
        line.socket.settimeout(1)
        framed = line.head(len(payload)) + payload
        many = framed * max(1, 65536 // len(framed))
        while not self.is_over.is_set():
            try:
                line.socket.sendall(many)
                self.sent += len(many)
            except socket.timeout:
                raise Closed("it does not read on") from None


class Ranges(Abusive):
    def attack(self):
        self.repeat(self.come().socket,
                    bytes([RANGE]) + text("notes") + text(b"") + text(b""))


class Rescans(Abusive):
    def attack(self):
        self.repeat(self.come(catch_up=3).socket,
                    bytes([RESCAN]) + text("notes") + text(b"") + text(b""))


class Snapshots(Abusive):
    def attack(self):
        self.repeat(self.come().socket,
                    bytes([SNAPSHOT]) + text(b""))


class Pulls(Abusive):
    """The whole log, of tables that nobody has, and again."""

    def attack(self):
        one = self.come(tables=("others",))
        one.socket.frame(bytes([APPLIED]) + varint(0))
        self.repeat(one.socket, bytes([SUBSCRIBE]) + varint(1) + text("notes"))


class WidePulls(Abusive):
    """A change of many parts, never taken."""

    def attack(self):
        one = self.come(workspace="wide")
        one.socket.frame(bytes([APPLIED]) + varint(0))
        self.is_over.wait(0.5)


class Presences(Abusive):
    """To a reader of its own who does not read."""

    def attack(self):
        self.come()
        loud = self.come()
        self.repeat(loud.socket, bytes([PRESENCE]) + loud.id + text("k") + text(os.urandom(16000)))


class Rejections(Abusive):
    """Changes whose refusals say what is there, and are not read."""

    def attack(self):
        one = self.come("rw")
        wrong = part(one.id, 1, int(time.time() * 1000),
                     rows_of([("0-0", "x")]).replace(b"\x04body", b"\x04b\x00dy"))
        self.repeat(one.socket, push(wrong))


class Halves(Abusive):
    """Changes whose last part never comes."""

    def attack(self):
        one = self.come("rw")
        stamp_ms = int(time.time() * 1000)
        for index in range(32):
            if self.is_over.is_set():
                return
            head = (b"\x01" + one.id + varint(1) + struct.pack("<Q", stamp_ms << 16) + varint(1)
                    + varint(index) + b"\x00")
            one.socket.frame(push(head + bytes(1 << 20)))
            self.sent += 1 << 20
        self.is_over.wait(0.5)


class Leavers(Abusive):
    """Questions of people who are gone before the answer."""

    def attack(self):
        one = self.come(catch_up=3)
        ask = bytes([RESCAN]) + text("notes") + text(b"") + text(b"")
        one.socket.send((one.socket.head(len(ask)) + ask) * 60)
        one.socket.close()


class Strangers(Abusive):
    """Half a large message, without a token, and an unfinished request."""

    def attack(self):
        for _ in range(20):
            if self.is_over.is_set():
                return
            one = Socket(self.port)
            self.lines.append(one)
            one.send(one.head(1 << 20) + bytes((1 << 20) - 10))
            two = Line(self.port)
            self.lines.append(two)
            two.send(b"POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(900000))
            self.sent += 1_900_000
        self.is_over.wait(0.5)


def go_before(pid, nice):
    """All threads of a process, before what the machine has to do besides."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), nice)
    except PermissionError:
        print("no right to put anybody first: other processes count, too")


def abuse(kind, port, is_over, told):
    """All of one kind, in a process of its own that takes no time from the good ones."""
    os.setpriority(os.PRIO_PROCESS, 0, 3 if ASKED.assert_p99 else 15)
    ones = [kind(port, i) for i in range(ASKED.abusive)]
    for one in ones:
        one.start()
    is_over.wait()
    for one in ones:
        one.is_over.set()
    for one in ones:
        one.join(PATIENCE_S)
    told.put(f"{kind.__name__}: {sum(one.times for one in ones)} times, "
             f"{sum(one.sent for one in ones) >> 20} MiB sent; {ones[0].trouble}")


KINDS = (Ranges, Rescans, Snapshots, Pulls, WidePulls, Presences, Rejections, Halves, Leavers, Strangers)


def percentile(waits, part_of):
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * part_of))] * 1000


class Abuse(Case):
    def seed(self, port):
        writer = Replica(port, "ann")
        for i in range(40):
            writer.push([(f"{i}-{k}", "x" * 800) for k in range(250)])
        writer.socket.close()
        wide = Replica(port, "ann", workspace="wide")
        for i in range(12):
            wide.push([(f"{i}-{k}", "y" * 100_000) for k in range(20)])
        wide.socket.close()

    def watch(self, server, seconds):
        """The most memory that it had, looking often."""
        most = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.assertIsNone(server.poll(), "the server ended")
            most = max(most, self.rss_mib(server, "VmRSS:"))
            time.sleep(0.05)
        return most

    def test_good_clients_are_served_beside_abusive_ones(self):
        server, url = self.serve("--key-file", self.path("secret"), "--memory", str(ASKED.memory),
                                 "--rate-per-address", "100000")
        port = int(url.rsplit(":", 1)[1])
        self.seed(port)
        crowd = Crowd([Good(port, i) for i in range(ASKED.good)])
        if ASKED.assert_p99:
            go_before(server.pid, -6)
            go_before(os.getpid(), -4)
        crowd.start()
        self.watch(server, ASKED.seconds / 2)
        calm = crowd.take()
        is_over, told = multiprocessing.Event(), multiprocessing.Queue()
        abusive = [multiprocessing.Process(target=abuse, args=(kind, port, is_over, told), daemon=True)
                   for kind in KINDS]
        for one in abusive:
            one.start()
        busy = crowd.busy
        most = self.watch(server, ASKED.seconds)
        busy = (crowd.busy - busy) / ASKED.seconds
        under = crowd.take()
        is_over.set()
        for _ in KINDS:
            print(told.get(timeout=PATIENCE_S))
        for one in abusive:
            one.join(PATIENCE_S)
        crowd.is_over.set()
        crowd.join(PATIENCE_S)
        for one in crowd.good:
            one.replica.socket.close()
        peak = self.rss_mib(server, "VmHWM:")
        print(f"good clients: {ASKED.good}, {busy:.0%} of a core; calm p50 {percentile(calm, .5):.1f} ms, p99 {percentile(calm, .99):.1f} ms of "
              f"{len(calm)}; under attack p50 {percentile(under, .5):.1f} ms, p99 {percentile(under, .99):.1f} ms of "
              f"{len(under)}; memory {most:.0f} MiB, peak {peak:.0f} MiB", flush=True)
        self.assertIsNone(server.poll(), "the server ended")
        self.assertLess(peak, ASKED.memory)
        self.assertEqual(crowd.trouble, [])
        self.assertGreaterEqual(len(under), ASKED.good)
        if ASKED.assert_p99:
            self.assertLess(percentile(under, .99), 3 * percentile(calm, .99))
        # And it is what it was when they are gone.
        after = Replica(port, "ann", workspace="good0")
        after.push([("after", "all")])
        after.socket.close()


if __name__ == "__main__":
    unittest.main()
