"""E-mail providers behind anymail: what each understands, and what its answers and errors mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from anymail.backends.base import AnymailBaseBackend
from anymail.exceptions import (
    AnymailAPIError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)
from requests.adapters import HTTPAdapter

from retarget_plugin.domain.messages import Outcome, OutgoingEmail
from retarget_plugin.domain.vocabulary import OutcomeKind

from . import answers, keys, wire

# Source of the three: anymail's docs/esps/esp-feature-matrix.csv. An attribute that is refused costs the message.
_TAKES_ONE_TAG = {"Mailjet", "Mailtrap", "Postal", "Postmark", "SparkPost"}
_TAKES_NO_METADATA = {"MailerSend", "Postal"}
_HAS_TRACKING_SWITCH = {
    "Console",
    "MailerSend",
    "Mailgun",
    "Mailjet",
    "Mandrill",
    "Postmark",
    "SendGrid",
    "SparkPost",
    "Test",
    "Unisender Go",
}
_KNOWN = {"Amazon SES", "Brevo", "Resend", "Scaleway"} | _TAKES_ONE_TAG | _TAKES_NO_METADATA | _HAS_TRACKING_SWITCH

#: Postmark answers 422 to everything; its ErrorCode tells whose fault it is (postmarkapp.com/developer/api/overview).
_POSTMARK_CODES = {
    400: OutcomeKind.MISCONFIGURED,  # sender signature not found
    401: OutcomeKind.MISCONFIGURED,  # sender signature not confirmed
    405: OutcomeKind.NO_CREDIT,
    412: OutcomeKind.MISCONFIGURED,  # account pending
    413: OutcomeKind.MISCONFIGURED,  # account may not send
}

#: Codes of Amazon SES (API v2, common errors). The rest is about the message.
_SES_CODES = {
    "TooManyRequestsException": OutcomeKind.RATE_LIMITED,
    "Throttling": OutcomeKind.RATE_LIMITED,
    "ThrottlingException": OutcomeKind.RATE_LIMITED,
    "LimitExceededException": OutcomeKind.RATE_LIMITED,
    "AccountSuspendedException": OutcomeKind.MISCONFIGURED,
    "SendingPausedException": OutcomeKind.MISCONFIGURED,
    "MailFromDomainNotVerifiedException": OutcomeKind.MISCONFIGURED,
    "AccessDeniedException": OutcomeKind.MISCONFIGURED,
    "UnrecognizedClientException": OutcomeKind.MISCONFIGURED,
    "InvalidClientTokenId": OutcomeKind.MISCONFIGURED,
    "InvalidSignatureException": OutcomeKind.MISCONFIGURED,
    "SignatureDoesNotMatch": OutcomeKind.MISCONFIGURED,
    "ExpiredTokenException": OutcomeKind.MISCONFIGURED,
}
#: What anymail refuses before it calls the provider, and the recipients the provider refuses.
_REFUSALS: dict[type[AnymailError], tuple[str, str]] = {
    AnymailRecipientsRefused: ("recipient_refused", "The provider refused the recipient."),
    AnymailInvalidAddress: ("invalid_header", "The provider cannot take an address of this message."),
    AnymailUnsupportedFeature: ("unsupported", "The provider cannot do something this message asks for."),
    AnymailSerializationError: ("unsupported", "A value of this message cannot be written as JSON."),
}
_BOTO_NOT_REACHED = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}
_BOTO_MISCONFIGURED = {"NoCredentialsError", "PartialCredentialsError", "NoRegionError", "ProfileNotFound"}


def provider_of(backend: object) -> str:
    """Anymail's name of the provider behind `backend`; empty when it is none of anymail's."""
    return str(backend.esp_name) if isinstance(backend, AnymailBaseBackend) else ""


def has_tracking_switch(provider: str) -> bool:
    """Whether tracking can be refused message by message. Elsewhere only the provider's account settings do."""
    return provider in _HAS_TRACKING_SWITCH


def extras(email: OutgoingEmail, provider: str) -> dict[str, Any]:
    """The attributes anymail reads from a message, without those `provider` refuses.

    Tracking is switched off in so many words, for anymail's SEND_DEFAULTS may switch it on. `metadata` carries our
    message id as `retarget_message`, by which `reports` finds it again. Where no anymail backend is at work (a queueing
    one may hand over to anymail later) and for providers we do not know, tags and metadata stay within what most accept.
    """
    found: dict[str, Any] = {}
    if email.tags:
        takes_one = provider in _TAKES_ONE_TAG or provider not in _KNOWN
        found["tags"] = list(email.tags[:1] if takes_one else email.tags)
    if provider not in _TAKES_NO_METADATA:
        found["metadata"] = {**email.metadata, "retarget_message": email.message_id}
    if has_tracking_switch(provider):
        found |= {"track_opens": email.track_opens, "track_clicks": email.track_clicks}
    return found


