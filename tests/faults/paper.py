"""A gateway that is a file: for runs so long that a provider in Python would be what is measured."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from retarget_plugin.channels import Gateway
from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import OutcomeKind

SETTINGS: dict[str, Any] = {"default": {"BACKEND": "tests.faults.paper.PaperGateway", "OPTIONS": {}}}


class PaperGateway(Gateway):
    """Takes every text. Its line in the rig's journal also says which process handed it over."""

    def __init__(self, alias: str = "default", **options: Any) -> None:
        super().__init__(alias, **options)
        folder = Path(json.loads(os.environ["RETARGET_FAULTS"])["folder"])
        # What is appended in one write is never torn, whoever else appends.
        self._file = os.open(folder / "sms.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def send(self, sms: OutgoingSms) -> Outcome:
        line = {"at": time.time(), "to": sms.to, "key": sms.idempotency_key, "is_taken": True, "pid": os.getpid()}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=uuid.uuid4().hex)
