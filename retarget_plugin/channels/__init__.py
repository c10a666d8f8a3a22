"""Floor 2: the ways out. Door: `get_email(mailer)`, `get_gateway(alias)`."""

from __future__ import annotations

from functools import cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from retarget_plugin import conf
from retarget_plugin.exceptions import ConfigurationError

from .base import Gateway, WebhookRequest
from .email import EmailChannel

__all__ = ["EmailChannel", "Gateway", "WebhookRequest", "get_email", "get_gateway"]


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


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("RETARGET", "EMAIL_BACKEND", "MAILERS"):
        get_email.cache_clear()
        get_gateway.cache_clear()


setting_changed.connect(_forget, dispatch_uid="retarget_plugin.channels.forget")
