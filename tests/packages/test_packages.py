"""The Debian packages: installed, started, upgraded and purged, in this order, in Debian 12 and 13."""
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest
from debian import ROOT, run


UNIT = "usr/lib/systemd/system/joblight.service"


class Unit:
    """The unit of the package; a key may be there several times."""

    def __init__(self, text):
        self.lines = [tuple(line.split("=", 1)) for line in text.splitlines() if "=" in line and line[0] != "#"]

    def all(self, key):
        return [value for name, value in self.lines if name == key]

    def one(self, key):
        found, = self.all(key)
        return found


class Started:
    """The unit's ExecStart, as its user, with the folders and the socket that systemd would give it."""

    def __init__(self, system):
        self.unit = Unit(system.path(UNIT).read_text())
        self.user = self.unit.one("User")
        state = self.unit.one("StateDirectory")
        system.sh(f"install -d -m {self.unit.one('StateDirectoryMode')} -o {self.user} -g {self.user} /var/lib/{state}")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = system.path("run/notify")
        path.unlink(missing_ok=True)
        self.notify.bind(str(path))
        os.chmod(path, 0o777)
        self.notify.settimeout(30)
        for before in self.unit.all("ExecStartPre"):
            done = system.start(shlex.split(before), f"{self.user}:{self.user}", f"/var/lib/{state}")
            assert done.wait(30) == 0, done.stdout.read()
        self.process = system.start(shlex.split(self.unit.one("ExecStart")), f"{self.user}:{self.user}", f"/var/lib/{state}",
                                    NOTIFY_SOCKET="/run/notify", WATCHDOG_USEC="400000")

    def hears(self, word):
        """Takes messages until one has this line."""
        while True:
            lines = self.notify.recv(4096).decode().splitlines()
            if any(line.startswith(word) for line in lines):
                return lines

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.notify.close()


@contextmanager
def started(system):
    service = Started(system)
    try:
        service.hears("READY=1")
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()
        service.process.stdout.close()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", 3001, timeout=10)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
    reply = connection.getresponse()
    found = reply.status, reply.read()
    connection.close()
    return found


def test_both_packages_are_clean(packages):
    """lintian has no complaint but what the overrides explain."""
    said = subprocess.run(["lintian", "--fail-on", "error,warning", *map(str, packages("12"))], capture_output=True, text=True,
                          check=False)
    assert said.returncode == 0, said.stdout
    assert len(packages("12")) == 2


def test_the_folders_and_the_user_are_there(installed):
    assert installed.sh("/usr/bin/joblight --version").startswith("joblight ")
    assert re.match(r"joblight:x:\d+:\d+:[^:]*:/var/lib/joblight:/usr/sbin/nologin", installed.sh("getent passwd joblight"))
    for name in (UNIT, "etc/joblight/joblight.conf", "usr/share/man/man1/joblight.1.gz", "usr/share/man/man5/joblight.conf.5.gz",
                 "usr/share/javascript/joblight/joblight.js", "usr/share/javascript/joblight/task-event-stream.js",
                 "usr/share/bash-completion/completions/joblight", "usr/share/zsh/vendor-completions/_joblight",
                 "usr/share/fish/vendor_completions.d/joblight.fish", "usr/share/doc/joblight/copyright", "usr/share/doc/joblight/docs/operating.md"):
        assert installed.path(name).is_file(), name
    assert "/etc/joblight/joblight.conf" in installed.sh("dpkg-query -W -f '${Conffiles}' joblight")


def test_it_loads_at_most_15_libraries(installed):
    installed.install("binutils")
    assert int(installed.sh("readelf -d /usr/bin/joblight | grep -c NEEDED")) <= 12
    assert installed.path("usr/bin/joblight").stat().st_size <= 2 << 20


