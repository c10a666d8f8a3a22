"""Reading a provider's call: its fields, its headers, and the secret in its path."""

from __future__ import annotations

import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from retarget_plugin.exceptions import SignatureError

from .. import receipt_secrets
from ..base import WebhookRequest


def header(request: WebhookRequest, name: str) -> str:
    """A header's value, whatever the case of its name; empty when absent."""
    wanted = name.lower()
    return next((value for key, value in request.headers.items() if key.lower() == wanted), "")


def is_json(request: WebhookRequest) -> bool:
    """Whether the body says it is JSON."""
    return header(request, "Content-Type").split(";")[0].strip().lower().endswith("json")


def form(request: WebhookRequest) -> dict[str, list[str]]:
    """The body's form fields, blank ones too, read from the raw body; `request.form` where a body is not at hand."""
    if request.body and not is_json(request):
        try:
            return parse_qs(request.body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            return {}
    return {name: list(values) for name, values in request.form.items()}


def query(request: WebhookRequest) -> dict[str, list[str]]:
    """The URL's query fields, blank ones too."""
    try:
        return parse_qs(urlsplit(request.url).query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}


def document(request: WebhookRequest) -> Any:
    """JSON as sent, or query and form as one flat dict, the form first and the first value of each name."""
    if is_json(request):
        try:
            return json.loads(request.body)
        except (ValueError, RecursionError):
            return None
    return {name: values[0] for name, values in {**query(request), **form(request)}.items() if values}


def check_path_secret(request: WebhookRequest, alias: str) -> None:
    """Raise SignatureError unless the URL's path ends in a secret of `RETARGET["WEBHOOK_SECRETS"][alias]`.

    Takes the same time whatever is wrong. While a secret is being changed, the old one and the new one are valid.
    """
    given = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
    matches = [hmac.compare_digest(given.encode(), secret.encode()) for secret in receipt_secrets.of(alias)]
    if not any(matches):
        raise SignatureError("The secret in the path is missing or wrong.", gateway=alias)
