"""The way out of a box: what is allowed, what a name may lead to, and what hostile requests get."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.work.daemon_kit import until

from coffee_maker.adapters.sandbox import proxy

HOSTS = ("pypi.org", ".github.com", "mirror.lan:8080", "10.1.2.3:9000")


@pytest.mark.parametrize(
    ("host", "port", "verdict"),
    [
        ("pypi.org", 443, True),
        ("PyPI.org.", 80, True),
        ("pypi.org", 22, False),
        ("files.pypi.org", 443, False),
        ("pypi.org.evil.example", 443, False),
        ("evilpypi.org", 443, False),
        ("api.github.com", 443, True),
        ("a.b.github.com", 443, True),
        ("github.com", 443, False),
        ("evilgithub.com", 443, False),
        ("mirror.lan", 8080, None),
        ("mirror.lan", 443, False),
        ("mirror.lan", 80808, False),
        ("10.1.2.3", 9000, None),
        ("10.1.2.3", 443, False),
        ("", 443, False),
    ],
)
def test_what_is_allowed(host: str, port: int, verdict: bool | None) -> None:
    assert proxy.allowed(host, port, HOSTS) is verdict


@pytest.mark.parametrize(
    "host", ["1.2.3.4", "1.2.3.4.", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "::1"]
)
def test_an_address_is_never_allowed_as_a_name(host: str) -> None:
    assert proxy.is_number(host)
    assert proxy.allowed(host, 443, (host, f".{host}")) is False


@pytest.mark.parametrize("host", ["pypi.org", "1password.com", "0x0.st", "a", "3.example"])
def test_what_only_looks_like_one(host: str) -> None:
    assert not proxy.is_number(host)


def leading_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if not addresses:
            raise socket.gaierror(-2, "unknown")
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(proxy.socket, "getaddrinfo", found)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::", "ff02::1"],
)  # fmt: skip
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    leading_to(monkeypatch, address)
    with pytest.raises(proxy.Refused, match="private"):
        proxy.address_of("pypi.org", 443, public=True)
    assert proxy.address_of("mirror.lan", 8080, public=False) == (address, 8080)


def test_the_address_that_was_looked_at_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    leading_to(monkeypatch, "10.0.0.1", "151.101.0.223")
    assert proxy.address_of("pypi.org", 443, public=True) == ("151.101.0.223", 443)
    leading_to(monkeypatch)
    with pytest.raises(proxy.Refused, match="not known"):
        proxy.address_of("pypi.org", 443, public=True)


@pytest.fixture
def service() -> Iterator[tuple[int, list[bytes]]]:
    """Answers each connection by what it was sent; keeps that too."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    data = b""
                    while not data.endswith(b"\r\n\r\n") and (more := one.recv(1000)):
                        data += more
                    heard.append(data)
                    one.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def ask(
    tmp_path: Path, service: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., bytes]]:
    monkeypatch.chdir(tmp_path)
    with proxy._Server("proxy", proxy._Handler) as server:
        server.hosts = (f"localhost:{service[0]}",)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

        def ask(*sent: bytes) -> bytes:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(20)
                one.connect(str(tmp_path / "proxy") if len(str(tmp_path)) < 90 else "proxy")
                for data in sent:
                    one.sendall(data)
                one.shutdown(socket.SHUT_WR)
                answer = b""
                while more := one.recv(10000):
                    answer += more
                return answer

        yield ask
        server.shutdown()


def test_a_plain_request_is_asked_as_the_host_wants_it(
    ask: Callable[..., bytes], service: tuple[int, list[bytes]]
) -> None:
    port, heard = service
    request = (
        f"GET http://localhost:{port}/a?b HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: x\r\nX-Y: z\r\n\r\n"
    )
    assert ask(request.encode()).endswith(b"hello")
    assert heard == [f"GET /a?b HTTP/1.1\r\nHost: localhost:{port}\r\nX-Y: z\r\nConnection: close\r\n\r\n".encode()]


def test_a_tunnel(ask: Callable[..., bytes], service: tuple[int, list[bytes]]) -> None:
    port, heard = service
    answer = ask(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode(), b"raw\r\n\r\n")
    assert (answer.startswith(b"HTTP/1.1 200 "), answer.endswith(b"hello"), heard) == (True, True, [b"raw\r\n\r\n"])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET http://evil.example/ HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n", b"403"),
        (b"GET https://localhost/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"CONNECT localhost:99999 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT localhost HTTP/1.1\r\n\r\n", b"403"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x00\xff\r\n\r\n", b"400"),
        (b"\r\n", b"400"),
        (b"", b"400"),
        (b"GET http://x/ HTTP/1.1\r\nno end", b"400"),
        (b"GET http://x/ HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", b"400"),
    ],
)  # fmt: skip
def test_what_is_refused(ask: Callable[..., bytes], request_: bytes, status: bytes) -> None:
    try:
        answer = ask(request_)
    except (BrokenPipeError, ConnectionResetError):  # it was refused before all of it was read
        return
    assert answer.split(b" ")[1] == status


def test_connections_are_bounded_and_given_back(ask: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy._Server, "places", threading.BoundedSemaphore(2))
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for one in waiting:
        one.connect("proxy")
        one.sendall(b"GET ")  # and no more
    refused = b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n"

    def asked() -> bytes:
        try:
            return ask(refused)
        except (BrokenPipeError, ConnectionResetError):
            return b""

    assert asked() == b""
    for one in waiting:
        one.close()
    until(lambda: asked().startswith(b"HTTP/1.1 403"))


def test_a_host_that_cannot_be_reached_is_told(ask: Callable[..., bytes], service: tuple[int, list[bytes]]) -> None:
    port = service[0]

    def refusing(*_: object) -> socket.socket:
        raise ConnectionRefusedError

    original = proxy.socket.create_connection
    proxy.socket.create_connection = refusing  # type: ignore[assignment]
    try:
        assert ask(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 502 ")
    finally:
        proxy.socket.create_connection = original
    assert os.path.exists("proxy")
