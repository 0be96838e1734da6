"""What a power cut leaves of the files of a process, from the record of what the process asked for.

tests/faults/preload/recorded_disk.c writes the record. A beginning of it is a moment; Disk.left()
gives the files that there may be after a cut at this moment:

- what was written before a sync of the file began, and the sync has ended, is there;
- of what was written later nothing is there (`luck` 0), or each write by chance, whole or its first
  sectors only (`luck` between 0 and 1);
- a file was created, linked or removed for good when its folder was synced afterwards; otherwise by
  chance too, but in order.
"""
import os
import struct
from pathlib import Path

HEAD = struct.Struct("=IIQQ")
OPENED, WRITTEN, TRUNCATED, SYNC_BEGINS, SYNCED, UNLINKED, LINKED = range(1, 8)
SECTOR = 512


def environment(folder, record, library):
    """What a process is started with, so that the files of `folder` are recorded."""
    return {"LD_PRELOAD": str(library), "JOBLIGHT_TEST_DISK": str(folder),
            "JOBLIGHT_TEST_DISK_RECORD": str(record)}


def records(path):
    """(end, kind, file, at, bytes) of each record; `end` is the size of the record up to it."""
    with open(path, "rb") as source:
        end = 0
        while len(head := source.read(HEAD.size)) == HEAD.size:
            kind, file, at, length = HEAD.unpack(head)
            data = source.read(length)
            if len(data) < length:
                return
            end += HEAD.size + length
            yield end, kind, file, at, data


class Synced:
    """Changes of a state, in order, of which a sync makes those durable that came before it began."""

    def __init__(self, durable):
        self.durable = durable
        self.later = []             # functions of the state
        self.count = 0              # of all changes so far

    def change(self, change):
        self.later.append(change)
        self.count += 1

    def synced(self, up_to):
        done = max(0, up_to - (self.count - len(self.later)))
        for change in self.later[:done]:
            change(self.durable)
        del self.later[:done]


class File(Synced):
    def __init__(self):
        super().__init__(bytearray())

    def left(self, chance, luck):
        content = bytearray(self.durable)
        for change in self.later:
            if chance.random() < luck:
                change(content, chance if chance.random() < 0.5 else None)
        return bytes(content)


def writing(at, data):
    def change(content, chance=None):
        size = chance.randrange(len(data) + 1) // SECTOR * SECTOR if chance else len(data)
        content.extend(bytes(max(0, at - len(content))))
        content[at:at + size] = data[:size]
    return change


def truncating(size):
    def change(content, _chance=None):
        del content[size:]
        content.extend(bytes(size - len(content)))
    return change


class Disk(Synced):
    """The files of one folder while a record is replayed; as a Synced, their names."""

    def __init__(self, folder):
        super().__init__({})
        self.folder = str(folder)
        self.names = {}             # as the process sees them
        self.opened = {}            # opening -> its File, or this for the folder
        self.begun = {}             # opening -> the changes that its sync covers

    def rename(self, change):
        change(self.names)
        self.change(change)

    def replay(self, kind, number, at, data):
        if kind == OPENED:
            self.open(number, data.decode(), at)
        elif kind == WRITTEN:
            self.opened[number].change(writing(at, data))
        elif kind == TRUNCATED:
            self.opened[number].change(truncating(at))
        elif kind == SYNC_BEGINS:
            self.begun[number] = self.opened[number].count
        elif kind == SYNCED:
            self.opened[number].synced(self.begun.pop(number))
        elif kind == UNLINKED:
            self.rename(lambda names: names.pop(data.decode(), None))
        elif kind == LINKED:
            old, new = data.decode().split("\0")
            file = self.names[old]
            self.rename(lambda names: names.update({new: file}))

    def open(self, number, path, flags):
        if path == self.folder:
            self.opened[number] = self
            return
        if path not in self.names:
            made = File()
            self.rename(lambda names: names.update({path: made}))
        self.opened[number] = self.names[path]
        if flags & os.O_TRUNC:
            self.names[path].change(truncating(0))

    def left(self, chance, luck):
        """{path: content} of what a cut leaves."""
        names = dict(self.durable)
        for change in self.later[:chance.randrange(len(self.later) + 1) if luck else 0]:
            change(names)
        return {name: file.left(chance, luck) for name, file in names.items()}


def at(record, moments, folder):
    """(moment, the Disk at it) for each of the moments, which are sizes of the record; in order."""
    disk, due = Disk(folder), sorted(moments)
    for end, *what in records(record):
        while due and end > due[0]:
            yield due.pop(0), disk
        disk.replay(*what)
    for moment in due:
        yield moment, disk


def put(files, folder, copy):
    """Writes what is left of `folder` into the folder `copy`."""
    Path(copy).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (Path(copy) / Path(path).relative_to(folder)).write_bytes(content)
