"""Cart: our shadow of a cart in the shop."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.vocabulary import CartState, Stage

from . import choices
from .contacts import Contact
from .shops import Shop
from .touching import IF_LATER, touch

_CLAIMS = ("email", "phone", "external_id")
#: What a touch changes in a row that is there: always; by what is claimed in passing; by a snapshot.
_MOVED = {
    "touched_at": "excluded.touched_at",
    "held_since": "NULL",
    "state": "CASE WHEN {table}.state = 'ordered' THEN {table}.state ELSE 'active' END",
}
_CLAIMED = {
    "stage": "CASE WHEN excluded.stage = 'cart' THEN {table}.stage ELSE excluded.stage END",
    **{name: f"CASE WHEN excluded.{name} = '' THEN {{table}}.{name} ELSE excluded.{name} END" for name in _CLAIMS},
}
_TOLD = {name: f"excluded.{name}" for name in (*_CLAIMS, "currency", "total", "items", "told_at")}


class CartQuerySet(models.QuerySet["Cart"]):
    def touch(
        self,
        *,
        host: str,
        scope: str,
        reference: str,
        now: datetime,
        stage: str = "",
        email: str = "",
        phone: str = "",
        external_id: str = "",
        snapshot: CartSnapshot | None = None,
        told_at: datetime | None = None,
    ) -> int:
        """Note that cart `reference` moved, in one statement. An ordered cart stays ordered; nothing known is blanked.

        `email`, `phone` and `external_id` are what the shopper claimed; whose they are is settled when the cart is read.
        A `snapshot` is all there was to know at `told_at`, the host's own time: it replaces what is known, unless that
        was told later.
        """
        update = _MOVED | _CLAIMED
        if snapshot is not None:
            update = _MOVED | _TOLD | ({"stage": "excluded.stage"} if stage else {})
        return touch(
            self.model,
            host=host,
            scope=scope,
            insert={
                "reference": reference,
                "state": CartState.ACTIVE.value,
                "stage": stage or Stage.CART.value,
                "touched_at": now,
                "created_at": now,
                "email": email,
                "phone": phone,
                "external_id": external_id,
                "currency": snapshot.currency if snapshot else "",
                "total": snapshot.amount if snapshot else 0,
                "items": json.dumps([item.to_data() for item in snapshot.items]) if snapshot else "[]",
                "told_at": told_at,
            },
            update=update,
            only=IF_LATER if snapshot else "",
            using=self.db,
        )

    def idle(self, shop: Shop, *, now: datetime) -> CartQuerySet:
        """Active carts of `shop` that nobody touched for the shop's time, longest first."""
        return self.filter(shop=shop, state=CartState.ACTIVE, touched_at__lte=now - shop.abandoned_after).order_by(
            "touched_at", "pk"
        )


class Cart(models.Model):
    """A cart in the shop: when it last moved, who may own it, and what was in it when it was last read.

    `email`, `phone`, `external_id` are claims from the shop's request; `contact` is settled when the cart is read.
    `told_at`: the host's own time of a snapshot that came with its event. `held_since`: it has been in payment, or the shop
    could not tell about it, at every look since. `restored_by` is the message whose link rebuilt this cart in another
    browser.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="carts", verbose_name=_("shop")
    )
    reference = models.CharField(_("id in the shop"), max_length=120)
    state = models.CharField(_("state"), max_length=12, choices=choices.cart_states, default=CartState.ACTIVE)
    stage = models.CharField(_("stage"), max_length=12, choices=choices.stages, default=Stage.CART)
    touched_at = models.DateTimeField(_("last activity"))
    created_at = models.DateTimeField(_("created"))
    email = models.CharField(_("e-mail given"), max_length=254, blank=True)
    phone = models.CharField(_("phone given"), max_length=32, blank=True)
    external_id = models.CharField(_("customer id in the shop"), max_length=120, blank=True)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="carts",
        verbose_name=_("contact"),
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=2, default=0)
    items = models.JSONField(_("lines"), default=list, blank=True)
    told_at = models.DateTimeField(_("told by the shop"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    held_since = models.DateTimeField(_("held since"), null=True, blank=True)
    abandoned_at = models.DateTimeField(_("abandoned"), null=True, blank=True)
    ordered_at = models.DateTimeField(_("ordered"), null=True, blank=True)
    restored_by = models.ForeignKey(
        "Message",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="restored_carts",
        verbose_name=_("restored by"),
    )

    objects = CartQuerySet.as_manager()

    class Meta:
        verbose_name = _("cart")
        verbose_name_plural = _("carts")
        constraints = [models.UniqueConstraint(fields=["shop", "reference"], name="retarget_cart_reference")]
        indexes = [
            models.Index(fields=["shop", "touched_at"], condition=Q(state="active"), name="retarget_cart_idle"),
            models.Index(
                fields=["shop", "abandoned_at"], condition=Q(abandoned_at__isnull=False), name="retarget_cart_abandoned"
            ),
            models.Index(
                fields=["contact", "touched_at"], condition=Q(contact__isnull=False), name="retarget_cart_contact"
            ),
            models.Index(fields=["restored_by"], condition=Q(restored_by__isnull=False), name="retarget_cart_restored"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def subject(self) -> str:
        """How a run names this cart as what it is about."""
        return f"cart:{self.pk}"
