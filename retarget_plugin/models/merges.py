"""Merge: two contacts that turned out to be one person, with all that is needed to part them again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .shops import Shop


class Merge(models.Model):
    """`source` became `target`. `moved` lists the primary keys that changed hands, by model name; of runs, which stay, those
    that count in an experiment no longer, each with that one's key.

    `values` are what `target` lacked and took over, and what `source` gave up for it, so that an undo is exact.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="merges", verbose_name=_("shop")
    )
    source = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+", verbose_name=_("merged contact"))
    target = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="merges", verbose_name=_("into"))
    moved = models.JSONField(_("what moved"), default=dict, blank=True)
    values = models.JSONField(_("values taken over"), default=dict, blank=True)
    by = models.CharField(_("by"), max_length=150)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    at = models.DateTimeField(_("date"))
    undone_at = models.DateTimeField(_("undone"), null=True, blank=True)
    undone_by = models.CharField(_("undone by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        indexes = [models.Index(fields=["shop", "at"], name="retarget_merge_at")]

    def __str__(self) -> str:
        return f"#{self.source_id} → #{self.target_id}"
