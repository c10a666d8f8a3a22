"""receipts/sms/<alias>/<secret>/: where SMS providers report what became of a text, and hand on what people answer."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin import channels, conf
from retarget_plugin.channels import Gateway, WebhookRequest
from retarget_plugin.engine import inbound, links
from retarget_plugin.engine import receipts as engine_receipts
from retarget_plugin.exceptions import ConfigurationError, InputError, SignatureError

from . import pages

logger = logging.getLogger("retarget_plugin.receipts")

#: Bytes. A report has a few hundred; some providers put many into one call.
LONGEST = 256 * 1024
#: Seconds after which a provider may try again what we could not take.
LATER = 30


# The caller is a machine without cookies: its signature, or the secret in the address, is all that vouches for it. Some call
# by GET, with everything in the query. A transaction around it all could not even begin while the database is away.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
@transaction.non_atomic_requests
def receive(request: HttpRequest, alias: str, secret: str = "") -> HttpResponse:
    """200 for what was taken, new or known; 403, the same for every reason, for what nobody vouches for.

    400 or 413 where the body did not come or is too long; 503 while the database or our settings do not let us, so that
    the provider calls again. `secret` is looked at by gateways that sign nothing.
    """
    try:
        gateway = _gateway(alias)
        call = _call(request)
        gateway.verify(call)
        _take(gateway, call)
    except InputError as error:
        return _answer(413 if error.code == "too_large" else 400)
    except (SignatureError, NotImplementedError):
        return _answer(403)
    except (DatabaseTrouble, ConfigurationError) as error:
        logger.warning("a call of gateway %s was put off: %s", alias, type(error).__name__)
        response = _answer(503)
        response.headers["Retry-After"] = str(LATER)
        return response
    content_type, body = gateway.acknowledgement
    return pages.private(HttpResponse(body, content_type=content_type), referrer=pages.REDIRECT_REFERRER)


def _gateway(alias: str) -> Gateway:
    """Raises SignatureError for an alias that is none: who does not know the aliases learns nothing of them."""
    if alias not in conf.settings.SMS:
        raise SignatureError("There is no such gateway.", gateway=alias)
    return channels.get_gateway(alias)


def _call(request: HttpRequest) -> WebhookRequest:
    """Raises InputError. The length is looked at first, so that a long body is not even read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise InputError("bad_length", "The body's length is no number.")
    if len(length) > 9 or int(length) > LONGEST:
        raise InputError("too_large", f"At most {LONGEST} bytes.")
    try:
        body = request.body
    except UnreadablePostError as error:
        raise InputError("bad_body", "The body did not come.") from error
    return WebhookRequest(
        method=request.method or "",
        url=links.public_url(request.get_full_path()),
        body=body,
        headers=request.headers,
        at=timezone.now(),
    )


def _take(gateway: Gateway, call: WebhookRequest) -> None:
    now = timezone.now()
    engine_receipts.apply(gateway.parse_events(call), gateway=gateway.alias, now=now)
    inbound.hear(gateway.parse_inbound(call), gateway=gateway.alias, now=now)


def _answer(status: int) -> HttpResponse:
    return pages.private(HttpResponse(status=status), referrer=pages.REDIRECT_REFERRER)
