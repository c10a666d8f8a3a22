"""Experiment: how the people of a flow are divided into arms, from when on."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from .flows import Flow


class Experiment(models.Model):
    """One draw of a flow's people. The one with the highest number is in force; a run names the one it was drawn in.

    Nobody changes arms within an experiment: `key` and `weights` (arm -> per cent) never change, another takes its place.
    `known_at`: when the effect of the flow had been shown.
    """

    flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, db_index=False, related_name="experiments", verbose_name=_("flow")
    )
    number = models.PositiveIntegerField(_("number"))
    key = models.UUIDField(_("key of its draw"), default=uuid.uuid4, editable=False)
    weights = models.JSONField(_("arms in per cent"))
    began_at = models.DateTimeField(_("began"))
    read_at = models.DateTimeField(_("last read"))
    known_at = models.DateTimeField(_("known since"), null=True, blank=True)

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="retarget_experiment_number")]
        indexes = [models.Index(fields=["read_at"], name="retarget_experiment_read")]

    def __str__(self) -> str:
        return f"{self.flow_id} #{self.number}"
