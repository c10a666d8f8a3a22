"""What a real Saleor 3.24 has sent, byte for byte, and the installation that it spoke to."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from retarget_plugin.engine import vault
from retarget_plugin.models import SaleorApp

FOLDER = Path(__file__).parent / "vectors" / "saleor"
API_URL = "http://127.0.0.1:58000/graphql/"
APP_ID = "QXBwOjE="
TOKEN = "captured-token-of-a-dead-server"
CHECKOUT = "Q2hlY2tvdXQ6ZmRiN2I3MDYtMWVmZi00MTgyLWIwY2YtNzE3OGQxZDgzYjFi"
ORDER = "T3JkZXI6NWI5ZjhiMDMtMDk5NS00MGFlLWI2ZDEtNGU0OGUxMzhhNTAz"
#: A minute after the last of them.
NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Capture:
    """One webhook. `name` is that of its file."""

    name: str
    event: str
    signature: str
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)

    def with_(self, **changes: Any) -> Capture:
        return replace(self, **changes)


@cache
def captures() -> tuple[Capture, ...]:
    """All webhooks, in the order in which they came."""
    found = []
    for path in sorted(FOLDER.glob("0*.json")):
        told = json.loads(path.read_text())
        headers = dict(told["headers"])
        if "Saleor-Event" in headers:
            body = told["body_raw"].encode()
            found.append(Capture(path.stem, headers["Saleor-Event"], headers["Saleor-Signature"], body))
    return tuple(found)


def capture(number: str) -> Capture:
    return next(each for each in captures() if each.name.startswith(number))


def jwks() -> dict[str, Any]:
    return json.loads((FOLDER / "jwks.json").read_text())


def configure(settings: Any, **options: Any) -> None:
    """The host "saleor" is the one the captures are of; `options` are others of its OPTIONS."""
    changed = copy.deepcopy(django_settings.RETARGET)
    entry = {
        "BACKEND": "retarget_plugin.hosts.saleor.SaleorHost",
        "OPTIONS": {"api_url": API_URL, "storefront_url": "https://shop.example", **options},
    }
    settings.RETARGET = {**changed, "HOSTS": {"saleor": entry}}


def install(**changes: Any) -> SaleorApp:
    """The app as that Saleor had it, its keys asked for this moment."""
    facts = {
        "host": "saleor",
        "api_url": API_URL,
        "app_id": APP_ID,
        "token": vault.lock(TOKEN),
        "jwks": jwks(),
        "keys_asked_at": NOW,
        "changed_at": datetime(2026, 11, 22, 2, 0, tzinfo=UTC),
    }
    return SaleorApp.objects.create(**{**facts, **changes})


def send(client: Client, told: Capture, *, alias: str = "saleor", **headers: str) -> int:
    """POST it to the real address; a header that is "" is left out. Answers the status."""
    all_headers = {
        "Saleor-Event": told.event,
        "Saleor-Domain": "127.0.0.1:58000",
        "Saleor-Signature": told.signature,
        "Saleor-Api-Url": API_URL,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return client.post(
        reverse("retarget_plugin:saleor_webhooks", args=[alias]),
        data=told.body,
        content_type="application/json",
        headers={name: value for name, value in all_headers.items() if value},
    ).status_code
