"""Telling another system something: one signed POST, as the Standard Webhooks specification has it."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import requests

from retarget_plugin.domain.messages import Outcome

from .sms.transport import Answer, Transport

CONNECT_SECONDS, READ_SECONDS = 3.05, 5.0


def post(url: str, document: Mapping[str, Any], *, key: str, secret: str, now: datetime) -> Answer | Outcome:
    """The other side's answer, whatever its status; or the Outcome of not getting one.

    `key` is the same for every try of one call, so that the other side can tell a repetition. `secret`: both sides know it.
    """
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    seconds = str(int(now.timestamp()))

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        request.headers["Content-Type"] = "application/json"
        request.headers["Webhook-Id"] = key
        request.headers["Webhook-Timestamp"] = seconds
        request.headers["Webhook-Signature"] = signature(body, key=key, seconds=seconds, secret=secret)
        return request

    return _transport().call("POST", url, authorize=sign)


def signature(body: bytes, *, key: str, seconds: str, secret: str) -> str:
    """ "v1," and the HMAC-SHA256 of "key.seconds.body", base64 (standardwebhooks.com, "Signature scheme")."""
    mac = hmac.digest(secret_bytes(secret), f"{key}.{seconds}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


def secret_bytes(secret: str) -> bytes:
    """A secret as the specification writes it, "whsec_" and base64; any other text stands for its own bytes."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


@cache
def _transport() -> Transport:
    return Transport(connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)
