"""Floor 2: the ways out. Door: `get_email(mailer)`, `get_gateway(alias)`, `is_barred(channel, alias)`, `receipt_secrets`."""

from __future__ import annotations

from functools import cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from retarget_plugin import conf
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.exceptions import ConfigurationError

from . import receipt_secrets, rehearsal
from .base import Gateway, Proof, WebhookRequest
from .email import EmailChannel

__all__ = [
    "EmailChannel",
    "Gateway",
    "Proof",
    "WebhookRequest",
    "get_email",
    "get_gateway",
    "is_barred",
    "receipt_secrets",
]


@cache
def get_email(mailer: str = "") -> EmailChannel:
    """The e-mail channel over `mailer`: a MAILERS alias or a backend's dotted path; empty means the project's own."""
    return EmailChannel(mailer=mailer or conf.settings.MAILER)


@cache
def get_gateway(alias: str = "default") -> Gateway:
    """The configured SMS gateway, with its connection kept open.

    Raises ConfigurationError when the alias or its BACKEND is unknown.
    """
    entry = conf.settings.SMS.get(alias)
    if entry is None:
        raise ConfigurationError(
            f'No SMS gateway {alias!r}. Add RETARGET = {{"SMS": {{"{alias}": {{"BACKEND": '
            '"retarget_plugin.channels.sms.twilio.TwilioGateway", "OPTIONS": {...}}}} to the settings.'
        )
    try:
        backend = import_string(entry["BACKEND"])
    except (KeyError, ImportError) as error:
        raise ConfigurationError(f'RETARGET["SMS"]["{alias}"]["BACKEND"] cannot be imported: {error}') from error
    gateway: Gateway = backend(alias=alias, **entry.get("OPTIONS", {}))
    return gateway


def is_barred(channel: str, alias: str) -> bool:
    """True when a message by `channel` would leave a developer's copy for a real person. `alias`: the SMS gateway's."""
    if not rehearsal.is_on():
        return False
    backend = (
        conf.settings.SMS.get(alias, {}).get("BACKEND", "") if channel == Channel.SMS else get_email().backend_path()
    )
    return not rehearsal.is_harmless(backend)


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("RETARGET", "EMAIL_BACKEND", "MAILERS"):
        get_email.cache_clear()
        get_gateway.cache_clear()


setting_changed.connect(_forget, dispatch_uid="retarget_plugin.channels.forget")
