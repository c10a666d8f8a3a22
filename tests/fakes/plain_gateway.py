"""A provider like many: one JSON call, a bearer token, and idempotency keys if told so."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .web import Call, Reply, WebFake


class PlainGatewayServer(WebFake):
    """`POST /v1/messages` with {"message": {"to", "text", "ref", "callback"}}. `sent` holds what it accepted.

    With `keeps_keys`, a repeated Idempotency-Key gets the first answer again and sends nothing.
    """

    token = "plain-gateway-token"

    def __init__(self, *, keeps_keys: bool = False, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.keeps_keys = keeps_keys
        self.sent: list[dict[str, Any]] = []
        self._answers: dict[str, Reply] = {}
        # Whether the call at hand became a message of its own.
        self._is_taken = False

    def facts(self, call: Call) -> Mapping[str, object]:
        is_taken, self._is_taken = self._is_taken, False
        return {
            "to": call.document["message"]["to"],
            "key": call.headers.get("Idempotency-Key", ""),
            "is_taken": is_taken,
        }

    def forget_keys(self) -> None:
        """What happens to every key one day: repeated, it would send again."""
        self._answers.clear()

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, {"error": {"code": "bad_token"}})
        key = call.headers.get("Idempotency-Key", "")
        if self.keeps_keys and key in self._answers:
            return self._answers[key]
        message = call.document["message"]
        if message["to"].endswith("0001"):
            return Reply(422, {"error": {"code": "invalid_number", "message": f"{message['to']} is no number"}})
        if message["to"].endswith("0004"):
            return Reply(422, {"error": {"code": "opted_out"}})
        if message["to"].endswith("0015"):
            return Reply(402, {"error": {"code": "no_balance"}})
        found = {**message, "id": uuid.uuid4().hex}
        self.sent.append(found)
        self._is_taken = True
        reply = Reply(201, {"messages": [{"id": found["id"], "state": "queued"}]})
        self._answers[key] = reply
        return reply
