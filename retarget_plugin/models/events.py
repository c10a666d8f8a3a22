"""Event: what a visitor did in the storefront. DailyCount: what all did, of whom nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .contacts import Contact
from .shops import Shop
from .visitors import Visitor


class Event(models.Model):
    """One thing somebody did who allowed us to follow. Told by a browser: no cart and no order is decided by it.

    On PostgreSQL the table is in monthly parts (models.partitions). Its foreign keys are the app's and not the
    database's: those would lock three busy rows at every insert, and three tables whenever a month is dropped.
    """

    shop = models.ForeignKey(
        Shop,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="events",
        verbose_name=_("shop"),
    )
    visitor = models.ForeignKey(
        Visitor,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="events",
        verbose_name=_("visitor"),
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="events",
        verbose_name=_("contact"),
    )
    name = models.CharField(_("name"), max_length=40)
    product = models.CharField(_("product"), max_length=120, blank=True)
    topic = models.CharField(_("topic"), max_length=60, blank=True)
    path = models.CharField(_("page"), max_length=300, blank=True)
    value = models.DecimalField(_("value"), max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    data = models.JSONField(_("details"), default=dict, blank=True)
    is_bot = models.BooleanField(_("machine"), default=False)
    at = models.DateTimeField(_("date"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["shop", "at"], name="retarget_event_shop"),
            models.Index(fields=["visitor", "at"], condition=Q(visitor__isnull=False), name="retarget_event_visitor"),
            models.Index(fields=["contact", "at"], condition=Q(contact__isnull=False), name="retarget_event_contact"),
            models.Index(
                fields=["shop", "product", "at"],
                condition=Q(contact__isnull=False) & ~Q(product=""),
                name="retarget_event_product",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M}"


class DailyCounts(models.Manager["DailyCount"]):
    def add(self, shop: Shop, names: Mapping[str, int], *, by_machine: bool, now: datetime) -> None:
        """Count `names` (name -> how often) for today, in one statement."""
        if not names:
            return
        people, machines = (0, 1) if by_machine else (1, 0)
        rows: list[Any] = []
        # In one order, so that two browsers never wait for each other.
        for name, times in sorted(names.items()):
            rows += [shop.pk, now.astimezone(UTC).date(), name, times * people, times * machines, now]
        table = connections[DEFAULT_DB_ALIAS].ops.quote_name(self.model._meta.db_table)
        places = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(names))
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (shop_id, day, name, people, machines, last_at) VALUES {places} "  # noqa: S608 - no name is a stranger's
                f"ON CONFLICT (shop_id, day, name) DO UPDATE SET people = {table}.people + excluded.people, "
                f"machines = {table}.machines + excluded.machines, last_at = excluded.last_at",
                rows,
            )


class DailyCount(models.Model):
    """How often something happened on a day (UTC) among those who did not allow us to follow. No page, no product."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="daily_counts", verbose_name=_("shop")
    )
    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=40)
    people = models.PositiveIntegerField(_("by people"), default=0)
    machines = models.PositiveIntegerField(_("by machines"), default=0)
    last_at = models.DateTimeField(_("last"))

    objects = DailyCounts()

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        constraints = [models.UniqueConstraint(fields=["shop", "day", "name"], name="retarget_daily_count")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.people}"
