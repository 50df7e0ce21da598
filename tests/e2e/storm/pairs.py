"""P6, looked at from outside while it storms: both halves of a pair are there, or none."""

import sqlite3
import threading

SHARED = ("shared0", "shared1", "shared2")

# Whether rows came one by one, which the file says, or will; and what changes when they did.
FACTS = ("SELECT coalesce(sum(value) FILTER (WHERE name IN ('in_pieces', 'wants_rescan')), 0), "
         "max(hex(value)) FILTER (WHERE name = 'lineage'), "
         "max(value) FILTER (WHERE name = 'renewals') FROM syncline_meta")
PAIRS = ("SELECT id, l.v, r.v FROM left_half l LEFT JOIN right_half r USING(id) "
         "UNION SELECT id, l.v, r.v FROM right_half r LEFT JOIN left_half l USING(id)")


class Pairs:
    """Who writes a shared row while one half of it is missing puts that half and sets the other, and
    beside somebody's deletion that comes out as one half. So a shared row is suspect from when rows
    may have come in pieces until everybody has both halves of one and the same write of later."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.lock = threading.Lock()
        self.torn = []
        self.suspect = dict.fromkeys(SHARED, 0.0)  # since when
        self.seen = {}  # by device, what it had last of shared rows
        self.facts = {}
        # What a put-back server lost comes back from whoever has it, row by row. What was asked for
        # after that is whole.
        self.server_back_at = 0.0

    def may_come_in_pieces(self, now):
        with self.lock:
            self.suspect = dict.fromkeys(SHARED, now)

    def server_was_put_back(self, now):
        self.server_back_at = now
        self.may_come_in_pieces(now)

    def look(self, device, everybody, now):
        file = sqlite3.connect(f"file:{device.database}?mode=ro", uri=True, timeout=5)
        try:
            file.isolation_level = None
            file.execute("BEGIN")
            is_in_pieces, *facts = file.execute(FACTS).fetchone()
            pairs = file.execute(PAIRS).fetchall()
        finally:
            file.close()
        if is_in_pieces or self.facts.get(device.name) != facts:
            self.facts[device.name] = facts
            self.may_come_in_pieces(now)
        if is_in_pieces:
            return
        self.seen[device.name] = {row[0]: row[1:] for row in pairs if row[0] in SHARED}
        with self.lock:
            self.suspect = {key: since for key, since in self.suspect.items()
                            if not self.is_one_write(key, since, everybody)}
            self.torn += [(device.name, *row) for row in pairs
                          if row[1] != row[2] and row[0] not in self.suspect
                          and self.asked_at(row[1:]) > self.server_back_at]

    def is_one_write(self, key, since, everybody):
        found = {self.seen.get(device.name, {}).get(key, (None, None)) for device in everybody}
        left, right = next(iter(found))
        return (len(found) == 1 and left is not None and left == right
                and self.asked_at((left,)) > since)

    def asked_at(self, tokens):
        return max(self.ledger.orders[token].asked_at for token in tokens if token is not None)
