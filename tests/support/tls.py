"""TLS for the tests: certificates made with openssl, and sockets that speak it.

With JOBLIGHT_TEST_TLS=1 every server speaks TLS with a certificate of the run's own, and every
client here does so too, so that the suites run over TLS as they are.
"""
import atexit
import functools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

EVERYWHERE = os.environ.get("JOBLIGHT_TEST_TLS") == "1"
NAME = "joblight.test"
secured = {}  # address of a server: what its clients trust


class Pair:
    """A certificate and its key, in files."""

    def __init__(self, certificate, key):
        self.certificate, self.key = Path(certificate), Path(key)

    def flags(self):
        return {"tls_cert": str(self.certificate), "tls_key": str(self.key)}

    def trusting(self):
        return context(self.certificate)


def make(folder, *names, days=30, stem="server", kind=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), ended=0, usage=None):
    """A self-signed certificate for these names; `ended`: so many days ago; `usage`: of its key."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / f"{stem}.pem", folder / f"{stem}.key")
    names = names or (NAME,)
    listed = ",".join(f"{'IP' if name[0].isdigit() or ':' in name else 'DNS'}:{name}" for name in names)
    past = ["faketime", "-f", f"-{days + ended}d"] if ended else []
    subprocess.run([*past, "openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", pair.key,
                    "-out", pair.certificate, "-days", str(days), "-subj", f"/CN={names[0]}",
                    "-addext", f"subjectAltName={listed}", *(["-addext", f"keyUsage=critical,{usage}"] if usage else [])],
                   check=True, capture_output=True)
    return pair


def signed(folder, name, by, *extensions):
    """A certificate with these extensions (x509v3_config(5)) that another pair has signed."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pair.key,
                    "-out", folder / "csr", "-subj", f"/CN={name}"], check=True, capture_output=True)
    (folder / "ext").write_text("".join(line + "\n" for line in extensions))
    subprocess.run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial",
                    "-days", "5", "-extfile", folder / "ext", "-out", pair.certificate], check=True, capture_output=True)
    return pair


@functools.lru_cache
def everywhere():
    """The pair of the whole run."""
    folder = tempfile.mkdtemp(prefix="joblight-tls-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make(folder, NAME, "127.0.0.1", "localhost")


@functools.lru_cache
def context(certificate, protocols=("http/1.1",)):
    made = ssl.create_default_context(cafile=str(certificate))
    made.set_alpn_protocols(list(protocols))
    return made


def secure(sock, address, name=NAME):
    """The socket, in TLS if the server at this address speaks it."""
    trusted = None if isinstance(address, str) else secured.get(tuple(address[:2]))
    return trusted.wrap_socket(sock, server_hostname=name) if trusted else sock


def has_pending(sock):
    """Bytes have been read from the socket, and not from TLS yet."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def end_output(sock):
    """Ends our side of the socket; that of TLS stays open."""
    socket.socket.shutdown(sock, socket.SHUT_WR)
