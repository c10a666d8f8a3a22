"""Installation: the one row that says which database this is, how far it has come, and whether everything stands still."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from . import choices


class Installation(models.Model):
    """This installation; its key is always 1. A row that comes back from a backup still says what it said then.

    `fingerprint` names the database and the site it was written in; see `engine.installation`. After a restore or a copy
    nothing is known of the time from `lost_from` to `lost_until`: what was due in it may have been sent.
    """

    number = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    uuid = models.UUIDField(_("id"), default=uuid.uuid4, editable=False)
    fingerprint = models.JSONField(_("fingerprint"), default=dict)
    heartbeat_at = models.DateTimeField(_("last sign of life"))
    halted_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    halted_because = models.CharField(_("stopped because"), max_length=16, choices=choices.halts, blank=True)
    halted_by = models.CharField(_("stopped by"), max_length=150, blank=True)
    lost_from = models.DateTimeField(_("nothing is known from"), null=True, blank=True)
    lost_until = models.DateTimeField(_("nothing is known until"), null=True, blank=True)

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("stop button")

    def __str__(self) -> str:
        return gettext("This installation")
