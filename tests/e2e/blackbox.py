"""Drives the server and replicas through the command line alone, kills them at random, and accounts
for every write that was answered.

    blackbox.py PROGRAM [--seed N] [--kills N] [--devices N]

Prints what it counted. Exits 1 when a write that was answered is missing anywhere, is there twice, or
when the devices do not come together after the last fault.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

SCHEMA = "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, device TEXT, n INTEGER);\n"
# For the slowest machine; nothing is decided by how soon something comes.
PATIENCE_S = 60


class World:
    def __init__(self, program, folder, seed, devices):
        self.program = program
        self.folder = folder
        self.random = random.Random(seed)
        self.names = [f"device{n}" for n in range(devices)]
        self.answered = {name: [] for name in self.names}
        self.asked = {name: 0 for name in self.names}
        self.server = None
        self.port = 0
        self.kills = 0
        self.children = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *arguments, **options):
        child = subprocess.Popen([self.program, *arguments], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, **options)
        self.children.append(child)
        return child

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        if done.returncode < 0:
            raise AssertionError(f"{arguments} died of signal {-done.returncode}: {done.stderr}")
        return done

    def start_server(self):
        self.server = self.start("serve", "--demo", "--data", self.path("srv"), "--listen",
                                 f"127.0.0.1:{self.port}")
        line = self.server.stdout.readline()
        if not line:
            raise AssertionError("the server did not start")
        self.port = json.loads(line)["port"]

    def end(self, child, how):
        child.send_signal(how)
        child.wait(timeout=PATIENCE_S)
        child.stdout.close()
        self.children.remove(child)

    def kill(self, child):
        self.end(child, signal.SIGKILL)
        self.kills += 1

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def write_some(self, name):
        """Writes through exec, which may be killed at any moment; notes what was answered."""
        child = self.start("exec", "--db", self.path(name + ".db"), stdin=subprocess.PIPE)
        count = self.random.randint(1, 40)
        first = self.asked[name]
        orders = []
        for n in range(first, first + count):
            orders.append(json.dumps({"id": n, "do": "put", "table": "notes",
                                      "key": f"{name}-{n}", "value": {"device": name, "n": n}}))
        self.asked[name] += count
        dies = self.random.random() < 0.6
        after = self.random.randint(0, count)
        try:
            child.stdin.write("\n".join(orders) + "\n")
            child.stdin.flush()
            if not dies:
                child.stdin.close()
        except BrokenPipeError:
            pass
        seen = 0
        while not dies or seen < after:
            line = child.stdout.readline()
            if not line:
                break
            answer = json.loads(line)
            if not answer.get("ok"):
                raise AssertionError(f"a write was refused: {line}")
            self.answered[name].append(answer["id"])
            seen += 1
        if dies:
            self.kill(child)
            try:
                child.stdin.close()
            except BrokenPipeError:
                pass
        else:
            child.wait(timeout=PATIENCE_S)
            child.stdout.close()
            self.children.remove(child)

    def sync_for_a_while(self, name):
        child = self.start("sync", "--db", self.path(name + ".db"), "--server", self.url(),
                           "--until-idle", "--timeout", "30s")
        lines = self.random.randint(0, 12)
        for _ in range(lines):
            if not child.stdout.readline():
                break
        if self.random.random() < 0.3:
            self.kill(self.server)
            self.start_server()
        self.kill(child)

    def step(self):
        name = self.random.choice(self.names)
        if self.random.random() < 0.5:
            self.write_some(name)
        else:
            self.sync_for_a_while(name)

    def settle(self):
        for round_number in range(3):
            for name in self.names:
                done = self.run("sync", "--db", self.path(name + ".db"), "--server", self.url(),
                                "--until-idle", "--timeout", "30s")
                if done.returncode != 0:
                    raise AssertionError(f"{name} does not come to rest: {done.stdout[-500:]}")

    def check(self):
        digests = set()
        for name in self.names:
            database = self.path(name + ".db")
            verified = self.run("verify", "--db", database)
            if verified.returncode != 0:
                raise AssertionError(f"{name} is damaged: {verified.stdout}")
            rows = {}
            for line in self.run("dump", "--db", database, "--table", "notes").stdout.splitlines():
                row = json.loads(line)
                key = row["key"][0]
                if key in rows:
                    raise AssertionError(f"{name} has {key} twice")
                rows[key] = row["value"]
            for writer, numbers in self.answered.items():
                for n in numbers:
                    value = rows.get(f"{writer}-{n}")
                    if value is None or value["n"] != n or value["device"] != writer:
                        raise AssertionError(f"{name} lacks {writer}-{n}, which was answered")
            digests.add(json.loads(self.run("digest", "--db", database).stdout)["digest"])
        if len(digests) != 1:
            raise AssertionError(f"the devices differ: {digests}")
        log = self.run("server-dump", "--data", self.path("srv"), "--workspace", "team")
        operations = [json.loads(line)["op"] for line in log.stdout.splitlines()]
        if len(operations) != len(set(operations)):
            raise AssertionError("the server holds a change twice")
        return len(operations)

    def close(self):
        for child in list(self.children):
            self.end(child, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--devices", type=int, default=3)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = World(arguments.program, folder, arguments.seed, arguments.devices)
        try:
            with open(world.path("schema.sql"), "w", encoding="utf-8") as schema:
                schema.write(SCHEMA)
            world.start_server()
            for name in world.names:
                made = world.run("init", "--db", world.path(name + ".db"), "--workspace", "team",
                                 "--schema", world.path("schema.sql"))
                if made.returncode != 0:
                    raise AssertionError(made.stdout + made.stderr)
            while world.kills < arguments.kills:
                world.step()
            world.settle()
            world.end(world.server, signal.SIGTERM)
            changes = world.check()
        except AssertionError as failure:
            print(f"blackbox --seed {arguments.seed}: {failure}")
            return 1
        finally:
            world.close()
    answered = sum(len(numbers) for numbers in world.answered.values())
    print(f"{world.kills} kills, {answered} writes answered, {changes} changes on the server, "
          f"none lost, none twice; {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
