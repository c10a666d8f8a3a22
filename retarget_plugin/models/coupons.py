"""Coupon: one person's own code. CouponPool: codes that the owner made, for shops that make none themselves."""

from __future__ import annotations

from datetime import tzinfo
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain import contexts
from retarget_plugin.domain.coupons import CouponKind, CouponState, last_day

from . import choices
from .contacts import Contact
from .flows import Flow
from .messages import Message
from .orders import Order
from .shops import Shop


class CouponPool(models.Model):
    """Codes that are all worth the same and end together. They are given where a flow offers just that."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="coupon_pools", verbose_name=_("shop")
    )
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("discount in"), max_length=8, choices=choices.coupon_kinds, default=CouponKind.PERCENT)
    value = models.DecimalField(_("how much"), max_digits=12, decimal_places=2)
    minimum = models.DecimalField(
        _("order value from which it counts"), max_digits=12, decimal_places=2, default=Decimal(0)
    )
    expires_at = models.DateTimeField(_("ends"))
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("list of codes")
        verbose_name_plural = _("lists of codes")
        constraints = [models.UniqueConstraint(fields=["shop", "name"], name="retarget_coupon_pool")]

    def __str__(self) -> str:
        return self.name


class CouponCode(models.Model):
    """One code of a pool; `given_at` says that it is taken. A code is in one pool of a shop, in capitals or not."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, db_index=False, related_name="+", verbose_name=_("shop"))
    pool = models.ForeignKey(
        CouponPool, on_delete=models.CASCADE, related_name="codes", verbose_name=_("list of codes")
    )
    code = models.CharField(_("code"), max_length=60)
    given_at = models.DateTimeField(_("given"), null=True, blank=True)

    class Meta:
        verbose_name = _("code")
        verbose_name_plural = _("codes")
        constraints = [models.UniqueConstraint(Upper("code"), F("shop"), name="retarget_coupon_code")]
        indexes = [models.Index(fields=["pool", "id"], condition=Q(given_at=None), name="retarget_coupon_code_free")]

    def __str__(self) -> str:
        return self.code


class Coupon(models.Model):
    """What one message gives one person. Its terms are fixed before the shop is asked for a code, and the same in both.

    `cost`: what it is expected to take off (shop's currency), what it took off once it is redeemed, 0 when it ended unused.
    `withdrawn_at`: the shop has it no longer. One from a `pool` is never withdrawn: the owner made it.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="coupons", verbose_name=_("shop")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, related_name="coupons", verbose_name=_("contact")
    )
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="coupon", verbose_name=_("message"))
    flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, db_index=False, related_name="coupons", verbose_name=_("flow")
    )
    pool = models.ForeignKey(
        CouponPool,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="coupons",
        verbose_name=_("list of codes"),
    )
    code = models.CharField(_("code"), max_length=60, blank=True)
    key = models.UUIDField(_("idempotency key"))
    kind = models.CharField(_("discount in"), max_length=8, choices=choices.coupon_kinds)
    value = models.DecimalField(_("how much"), max_digits=12, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    minimum = models.DecimalField(
        _("order value from which it counts"), max_digits=12, decimal_places=2, default=Decimal(0)
    )
    cost = models.DecimalField(_("discount given"), max_digits=14, decimal_places=2, default=Decimal(0))
    state = models.CharField(_("state"), max_length=10, choices=choices.coupon_states, default=CouponState.RESERVED)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("ends"))
    redeemed_at = models.DateTimeField(_("redeemed"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("removed from the shop"), null=True, blank=True)
    order = models.ForeignKey(
        Order,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="coupons",
        verbose_name=_("order"),
    )

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        constraints = [
            models.UniqueConstraint(
                Upper("code"),
                F("shop"),
                condition=~Q(code="") & ~Q(state="taken_back"),
                name="retarget_coupon_own_code",
            )
        ]
        indexes = [
            models.Index(fields=["contact", "created_at"], name="retarget_coupon_contact"),
            models.Index(fields=["flow", "created_at"], name="retarget_coupon_flow"),
            models.Index(fields=["flow", "redeemed_at"], condition=Q(state="redeemed"), name="retarget_coupon_cost"),
            models.Index(
                fields=["created_at"], condition=Q(state__in=["reserved", "minted"]), name="retarget_coupon_open"
            ),
            models.Index(
                fields=["expires_at"], condition=Q(state__in=["minted", "sent"]), name="retarget_coupon_ending"
            ),
            models.Index(
                fields=["shop", "expires_at"],
                condition=Q(state__in=["taken_back", "expired"], withdrawn_at=None, pool=None),
                name="retarget_coupon_dead",
            ),
            models.Index(fields=["order"], condition=Q(order__isnull=False), name="retarget_coupon_order"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    def told(self, *, zone: tzinfo, locale: str, is_applied: bool) -> dict[str, Any]:
        """As messages and pages tell it (`contexts.coupon_context`); its last day is that of `zone`."""
        is_amount = self.kind == CouponKind.AMOUNT
        return contexts.coupon_context(
            self.code,
            percent=None if is_amount else self.value,
            amount=self.value if is_amount else None,
            currency=self.currency,
            expires_at=last_day(self.expires_at, zone, given_at=self.created_at),
            is_applied=is_applied,
            locale=locale,
        )
