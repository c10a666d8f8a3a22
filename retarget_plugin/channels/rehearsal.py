"""Trying things out: the ways out that keep messages to themselves, the only ones in use while DEBUG is on."""

from __future__ import annotations

from django.conf import settings

from retarget_plugin import conf

_HARMLESS = (
    "retarget_plugin.channels.sms.console.",
    "retarget_plugin.channels.sms.memory.",
    "django.core.mail.backends.console.",
    "django.core.mail.backends.locmem.",
    "django.core.mail.backends.dummy.",
    "django.core.mail.backends.filebased.",
    "anymail.backends.test.",
)


def is_harmless(backend: str) -> bool:
    """True when the class at the dotted path `backend` keeps messages on this machine."""
    return backend.startswith(_HARMLESS)


def is_on() -> bool:
    """True on a developer's copy: DEBUG is on, and nobody set SEND_IN_DEBUG."""
    return settings.DEBUG and not conf.settings.SEND_IN_DEBUG
