"""Single-use vouchers: one offer for each kind of discount, one voucher for each recipient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, router, transaction
from django.utils import timezone
from oscar.core.loading import get_class, get_model
from oscar.core.utils import get_default_currency

from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.hosts import codes

from .products import in_cents

NAME_LENGTH = 128
RANGE_NAME = "Retarget: all products"


def mint(spec: CouponSpec, *, priority: int) -> str | None:
    """The code of a voucher that works once and until `spec.expires_at`.

    The same idempotency key answers the same code: the code is made from the key, and codes are unique in Oscar.
    None for what Oscar cannot do: an unknown kind, a percentage above 100, an amount in another currency.
    """
    if problems(spec):
        return None
    model = get_model("voucher", "Voucher")
    code = _code(spec.idempotency_key)
    if model.objects.filter(code=code).exists():
        return code
    offer = _offer(spec, priority=priority)
    try:
        with transaction.atomic(using=router.db_for_write(model)):
            voucher = model.objects.create(
                name=f"{spec.label[: NAME_LENGTH - len(code) - 1]} {code}".strip(),
                code=code,
                usage=model.SINGLE_USE,
                start_datetime=timezone.now(),
                end_datetime=spec.expires_at,
            )
            voucher.offers.add(offer)
    except IntegrityError:
        # Another worker was quicker with the same key.
        if not model.objects.filter(code=code).exists():
            raise
    return code


def problems(spec: CouponSpec) -> list[str]:
    """Why Oscar cannot make this voucher. Its benefits and conditions are bare numbers: they mean the default currency."""
    return codes.problems(spec, currency=get_default_currency())


def withdraw(given: Sequence[str]) -> None:
    """Delete vouchers that were never used. One in a basket leaves it."""
    model = get_model("voucher", "Voucher")
    unused = model.objects.filter(num_orders=0, applications=None)
    unused.filter(code__in=[code.upper() for code in given]).delete()


def _code(idempotency_key: str) -> str:
    """The code that belongs to the key, or a random one without a key. As Oscar's own codes: XXXX-XXXX-XXXX."""
    if not idempotency_key:
        return get_class("voucher.utils", "get_unused_code")(codes.LENGTH)
    return codes.from_key(idempotency_key, salt="retarget_plugin.hosts.oscar.vouchers")


def _offer(spec: CouponSpec, *, priority: int) -> Any:
    """The one offer for this discount and minimum, made at first use. Its unique name is its key."""
    model = get_model("offer", "ConditionalOffer")
    value, minimum = in_cents(spec.value), in_cents(spec.minimum_total)
    name = f"Retarget: {value} {'%' if spec.kind == 'percent' else get_default_currency()} off"
    if minimum:
        name += f" from {minimum}"
    offer = model.objects.filter(name=name).first()
    if offer is not None:
        return offer
    try:
        with transaction.atomic(using=router.db_for_write(model)):
            return model.objects.create(
                name=name,
                offer_type=model.VOUCHER,
                condition=_condition(minimum),
                benefit=_benefit(spec.kind, value),
                max_basket_applications=1,
                priority=priority,
            )
    except IntegrityError:
        return model.objects.get(name=name)


def _condition(minimum: Any) -> Any:
    model = get_model("offer", "Condition")
    if minimum:
        return model.objects.create(range=_everything(), type=model.VALUE, value=minimum)
    return model.objects.create(range=_everything(), type=model.COUNT, value=1)


def _benefit(kind: str, value: Any) -> Any:
    model = get_model("offer", "Benefit")
    return model.objects.create(
        range=_everything(), type=model.PERCENTAGE if kind == "percent" else model.FIXED, value=value
    )


def _everything() -> Any:
    model = get_model("offer", "Range")
    return model.objects.get_or_create(name=RANGE_NAME, defaults={"includes_all_products": True})[0]
