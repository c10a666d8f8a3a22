"""Postmark's e-mail API, as far as one message at a time goes: POST /email."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from .web import Call, Reply, WebFake

INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\n"
    "Found inactive addresses: {address}.\n"
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
)


class PostmarkServer(WebFake):
    """Accepts what carries the right server token. `sent` holds the messages it took, as posted, with their MessageID.

    Addresses in `inactive` are refused with ErrorCode 406, those without an @ with 300, as Postmark does, by HTTP 422.
    """

    def __init__(self, *, token: str = "postmark-token", journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.token = token
        self.inactive: set[str] = set()
        self.sent: list[dict[str, Any]] = []

    def answer(self, call: Call) -> Reply:
        if call.headers.get("X-Postmark-Server-Token") != self.token:
            return _error(
                401, 10, "The Server Token you provided in the X-Postmark-Server-Token request header was invalid."
            )
        if (call.method, call.path) != ("POST", "/email"):
            return Reply(404, body=b"")
        message = call.document
        recipient = str(message.get("To", ""))
        if recipient.count("@") != 1:
            return _error(422, 300, f"Invalid 'To' address: '{recipient}'.")
        if recipient.lower() in self.inactive:
            return _error(422, 406, INACTIVE.format(address=recipient.lower()))
        if not message.get("HtmlBody") and not message.get("TextBody"):
            return _error(422, 300, "Provide either email TextBody or HtmlBody or both.")
        message_id = str(uuid.uuid4())
        self.sent.append({**message, "MessageID": message_id})
        return Reply(
            200,
            {
                "To": recipient,
                "SubmittedAt": "2026-01-01T00:00:00.0000000Z",
                "MessageID": message_id,
                "ErrorCode": 0,
                "Message": "OK",
            },
        )


def _error(status: int, code: int, words: str) -> Reply:
    return Reply(status, {"ErrorCode": code, "Message": words})
