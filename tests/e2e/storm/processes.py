"""The server, devices and the wire between them, each as the program's own processes."""

import json
import mmap
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

# For the slowest machine; nothing is decided by how soon something comes.
PATIENCE_S = 120
SCHEMA = ("CREATE TABLE items(id TEXT PRIMARY KEY NOT NULL, v TEXT);\n"
          "CREATE TABLE counts(id TEXT PRIMARY KEY NOT NULL, n INTEGER DEFAULT 0);\n"
          "CREATE TABLE left_half(id TEXT PRIMARY KEY NOT NULL, v TEXT);\n"
          "CREATE TABLE right_half(id TEXT PRIMARY KEY NOT NULL, v TEXT);\n"
          "CREATE TABLE facts(id TEXT PRIMARY KEY NOT NULL, d TEXT);\n")


class Failure(Exception):
    """A promise is broken."""


class Disk:
    """What the processes that use it meet when they write; see bad_disk.c."""

    WELL, FULL, FAILING, DYING, SLOW = range(5)

    def __init__(self, path, library):
        with open(path, "wb") as file:
            file.write(bytes(4096))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.environment = dict(os.environ, LD_PRELOAD=library, BAD_DISK=path)

    def be(self, mode, percent=0, delay_us=0, countdown=0):
        # The mode last: a process never sees it with another one's numbers.
        self.map[4:16] = struct.pack("<iii", percent, delay_us, countdown)
        self.map[0:4] = struct.pack("<i", mode)


class Processes:
    """All that were started; whatever happens, none outlives the test."""

    def __init__(self, program):
        self.program = program
        self.living = []
        self.lock = threading.Lock()
        # Exit codes of what ended by itself, by what it was.
        self.ends = {}

    def start(self, *arguments, env=None, **options):
        child = subprocess.Popen([self.program, *arguments], text=True, env=env, bufsize=1,
                                 **options)
        with self.lock:
            self.living = [one for one in self.living if one.poll() is None] + [child]
        return child

    def run(self, *arguments, env=None):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, env=env,
                              timeout=PATIENCE_S)
        if done.returncode < 0:
            raise Failure(f"{arguments[0]} died of signal {-done.returncode}: {done.stderr[-500:]}")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def note_end(self, what, code):
        with self.lock:
            name = f"{what}:{code}"
            self.ends[name] = self.ends.get(name, 0) + 1

    def close(self):
        with self.lock:
            for child in self.living:
                if child.poll() is None:
                    child.kill()
                    child.wait()


class Server:
    def __init__(self, processes, folder, disk, options=()):
        self.processes, self.folder, self.disk, self.options = processes, folder, disk, options
        self.child, self.port = None, 0
        self.errors = folder + ".err"

    def start(self):
        with open(self.errors, "a", encoding="utf-8") as errors:
            self.child = self.processes.start(
                "serve", "--demo", "--data", self.folder, "--listen", f"127.0.0.1:{self.port}",
                *self.options, env=self.disk.environment, stdout=subprocess.PIPE, stderr=errors)
        line = self.child.stdout.readline()
        if not line:
            with open(self.errors, encoding="utf-8") as errors:
                raise Failure(f"the server does not start: {errors.read()[-800:]}")
        self.port = json.loads(line)["port"]

    def end(self, how):
        if self.child.poll() is not None and self.child.returncode not in (0, -signal.SIGKILL):
            raise Failure(f"the server ended by itself with {self.child.returncode}")
        self.child.send_signal(signal.SIGCONT)
        self.child.send_signal(how)
        self.child.wait(PATIENCE_S)
        self.child.stdout.close()

    def is_up(self):
        return self.child.poll() is None


