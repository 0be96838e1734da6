"""More cores than the machine has, by slower ones: each loop thread gets a fixed share of a core.

Two loops on two cores cannot be measured on a machine of two cores, where the generator and the store thread need
them. SCHED_DEADLINE (sched(7)) gives each thread `SHARE` of a core and no more, so that cores stay free; chrt is
util-linux's.
"""
import pathlib
import subprocess

SHARE = 0.15
PERIOD_NS = 10_000_000


def threads(pid, name):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [task.name for task in tasks if (task / "comm").read_text().strip() == name]


def slow_loops(server):
    for thread in threads(server.pid, "loop"):
        subprocess.run(
            ["chrt", "--deadline", "--sched-runtime", str(int(SHARE * PERIOD_NS)), "--sched-deadline", str(PERIOD_NS),
             "--sched-period", str(PERIOD_NS), "--pid", "0", thread], check=True)


def run_slowed(start, _folder, load):
    with start() as server:
        slow_loops(server)
        return load(server)
