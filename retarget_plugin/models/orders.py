"""Order: what was bought, and which message is credited for it."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.carts import Order as OrderSnapshot

from .carts import Cart
from .contacts import Contact
from .messages import Message
from .shops import Shop
from .touching import IF_LATER, touch


class OrderQuerySet(models.QuerySet["Order"]):
    def touch(
        self,
        *,
        host: str,
        scope: str,
        reference: str,
        now: datetime,
        snapshot: OrderSnapshot | None = None,
        told_at: datetime | None = None,
    ) -> int:
        """Note that order `reference` was placed or changed, in one statement; it will be read again. Rows written.

        A `snapshot` is what it will be read from, unless a later one is known; without one the host is asked.
        """
        update = {
            "touched_at": "excluded.touched_at",
            "read_at": "NULL",
            "read_again_at": "NULL",
            "told": "excluded.told",
        }
        return touch(
            self.model,
            host=host,
            scope=scope,
            insert={
                "reference": reference,
                "touched_at": now,
                "placed_at": now,
                "number": "",
                "email": "",
                "phone": "",
                "currency": "",
                "total": 0,
                "items": "[]",
                "coupon_codes": "[]",
                "discounts": "{}",
                "counted": "{}",
                "is_paid": True,
                "is_by_staff": False,
                "told": json.dumps(snapshot.to_data() if snapshot else {}),
                "told_at": told_at,
            },
            update=update | ({"told_at": "excluded.told_at"} if snapshot else {}),
            only=IF_LATER if snapshot else "",
            using=self.db,
        )

    def unread(self, *, now: datetime) -> OrderQuerySet:
        """Those to be read, less what could not be a moment ago."""
        return self.filter(Q(read_again_at=None) | Q(read_again_at__lte=now), read_at=None)


class Order(models.Model):
    """An order. The event writes its reference only; it is read from the host (`read_at`), then settled.

    `paid_at` and `fulfilled_at`: when we learned it, or the host's own time where it says one; `is_by_staff`: nobody bought
    it in the shop by themselves. `told` is what came with the event, until it is read, and `told_at` the host's own time of
    it. `read_again_at`: it could not be read, and is tried again then. `credited_message` is the last human click within
    the window, if any. `counted` is what of it was added to what is known of products and of its contact, and `counted_at`
    when (`engine.purchases`).
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="orders", verbose_name=_("shop")
    )
    reference = models.CharField(_("id in the shop"), max_length=120)
    number = models.CharField(_("number"), max_length=120, blank=True)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="orders",
        verbose_name=_("contact"),
    )
    cart = models.ForeignKey(
        Cart, on_delete=models.SET_NULL, null=True, blank=True, related_name="orders", verbose_name=_("cart")
    )
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=16, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=2, default=Decimal(0))
    items = models.JSONField(_("lines"), default=list, blank=True)
    coupon_codes = models.JSONField(_("coupon codes"), default=list, blank=True)
    discounts = models.JSONField(_("what each code took off"), default=dict, blank=True)
    is_paid = models.BooleanField(_("paid"), default=True)
    is_by_staff = models.BooleanField(_("made by staff"), default=False)
    paid_at = models.DateTimeField(_("paid on"), null=True, blank=True)
    fulfilled_at = models.DateTimeField(_("fulfilled"), null=True, blank=True)
    touched_at = models.DateTimeField(_("last event"))
    told = models.JSONField(_("told with the event"), default=dict, blank=True, editable=False)
    told_at = models.DateTimeField(_("told by the shop"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    read_again_at = models.DateTimeField(_("read again"), null=True, blank=True, editable=False)
    placed_at = models.DateTimeField(_("placed"))
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    settled_at = models.DateTimeField(_("flows left and message credited"), null=True, blank=True)
    counted = models.JSONField(_("counted of it"), default=dict, blank=True, editable=False)
    counted_at = models.DateTimeField(_("counted"), null=True, blank=True, editable=False)
    credited_message = models.ForeignKey(
        Message,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="credited_orders",
        verbose_name=_("credited message"),
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [models.UniqueConstraint(fields=["shop", "reference"], name="retarget_order_reference")]
        indexes = [
            models.Index(fields=["touched_at"], condition=Q(read_at=None), name="retarget_order_unread"),
            models.Index(fields=["read_at"], condition=Q(settled_at=None), name="retarget_order_unsettled"),
            models.Index(fields=["shop", "placed_at"], name="retarget_order_placed"),
            models.Index(fields=["shop", "email", "placed_at"], condition=~Q(email=""), name="retarget_order_email"),
            models.Index(fields=["shop", "phone", "placed_at"], condition=~Q(phone=""), name="retarget_order_phone"),
            models.Index(fields=["contact", "placed_at"], name="retarget_order_contact"),
        ]

    def __str__(self) -> str:
        return self.number or self.reference
