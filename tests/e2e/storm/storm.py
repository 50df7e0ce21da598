"""Drives the program as strangers do: writers and syncers are processes of their own on the same
files, several syncers on one file, and everything that happens in the world happens to them. In the
end every answered write is found in the server's log under the name that its answer gave it, once;
counters are exact, transactions whole, and all devices equal.

    storm.py PROGRAM BAD_DISK [--seed N] [--seconds N] [--devices N] [--faults A,B,...] [--matrix]

BAD_DISK is the library of bad_disk.c. --matrix runs each fault alone for --seconds and then all of
them together, and prints a table. Exits 1 when a promise is broken, and keeps the folder then.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

import faults
from ledger import Account, Ledger, Order
from pairs import SHARED, Pairs
from processes import Device, Disk, Failure, Processes, Server, Wire


class Storm:
    def __init__(self, program, library, folder, seed, devices, names):
        self.folder, self.library, self.seed = folder, library, seed
        self.random = random.Random(seed)
        self.processes = Processes(program)
        self.ledger = Ledger()
        self.pairs = Pairs(self.ledger)
        self.faults = [faults.ALL[name] for name in names]
        self.counts = dict.fromkeys(names, 0)
        self.server_disk = Disk(self.path("server.disk"), library)
        self.server = Server(self.processes, self.path("srv"), self.server_disk)
        self.server_copy = None
        self.devices, self.wanted, self.stopped_writers = [], {}, set()
        self.done = threading.Event()
        self.threads, self.failures, self.untrue = [], [], []
        self.counted = {}
        self.first_devices = devices
        # What ends by itself, when its time has come.
        self.timers = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def after(self, seconds, act):
        self.timers.append((time.monotonic() + seconds, act))

    def run_timers(self, everything=False):
        now = time.monotonic()
        due = [act for at, act in self.timers if everything or at <= now]
        self.timers = [] if everything else [(at, act) for at, act in self.timers if at > now]
        for act in due:
            act()

    # --- Devices ------------------------------------------------------------------------------------

    def add(self, name, init=True):
        disk = Disk(self.path(name + ".disk"), self.library)
        wire = Wire(lambda: self.server.port)
        device = Device(self.processes, self.folder, name, disk, wire, self.random.random())
        if init:
            device.init()
        return device

    def begin(self):
        self.server.start()
        for n in range(self.first_devices):
            device = self.add(f"device{n}")
            if n == 0:
                device.order(id=0, do="put", table="counts", key="all", value={"n": 0})
                device.end()
            settled, last = device.settle()
            if not settled:
                raise Failure(f"{device.name} does not come to rest at the beginning: {last}")
            self.join(device)
        thread = threading.Thread(target=self.guarded, args=(self.sample,))
        thread.start()
        self.threads.append(thread)

    def join(self, device):
        self.devices.append(device)
        self.wanted[device.name] = 1
        for work in (self.write, self.sync):
            thread = threading.Thread(target=self.guarded, args=(work, device))
            thread.start()
            self.threads.append(thread)

    def guarded(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as failure:  # told by the main thread
            self.failures.append(failure)

    def write(self, device):
        numbers = 0
        while not self.done.is_set():
            time.sleep(device.random.expovariate(15))
            if device.name in self.stopped_writers:
                continue
            numbers += 1
            order = Order(device.name, f"{device.name}-{numbers}")
            ops = [{"do": "put", "table": "items", "key": order.token, "value": {"v": order.token}}]
            self.fill(device, order, ops)
            device.random.shuffle(ops)
            self.ledger.ask(order)
            self.ledger.hear(order, device.order(id=numbers, do="txn", ops=ops))

    def fill(self, device, order, ops):
        dice = device.random.random()
        if dice < 0.35:
            order.by = device.random.randint(1, 9)
            ops.append({"do": "incr", "table": "counts", "key": "all", "column": "n",
                        "by": order.by})
        elif dice < 0.55:
            order.half = order.token
            ops += [{"do": "put", "table": table, "key": device.name, "value": {"v": order.token}}
                    for table in ("left_half", "right_half")]
        elif dice < 0.7:
            order.deletes = self.ledger.living_token(device.name, device.random)
            if order.deletes is not None:
                ops.append({"do": "del", "table": "items", "key": order.deletes})
        elif dice < 0.85:
            ops.append({"do": "put", "table": "facts", "key": f"f{device.random.randint(0, 3)}",
                        "value": {"d": json.dumps({device.name: order.token,
                                                   "last": {"by": device.name}})}})
        elif dice < 0.92:
            # A row that others write, too, deleted and put again.
            shared = device.random.choice(SHARED)
            kind = device.random.choice(("put", "put", "del"))
            ops.append({"do": kind, "table": "left_half", "key": shared,
                        **({"value": {"v": order.token}} if kind == "put" else {})})
            ops.append({"do": kind, "table": "right_half", "key": shared,
                        **({"value": {"v": order.token}} if kind == "put" else {})})

    def sync(self, device):
        while not self.done.is_set():
            time.sleep(0.1)
            device.tend_syncers(self.wanted[device.name])

    def sample(self):
        """P4 and P6, looked at from outside while it storms."""
        dice = random.Random(self.seed)
        while not self.done.is_set():
            time.sleep(0.3 + dice.random())
            device = dice.choice(self.devices)
            if device.name in self.stopped_writers:
                continue
            try:
                self.pairs.look(device, list(self.devices), time.monotonic())
            except sqlite3.Error:
                pass  # its files are just being copied or put back
            code, rows = device.command("status")
            if code == 0 and rows[-1]["status"] == "synced" and rows[-1]["pending"] > 0:
                self.untrue.append((device.name, rows[-1]["pending"]))

    # --- The storm, and after it -------------------------------------------------------------------

    def blow(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.failures:
            self.run_timers()
            fault = self.random.choice(self.faults) if self.faults else None
            if fault is not None and fault.act(self):
                self.counts[fault.name] += 1
            time.sleep(0.2 + self.random.random())

    def calm(self):
        self.run_timers(everything=True)
        self.done.set()
        for device in self.devices:
            device.disk.be(Disk.WELL)
            device.wire.mend()
            for child in [*device.syncers, *([device.writer] if device.writer else [])]:
                if child.poll() is None:
                    child.send_signal(faults.CONTINUE)
        for thread in self.threads:
            thread.join()
        for device in self.devices:
            device.end()
        self.server_disk.be(Disk.WELL)
        if not self.server.is_up():
            self.server.start()

    def settle(self):
        """All come together, and somebody new, too; how long it took."""
        started = time.monotonic()
        self.fresh = self.add("fresh")
        self.meet()
        # Shared rows that were written while they came in pieces are whole after one more write.
        for key in SHARED:
            order = Order(self.devices[0].name, f"last-{key}")
            self.ledger.ask(order)
            self.ledger.hear(order, self.devices[0].order(id=key, do="txn", ops=[
                {"do": "put", "table": "items", "key": order.token, "value": {"v": order.token}},
                *({"do": "put", "table": table, "key": key, "value": {"v": order.token}}
                  for table in ("left_half", "right_half"))]))
        self.devices[0].end()
        self.meet()
        return time.monotonic() - started

    def meet(self):
        everybody = [*self.devices, self.fresh]
        for _ in range(3 + len(everybody)):
            results = [(device.name, *device.settle()) for device in everybody]
            digests = {json.dumps(device.command("digest")[1][-1]) for device in everybody}
            if all(settled for _, settled, _ in results) and len(digests) == 1:
                return
        raise Failure(f"they do not come together: {len(digests)} digests, "
                      f"{[one for one in results if not one[1]][:2]}")

    def account(self):
        self.server.end(faults.TERMINATE)
        for device in [*self.devices, self.fresh]:
            code, found = device.command("verify")
            if code != 0:
                raise Failure(f"{device.name} is damaged: {found[:3]}")
        code, log = self.processes.run("server-dump", "--data", self.path("srv"), "--workspace",
                                       "team")
        if code != 0:
            raise Failure(f"the server's log cannot be read: {log}")
        account = Account(self.ledger, self.devices, log, self.fresh.rows("items"),
                          self.fresh.rows("counts")["all"]["n"],
                          log_was_lost=self.counts.get("put_back_server", 0) > 0)
        account.check()
        self.counted = account.counted
        if self.fresh.rows("left_half") != self.fresh.rows("right_half"):
            raise Failure("a transaction is torn in the end")
        if self.pairs.torn or self.untrue:
            raise Failure(f"seen while it stormed: torn {self.pairs.torn[:3]}, green with changes "
                          f"waiting {self.untrue[:3]}")

    def run(self, seconds):
        try:
            self.begin()
            self.blow(seconds)
        finally:
            self.calm()
        if self.failures:
            raise self.failures[0]
        settled = self.settle()
        self.account()
        return settled

    def close(self):
        self.done.set()
        self.processes.close()
        for device in self.devices:
            device.wire.close()

    def result(self, settled):
        orders = self.ledger.orders.values()
        return {"faults": sum(self.counts.values()), "devices": len(self.devices),
                "asked": len(orders), "answered": sum(order.answered for order in orders),
                "refused": dict(self.ledger.refused), "ended": self.processes.ends,
                "settled_s": round(settled, 1), "counted": self.counted, "counts": self.counts}


def run_once(arguments, names, seed):
    folder = tempfile.mkdtemp(prefix="storm-")
    storm = Storm(arguments.program, os.path.abspath(arguments.bad_disk), folder, seed,
                  arguments.devices, names)
    try:
        result = storm.result(storm.run(arguments.seconds))
    except Failure as failure:
        told = {"seed": seed, "failed": str(failure), "folder": folder, "counts": storm.counts,
                "ended": storm.processes.ends, "refused": dict(storm.ledger.refused)}
        print(json.dumps(told), flush=True)
        return None
    finally:
        storm.close()
    shutil.rmtree(folder)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("bad_disk")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--faults", default=",".join(faults.ALL))
    parser.add_argument("--matrix", action="store_true")
    arguments = parser.parse_args()
    names = arguments.faults.split(",")
    runs = [[name] for name in names] + [names] if arguments.matrix else [names]
    failed = 0
    for number, chosen in enumerate(runs):
        result = run_once(arguments, chosen, arguments.seed + number)
        failed += result is None
        name = chosen[0] if len(chosen) == 1 else "all together"
        if result is not None:
            print(json.dumps({"fault": name, **result}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
