"""Coupon codes: made from a key, so that asking twice gives one code, and read aloud without a mistake."""

from __future__ import annotations

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from retarget_plugin.domain.carts import CouponSpec

#: Nothing that reads like something else. 32 letters, so that five bits are one letter.
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 12


def from_key(key: str, *, salt: str) -> str:
    """Sixty bits that only this installation's SECRET_KEY can turn `key` into, such as FSVF-T34P-MR5R."""
    number = int.from_bytes(salted_hmac(salt, key, algorithm="sha256").digest(), "big")
    letters = [ALPHABET[(number >> (5 * place)) & 31] for place in range(LENGTH)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, LENGTH, 4))


def problems(spec: CouponSpec, *, currency: str) -> list[str]:
    """What is wrong with `spec` for a shop that counts in `currency` (ISO 4217), in plain words."""
    if spec.kind not in ("percent", "amount"):
        return [_("A coupon takes off a percentage or an amount, and nothing else.")]
    if spec.value <= 0 or (spec.kind == "percent" and spec.value > 100):
        return [_("A coupon takes off more than 0, and a percentage at most 100.")]
    has_money = spec.kind == "amount" or spec.minimum_total > 0
    if has_money and spec.currency and spec.currency != currency:
        return [
            _("The coupon is in %(asked)s and the shop sells in %(sold)s.") % {"asked": spec.currency, "sold": currency}
        ]
    return []
