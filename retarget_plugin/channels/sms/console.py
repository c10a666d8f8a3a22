"""The gateway of a developer's machine: texts are printed, numbers masked."""

from __future__ import annotations

from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.sms import measure
from retarget_plugin.domain.vocabulary import OutcomeKind

from ..base import Gateway
from . import numbers


class ConsoleGateway(Gateway):
    """Accepts every well-formed text and writes it to standard output."""

    says_segments = True

    def send(self, sms: OutgoingSms) -> Outcome:
        refusal = numbers.refusal(sms)
        if refusal is not None:
            return refusal
        segments = measure(sms.text).segments
        unit = "segment" if segments == 1 else "segments"
        # One call, so that the texts of two threads do not mix.
        print(
            f"SMS to {numbers.masked(sms.to)} from {sms.sender or '-'} ({segments} {unit}):\n{sms.text}\n", flush=True
        )
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=f"console-{sms.message_id}", segments=segments)
