"""Visitor: a browser that allowed us to recognise it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .shops import Shop


class Visitor(models.Model):
    """A first-party cookie with at least 128 random bits. Anonymous until it becomes a contact; never moved to another."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="visitors", verbose_name=_("shop")
    )
    key = models.CharField(_("cookie"), max_length=43, unique=True)
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="visitors", verbose_name=_("contact")
    )
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        indexes = [models.Index(fields=["shop", "last_seen_at"], name="retarget_visitor_seen")]

    def __str__(self) -> str:
        return f"#{self.pk}"
