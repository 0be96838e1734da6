"""A private PostgreSQL: its own data folder, a Unix socket and a port that nobody else uses.

    server = Postgres(folder).start()
    server.create("one")            # a database
    server.url("one")               # for --db
    server.sql("one", "SELECT 1")   # rows, as psql prints them without alignment
    server.stop()

As a program, for ctest: python3 -m support.postgres start FOLDER, which writes FOLDER/url, and stop FOLDER.  It runs as the
user `postgres` when the tests run as root, because PostgreSQL refuses to be root.
"""
import atexit
import contextlib
import functools
import glob
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .ports import free_port, takes_connections
from .wait import SCALE, TimedOut, until

SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "100", "shared_buffers": "32MB",
            "log_min_messages": "warning", "autovacuum_naptime": "5s", "timezone": "UTC"}
HBA = """local all all trust
host all trusted 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    assert found or shutil.which(name), "PostgreSQL is not installed: apt-get install postgresql"
    return found[-1] if found else shutil.which(name)


def identity():
    """Who runs it: nothing to change, or the user of the package."""
    if os.getuid():
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Postgres:
    def __init__(self, folder=None, outlives=False, **settings):
        self.outlives = outlives            # the process that starts it
        self.folder = Path(folder or tempfile.mkdtemp(prefix="joblight-pg-"))
        self.settings = {**SETTINGS, "fsync": "off", **settings}
        self.port = None
        self.pid = None
        self.made = set()

    # -- life ---------------------------------------------------------------------------------
    @property
    def data(self):
        return self.folder / "data"

    def make(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.getuid():
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        os.chmod(self.folder, 0o755)
        self._run(program("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync",
                  "-E", "UTF8", "--locale=C.UTF-8")
        hba = self.data / "pg_hba.conf"
        hba.write_text(HBA)
        self.port = free_port()

    def start(self):
        """Starts it, and waits until it answers; the first time it is made."""
        is_new = not self.data.exists()
        if is_new:
            self.make()
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                [*([] if self.outlives else ["setpriv", "--pdeathsig", "QUIT"]), program("postgres"), "-D", str(self.data),
                 "-p", str(self.port), "-k", str(self.folder), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **identity())
        self.process = process
        self.pid = process.pid
        self.wait()
        if is_new:
            self.sql("postgres", "CREATE ROLE trusted SUPERUSER LOGIN")
        return self

    def wait(self, within=30):
        """Until it takes connections."""
        ready = [program("pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        try:
            until(lambda: not subprocess.run(ready, check=False).returncode, within, "PostgreSQL taking connections")
        except TimedOut as error:
            raise AssertionError((self.folder / "log").read_text()) from error

    def stop(self, how=signal.SIGINT):
        """SIGINT: it ends at once, and closes all connections.  SIGQUIT: as if it had crashed."""
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, how)
            self.process.wait(30)
        self.pid = None

    def kill(self):
        self.stop(signal.SIGQUIT)

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        return self.start()

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pause(self):
        """Stops every process of it, so that it neither answers nor closes anything.

        First the one that starts the others: then no process is new, and one that ends is still there.
        """
        os.kill(self.pid, signal.SIGSTOP)
        listed = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False)
        self.paused = [self.pid, *map(int, listed.stdout.split())]
        for pid in self.paused[1:]:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in reversed(self.paused):
            os.kill(pid, signal.SIGCONT)

    def _run(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              cwd=self.folder, timeout=60 * SCALE, **identity())
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    # -- what is in it -------------------------------------------------------------------------
    def sql(self, database, text):
        return self._run(program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p",
                         str(self.port), "-U", "postgres", "-d", database, "-c", text).rstrip("\n")

    @contextlib.contextmanager
    def listening(self, database, channel):
        """Gives a function that waits for so many notifications of the channel, and returns their payloads."""
        process = subprocess.Popen([program("psql"), "-X", "-q", "-A", "-t", "-h", str(self.folder), "-p", str(self.port),
                                    "-U", "postgres", "-d", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, cwd=self.folder, **identity())
        process.stdin.write(f'LISTEN "{channel}";\n\\echo listening\n')
        process.stdin.flush()
        assert process.stdout.readline() == "listening\n"

        def notified(count):
            found = []
            while len(found) < count:       # psql looks for notifications after each statement
                process.stdin.write("\\echo\nSELECT 1;\n\\echo end\n")
                process.stdin.flush()
                for line in iter(process.stdout.readline, "end\n"):
                    if line.startswith("Asynchronous notification"):
                        found.append(line.split('with payload "', 1)[1].split('" received', 1)[0])
            return found

        try:
            yield notified
        finally:
            process.communicate("\\q\n", timeout=30)

    @contextlib.contextmanager
    def locked(self, database, table):
        """Writes of this table wait, until the block has ended and one of them does."""
        wait = ("DO 'BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = ''%s''::regclass) "
                "LOOP PERFORM pg_sleep(0.02); END LOOP; END'; COMMIT;\n" % table)
        with subprocess.Popen([program("psql"), "-X", "-q", "-A", "-t", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres",
                               "-d", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, **identity()) as session:
            session.stdin.write(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE; SELECT 'locked';\n".encode())
            session.stdin.flush()
            assert session.stdout.readline() == b"locked\n"
            yield
            session.stdin.write(wait.encode())
            session.stdin.close()

    def create(self, name):
        self.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE template0 STRATEGY file_copy')
        return self.url(name)

    def database_for(self, file):
        """The database that takes the place of a file, made when it is first asked for."""
        file = str(file)
        if file == ":memory:" or "://" in file:
            return file
        name = "f" + hashlib.sha256(file.encode()).hexdigest()[:20]
        if name not in self.made:
            self.create(name)
            self.made.add(name)
        return self.url(name)

    def url(self, name, user="postgres"):
        """Over its Unix socket."""
        return f"postgresql://{user}@/{name}?host={self.folder}&port={self.port}"

    def tcp_url(self, name, user="trusted", password=None, port=None, host="127.0.0.1"):
        secret = f":{password}" if password else ""
        return f"postgres://{user}{secret}@{host}:{port or self.port}/{name}?sslmode=disable"


class Pooler:
    """PgBouncer before a Postgres, in transaction mode."""

    def __init__(self, server):
        self.folder = Path(tempfile.mkdtemp(prefix="joblight-pool-"))
        self.port = free_port()
        (self.folder / "users").write_text('"trusted" ""\n')
        (self.folder / "ini").write_text(
            f"[databases]\n* = host={server.folder} port={server.port} user=trusted\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {self.folder}/users\npool_mode = transaction\ndefault_pool_size = 8\n")
        os.chmod(self.folder, 0o755)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(self.folder / "ini")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **identity())
        until(lambda: takes_connections(self.port), 10, f"PgBouncer, which said {self.folder}/log")

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    close = stop


@functools.cache
def shared():
    """One server for all tests of this process."""
    server = Postgres().start()
    atexit.register(server.remove)
    return server


def is_gone(pid):
    """Also when nobody has asked how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def start(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    # Its snapshots would keep updates from being HOT.
    server = Postgres(outlives=True, autovacuum="off").start()
    Path(folder, "url").write_text(server.url("postgres"))
    Path(folder, "pid").write_text(f"{server.pid} {server.folder}")


def stop(folder):
    pid, place = Path(folder, "pid").read_text().split()
    os.kill(int(pid), signal.SIGQUIT)
    until(lambda: is_gone(pid), 30, "the end of PostgreSQL")
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](sys.argv[2])
