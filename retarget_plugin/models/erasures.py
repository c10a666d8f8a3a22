"""Erasure: that somebody was erased, without saying who. ErasureRequest: a processor that still has to be told."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Erasure(models.Model):
    """One person erased from one shop. `marks` are keyed hashes by kind (email, phone, account), as suppressions keep.

    `contacts`: primary key -> when it was made, of the contacts that stay behind empty; it is how they are found again in
    a restored backup. `removed` counts what went, by table. `by` says who asked. Until `done_at` it is not finished.
    """

    uuid = models.UUIDField(_("id"), default=uuid.uuid4, unique=True, editable=False)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="erasures", verbose_name=_("shop"))
    contacts = models.JSONField(_("contacts left empty"), default=dict)
    marks = models.JSONField(_("keyed hashes"), default=dict)
    by = models.CharField(_("asked by"), max_length=150)
    removed = models.JSONField(_("removed"), default=dict)
    at = models.DateTimeField(_("date"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        indexes = [
            models.Index(fields=["at"], name="retarget_erasure_at"),
            models.Index(fields=["at"], condition=Q(done_at=None), name="retarget_erasure_open"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ErasureRequest(models.Model):
    """What a processor must be told about an erasure. `person` is kept until it has been told, and no longer."""

    erasure = models.ForeignKey(
        Erasure, on_delete=models.CASCADE, db_index=False, related_name="requests", verbose_name=_("erasure")
    )
    processor = models.CharField(_("processor"), max_length=60)
    person = models.JSONField(_("person"), default=dict, blank=True)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    detail = models.CharField(_("last trouble"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("request to a processor")
        verbose_name_plural = _("requests to processors")
        constraints = [models.UniqueConstraint(fields=["erasure", "processor"], name="retarget_erasure_processor")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="retarget_erasure_due")]

    def __str__(self) -> str:
        return f"{self.processor} #{self.erasure_id}"
