"""Brevo's transactional SMS, API v3: sends, and the calls of its webhooks, which nothing signs."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from . import webhooks
from .twilio import segments
from .web import Call, Reply, WebFake

CREDITS_A_SEGMENT = 0.35
#: Last digits of a number -> (status, code, words) it is refused with.
REFUSALS = {
    "0001": (400, "invalid_parameter", "Invalid telephone number {to}"),
    "0015": (402, "not_enough_credits", "Your account has insufficient SMS credits"),
}

_GSM7 = re.compile(r"[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !-#¤%-?¡A-ZÄÖÑÜ§¿a-zäöñüà\f^{}\\\[~\]|€]")


class BrevoServer(WebFake):
    """One account. `sent` holds what it accepted, with the letters that really go out."""

    api_key = "xkeysib-0123456789abcdef-secret"

    def __init__(self, *, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.sent: list[dict[str, Any]] = []
        self.credits = 100.0
        #: Where an account's own webhook goes, and the header it was told to show.
        self.webhook: tuple[str, dict[str, str]] | None = None
        self._ids = itertools.count(1511882900176220)

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Api-Key") != self.api_key:
            return _error(401, "unauthorized", "Key not found")
        if call.path != "/v3/transactionalSMS/sms":
            return _error(404, "document_not_found", "Invalid route")
        if call.method != "POST":
            return _error(405, "method_not_allowed", "POST method required")
        return self._send(call.document)

    def report(self, message_id: str, status: str, **fields: Any) -> int:
        """Tell the message's `webUrl`, else the account's webhook, of a status. Returns the receiver's HTTP status."""
        message = next(each for each in self.sent if str(each["messageId"]) == message_id)
        url, headers = (message["webUrl"], {}) if message.get("webUrl") else self.webhook or ("", {})
        document = {
            "id": 73,
            "to": message["recipient"],
            "sms_count": message["smsCount"],
            "credits_used": message["usedCredits"],
            "messageId": message["messageId"],
            "remaining_credit": self.credits,
            "msg_status": status,
            "date": "2026-11-24 10:00:00",
            "type": message["type"],
            "reference": {"1": message["reference"]},
            "tag": message["tag"],
        }
        return webhooks.post(url, document | fields, headers=headers)

    def _send(self, text: dict[str, Any]) -> Reply:
        to, sender, content = (str(text.get(name, "")) for name in ("recipient", "sender", "content"))
        if not (to and sender and content):
            return _error(400, "missing_parameter", "sender, recipient or content is missing")
        if not re.fullmatch(r"[1-9][0-9]{6,14}", to):
            return _error(400, "invalid_parameter", f"Invalid telephone number {to}")
        if not re.fullmatch(r"[A-Za-z0-9]{1,11}|[0-9]{1,15}", sender):
            return _error(400, "invalid_parameter", "Sender is invalid")
        if text.get("type") == "marketing" and "[STOP_CODE]" not in content:
            return _error(400, "invalid_parameter", "Marketing SMS must contain the stop code")
        if to[-4:] in REFUSALS:
            status, code, words = REFUSALS[to[-4:]]
            return _error(status, code, words.format(to=to))
        # Without the flag, what the alphabet does not have is lost.
        shown = content if text.get("unicodeEnabled") else "".join(map(_gsm7, content))
        count = segments(shown)
        answer = {
            "reference": f"ref{len(self.sent):017d}",
            "messageId": next(self._ids),
            "smsCount": count,
            "usedCredits": round(count * CREDITS_A_SEGMENT, 2),
            "remainingCredits": self.credits,
        }
        is_marketing = "[STOP_CODE]" in content
        self.sent.append({**text, **answer, "content": shown, "type": "marketing" if is_marketing else "transactional"})
        return Reply(201, answer)


def _gsm7(character: str) -> str:
    return character if _GSM7.fullmatch(character) else "?"


def _error(status: int, code: str, words: str) -> Reply:
    return Reply(status, {"code": code, "message": words})
