"""WebhookCall: another system is to be told that somebody came to a step of a flow."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .flows import FlowRun
from .shops import Shop


class WebhookCall(models.Model):
    """One call, until it was answered or given up. What it says is read when it is sent, and stands nowhere.

    `due_at`: when it is tried next; None once `answered_at` or `given_up_at` is set. `key` is its id for the other side,
    the same at every try.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="webhook_calls", verbose_name=_("shop")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="webhook_calls", verbose_name=_("contact")
    )
    run = models.ForeignKey(FlowRun, on_delete=models.CASCADE, related_name="webhook_calls", verbose_name=_("run"))
    step = models.CharField(_("step"), max_length=60)
    url = models.CharField(_("address"), max_length=500)
    key = models.UUIDField(_("id of the call"), default=uuid.uuid4, unique=True)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0)
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    given_up_at = models.DateTimeField(_("given up"), null=True, blank=True)

    class Meta:
        verbose_name = _("webhook call")
        verbose_name_plural = _("webhook calls")
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="retarget_webhook_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="retarget_webhook_due"),
            models.Index(fields=["created_at"], name="retarget_webhook_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