def watch(backend: object) -> bool:
    """Let the opened backend's session tell whether a failed request had left; keep it from redirects and private addresses.

    A session the project gave its own adapter keeps it. Returns whether it is watched.
    """
    session = getattr(backend, "session", None)
    if not isinstance(session, requests.Session):
        return False
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        if type(session.get_adapter(scheme)) is not HTTPAdapter:
            return False
        session.mount(scheme, wire.WatchedAdapter())
    return True


def outcome_of_answer(status: Any) -> Outcome:
    """The meaning of `anymail_status` after a send to one recipient that raised nothing."""
    gateway_id = id_of(status)
    states = set(status.status or ())
    if not states:
        return Outcome(kind=OutcomeKind.REJECTED, code="cancelled", detail="A pre_send receiver cancelled it.")
    # Postmark refuses by 422; where anymail does not find the address in the words, it says neither yes nor no.
    is_error = getattr(status.esp_response, "status_code", 200) >= 400
    if is_error or states & {"invalid", "rejected", "failed"}:
        detail = "The provider refused the recipient."
        return Outcome(kind=OutcomeKind.REJECTED, gateway_id=gateway_id, code=min(map(str, states)), detail=detail)
    if states <= {"sent", "queued"} or gateway_id:
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=gateway_id)
    detail = "The provider's answer does not say whether it took the message."
    return Outcome(kind=OutcomeKind.UNKNOWN, code="broken_answer", detail=detail)


def id_of(status: Any) -> str:
    """The provider's id of a message to one recipient; anymail gives a text, a set, a number or None."""
    found = getattr(status, "message_id", None)
    if isinstance(found, set):
        found = min((str(each) for each in found if each is not None), default=None)
    return "" if found is None else str(found)


def outcome_of_error(error: Exception, *, status: Any = None, has_left: bool = True) -> Outcome:
    """The meaning of what an anymail backend raised.

    `status` is the message's `anymail_status`; `has_left` says of an exception that is none of anymail's whether a
    request had left before it.
    """
    if status is not None and status.status and set(status.status) <= {"sent", "queued"}:
        # A post_send receiver of the project raised: the provider has taken the message all the same.
        return Outcome(kind=OutcomeKind.ACCEPTED, gateway_id=id_of(status))
    if isinstance(error, AnymailAPIError):
        return _outcome_of_api_error(error)
    for refusal, (code, detail) in _REFUSALS.items():
        if isinstance(error, refusal):
            return Outcome(kind=OutcomeKind.REJECTED, code=code, detail=detail)
    if has_left:
        return Outcome(kind=OutcomeKind.UNKNOWN, code="raised", detail=f"The backend raised {type(error).__name__}.")
    detail = f"{type(error).__name__} was raised before anything was sent."
    return Outcome(kind=OutcomeKind.TRANSIENT, code="raised", detail=detail)


def _outcome_of_api_error(error: Any) -> Outcome:
    response = error.response
    if isinstance(response, Mapping):
        return _outcome_of_ses(response)
    if error.status_code is not None and response is not None:
        if 200 <= error.status_code < 300:
            detail = "The provider's answer cannot be read."
            return Outcome(kind=OutcomeKind.UNKNOWN, code="broken_answer", detail=detail)
        postmark = _postmark_code(error)
        if postmark in _POSTMARK_CODES:
            detail = "Postmark refuses this account or sender."
            return Outcome(kind=_POSTMARK_CODES[postmark], code=str(postmark), detail=detail)
        repeat = keys.outcome_of_repeat(error.esp_name, response)
        if repeat is not None:
            return repeat
        return answers.outcome_of_status(
            error.status_code,
            response.headers,
            code=str(postmark) if postmark else "",
        )
    cause = error.__cause__ or error
    names = {each.__name__ for each in type(cause).__mro__}
    if names & _BOTO_MISCONFIGURED:
        return Outcome(kind=OutcomeKind.MISCONFIGURED, code="credentials", detail=type(cause).__name__)
    if names & _BOTO_NOT_REACHED:
        return Outcome(kind=OutcomeKind.TRANSIENT, code="not_reached", detail=type(cause).__name__)
    return answers.outcome_of_failure(cause)


def _postmark_code(error: Any) -> int:
    """Postmark's ErrorCode; 0 where there is none."""
    if error.esp_name != "Postmark" or error.status_code != 422:
        return 0
    try:
        code = error.response.json()["ErrorCode"]
    except (ValueError, KeyError, TypeError):
        return 0
    return code if isinstance(code, int) else 0


def _outcome_of_ses(response: Mapping[str, Any]) -> Outcome:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if code in _SES_CODES:
        return Outcome(kind=_SES_CODES[code], code=code)
    return answers.outcome_of_status(int(status), {}, code=code)
