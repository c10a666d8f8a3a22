"""Brevo and Resend, the e-mail providers that take idempotency keys, as far as one message at a time goes."""

from __future__ import annotations

import uuid
from typing import Any

from .web import Call, Reply, WebFake


class BrevoServer(WebFake):
    """`POST /smtp/email`. A key it has taken before gets `duplicate_parameter`. `sent` holds what it took, as posted."""

    token = "brevo-key"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Api-Key") != self.token:
            return Reply(401, {"code": "unauthorized", "message": "Key not found"})
        key = call.document["headers"].get("idempotencyKey")
        if key and any(sent["headers"].get("idempotencyKey") == key for sent in self.sent):
            return Reply(400, {"code": "duplicate_parameter", "message": "Idempotency key has been used"})
        self.sent.append(call.document)
        return Reply(201, {"messageId": f"<{uuid.uuid4().hex}@smtp-relay.example>"})


class ResendServer(WebFake):
    """`POST /emails`. A key it has taken before gets the same answer, or a conflict when the message differs."""

    token = "resend-key"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self._taken: dict[str, tuple[bytes, Reply]] = {}

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, {"statusCode": 401, "name": "missing_api_key", "message": "Missing API key"})
        key = call.headers.get("Idempotency-Key", "")
        if key in self._taken:
            body, reply = self._taken[key]
            return reply if body == call.body else _conflict()
        self.sent.append(call.document)
        reply = Reply(200, {"id": str(uuid.uuid4())})
        if key:
            self._taken[key] = (call.body, reply)
        return reply


def _conflict() -> Reply:
    words = "This idempotency key has been used on this account with a different request payload"
    return Reply(409, {"statusCode": 409, "name": "invalid_idempotent_request", "message": words})
