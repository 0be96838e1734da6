"""Libraries that replace functions of the system for the server: tests/faults/preload/NAME.c."""
import errno
import mmap
import os
import struct
import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "faults" / "preload"


def compiled(name, folder):
    """The library, for LD_PRELOAD."""
    library = Path(folder) / f"{name}.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library),
                    str(SOURCES / f"{name}.c"), "-ldl"], check=True, timeout=60)
    return library


class Faults:
    """The disk of a process that was started with `environment`: see faulty_disk.c."""

    LAYOUT = struct.Struct("=iiqq16s")
    WRITES, SYNCS = 1, 2
    KILLED = 0      # as an error: the process ends in the call

    def __init__(self, folder):
        self.file = Path(folder) / "faults"
        self.file.write_bytes(bytes(self.LAYOUT.size))
        self.environment = {"LD_PRELOAD": str(compiled("faulty_disk", folder)),
                            "JOBLIGHT_TEST_FAULTS": str(self.file)}
        with open(self.file, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), self.LAYOUT.size)

    def begin(self, of, after=0, suffix="", error=errno.ENOSPC):
        """From now on, after `after` calls that work, all calls fail."""
        self.end()
        self.LAYOUT.pack_into(self.shared, 0, 0, error, after, 0, suffix.encode())
        struct.pack_into("=i", self.shared, 0, of)

    def end(self):
        """Calls work again. Gives how many failed."""
        struct.pack_into("=i", self.shared, 0, 0)
        return self.hits

    @property
    def hits(self):
        return self.LAYOUT.unpack_from(self.shared)[3]
