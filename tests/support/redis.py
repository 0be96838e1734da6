"""A private Redis: its own folder and a port that nobody else uses; it keeps nothing on disk.

    server = Redis(folder).start()
    server.url                          # for --bus
    server.say("CLIENT", "LIST")        # what redis-cli prints
    server.pause(), server.resume()      # it neither answers nor closes anything
    server.stop()
"""
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .ports import free_port
from .wait import until


class Redis:
    def __init__(self, folder=None, addresses=("127.0.0.1",), **settings):
        assert shutil.which("redis-server"), "Redis is not installed: apt-get install redis-server"
        self.folder = Path(folder or tempfile.mkdtemp(prefix="joblight-redis-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = {"bind": " ".join(addresses), "save": "", "appendonly": "no", "daemonize": "no", **settings}
        self.port = free_port()
        self.process = None

    def command(self):
        words = [word for name, value in self.settings.items() for word in ("--" + name.replace("_", "-"), value)]
        return ["redis-server", "--port", str(self.port), "--dir", str(self.folder), *words]

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(lambda: self.process.poll() is not None or "PONG" in self.say("PING"), 30, "Redis to answer")
        assert self.process.poll() is None, f"Redis does not start:\n{self.log()}"
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def url_at(self, host):
        return f"redis://{host}:{self.port}"

    @property
    def tls_url(self):
        """Of one that was made with speaking_tls()."""
        return self.tls_url_at("127.0.0.1")

    def tls_url_at(self, host):
        return f"rediss://{host}:{self.settings['tls_port']}"

    def say(self, *words):
        secret = ["-a", self.settings["requirepass"], "--no-auth-warning"] if "requirepass" in self.settings else []
        done = subprocess.run(["redis-cli", "-p", str(self.port), *secret, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=30)
        return (done.stdout + done.stderr).strip()

    def log(self):
        return (self.folder / "log").read_text()


def speaking_tls(pair, trusted=None, **settings):
    """A Redis with this certificate on a port of its own; `trusted`: its clients must show one that this has signed."""
    return Redis(tls_port=str(free_port()), tls_cert_file=str(pair.certificate), tls_key_file=str(pair.key),
                 tls_ca_cert_file=str((trusted or pair).certificate), tls_auth_clients="yes" if trusted else "no", **settings)
