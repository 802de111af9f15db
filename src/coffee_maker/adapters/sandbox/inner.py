"""The first program in a box: ``inner.py PROCESSES CONTROL PORTS program argument…``, standard library only.

It bounds the number of processes (of a user other than root, whom the kernel does not bound so), and where there is a
socket ``proxy`` in CONTROL, it opens a port on the box's own loopback that leads there, and tells the program of it by
the usual variables. PORTS (comma separated, ``-``: none) are ports of the host's own loopback that the settings allow:
they get a port of the same number here, for programs that do not ask a proxy for ``localhost``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

_CHUNK = 65536
_CANNOT_START = 127
_LOOPBACK = "127.0.0.1"


def main(argv: list[str]) -> None:
    processes, control, ports, program = int(argv[1]), argv[2], argv[3], argv[4:]
    path = os.path.join(control, "proxy")
    if os.path.exists(path):
        _open_way_out(path, [int(port) for port in ports.split(",") if port.isdigit()])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # bwrap had to be kept from ending at once
    if processes:
        import resource  # a container's smallest Python does not have it, and needs it not

        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    try:
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        os.write(2, f"{program[0]}: {error.strerror}\n".encode())
    os._exit(_CANNOT_START)


def _open_way_out(path: str, ports: list[int]) -> None:
    """Start the forwarder, as no child of the program's, and say in the environment where it is."""
    listening = {port: _listen(port) for port in (0, *ports)}
    number = listening[0].getsockname()[1]
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            _forward(path, listening)
        os._exit(0)
    os.waitpid(child, 0)
    for one in listening.values():
        one.close()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ[name] = f"http://{_LOOPBACK}:{number}"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"
    os.environ["NODE_USE_ENV_PROXY"] = "1"  # node's own fetch asks for this


def _listen(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((_LOOPBACK, port))
    one.listen(64)
    return one


def _forward(path: str, listening: dict[int, socket.socket]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # the streams are the program's
        os.dup2(nothing, fd)
    for port, one in listening.items():
        threading.Thread(target=_accept, args=(one, path, port)).start()
    signal.pause()


def _accept(listening: socket.socket, path: str, port: int) -> None:
    while True:
        near, _ = listening.accept()
        threading.Thread(target=_connect, args=(near, path, port), daemon=True).start()


def _connect(near: socket.socket, path: str, port: int) -> None:
    far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with near, far:
        try:
            far.connect(path)
            if port:
                far.sendall(f"CONNECT {_LOOPBACK}:{port} HTTP/1.1\r\n\r\n".encode())
                if not _is_open(far):
                    return
        except OSError:
            return
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join()


def _is_open(far: socket.socket) -> bool:
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = far.recv(1)
        if not byte:
            return False
        answer += byte
    return b" 200 " in answer


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv)
