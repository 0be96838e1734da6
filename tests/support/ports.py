"""Ports of the loopback address."""
import contextlib
import socket


def free_port():
    """One that nothing uses now."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]


def takes_connections(port):
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
