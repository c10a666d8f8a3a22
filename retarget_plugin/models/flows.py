"""Flow, its immutable versions, and the runs of people through them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import FlowState, RunState, Stage

from . import choices
from .carts import Cart
from .contacts import Contact
from .shops import Shop


class Flow(models.Model):
    """A named journey of a shop. What it does is its current version; whether it does it is its state."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="flows", verbose_name=_("shop")
    )
    slug = models.SlugField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    trigger = models.CharField(_("trigger"), max_length=40)
    topic = models.SlugField(_("topic"), max_length=60, blank=True, db_index=False)
    stage = models.CharField(_("stage"), max_length=12, choices=choices.stages, default=Stage.CART)
    state = models.CharField(_("state"), max_length=8, choices=choices.flow_states, default=FlowState.OFF)
    version = models.ForeignKey(
        "FlowVersion",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("version in use"),
    )

    class Meta:
        verbose_name = _("flow")
        verbose_name_plural = _("flows")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_flow_slug")]

    def __str__(self) -> str:
        return self.name


class FlowVersion(models.Model):
    """What a flow does, as validated data, with every text compiled. Published once, never changed."""

    flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, db_index=False, related_name="versions", verbose_name=_("flow")
    )
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    content = models.JSONField(_("compiled messages"), default=dict)
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("flow version")
        verbose_name_plural = _("flow versions")
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="retarget_version_number")]

    def __str__(self) -> str:
        return f"{self.flow_id} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk and not kwargs.get("force_insert"):
            raise TypeError("A published version never changes; publish another one.")
        super().save(*args, **kwargs)


class FlowRun(models.Model):
    """One contact going through one version about one subject. At most one open run per flow, contact and subject.

    `anchored_at` is t0: the subject's last activity; every wait is measured from it. `due_at` says when to look next.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="runs", verbose_name=_("shop")
    )
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="runs", verbose_name=_("flow"))
    version = models.ForeignKey(FlowVersion, on_delete=models.RESTRICT, related_name="runs", verbose_name=_("version"))
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, related_name="runs", verbose_name=_("contact")
    )
    cart = models.ForeignKey(
        Cart, on_delete=models.CASCADE, null=True, blank=True, related_name="runs", verbose_name=_("cart")
    )
    subject = models.CharField(_("subject"), max_length=140)
    state = models.CharField(_("state"), max_length=8, choices=choices.run_states, default=RunState.ACTIVE)
    reason = models.CharField(_("reason"), max_length=24, choices=choices.reasons, blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    anchored_at = models.DateTimeField(_("t0"))
    entered_at = models.DateTimeField(_("entered"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "contact", "subject"], condition=Q(state="active"), name="retarget_run_open"
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="active"), name="retarget_run_due"),
            models.Index(fields=["contact", "flow", "entered_at"], name="retarget_run_entered"),
            models.Index(fields=["shop", "entered_at"], name="retarget_run_report"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
