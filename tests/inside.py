"""Addresses by which a call would stay inside: at this machine, its neighbors, or what clouds tell only to their own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

#: Anybody's to reach, and never reached: `Net` lets no connection leave.
PUBLIC = "93.184.215.14"

SCHEMES = ("http", "https", "ftp", "file", "gopher")
HOSTS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost", "localhost.", "LOCALHOST",  # noqa: S104
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "127.0.0.1.example.com", "10.0.0.1",
    "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "169.254.169.254", "[fd00:ec2::254]",
    "metadata.internal", "①②⑦.⓪.⓪.①",
]  # fmt: skip
#: Further ones, for plain HTTP only.
RARE_HOSTS = [
    "0", "127.0.0.1.", "127。0。0。1", "127%2e0%2e0%2e1", "127.0.0.1%00.public.example", "sub.localhost", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.192", "100.100.100.200", "168.63.129.16", "[::127.0.0.1]",
    "[2002:7f00:1::]", "[64:ff9b:1::7f00:1]", "[fec0::1]", "[ff02::1]", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]",
]  # fmt: skip
#: Name -> what it resolves to at the first time, the second and so on; the last stays.
NAMES = {
    "public.example": [[PUBLIC]],
    "127.0.0.1.example.com": [["127.0.0.1"]],
    "metadata.internal": [["169.254.169.254"]],
    "loopback.example": [["127.0.0.1"]],
    "neighbor.example": [["10.0.0.1"]],
    "six.example": [["::1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "translated.example": [["64:ff9b::7f00:1"]],
    "either.example": [[PUBLIC, "127.0.0.1"]],
    "or.example": [["127.0.0.1", PUBLIC]],
    "rebinding.example": [[PUBLIC], ["127.0.0.1"]],
    "later.example": [[PUBLIC], [PUBLIC], ["127.0.0.1"]],
}


def urls(port: int) -> list[str]:
    """All of them, for a listener at `port` of 127.0.0.1."""
    return [
        *(f"{scheme}://{host}:{port}/graphql/" for scheme in SCHEMES for host in HOSTS),
        *(f"http://{host}:{port}/" for host in RARE_HOSTS),
        *(f"{scheme}://{name}:{port}/" for scheme in ("http", "https") for name in NAMES),
        f"http://user:password@127.0.0.1:{port}/graphql/",
        f"http://user@127.0.0.1:{port}/",
        f"http://public.example@127.0.0.1:{port}/",
        f"http://public.example:80\\@127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}\\@public.example/",
        f"http://127.0.0.1:{port}#@public.example/",
        f"http://127.0.0.1:{port}?@public.example/",
        f"HTTP://127.0.0.1:{port}/",
        f"http:127.0.0.1:{port}/",
        f"http:///127.0.0.1:{port}/",
        f"//127.0.0.1:{port}/",
        f" http://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}\t/",
        f"http://127.0.0.1\r\n:{port}/",
        *(f"http://127.0.0.1{odd}/" for odd in ("", ":", ":0", ":22", ":-1", ":65536", ":٨٠")),
        "http://[::1/",
        "http://10.0.0.1:6379/",
        "",
    ]


class Net:
    """The world as this process sees it: NAMES and nothing else resolves, and only this machine answers.

    `attempts` are the addresses that a connection was asked for, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attempts: list[str] = []
        self._asked: dict[str, int] = {}
        self._resolve, self._connect = socket.getaddrinfo, socket.socket.connect
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)
        monkeypatch.setattr(socket.socket, "connect", self._attempt())

    def forget(self) -> None:
        """Every name resolves as at the first time again."""
        self._asked.clear()

    def _answer(self, host: Any, port: Any, *kind: Any, **options: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in NAMES:
            flags = 0 if name.rstrip(".").lower() == "localhost" else socket.AI_NUMERICHOST
            return list(self._resolve(host, port, *kind, **options | {"flags": flags}))
        answers, place = NAMES[name], self._asked.get(name, 0)
        self._asked[name] = place + 1
        found = answers[min(place, len(answers) - 1)]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    def _attempt(self) -> Callable[[socket.socket, Any], None]:
        def connect(opened: socket.socket, address: Any) -> None:
            self.attempts.append(address[0])
            if address[0] not in ("127.0.0.1", "::1"):
                raise ConnectionRefusedError
            self._connect(opened, address)

        return connect
