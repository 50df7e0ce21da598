"""What happens to the processes of a storm. Each act returns whether it did something."""

import os
import shutil
import signal
import time

from processes import Disk

CONTINUE, TERMINATE, KILL, STOP = signal.SIGCONT, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP


class Fault:
    def __init__(self, name, act):
        self.name, self.act = name, act


def kill_writer(storm):
    storm.random.choice(storm.devices).kill_writer()
    return True


def kill_syncer(storm):
    syncers = [child for device in storm.devices for child in device.syncers]
    if syncers:
        storm.random.choice(syncers).send_signal(KILL)
    return bool(syncers)


def several_syncers(storm):
    """A service, and somebody's own."""
    device = storm.random.choice(storm.devices)
    if storm.wanted[device.name] > 1:
        return False
    storm.wanted[device.name] = storm.random.randint(2, 3)

    def back():
        storm.wanted[device.name] = 1
        if len(device.syncers) > 1:
            device.syncers[0].send_signal(storm.random.choice((KILL, TERMINATE)))

    storm.after(2 + 4 * storm.random.random(), back)
    return True


def sync_once(storm):
    device = storm.random.choice(storm.devices)
    code, rows = storm.processes.run("sync", "--db", device.database, "--server",
                                     device.wire.url(), "--until-idle", "--timeout", "4s")
    # Its time may be over, or its server away or full; nothing else.
    if code not in (0, 6):
        storm.processes.note_end("sync --until-idle", code)
    return True


def pause(storm, child):
    if child is None or child.poll() is not None:
        return False
    child.send_signal(STOP)

    def go_on():
        if child.poll() is None:
            child.send_signal(CONTINUE)

    storm.after(1 + 6 * storm.random.random(), go_on)
    return True


def pause_writer(storm):
    return pause(storm, storm.random.choice(storm.devices).writer)


def pause_syncer(storm):
    syncers = [child for device in storm.devices for child in device.syncers]
    return bool(syncers) and pause(storm, storm.random.choice(syncers))


def pause_server(storm):
    return pause(storm, storm.server.child)


def kill_server(storm):
    storm.server.end(KILL)
    if storm.random.random() < 0.5:
        storm.server_disk.be(Disk.WELL)
        storm.server.start()
        return True
    time.sleep(storm.random.random() * 3)
    storm.server_disk.be(Disk.WELL)
    storm.server.start()
    return True


def restart_server(storm):
    storm.server.end(TERMINATE)
    storm.server_disk.be(Disk.WELL)
    storm.server.start()
    return True


def cut(storm):
    """In the middle of a frame, in either direction."""
    wire = storm.random.choice(storm.devices).wire
    wire.cut_after(storm.random.choice(("up", "down")), storm.random.randint(1, 4000))
    storm.after(1 + 2 * storm.random.random(), wire.mend)
    return True


def hole(storm):
    """Connections that stay open and carry nothing."""
    wire = storm.random.choice(storm.devices).wire
    wire.carries.clear()
    storm.after(1 + 8 * storm.random.random(), wire.mend)
    return True


def trouble(storm, disk, mode):
    disk.be(mode, percent=storm.random.choice((2, 10, 60)), delay_us=30_000,
            countdown=storm.random.randint(1, 60))
    storm.after(1 + 5 * storm.random.random(), lambda: disk.be(Disk.WELL))
    return True


def client_disk(mode):
    return lambda storm: trouble(storm, storm.random.choice(storm.devices).disk, mode)


def server_disk(mode):
    return lambda storm: trouble(storm, storm.server_disk, mode)


def die_while_writing(storm):
    """Between any two writes of a client process, whichever comes there first."""
    device = storm.random.choice(storm.devices)
    device.disk.be(Disk.DYING, countdown=storm.random.randint(1, 60))
    return True


def server_dies_while_writing(storm):
    storm.server_disk.be(Disk.DYING, countdown=storm.random.randint(1, 40))
    end = time.monotonic() + 5
    while storm.server.is_up() and time.monotonic() < end:
        time.sleep(0.05)
    storm.server_disk.be(Disk.WELL)
    if not storm.server.is_up():
        storm.server.end(KILL)
        storm.server.start()
    return True