def test_the_unit_starts_reloads_lives_and_stops(installed):
    with started(installed) as service:
        assert ask("GET", "/healthz")[0] == 200
        assert ask("POST", "/api/jobs", {"id": "kept", "title": "Kept"})[0] == 201
        mapped = (f"/proc/{service.process.pid}/maps")
        libraries = {line.split()[-1] for line in open(mapped, encoding="ascii") if ".so" in line and "ld-linux" not in line}
        assert len(libraries) <= 15, libraries
        for _ in range(3):
            service.hears("WATCHDOG=1")
        reload = service.unit.one("ExecReload").replace("$MAINPID", str(service.process.pid))
        done = installed.start(shlex.split(reload), f"{service.user}:{service.user}")
        assert done.wait(30) == 0, done.stdout.read()
        assert any(line.startswith("MONOTONIC_USEC=") for line in service.hears("RELOADING=1"))
        service.hears("READY=1")
        service.process.send_signal(signal.SIGTERM)
        service.hears("STOPPING=1")
        assert service.process.wait(20) == 0


def test_a_broken_file_stops_the_start_before_it_begins(installed):
    file = installed.path("etc/joblight/joblight.conf")
    kept = file.read_text()
    file.write_text(kept + "max-nte = 5\n")
    try:
        with pytest.raises(AssertionError, match="did you mean max-note"):
            Started(installed)
    finally:
        file.write_text(kept)


def test_an_upgrade_keeps_the_settings_and_the_data(installed):
    """The same package with a higher version, made by hand."""
    installed.sh("""cd /packages; dpkg-deb -R joblight_*.deb new
        sed -i 's/^Version: .*/Version: 9.0.0-1/' new/DEBIAN/control
        echo '# changed by the package' >> new/etc/joblight/joblight.conf
        sed -i '/joblight.conf$/d' new/DEBIAN/md5sums
        dpkg-deb -b new joblight_9.deb; rm -r new""")
    file = installed.path("etc/joblight/joblight.conf")
    file.write_text(file.read_text() + "max-note = 32KiB # ours\n")
    installed.sh("apt-get install -y -qq -o Dpkg::Options::=--force-confold /packages/joblight_9.deb")
    assert installed.sh("dpkg-query -W -f '${Version}' joblight") == "9.0.0-1"
    assert "# ours" in file.read_text()
    file.write_text(file.read_text().replace("max-note = 32KiB # ours\n", ""))
    with started(installed):
        assert ask("GET", "/api/jobs/kept")[0] == 200


def test_a_removal_keeps_the_data_and_a_purge_nothing(installed):
    installed.sh("apt-get remove -y -qq joblight libjs-joblight")
    assert not installed.path("usr/bin/joblight").exists()
    assert installed.path("etc/joblight/joblight.conf").is_file()
    assert installed.path("var/lib/joblight/joblight.db").is_file()
    installed.sh("dpkg --purge joblight")
    left = installed.sh("find /etc /usr /var/lib -iname '*joblight*' -not -path '/var/lib/apt/*' -not -path '/var/lib/dpkg/*'")
    assert not left, left


def test_the_unit_is_confined():
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(ROOT / "cmake/package/joblight.service"))
    assert float(re.search(r"exposure level for joblight.service: ([\d.]+)", said)[1]) <= 1.5, said


def calls_of(name):
    """The system calls of a set of systemd, or the one of this name."""
    if not name.startswith("@"):
        return {name}
    said = run("systemd-analyze", "syscall-filter", "--no-pager", name).splitlines()
    words = [line.strip() for line in said if line.startswith("    ") and not line.strip().startswith("#")]
    return {call for word in words for call in calls_of(word)}


def test_the_unit_allows_what_the_programs_call_and_nothing_of_superusers():
    allowed = set()
    for deny, names in re.findall(r"^SystemCallFilter=(~?)(.+)$", (ROOT / "cmake/package/joblight.service").read_text(), re.M):
        named = {call for name in names.split() for call in calls_of(name)}
        allowed = allowed - named if deny else allowed | named
    assert {"setpriority", "prlimit64", "prctl", "clone3", "execve", "memfd_create", "sendmsg", "fdatasync"} <= allowed
    assert not allowed & {"setuid", "chown", "setrlimit", "sched_setaffinity", "mount", "bpf", "ptrace", "reboot"}
