"""Amounts as the reader's language writes them."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import get_language

from retarget_plugin.domain import contexts
from retarget_plugin.exceptions import TemplateError

from .facts import EMPTY


def amount(value: Decimal | None, currency: str) -> str:
    """`value` in major units of `currency` (ISO 4217), such as "€1,234.50"; a dash for what cannot be an amount."""
    try:
        shown = contexts.money(value, currency, get_language() or "en")
    except TemplateError:
        return EMPTY
    return shown["text"] if shown else EMPTY
