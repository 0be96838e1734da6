"""Proxies of Debian before a server, with the configurations that tests give them."""
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

from . import tls
from .wait import until

MODULES = ["mpm_event", "authz_core", "ssl", "socache_shmcb", "headers", "http2", "proxy", "proxy_http", "env", "filter", "deflate"]
APACHE = """ServerRoot /etc/apache2
PidFile {folder}/pid
Mutex file:{folder}
ErrorLog /dev/stderr
{modules}
{user}
Listen 127.0.0.1:{port}
{text}"""


def as_root():
    return os.geteuid() == 0


def nginx(folder, text, port):
    """`text` is what a site has inside of http { }."""
    del port
    temporary = "".join(f"{kind}_temp_path {folder};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if as_root() else ""   # otherwise the workers could not read our files
    (folder / "nginx.conf").write_text(f"daemon off;\npid {folder}/pid;\nerror_log stderr;\n{user}events {{}}\n"
                                       f"http {{\naccess_log off;\n{temporary}{text}}}\n")
    return ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"]


def caddy(folder, text, port):
    del port
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]


def haproxy(folder, text, port):
    del port
    (folder / "haproxy.cfg").write_text(text)
    return ["/usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg"]


def apache(folder, text, port):
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
    user = "User www-data\nGroup www-data" if as_root() else ""
    (folder / "apache.conf").write_text(APACHE.format(folder=folder, port=port, modules=modules, user=user, text=text))
    return ["/usr/sbin/apache2", "-DFOREGROUND", "-f", folder / "apache.conf"]


def answers(address):
    with contextlib.suppress(OSError, ssl.SSLError):
        with tls.secure(socket.create_connection(address, 2), address):
            return True
    return False


@contextlib.contextmanager
def folder_for_all():
    """A folder that every user can reach: a proxy that is started by root runs as another one."""
    made = Path(tempfile.mkdtemp(prefix="joblight-proxy-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextlib.contextmanager
def running(command, folder, address, pair=None):
    """Runs the proxy until the end of the block; `pair`: its certificate."""
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=home)
    if pair:
        tls.secured[address] = pair.trusting()
    try:
        until(lambda: process.poll() is not None or answers(address), 30, f"{command[0]} to listen")
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        tls.secured.pop(address, None)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
