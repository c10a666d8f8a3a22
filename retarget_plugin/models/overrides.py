"""Override: where a shop's owner departs from the strictest reading of a country's rules, and answers for it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from . import choices
from .shops import Shop


class Override(models.Model):
    """A waiver of one rule, with its reason. Never changed but to end it, never deleted: it is a log of who decided what.

    Whatever it waives, a withdrawal and a suppression count all the same.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="overrides", verbose_name=_("shop")
    )
    country = models.CharField(_("country"), max_length=2, help_text=_("Two-letter code, such as FR."))
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels)
    waiver = models.CharField(_("what is waived"), max_length=20, choices=choices.waivers)
    reason = models.TextField(
        _("reason"), help_text=_("Which advice or document allows it. It is kept as evidence for ever.")
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"))
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended by"),
    )
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("legal override")
        verbose_name_plural = _("legal overrides")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "country", "channel", "waiver"],
                condition=Q(ended_at=None),
                name="retarget_override_in_force",
            )
        ]
        indexes = [models.Index(fields=["shop", "made_at"], name="retarget_override_history")]

    def __str__(self) -> str:
        return f"{self.country}/{self.channel}: {self.get_waiver_display()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk and set(kwargs.get("update_fields") or ["reason"]) - {"ended_at", "ended_by"}:
            raise TypeError("An override is evidence and never changes; end it and make another one.")
        super().save(*args, **kwargs)
