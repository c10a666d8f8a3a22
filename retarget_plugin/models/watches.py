"""Watch: look at this at that time, whether somebody should enter a flow."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .flows import Flow


class Watch(models.Model):
    """One thing that a flow's trigger waits for, once per flow and `subject`; it decides nothing, it says when to look.

    `subject` is what to look at: "contact:5", "visitor:7", "order:9", "lead:3", "product:17", or "everyone" for the walk
    through all that the shop knows already, whose place is in `data`. `noted_at`: the last time that something happened to
    it; who has looked takes the row away only where nothing has since.
    """

    flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, db_index=False, related_name="watches", verbose_name=_("flow")
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="watches",
        verbose_name=_("contact"),
    )
    subject = models.CharField(_("subject"), max_length=140)
    data = models.JSONField(_("details"), default=dict, blank=True)
    due_at = models.DateTimeField(_("due"))
    noted_at = models.DateTimeField(_("noted"))

    class Meta:
        verbose_name = _("watch")
        verbose_name_plural = _("watches")
        constraints = [models.UniqueConstraint(fields=["flow", "subject"], name="retarget_watch_subject")]
        indexes = [
            models.Index(fields=["due_at"], name="retarget_watch_due"),
            models.Index(fields=["contact"], condition=Q(contact__isnull=False), name="retarget_watch_contact"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.due_at:%Y-%m-%d %H:%M}"
