"""Breaker: whether a way out works. Throttle: when it is free again. Budget: what a month may still cost."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Breaker(models.Model):
    """The troubles in a row of one way out. Until `open_until` nobody uses it; then one probe at a time."""

    name = models.CharField(_("gateway"), max_length=80, unique=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    open_until = models.DateTimeField(_("left alone until"), null=True, blank=True)
    detail = models.CharField(_("last trouble"), max_length=200, blank=True)
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("gateway state")
        verbose_name_plural = _("gateway states")

    def __str__(self) -> str:
        return self.name


class Throttle(models.Model):
    """One rate that all workers keep together: the next use is free at `free_at`."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    free_at = models.DateTimeField(_("free at"))

    class Meta:
        verbose_name = _("rate")
        verbose_name_plural = _("rates")

    def __str__(self) -> str:
        return self.name


class Budget(models.Model):
    """SMS segments a shop has used in the month that begins on `month`."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="budgets", verbose_name=_("shop")
    )
    month = models.DateField(_("month"))
    segments = models.PositiveIntegerField(_("segments used"), default=0)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [models.UniqueConstraint(fields=["shop", "month"], name="retarget_budget_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.segments}"
