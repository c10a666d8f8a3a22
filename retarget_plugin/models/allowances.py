"""Allowance: how much of something one subject has used lately."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Allowance(models.Model):
    """The uses of `name` by one subject that still count. The subject itself (an address, a cookie) is not kept.

    `uses`: [[UTC timestamp in seconds, amount], ...], oldest first. `turn` counts the changes: who has read an older
    one changes nothing. After `ends_at` the row says nothing any more.
    """

    name = models.CharField(_("name"), max_length=40)
    subject = models.CharField(_("subject (keyed hash)"), max_length=32)
    uses = models.JSONField(_("uses"), default=list)
    turn = models.PositiveBigIntegerField(_("turn"), default=0)
    ends_at = models.DateTimeField(_("ends"), db_index=True)

    class Meta:
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")
        constraints = [models.UniqueConstraint(fields=["name", "subject"], name="retarget_allowance_subject")]

    def __str__(self) -> str:
        return f"{self.name} {self.subject[:8]}"
