"""A project's mail over a local server, in the words of the Django at hand: MAILERS from 6.1 on, EMAIL_* before."""

from __future__ import annotations

from typing import Any

from django.core import mail

from retarget_plugin.channels import EmailChannel
from retarget_plugin.domain.messages import OutgoingEmail
from tests.fakes.web import PATIENCE_SECONDS

HAS_MAILERS = hasattr(mail, "mailers")
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
POSTMARK = "anymail.backends.postmark.EmailBackend"

EMAIL = OutgoingEmail(
    message_id="41",
    idempotency_key="5e0c2a52-5d0e-4c43-9c39-0a6d3b8f6f11",
    to="ada@customer.example",
    subject="Your basket is waiting",
    html="<p>Come <b>back</b></p>",
    text="Come back",
    from_email="hello@shop.example",
    from_name="The Shop",
    reply_to="help@shop.example",
    unsubscribe_url="https://shop.example/retarget/u/token/",
    tags=("cart", "step-1"),
    metadata={"flow": "7"},
)


def channel_over(settings: Any, backend: str, **options: Any) -> EmailChannel:
    """The project sends over `backend` with `options`: those of Django's SMTP backend, or of anymail's for Postmark."""
    if HAS_MAILERS:
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return EmailChannel()
    settings.EMAIL_BACKEND = backend
    if backend == SMTP:
        names = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}
        for name, value in options.items():
            setattr(settings, names.get(name, f"EMAIL_{name.upper()}"), value)
    else:
        settings.ANYMAIL = {f"POSTMARK_{name.upper()}": value for name, value in options.items()} | {
            "REQUESTS_TIMEOUT": options.get("timeout", PATIENCE_SECONDS)
        }
    return EmailChannel()


def over_smtp(settings: Any, server: Any, **options: Any) -> EmailChannel:
    return channel_over(
        settings, SMTP, **{"host": server.host, "port": server.port, "timeout": PATIENCE_SECONDS, **options}
    )


def over_postmark(settings: Any, server: Any, **options: Any) -> EmailChannel:
    known = {"server_token": server.token, "api_url": server.url}
    if HAS_MAILERS:
        known["timeout"] = PATIENCE_SECONDS
    return channel_over(settings, POSTMARK, **{**known, **options})


def over(settings: Any, vendor: str, server: Any) -> EmailChannel:
    """The project sends over `vendor` of anymail's, at `server`."""
    backend = f"anymail.backends.{vendor}.EmailBackend"
    if HAS_MAILERS:
        return channel_over(settings, backend, api_key=server.token, api_url=server.url, timeout=PATIENCE_SECONDS)
    settings.EMAIL_BACKEND = backend
    settings.ANYMAIL = {
        f"{vendor.upper()}_API_KEY": server.token,
        f"{vendor.upper()}_API_URL": server.url,
        "REQUESTS_TIMEOUT": PATIENCE_SECONDS,
    }
    return EmailChannel()
