"""OVHcloud's SMS API 1.0: its time, signed calls, jobs, the blacklist, what was sent, and unsigned reports."""

from __future__ import annotations

import hashlib
import itertools
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from .twilio import segments
from .web import Call, Reply, WebFake

#: Numbers that end like this are no receivers.
INVALID = "0001"
#: What OVH adds to a text whose senders it lets people stop: 11 characters.
STOP_CLAUSE = "STOP 361111"
#: Seconds that a signed call may take to arrive.
SIGNATURE_LIFE = 60


class OvhServer(WebFake):
    """One service. `sent` holds the entries of its outgoing history, in order; `jobs` the bodies they came by.

    `ahead`: seconds by which OVH's clock is ahead of this machine's. A signature of another time is refused. Numbers in
    `blacklist` are told like invalid ones, unless the text has no STOP clause.
    """

    service_name = "sms-ab12345-1"
    application_key = "ovhApplicationKey"
    application_secret = "ovh-application-secret-0123456789"
    consumer_key = "ovh-consumer-key-0123456789abcdef"

    def __init__(self, *, journal: Path | None = None) -> None:
        super().__init__(journal=journal)
        self.sent: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.blacklist: set[str] = set()
        self.ahead = 0.0
        self.credits = 1000.0
        self.callbacks: list[int] = []
        self._ids = itertools.count(10867690)

    def answer(self, call: Call) -> Reply:
        if (call.method, call.path) == ("GET", "/1.0/auth/time"):
            return Reply(200, int(time.time() + self.ahead))
        refusal = self._refusal(call)
        if refusal is not None:
            return refusal
        found = re.fullmatch(rf"/1\.0/sms/{self.service_name}(?:/(\w+)(?:/([^/]+))?)?", call.path)
        match call.method, *(found.groups() if found else ()):
            case "POST", "jobs", None:
                return self._send(call.document)
            case "GET", "outgoing", str() as name:
                return next((Reply(200, each) for each in self.sent if str(each["id"]) == name), _missing())
            case "GET", "blacklists", str() as number:
                is_listed = unquote(number) in self.blacklist
                document = {"number": unquote(number), "dateCreation": "2026-11-01T10:00:00+01:00"}
                return Reply(200, document) if is_listed else _missing()
            case "GET", None, None:
                return Reply(200, {"name": self.service_name, "creditsLeft": self.credits})
        return _missing()

    def report(self, url: str, gateway_id: str, ptt: int, *, description: int = 1) -> int:
        """Note what became of a text and tell the service's callback. Returns the receiver's HTTP status."""
        entry = next(each for each in self.sent if str(each["id"]) == gateway_id)
        entry |= {"ptt": ptt, "deliveryReceipt": description}
        fields = {"id": gateway_id, "ptt": ptt, "date": "20261124100000", "description": description}
        try:
            with urllib.request.urlopen(f"{url}?{urlencode(fields)}", timeout=10) as response:
                status = int(response.status)
        except urllib.error.HTTPError as error:
            status = int(error.code)
        self.callbacks.append(status)
        return status

    def _refusal(self, call: Call) -> Reply | None:
        timestamp = call.headers.get("X-Ovh-Timestamp", "")
        parts = (
            self.application_secret,
            self.consumer_key,
            call.method,
            f"{self.url}{call.target}",
            call.body.decode(),
            timestamp,
        )
        expected = "$1$" + hashlib.sha1("+".join(parts).encode(), usedforsecurity=False).hexdigest()
        if call.headers.get("X-Ovh-Application") != self.application_key:
            return _error(403, "INVALID_KEY", "This application key is invalid")
        if call.headers.get("X-Ovh-Consumer") != self.consumer_key:
            return _error(403, "INVALID_CREDENTIAL", "This credential is not valid")
        is_late = not timestamp.isdigit() or abs(time.time() + self.ahead - int(timestamp)) > SIGNATURE_LIFE
        if is_late or call.headers.get("X-Ovh-Signature") != expected:
            return _error(400, "INVALID_SIGNATURE", "Invalid signature")
        return None

    def _send(self, job: dict[str, Any]) -> Reply:
        receivers, message = job.get("receivers"), job.get("message")
        if not receivers or not message or len(job.get("tag", "")) > 20 or job.get("charset") != "UTF-8":
            return _error(400, "", "Missing or invalid parameter")
        if not job.get("senderForResponse") and not re.fullmatch(r"\+?\w{1,11}", job.get("sender", "")):
            return _error(400, "", "Sender is not valid")
        has_clause = not job.get("noStopClause", False)
        count = segments(message + (STOP_CLAUSE if has_clause else ""))
        if self.credits < count:
            return _error(400, "", "Not enough credits")
        [number] = receivers
        is_invalid = number.endswith(INVALID) or not re.fullmatch(r"\+[1-9][0-9]{6,14}", number)
        if is_invalid or (has_clause and number in self.blacklist):
            return Reply(
                200, {"ids": [], "invalidReceivers": receivers, "validReceivers": [], "totalCreditsRemoved": 0}
            )
        self.credits -= count
        entry = {
            "id": next(self._ids),
            "creationDatetime": "2026-11-24T10:00:00+01:00",
            "credits": count,
            "deliveryReceipt": 0,
            "differedDelivery": 0,
            "message": message,
            "messageLength": len(message),
            "numberOfSms": count,
            "ptt": 0,
            "receiver": number,
            "sender": job.get("sender", "36111"),
            "tag": job.get("tag"),
            "tariffCode": "fr",
        }
        self.sent.append(entry)
        self.jobs.append(job)
        ids = [entry["id"]]
        return Reply(
            200, {"ids": ids, "invalidReceivers": [], "validReceivers": receivers, "totalCreditsRemoved": count}
        )


def _missing() -> Reply:
    return _error(404, "", "This service does not exist")


def _error(status: int, code: str, words: str) -> Reply:
    return Reply(status, {"message": words, **({"errorCode": code} if code else {})})
