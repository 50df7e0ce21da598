"""The least of WebSocket and of the protocol that an attacker needs; docs/protocol.md says it all."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import time
import zlib

PATIENCE_S = 60
WELCOME, REFUSED, ACK, REJECTED, BYE = 2, 3, 5, 6, 22
REASONS = ["", "schema_incompatible", "unknown_lineage", "cursor_expired", "replica_forked",
           "not_allowed", "clock_skew", "protocol_too_old", "protocol_too_new", "malformed", "busy"]


def varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return varint(len(value)) + value


def hello(workspace="team", token="", replica=None, protocol=(1, 1), schema=b"\x01\x01\x00",
          cursor=0, tables=(), epoch=None, last_sequence=0, lineage=bytes(16), catch_up=1):
    return (b"\x01" + varint(protocol[0]) + varint(protocol[1]) + text(workspace)
            + (replica or os.urandom(16)) + (epoch or os.urandom(16)) + varint(0)
            + varint(last_sequence) + varint(0) + varint(0) + varint(1) + bytes(16) + text(schema)
            + lineage + varint(cursor) + bytes([catch_up]) + varint(len(tables))
            + b"".join(text(table) for table in tables) + text(token))


def push(part):
    return b"\x04" + text(part)


def part(replica, sequence=1, stamp_ms=None, rows=b""):
    stamp_ms = int(time.time() * 1000) if stamp_ms is None else stamp_ms
    return (b"\x01" + replica + varint(sequence) + struct.pack("<Q", stamp_ms << 16) + varint(1)
            + varint(0) + b"\x01" + rows)


def encoded(value):
    value = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(secret, header=None, signature=None, **claims):
    """A JWT with whatever claims; None takes one away."""
    now = int(time.time())
    whole = {"sub": "ann", "workspaces": ["team"], "rights": "rw", "iat": now, "exp": now + 600}
    whole.update(claims)
    whole = {name: value for name, value in whole.items() if value is not None}
    head = encoded(header or {"alg": "HS256", "typ": "JWT"}) + "." + encoded(whole)
    if signature is None:
        signature = hmac.new(secret.encode() if isinstance(secret, str) else secret, head.encode(),
                             hashlib.sha256).digest()
    return head + "." + encoded(signature)


def extent(data, at=0):
    """Of the WebSocket's frame that begins there: how many bytes stand before its payload, and how
    many it has. Where the data ends before, so many are not there."""
    size, head = data[at + 1] & 0x7F, 2
    if size == 126:
        size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
    elif size == 127:
        size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
    return head, size


class Closed(Exception):
    """The server ended the connection."""


class Line:
    """One TCP connection."""

    def __init__(self, port, host="127.0.0.1", source=None):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S,
                                               source_address=source)
        self.data = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed(str(error)) from error

    def receive(self):
        try:
            got = self.socket.recv(65536)
        except ConnectionError as error:
            raise Closed(str(error)) from error
        if not got:
            raise Closed("end of stream")
        return got

    def more(self):
        self.data += self.receive()

    def need(self, size):
        pieces, have = [self.data], len(self.data)
        while have < size:
            pieces.append(self.receive())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self.data = whole[size:]
        return whole[:size]

    def ask(self, method, path, headers=(), body=b"", host="localhost"):
        """A request; its status, headers and body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.reply()

    def reply(self):
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in
                   (line.split(":", 1) for line in lines[1:])}
        status = int(lines[0].split()[1])
        size = 0 if status == 101 else int(headers.get("content-length", "0"))
        return status, headers, self.need(size)


class Socket(Line):
    """One WebSocket."""

    def __init__(self, port, headers=(), path="/v1/sync", deflate=False, **how):
        super().__init__(port, **how)
        self.deflated = 0
        self.status, self.headers, self.body = self.ask("GET", path, [
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            *(["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"]
              if deflate else []), *headers])

    def head(self, size, kind=2, flags=0x80):
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 65536:
            length = b"\xfe" + struct.pack(">H", size)
        else:
            length = b"\xff" + struct.pack(">Q", size)
        return bytes([flags | kind]) + length + b"\0\0\0\0"

    def frame(self, payload, kind=2, flags=0x80):
        self.send(self.head(len(payload), kind, flags) + payload)

    def next(self):
        """The next message; Closed when the server said goodbye or left."""
        while True:
            first, second = self.need(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack(">H", self.need(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.need(8))[0]
            payload = self.need(size)
            if first & 0x0F == 8:
                raise Closed(payload[2:].decode())
            if first & 0x40:
                self.deflated += 1
                payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
            if first & 0x0F in (1, 2):
                return payload

    def until(self, *kinds):
        while True:
            message = self.next()
            if message[0] in kinds:
                return message


def refusal(message):
    """The reason and the words of a refused frame."""
    assert message[0] == REFUSED, message
    size, shift, at = 0, 0, 2
    while True:
        size |= (message[at] & 127) << shift
        at += 1
        if message[at - 1] < 128:
            break
        shift += 7
    return REASONS[message[1]], message[at:at + size].decode()
