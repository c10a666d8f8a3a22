"""Customer: what a contact's orders come to. Quintiles: where a shop's customers divide into fifths."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .shops import Shop


class Customer(models.Model):
    """One contact who has ordered. What is not cancelled counts; `spent` is in the shop's currency, other orders left out.

    `changed_at`: an order came or went that is not counted here yet. `median_gap_days`: half of the times between two of
    their orders were shorter; None with fewer than two. Who objects to profiles has no row.
    """

    contact = models.OneToOneField(
        Contact, on_delete=models.CASCADE, related_name="customer", verbose_name=_("contact")
    )
    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="customers", verbose_name=_("shop")
    )
    orders = models.PositiveIntegerField(_("orders"), default=0)
    spent = models.DecimalField(_("spent"), max_digits=14, decimal_places=2, default=Decimal(0))
    first_order_at = models.DateTimeField(_("first order"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order"), null=True, blank=True)
    median_gap_days = models.FloatField(_("days between orders"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        indexes = [
            models.Index(
                fields=["changed_at"], condition=Q(changed_at__isnull=False), name="retarget_customer_changed"
            ),
            models.Index(fields=["shop", "last_order_at"], name="retarget_customer_recency"),
            models.Index(fields=["shop", "orders"], name="retarget_customer_frequency"),
            models.Index(fields=["shop", "spent"], name="retarget_customer_monetary"),
        ]

    def __str__(self) -> str:
        return f"#{self.contact_id}: {self.orders}"


class Quintiles(models.Model):
    """The four bounds of each score among a shop's `customers`, lowest first: days as ISO dates and times, numbers as text.

    Made anew, at most once a day, when something has changed since (`is_stale`).
    """

    shop = models.OneToOneField(Shop, on_delete=models.CASCADE, related_name="quintiles", verbose_name=_("shop"))
    customers = models.PositiveIntegerField(_("customers"), default=0)
    recency = models.JSONField(_("last order"), default=list, blank=True)
    frequency = models.JSONField(_("orders"), default=list, blank=True)
    monetary = models.JSONField(_("spent"), default=list, blank=True)
    is_stale = models.BooleanField(_("out of date"), default=True)
    made_at = models.DateTimeField(_("made"), null=True, blank=True)

    class Meta:
        verbose_name = _("quintiles")
        verbose_name_plural = _("quintiles")

    def __str__(self) -> str:
        return f"{self.shop_id}: {self.customers}"
