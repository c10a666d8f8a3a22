"""anymail's signals: what e-mail providers report, and the mail they receive for the shop. Its own views check the calls."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent, inbound, tracking
from anymail.webhooks.base import AnymailCoreWebhookView
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from retarget_plugin.channels import replies, reports
from retarget_plugin.engine import correspondence
from retarget_plugin.receivers import PASSING

logger = logging.getLogger("retarget_plugin.mail")


def reported(sender: Any, *, event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    with _set_aside("a report of %s is set aside", esp_name):
        told = reports.event_of(event, provider=esp_name)
        if told is not None:
            correspondence.report(told, now=timezone.now())


def received(sender: Any, *, event: AnymailInboundEvent, esp_name: str, **_: Any) -> None:
    with _set_aside("a mail received by %s is set aside", esp_name):
        mail = replies.email_of(event)
        if mail is not None:
            correspondence.hear(mail, now=timezone.now())


def connect() -> None:
    """Connect both receivers once, however often this is called."""
    receivers: dict[Any, Callable[..., None]] = {tracking: reported, inbound: received}
    for signal, receiver in receivers.items():
        signal.connect(receiver, dispatch_uid=f"retarget_plugin.web.mail.{receiver.__name__}")


def unguarded() -> list[str]:
    """Routes of anymail's webhooks that would take anybody's word: neither a secret nor a signature is asked for."""
    return [route for route, view in _routes(get_resolver().url_patterns) if _is_open(view)]


def _routes(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        route = f"{before}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _routes(entry.url_patterns, route)
        else:
            yield route, entry.callback


def _is_open(view: Any) -> bool:
    """Asked of the view itself: which signature each provider has, anymail knows."""
    kind = getattr(view, "view_class", None)
    if not (isinstance(kind, type) and issubclass(kind, AnymailCoreWebhookView)):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = kind(**view.view_initkwargs)
        except ImproperlyConfigured:
            # Its provider's key or library is missing, so it answers every call with an error.
            return False
    return bool(getattr(made, "warn_if_no_basic_auth", True)) and not getattr(made, "basic_auth", None)


@contextmanager
def _set_aside(words: str, provider: str) -> Iterator[None]:
    """A provider repeats its whole batch until it is thanked: one event that nobody understands must not hold up the rest.

    Trouble of the database's is raised. Anymail then answers 500, and the provider calls again.
    """
    try:
        yield
    except PASSING:
        raise
    except Exception:
        logger.exception(words, provider)
