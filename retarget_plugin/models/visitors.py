"""Visitor: a browser that allowed us to recognise it. Claim: an address somebody typed there, and no more than that."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from . import choices
from .contacts import Contact
from .shops import Shop


class Visitor(models.Model):
    """A first-party cookie of 256 random bits. Anonymous until it becomes a contact; never moved to another.

    `known_since` and `known_by` say when and how it became one. A visitor that has ended is never recognised again:
    whoever uses that browser next is a new one.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="visitors", verbose_name=_("shop")
    )
    key = models.CharField(_("cookie"), max_length=43, unique=True)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="visitors",
        verbose_name=_("contact"),
    )
    known_since = models.DateTimeField(_("known since"), null=True, blank=True)
    known_by = models.CharField(_("known by"), max_length=40, blank=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        indexes = [
            models.Index(fields=["shop", "last_seen_at"], name="retarget_visitor_seen"),
            models.Index(fields=["contact"], condition=Q(contact__isnull=False), name="retarget_visitor_contact"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Claim(models.Model):
    """An address that was typed in a visitor's browser. Anybody may type anybody's: it stays a claim until it is proven.

    `proven_at`: the same browser confirmed it from a message that only the owner of the address had.
    """

    visitor = models.ForeignKey(
        Visitor, on_delete=models.CASCADE, db_index=False, related_name="claims", verbose_name=_("visitor")
    )
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels)
    address = models.CharField(_("address"), max_length=254)
    source = models.CharField(_("source"), max_length=200)
    at = models.DateTimeField(_("date"))
    proven_at = models.DateTimeField(_("proven"), null=True, blank=True)

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        constraints = [
            models.UniqueConstraint(fields=["visitor", "channel", "address"], name="retarget_claim_address"),
        ]
        indexes = [models.Index(fields=["address"], name="retarget_claim_of_address")]

    def __str__(self) -> str:
        return f"#{self.pk}"