class Wire:
    """A proxy that can lose its connections in the middle of a frame, or carry nothing for a while."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        self.lock = threading.Lock()
        # Bytes that may still pass, by way; None means all.
        self.allowance = {"up": None, "down": None}
        self.carries = threading.Event()
        self.carries.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port()), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.pairs.append((near, far))
            for way, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self.pump, args=(way, source, sink), daemon=True).start()

    def pump(self, way, source, sink):
        try:
            while True:
                data = source.recv(16384)
                self.carries.wait()
                with self.lock:
                    left = self.allowance[way]
                    if left is not None:
                        self.allowance[way] = max(0, left - len(data))
                if not data or (left is not None and left < len(data)):
                    sink.sendall(data[:left])
                    break
                sink.sendall(data)
        except OSError:
            pass
        self.drop((source, sink))

    def drop(self, pair):
        for one in pair:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_after(self, way, size):
        with self.lock:
            self.allowance[way] = size

    def mend(self):
        with self.lock:
            self.allowance = {"up": None, "down": None}
        self.carries.set()

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.drop(pair)

    def close(self):
        self.listener.close()
        self.carries.set()
        self.cut()


class Device:
    """One database file, the process that writes it, and those that sync it."""

    def __init__(self, processes, folder, name, disk, wire, seed):
        self.processes, self.name, self.disk, self.wire = processes, name, disk, wire
        self.folder = os.path.join(folder, name)
        self.database = os.path.join(self.folder, "app.db")
        self.random = random.Random(seed)
        # Whether its file was ever copied or put back: then an op may have gone to another name.
        self.is_clean = True
        # Whether it dropped its rows to get them again: what was to be deleted may not have been there.
        self.began_anew = False
        self.writer, self.syncers = None, []
        self.writing = threading.Lock()

    def init(self, workspace="team"):
        os.makedirs(self.folder)
        schema = os.path.join(self.folder, "schema.sql")
        with open(schema, "w", encoding="utf-8") as file:
            file.write(SCHEMA)
        code, rows = self.processes.run("init", "--db", self.database, "--workspace", workspace,
                                        "--schema", schema)
        if code != 0:
            raise Failure(f"init ends with {code}: {rows}")
        for table, column, rule in (("counts", "n", "counter"), ("facts", "d", "json")):
            self.processes.run("track", "--db", self.database, table, "--column",
                               f"{column}={rule}")

    def command(self, name, *arguments):
        return self.processes.run(name, "--db", self.database, *arguments)

    def order(self, **order):
        """What exec answers; None when it died before it answered."""
        with self.writing:
            if self.writer is None or self.writer.poll() is not None:
                self.close_writer()
                self.writer = self.processes.start(
                    "exec", "--db", self.database, env=self.disk.environment,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            writer = self.writer
            try:
                writer.stdin.write(json.dumps(order) + "\n")
                writer.stdin.flush()
                line = writer.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if line.endswith("\n"):
                return json.loads(line)
            writer.wait(PATIENCE_S)
            self.note_end("exec", writer)
            return None

    def note_end(self, what, child):
        if child.returncode < 0 and -child.returncode not in (signal.SIGKILL, signal.SIGTERM):
            raise Failure(f"{what} of {self.name} died of signal {-child.returncode}")
        self.processes.note_end(what, child.returncode)

    def close_writer(self):
        if self.writer is not None:
            for pipe in (self.writer.stdin, self.writer.stdout):
                try:
                    pipe.close()
                except OSError:
                    pass
            self.writer = None

    def start_sync(self, mode="--live"):
        child = self.processes.start("sync", "--db", self.database, "--server", self.wire.url(),
                                     mode, env=self.disk.environment, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        self.syncers.append(child)
        return child

    def tend_syncers(self, wanted):
        """Notes those that ended by themselves, and starts new ones."""
        for child in [one for one in self.syncers if one.poll() is not None]:
            self.note_end("sync", child)
            self.syncers.remove(child)
        while len(self.syncers) < wanted:
            self.start_sync()

    def kill_syncers(self, how=signal.SIGKILL):
        for child in self.syncers:
            child.send_signal(signal.SIGCONT)
            child.send_signal(how)
        for child in self.syncers:
            child.wait(PATIENCE_S)
        self.syncers = []

    def kill_writer(self):
        writer = self.writer
        if writer is not None and writer.poll() is None:
            writer.send_signal(signal.SIGCONT)
            writer.kill()
            writer.wait(PATIENCE_S)

    def end(self):
        self.kill_syncers()
        with self.writing:
            if self.writer is not None and self.writer.poll() is None:
                self.writer.stdin.close()
                self.writer.wait(PATIENCE_S)
            self.close_writer()

    def copy_to(self, folder):
        """Copies the database as a backup tool would: the files as they are."""
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(self.folder):
            if not name.endswith("-shm"):
                shutil.copy(os.path.join(self.folder, name), os.path.join(folder, name))

    def put_back(self, folder):
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder)

    def rows(self, table):
        _, rows = self.command("dump", "--table", table)
        return {row["key"][0]: row["value"] for row in rows}

    def settle(self):
        code, rows = self.processes.run("sync", "--db", self.database, "--server", self.wire.url(),
                                        "--until-idle", "--timeout", "60s")
        idle = [row for row in rows if row.get("ev") == "idle"]
        return code == 0 and bool(idle) and idle[-1]["pending"] == 0, rows[-3:]


def wait_until(condition, what):
    """Waits for something that must come; how soon decides nothing."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"in vain: {what}")
        time.sleep(0.05)
