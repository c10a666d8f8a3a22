"""The gateway of tests: texts are kept in memory, answers can be told beforehand."""

from __future__ import annotations

import threading
from typing import ClassVar

from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.sms import measure
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.exceptions import GatewayError

from ..base import Gateway
from . import numbers


class MemoryGateway(Gateway):
    """Keeps what it accepted in `outbox` and every call in `calls`, for all instances together.

    `answers` holds the next Outcomes (or GatewayErrors to raise) in turn; when it is empty, every well-formed text is
    accepted. `reset()` between tests.
    """

    says_segments = True

    outbox: ClassVar[list[OutgoingSms]] = []
    calls: ClassVar[list[OutgoingSms]] = []
    answers: ClassVar[list[Outcome | GatewayError]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def reset(cls) -> None:
        """Forget texts and answers."""
        with cls._lock:
            cls.outbox.clear()
            cls.calls.clear()
            cls.answers.clear()

    def send(self, sms: OutgoingSms) -> Outcome:
        with self._lock:
            self.calls.append(sms)
            answer = self.answers.pop(0) if self.answers else self._accept(sms)
            if isinstance(answer, GatewayError):
                raise answer
            if answer.is_accepted:
                self.outbox.append(sms)
            return answer

    def _accept(self, sms: OutgoingSms) -> Outcome:
        return numbers.refusal(sms) or Outcome(
            kind=OutcomeKind.ACCEPTED,
            gateway_id=f"memory-{len(self.calls)}",
            segments=measure(sms.text).segments,
        )