def still(storm, device):
    """Nobody writes the device's file any more, and its writer's connection is as it was."""
    storm.stopped_writers.add(device.name)
    storm.wanted[device.name] = 0
    device.kill_syncers()
    device.disk.be(Disk.WELL)
    if device.writer is not None and device.writer.poll() is None:
        device.writer.send_signal(CONTINUE)


def go_on(storm, device):
    storm.wanted[device.name] = 1
    storm.stopped_writers.discard(device.name)


def clone(storm):
    """Somebody copies a database and uses both; the original's connections stay open."""
    if len(storm.devices) >= storm.first_devices + 3:
        return False
    original = storm.random.choice(storm.devices)
    storm.pairs.may_come_in_pieces(time.monotonic())
    still(storm, original)
    with original.writing:
        name = f"copy{len(storm.devices)}"
        copy = storm.add(name, init=False)
        original.copy_to(copy.folder)
        original.is_clean = copy.is_clean = False
    storm.join(copy)
    go_on(storm, original)
    return True


def put_back_client(storm):
    """A device's folder becomes what it was some seconds ago."""
    device = storm.random.choice(storm.devices)
    backup = storm.path(device.name + ".backup")
    if os.path.exists(backup):
        return False
    still(storm, device)
    with device.writing:
        device.copy_to(backup)
        orders = storm.ledger.count(device.name)
    go_on(storm, device)

    def back():
        still(storm, device)
        storm.pairs.may_come_in_pieces(time.monotonic())
        device.kill_writer()
        with device.writing:
            device.close_writer()
            device.is_clean = False
            storm.ledger.put_back(device.name, orders)
            device.put_back(backup)
        shutil.rmtree(backup)
        go_on(storm, device)

    storm.after(2 + 6 * storm.random.random(), back)
    return True


def put_back_server(storm):
    """The server's folder becomes what it was some seconds ago, by hand."""
    if storm.server_copy is not None:
        return False
    copy = storm.server_copy = storm.path("srv.backup")
    storm.server.end(storm.random.choice((KILL, TERMINATE)))
    shutil.copytree(storm.server.folder, copy)
    storm.server_disk.be(Disk.WELL)
    storm.server.start()

    def back():
        storm.server.end(storm.random.choice((KILL, TERMINATE)))
        storm.pairs.server_was_put_back(time.monotonic())
        shutil.rmtree(storm.server.folder)
        shutil.move(copy, storm.server.folder)
        storm.server_copy = None
        storm.server_disk.be(Disk.WELL)
        storm.server.start()

    storm.after(3 + 6 * storm.random.random(), back)
    return True


def begin_anew(storm):
    """`resync` beside whoever writes and syncs."""
    device = storm.random.choice(storm.devices)
    device.began_anew = True
    storm.pairs.may_come_in_pieces(time.monotonic())
    code, _ = device.command("resync", "--yes")
    storm.pairs.may_come_in_pieces(time.monotonic())
    storm.processes.note_end("resync", code)
    return True


ALL = {name: Fault(name, act) for name, act in {
    "kill_writer": kill_writer,
    "kill_syncer": kill_syncer,
    "several_syncers": several_syncers,
    "sync_once": sync_once,
    "pause_writer": pause_writer,
    "pause_syncer": pause_syncer,
    "pause_server": pause_server,
    "kill_server": kill_server,
    "restart_server": restart_server,
    "cut": cut,
    "hole": hole,
    "client_disk_full": client_disk(Disk.FULL),
    "client_disk_fails": client_disk(Disk.FAILING),
    "client_dies_writing": die_while_writing,
    "server_disk_full": server_disk(Disk.FULL),
    "server_disk_fails": server_disk(Disk.FAILING),
    "server_disk_slow": server_disk(Disk.SLOW),
    "server_dies_writing": server_dies_while_writing,
    "clone": clone,
    "put_back_client": put_back_client,
    "put_back_server": put_back_server,
    "begin_anew": begin_anew,
}.items()}
