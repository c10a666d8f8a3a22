"""ConsentRecord: what was said, append-only. Consent: today's state. Suppression: addresses never to be used again."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import Purpose

from . import choices
from .contacts import Contact
from .shops import Shop
from .visitors import Visitor

OF_CONTACT = Q(contact__isnull=False, visitor=None)
OF_VISITOR = Q(contact=None, visitor__isnull=False)


class ConsentRecord(models.Model):
    """One request, grant or withdrawal, as evidence: a contact's, or that of a visitor whom nobody knows.

    `is_confirmed`: the answer came from the address itself (double opt-in). Never changed: `save` on a stored row raises
    TypeError, and the database itself refuses to rewrite one (see `models.evidence`).
    """

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="consent_records", verbose_name=_("shop"))
    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="consent_records",
        verbose_name=_("contact"),
    )
    visitor = models.ForeignKey(
        Visitor,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="consent_records",
        verbose_name=_("visitor"),
    )
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels, blank=True)
    purpose = models.CharField(_("purpose"), max_length=16, choices=choices.purposes, default=Purpose.MARKETING)
    state = models.CharField(_("state"), max_length=12, choices=choices.consent_states)
    wording = models.TextField(_("wording shown"), blank=True)
    wording_version = models.CharField(_("wording version"), max_length=40, blank=True)
    source = models.CharField(_("source"), max_length=200)
    proof = models.JSONField(_("proof"), default=dict, blank=True)
    is_confirmed = models.BooleanField(_("confirmed from the address itself"), default=False)
    at = models.DateTimeField(_("date"))

    class Meta:
        verbose_name = _("consent record")
        verbose_name_plural = _("consent records")
        constraints = [models.CheckConstraint(condition=OF_CONTACT | OF_VISITOR, name="retarget_consent_record_whose")]
        indexes = [
            models.Index(fields=["contact", "channel", "purpose", "at"], name="retarget_consent_history"),
            models.Index(fields=["visitor"], condition=OF_VISITOR, name="retarget_consent_visitors"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}/{self.channel}: {self.state}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk and not kwargs.get("force_insert"):
            raise TypeError("A consent record is evidence and never changes; add another one.")
        super().save(*args, **kwargs)


class Consent(models.Model):
    """Today's state per channel and purpose, derived from the newest record, which it names."""

    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="consents",
        verbose_name=_("contact"),
    )
    visitor = models.ForeignKey(
        Visitor,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="consents",
        verbose_name=_("visitor"),
    )
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels, blank=True)
    purpose = models.CharField(_("purpose"), max_length=16, choices=choices.purposes, default=Purpose.MARKETING)
    state = models.CharField(_("state"), max_length=12, choices=choices.consent_states)
    record = models.ForeignKey(ConsentRecord, on_delete=models.RESTRICT, related_name="+", verbose_name=_("evidence"))
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["contact", "channel", "purpose"], name="retarget_consent_state"),
            models.UniqueConstraint(
                fields=["visitor", "channel", "purpose"], condition=OF_VISITOR, name="retarget_consent_visitor_state"
            ),
            models.CheckConstraint(condition=OF_CONTACT | OF_VISITOR, name="retarget_consent_whose"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose}/{self.channel}: {self.state}"


class Suppression(models.Model):
    """An address that must not be used. `key` is a keyed hash, never the address: see `engine.consent.suppression_keys`."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="suppressions", verbose_name=_("shop")
    )
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels)
    key = models.CharField(_("keyed hash of the address"), max_length=64)
    reason = models.CharField(_("reason"), max_length=16, choices=choices.suppression_reasons)
    at = models.DateTimeField(_("date"))

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints = [models.UniqueConstraint(fields=["shop", "channel", "key"], name="retarget_suppression_key")]

    def __str__(self) -> str:
        return f"{self.channel}: {self.reason}"
