"""Idempotency keys of e-mail providers: who takes one, for how long, and what a provider says of a key it knows."""

from __future__ import annotations

from typing import Any

from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind

#: Anymail's name of the provider -> seconds for which a repeated key sends nothing. Of Brevo's two figures the shorter
#: (developers.brevo.com: 15 minutes in the changelog, 30 in the guide); resend.com/docs/dashboard/emails/idempotency-keys.
_LIVES = {"Brevo": 900.0, "Resend": 86_400.0}

#: Error codes that speak about the key: an earlier attempt reached the provider, but what became of it is not said.
_REPEATED = {"duplicate_parameter", "invalid_idempotent_request", "concurrent_idempotent_requests"}


def life(provider: str) -> float:
    """Seconds for which `provider` honors a repeated key; 0 where it takes none."""
    return _LIVES.get(provider, 0.0)


def put(key: str, *, provider: str, backend: Any, message: Any) -> None:
    """Let the next request for `message` carry `key`, where `provider` takes one. `backend` is open."""
    match provider:
        case "Brevo":
            message.extra_headers["idempotencyKey"] = key
        case "Resend":
            # It wants an HTTP header, which no attribute of the message becomes.
            backend.session.headers["Idempotency-Key"] = key


def outcome_of_repeat(provider: str, response: Any) -> Outcome | None:
    """The meaning of an error answer that refuses a key as known; None when it is about anything else."""
    if provider not in _LIVES:
        return None
    try:
        document = response.json()
        code = str(document.get("code") or document.get("name"))
    except (ValueError, AttributeError):
        return None
    if code not in _REPEATED:
        return None
    detail = "The provider knows this message's key already."
    return Outcome(kind=OutcomeKind.UNKNOWN, code=code, detail=detail, knows_key=True)
