"""The end of NOTIFY_SOCKET at which systemd listens: sd_notify(3)."""
import socket

from .wait import Deadline, readable


class NotifySocket:
    """Messages as they come; `abstract`: the socket has no file."""

    def __init__(self, folder, abstract=False):
        self.name = f"@joblight-test-{folder.name}-{id(self)}" if abstract else str(folder / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.name.replace("@", "\0", 1))

    def close(self):
        self.socket.close()

    def message(self, within=10):
        """The next message: its fields, and the process that sent it."""
        readable(self.socket, Deadline(within, "a message to NOTIFY_SOCKET"))
        data, ancillary, _, _ = self.socket.recvmsg(4096, 64)
        pid = int.from_bytes(ancillary[0][2][:4], "little")
        return dict(line.split("=", 1) for line in data.decode().split("\n") if line), pid

    def until(self, name, within=10):
        """The next message with this field."""
        while True:
            fields, pid = self.message(within)
            if name in fields:
                return fields, pid

    def drain(self):
        """Discards what has come."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            self.socket.setblocking(True)

    def silent_for(self, seconds):
        """Whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(None)
