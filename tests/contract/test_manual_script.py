"""The script that a person runs by hand, tests/test-sse.sh, run as that person would."""
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "test-sse.sh"


def run(address):
    return subprocess.run([str(SCRIPT), address], capture_output=True, text=True, timeout=60)


def test_the_manual_script_sees_all_of_it(server):
    done = run(f"http://{server.address[0]}:{server.address[1]}" if isinstance(server.address, tuple)
               else str(server.address))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manual_script_fails_without_a_server():
    assert run("http://127.0.0.1:1").returncode != 0
