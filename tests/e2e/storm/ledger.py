"""What was asked, what was answered, and the account at the end.

Every order is one transaction that inserts a row of its own, named by a token. So the server's log
tells of each order whether it happened, how often and under which name, and the other things that
the transaction did can be summed up over the orders that happened.
"""

import collections
import json
import threading
import time

from processes import Failure


class Order:
    """One transaction that somebody asked for."""

    def __init__(self, device, token):
        self.device, self.token, self.asked_at = device, token, time.monotonic()
        self.by = 0          # what it adds to the shared counter
        self.deletes = None  # the token of a row that it deletes
        self.half = None     # what it writes to both halves
        self.op = None       # the name that the answer gave it
        self.answered = False
        # Its database was put back to before it, or a disk failed under it: it may have happened.
        self.may_be_gone = False


class Ledger:
    def __init__(self):
        self.orders = {}
        self.by_device = collections.defaultdict(list)
        self.refused = collections.Counter()
        self.lock = threading.Lock()

    def ask(self, order):
        with self.lock:
            self.orders[order.token] = order
            self.by_device[order.device].append(order)

    def hear(self, order, answer):
        """Notes an answer; None when none came. A failed order may have happened all the same: a
        commit whose sync fails can be found in the file later."""
        if answer is None:
            return
        if answer.get("ok"):
            order.op = answer.get("op")
            order.answered = True
            return
        self.refused[answer["error"]["code"]] += 1

    def put_back(self, device, count):
        """The device's file is as it was after its first `count` orders."""
        with self.lock:
            for order in self.by_device[device][count:]:
                order.may_be_gone = True

    def count(self, device):
        with self.lock:
            return len(self.by_device[device])

    def living_token(self, device, random):
        """The token of a row of the device's own that nobody was asked to delete."""
        with self.lock:
            deleted = {order.deletes for order in self.by_device[device]}
            known = [order.token for order in self.by_device[device][-40:]
                     if order.answered and not order.may_be_gone and order.token not in deleted]
        return random.choice(known) if known else None


def is_states(op):
    """Whether a log entry holds rows as somebody kept them for a server that had lost them: with
    the stamps of whoever wrote them, and beside the change itself when its author comes back."""
    return op.endswith(":0")


def changes_by_token(log):
    """The names of the changes that put each token, the names that stand twice, deleted tokens."""
    found = collections.defaultdict(list)
    seen, twice, deleted = set(), [], set()
    for line in log:
        if line["op"] in seen and not is_states(line["op"]):
            twice.append(line["op"])
        seen.add(line["op"])
        for row in line["tables"].get("items", []):
            if row["kind"] in ("del", "erase"):
                deleted.add(row["key"][0])
            else:
                found[row["key"][0]].append((line["op"], row["kind"]))
    return found, twice, deleted


class Account:
    """Holds the ledger against the server's log and the rows of everybody."""

    def __init__(self, ledger, devices, log, rows, counter, log_was_lost=False):
        self.ledger = ledger
        # An older log was put back: of what was written and deleted after it nothing is left to see
        # but the counter, which has to be exact all the same.
        self.unseen = {order.deletes for order in ledger.orders.values()} if log_was_lost else set()
        self.is_clean = {device.name: device.is_clean for device in devices}
        self.began_anew = {device.name: device.began_anew for device in devices}
        self.found, self.twice, self.deleted = changes_by_token(log)
        self.rows, self.counter = rows, counter
        self.lost, self.doubled, self.renamed, self.wrong = [], [], [], []
        self.happened = set()
        self.check_orders()
        self.check_rows()

    def check_orders(self):
        for token, order in self.ledger.orders.items():
            puts = sorted({op for op, kind in self.found.get(token, ()) if kind == "put"})
            if puts or token in self.found or token in self.rows:
                self.happened.add(token)
            elif order.answered and not order.may_be_gone:
                if token in self.unseen:
                    self.happened.add(token)
                else:
                    self.lost.append(token)
            changes = [op for op in puts if not is_states(op)]
            if len(changes) > 1:
                self.doubled.append((token, changes))
            if order.answered and self.is_clean[order.device] and changes and (
                    order.op not in changes):
                self.renamed.append((token, order.op, puts))

    def check_rows(self):
        deleted, may_be_deleted = set(), set()
        for token in self.happened:
            order = self.ledger.orders[token]
            # Whoever began anew may have found nothing to delete; then only the log can tell.
            if not self.began_anew[order.device] or order.deletes in self.deleted:
                deleted.add(order.deletes)
            elif order.deletes in self.unseen:
                may_be_deleted.add(order.deletes)
        for token, order in self.ledger.orders.items():
            # Whether this one happened nobody can see: no answer came, or its file is gone, and its
            # row was deleted by another one.
            if token not in self.happened and token in self.unseen:
                may_be_deleted.add(order.deletes)
        for token in self.happened:
            if (token in self.rows) == (token in deleted) and token not in may_be_deleted:
                self.wrong.append((token, "is there" if token in self.rows else "is gone"))
        for token in self.rows:
            if token not in self.ledger.orders:
                self.wrong.append((token, "was never asked for"))
        self.check_counter()

    def check_counter(self):
        orders = [self.ledger.orders[token] for token in self.happened]
        total = sum(order.by for order in orders)
        # Where the folders of a device and of the server were put back, the device goes on where
        # its file was, and what others had heard of it beyond that is overwritten. The counter of
        # such an order may be gone with the file, though others have its row; and one that nobody
        # can see any more may have counted.
        gone = unseen = 0
        if self.unseen:
            gone = sum(order.by for order in orders if order.may_be_gone)
            unseen = sum(order.by for token, order in self.ledger.orders.items()
                         if token not in self.happened and token in self.unseen)
        self.counted = {"sum": total, "counter": self.counter, "may be gone": gone,
                        "may be there": unseen}
        if not total - gone <= self.counter <= total + unseen:
            self.wrong.append(("the counter", self.counted))

    def check(self):
        found = {"lost": self.lost, "doubled": self.doubled, "renamed": self.renamed,
                 "wrong": self.wrong, "in the log twice": self.twice}
        bad = {what: len(which) for what, which in found.items() if which}
        if bad:
            examples = {what: found[what][:3] for what in bad}
            raise Failure(f"{bad}, for example {json.dumps(examples)}")
