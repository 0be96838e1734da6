"""Libraries that replace functions of the system for the server: tests/faults/preload/NAME.c."""
import os
import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "faults" / "preload"


def compiled(name, folder):
    """The library, for LD_PRELOAD."""
    library = Path(folder) / f"{name}.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library),
                    str(SOURCES / f"{name}.c"), "-ldl"], check=True, timeout=60)
    return library
