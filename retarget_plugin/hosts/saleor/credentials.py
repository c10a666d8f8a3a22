"""What a Saleor instance is talked to with. The engine keeps it encrypted; `apps.py` puts its reader into the slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Credentials:
    """One installation of our app. `jwks`: the public keys of the instance, as its own origin publishes them.

    Neither the token nor the keys are shown by `repr`.
    """

    api_url: str
    token: str = field(repr=False)
    app_id: str = ""
    jwks: Mapping[str, Any] = field(default_factory=dict, repr=False)


Reader = Callable[[str], Credentials | None]

_slot: list[Reader] = []


def read_with(reader: Reader) -> None:
    """Where installations are kept, from now on."""
    _slot[:] = [reader]


def find(api_url: str) -> Credentials | None:
    """The installation at `api_url`; None where the app is not installed, or is no longer active."""
    return _slot[0](api_url) if _slot else None
