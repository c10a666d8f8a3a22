"""Both ends of a provider's calls: `post` makes one, a `Receiver` takes everything."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from retarget_plugin.channels import WebhookRequest

from .web import Call, Reply, WebFake


def post(url: str, document: Any, *, headers: Mapping[str, str] | None = None) -> int:
    """Send `document` as JSON. Returns the receiver's HTTP status."""
    request = urllib.request.Request(url, data=json.dumps(document).encode(), method="POST")
    for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


class Receiver(WebFake):
    """The shop's end: takes everything."""

    def answer(self, call: Call) -> Reply:
        return Reply(204)

    def request(self, call: Call) -> WebhookRequest:
        """`call` as a gateway gets it."""
        return WebhookRequest(
            method=call.method,
            url=f"{self.url}{call.target}",
            body=call.body,
            headers=call.headers,
            form=call.form,
            at=datetime.fromtimestamp(call.at, tz=UTC),
        )

    def last_request(self) -> WebhookRequest:
        """The latest call."""
        return self.request(self.calls[-1])
