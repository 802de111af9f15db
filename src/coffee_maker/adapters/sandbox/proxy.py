"""The only way out of a box: an HTTP proxy on a unix socket that lets through to the allowed hosts and nobody else.

Run as a script, outside the box: ``proxy.py DIRECTORY HOST…``; it makes the socket ``proxy`` there and writes a line
when it listens. Standard library only.

- ``name.example`` allows that very name, ``.example`` every name below it (not ``example`` itself), both on ports 80
  and 443 and at public addresses only: a name that leads to a private, loopback or link-local address (the cloud's
  metadata among them) is refused, and so is an address that is written as a number.
- ``name:8080`` allows that very name (or number) and port, wherever it leads: who writes a port names a service of
  their own, such as a mirror or a model on the same machine.

Names are looked up here, once, and the address that was looked at is the one that is connected to.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

_LONGEST_HEAD = 65536
_CHUNK = 65536
_CONNECTING = 15.0  # seconds
_CONNECTIONS = 256
_IDLE = 3600.0  # seconds in which nothing comes from either side
_PORTS = (80, 443)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?")  # every way in which inet_aton reads one


class Refused(Exception):
    """Not allowed, or not to be reached: the status line's end."""


def main(argv: list[str]) -> None:
    os.chdir(argv[1])  # the name of a socket is bounded to about a hundred bytes
    with suppress(FileNotFoundError):
        os.unlink("proxy")
    with _Server("proxy", _Handler) as server:
        os.chmod("proxy", 0o600)
        server.hosts = tuple(argv[2:])
        print("ready", flush=True)
        server.serve_forever()


class _Server(socketserver.ThreadingUnixStreamServer):
    """It stands outside the box and its limits, so it has one of its own: connections beyond it are closed at once."""

    daemon_threads = True
    request_queue_size = 64
    hosts: Sequence[str] = ()
    places = threading.BoundedSemaphore(_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()


def allowed(host: str, port: int, hosts: Sequence[str]) -> bool | None:
    """Whether it may be reached: True at public addresses only, None wherever it is."""
    name = host.lower().rstrip(".")
    if any(name == entry.rpartition(":")[0].lower() and entry.endswith(f":{port}") for entry in hosts):
        return None
    if port not in _PORTS or is_number(name):
        return False
    return any(
        name.endswith(entry.lower()) and name != entry.lower() if entry.startswith(".") else name == entry.lower()
        for entry in hosts
    )


def is_number(name: str) -> bool:
    """Whether a host is written as an address, in any of the forms that a resolver takes for one."""
    return ":" in name or _NUMBER.fullmatch(name) is not None


def address_of(host: str, port: int, *, public: bool) -> tuple[str, int]:
    """The address to connect to; raises `Refused` when there is none that may be."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Refused("502 Its name is not known") from None
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        inner = getattr(address, "ipv4_mapped", None) or address
        if not public or (inner.is_global and not inner.is_multicast):
            return str(place[0]), port
    raise Refused("403 It is at a private address")


class _Handler(socketserver.StreamRequestHandler):
    """One connection from the box: one request, and then bytes both ways."""

    def handle(self) -> None:
        try:
            head = self._head()
            method, target, version = head[0].split(" ")
            host, port = _where(method, target)
            verdict = allowed(host, port, self.server.hosts)  # type: ignore[attr-defined]
            if verdict is False:
                raise Refused("403 Not in [agent] network")
            address = address_of(host, port, public=verdict is not None)
            far = socket.create_connection(address, _CONNECTING)
        except Refused as refused:
            self._answer(str(refused))
            return
        except (ValueError, UnicodeError):
            self._answer("400 Not a request")
            return
        except OSError:
            self._answer("502 It cannot be reached")
            return
        with far:
            if method == "CONNECT":
                self._answer("200 Connected")
            else:
                far.sendall(_without_proxy(method, target, version, head[1:]))
            self._join(far)

    def _head(self) -> list[str]:
        """The request's first line and its headers."""
        lines, size = [], 0
        while True:
            line = self.rfile.readline(_LONGEST_HEAD)
            size += len(line)
            if not line.endswith(b"\n") or size > _LONGEST_HEAD:
                raise ValueError("no end")
            if line in (b"\r\n", b"\n"):
                break
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        if not lines:
            raise ValueError("nothing")
        return lines

    def _answer(self, status: str) -> None:
        closing = "" if status.startswith("200") else "Content-Length: 0\r\nConnection: close\r\n"
        with suppress(OSError):
            self.wfile.write(f"HTTP/1.1 {status}\r\n{closing}\r\n".encode())

    def _join(self, far: socket.socket) -> None:
        far.settimeout(_IDLE)
        self.connection.settimeout(_IDLE)
        back = threading.Thread(target=_copy, args=(far.recv, self.connection), daemon=True)
        back.start()
        _copy(self.rfile.read1, far)  # what came with the head is in its buffer
        back.join()


def _where(method: str, target: str) -> tuple[str, int]:
    """Host and port of a request; raises `ValueError`."""
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    if not parts.hostname or (method != "CONNECT" and parts.scheme != "http"):
        raise ValueError(target)
    port = parts.port
    if port is None:
        port = 443 if method == "CONNECT" else 80
    return parts.hostname, port


def _without_proxy(method: str, target: str, version: str, headers: list[str]) -> bytes:
    """The request as the host itself is asked, without what is for the proxy. `Host` is the one that was allowed, so
    that a server of many names cannot be asked for another."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    dropped = ("proxy-", "connection:", "keep-alive:", "host:")
    kept = [line for line in headers if not line.lower().startswith(dropped)]
    host = parts.netloc.rpartition("@")[2]
    lines = [f"{method} {path} {version}", f"Host: {host}", *kept, "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _copy(read: object, target: socket.socket) -> None:
    with suppress(OSError):
        while data := read(_CHUNK):  # type: ignore[operator]
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv)
