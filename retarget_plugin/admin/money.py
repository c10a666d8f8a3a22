"""Amounts and parts as the reader's language writes them."""

from __future__ import annotations

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

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


def percent(part: float | None) -> str:
    """`part` of a whole, 0.24, as "24%"; a dash where there is no whole."""
    return EMPTY if part is None else _("%(percent)s%%") % {"percent": number_format(round(100 * part))}
