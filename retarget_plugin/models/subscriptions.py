"""ProductSubscription: somebody asked to hear about one product."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose

from . import choices
from .consent import Consent
from .contacts import Contact
from .shops import Shop


class ProductSubscriptionQuerySet(models.QuerySet["ProductSubscription"]):
    def allowed(self) -> ProductSubscriptionQuerySet:
        """Those whose contact allows product news, at an address it has proven."""
        granted = Consent.objects.filter(
            contact=OuterRef("contact"), channel=Channel.EMAIL, purpose=Purpose.ALERTS, state=ConsentState.GRANTED
        )
        return self.filter(Exists(granted))

    def live(self) -> ProductSubscriptionQuerySet:
        """Those of `allowed` that wait for an answer still."""
        return self.allowed().filter(notified_at=None)

    def tell(self, contact_id: int, *, product: str, kind: str, at: datetime) -> int:
        """Whoever waited for this news of `product` has it now."""
        waiting = self.filter(contact=contact_id, product=product, kind=kind, notified_at=None)
        return waiting.update(notified_at=at)


class ProductSubscription(models.Model):
    """One contact, one product, one kind of news; told once, by e-mail. `product` is the shop's own id of it.

    `price` is what it cost when it was asked for: a price drop is measured from there. What a stranger asks for names an
    `email` and a `locale` only until `due_at`, when it is found out whose they are; from then on it has its `contact`.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="product_subscriptions", verbose_name=_("shop")
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="product_subscriptions",
        verbose_name=_("contact"),
    )
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    locale = models.CharField(_("language"), max_length=12, blank=True)
    product = models.CharField(_("product"), max_length=120)
    kind = models.CharField(_("news"), max_length=16, choices=choices.product_news)
    price = models.DecimalField(_("price then"), max_digits=14, decimal_places=2, null=True, blank=True)
    is_proven = models.BooleanField(_("asked by the person"), default=False)
    source = models.CharField(_("source"), max_length=200)
    at = models.DateTimeField(_("asked on"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    notified_at = models.DateTimeField(_("told"), null=True, blank=True)

    objects = ProductSubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("product subscription")
        verbose_name_plural = _("product subscriptions")
        constraints = [
            models.UniqueConstraint(fields=["contact", "product", "kind"], name="retarget_subscription_once")
        ]
        indexes = [
            models.Index(
                fields=["shop", "product", "kind"], condition=Q(notified_at=None), name="retarget_subscription_open"
            ),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="retarget_subscription_due"),
            models.Index(fields=["at"], condition=Q(is_proven=False), name="retarget_subscription_unproven"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.product}"
