"""Systems of Debian in folders, and what is run in them."""
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASES = {"12": "bookworm", "13": "trixie"}
LONG_S = 900


def lib(variable):
    """A list of script/lib.sh."""
    script = f'. script/lib.sh; printf "%s\\n" "${{{variable}[@]}}"'
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          errors="replace", check=False, timeout=LONG_S, **more)
    assert done.returncode == 0, f"{words}:\n{done.stdout[-4000:]}"
    return done.stdout


def mirror():
    """The address that this machine's packages come from."""
    name = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    text = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian",
               f"Codename: {name['VERSION_CODENAME']}")
    return text.split()[0]


def stage(release):
    """A folder with the base system, made once."""
    folder = ROOT / f"build-debian{release}"
    base = folder / "base"
    if not (base / ".made").exists():
        shutil.rmtree(base, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", RELEASES[release], str(base), mirror())
        for file in Path("/etc/apt/apt.conf.d").iterdir():      # how this machine reaches its mirror
            if any(word in file.read_text().lower() for word in ("proxy", "check-")):
                shutil.copy(file, base / "etc/apt/apt.conf.d")
        (base / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")      # nothing starts by itself
        (base / "usr/sbin/policy-rc.d").chmod(0o755)
        (base / ".made").touch()
    return base


class System:
    """A copy of the base system; deleted at the end."""

    def __init__(self, release, name, keep=False):
        self.folder = ROOT / f"build-debian{release}" / name
        self.keep, self.mounted = keep, []
        if not (keep and (self.folder / ".made").exists()):
            self.clear()
            run("cp", "-a", "--reflink=auto", str(stage(release)), str(self.folder))
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        self.mount("proc", "-t", "proc", "proc")
        self.mount("dev", "--bind", "/dev")

    def mount(self, at, *how):
        (self.folder / at).mkdir(parents=True, exist_ok=True)
        run("mount", *how, str(self.folder / at))
        self.mounted.append(at)

    def close(self):
        while self.mounted:
            run("umount", "-l", str(self.folder / self.mounted.pop()))
        if not self.keep:
            self.clear()

    def clear(self):
        assert not [line for line in Path("/proc/mounts").read_text().splitlines() if f"{self.folder}/" in line]
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / str(name).lstrip("/")

    def sh(self, script, **environment):
        return run("chroot", str(self.folder), "/bin/sh", "-ec", script,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                        "DEBIAN_FRONTEND": "noninteractive", **environment})

    def install(self, *packages):
        self.sh("apt-get update -qq; apt-get install -y -qq --no-install-recommends " + " ".join(packages))

    def start(self, words, user, cwd="/", **environment):
        """A process of this user; its output is in .stdout."""
        return subprocess.Popen([shutil.which("chroot"), f"--userspec={user}", str(self.folder), "/usr/bin/env", "-C", cwd, *words],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                                env={"PATH": "/usr/bin:/bin", **environment})


def copy_source(target):
    """The files of the project, without what is built."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def is_root():
    return os.geteuid() == 0
