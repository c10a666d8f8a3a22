"""Ways out: which there are, whether one works, how fast it may be used, and who stands in for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.urls import reverse

from retarget_plugin import channels, conf
from retarget_plugin.domain.delivery import back_off
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import Channel, OutcomeKind
from retarget_plugin.models import Breaker, Message, Shop

from . import links


@dataclass(frozen=True)
class Way:
    """One way out: the e-mail channel, or one SMS gateway. `alias` is empty for e-mail."""

    channel: Channel
    alias: str = ""

    @property
    def name(self) -> str:
        return f"{self.channel}:{self.alias}" if self.alias else str(self.channel)

    @property
    def rate(self) -> float:
        """Messages a second for all workers together; 0: no limit."""
        given = conf.settings.EMAIL_RATE if self.channel == Channel.EMAIL else self._entry.get("RATE", 0)
        return float(given or 0)

    @property
    def fallback(self) -> str:
        """Alias of the gateway that stands in while this one is left alone."""
        return str(self._entry.get("FALLBACK", ""))

    @property
    def retries_unknown(self) -> bool:
        """Whether staff accepts doubles rather than misses."""
        if self.channel == Channel.EMAIL:
            return conf.settings.EMAIL_RETRY_UNKNOWN
        return bool(self._entry.get("RETRY_UNKNOWN", False))

    @property
    def door(self) -> channels.EmailChannel | channels.Gateway:
        """What carries the messages. Raises ConfigurationError."""
        return channels.get_email() if self.channel == Channel.EMAIL else channels.get_gateway(self.alias)

    @property
    def label(self) -> str:
        """How the ledger names it. Raises ConfigurationError."""
        if self.channel == Channel.EMAIL:
            return channels.get_email().mailer or "email"
        return channels.get_gateway(self.alias).alias

    @property
    def receipt_url(self) -> str:
        """Where a text's provider may report what became of it; empty where its reports could not be believed.

        Raises ConfigurationError.
        """
        if self.channel == Channel.EMAIL:
            return ""
        gateway = channels.get_gateway(self.alias)
        if gateway.reports is channels.Proof.NONE or gateway.check_webhooks():
            return ""
        secrets = channels.receipt_secrets.of(self.alias)
        return links.public_url(reverse("retarget_plugin:receipts", args=[self.alias, *secrets[:1]]))

    @property
    def _entry(self) -> dict[str, Any]:
        return conf.settings.SMS.get(self.alias, {})


@dataclass(frozen=True)
class Admission:
    """How many messages a way may take now: any number (None), one probe, or none."""

    limit: int | None = None
    detail: str = ""

    @property
    def is_closed(self) -> bool:
        return self.limit == 0


def way_of(message: Message) -> Way:
    """The way a message's last attempt went, else the one its shop uses."""
    if message.channel == Channel.EMAIL:
        return Way(Channel.EMAIL)
    return Way(Channel.SMS, message.gateway or message.shop.sms_gateway)


def ways() -> list[Way]:
    """Every way out that a shop uses or falls back to, e-mail first."""
    aliases = list(Shop.objects.order_by("pk").values_list("sms_gateway", flat=True).distinct())
    for alias in list(aliases):
        stand_in = Way(Channel.SMS, alias).fallback
        if stand_in and stand_in not in aliases:
            aliases.append(stand_in)
    return [Way(Channel.EMAIL), *(Way(Channel.SMS, alias) for alias in dict.fromkeys(aliases))]


def shops_of(way: Way) -> list[tuple[Shop, list[str]]]:
    """The shops `way` carries for, each with the labels of gateways whose messages it may take ("": not tried yet).

    A gateway that stands in takes what was never tried, and only while the shop's own is left alone; what it tried
    itself stays with it, since only there the key is known.
    """
    if way.channel == Channel.EMAIL:
        return [(shop, ["", way.label]) for shop in Shop.objects.order_by("pk")]
    served = []
    for shop in Shop.objects.order_by("pk"):
        own = Way(Channel.SMS, shop.sms_gateway)
        if own == way:
            served.append((shop, ["", way.alias]))
        elif own.fallback == way.alias:
            is_out = Breaker.objects.filter(name=own.name, open_until__isnull=False).exists()
            served.append((shop, ["", way.alias] if is_out else [way.alias]))
    return served


def admit(way: Way, *, now: datetime) -> Admission:
    """Ask before claiming. While a way is left alone, one worker every BREAKER_SECONDS gets to try one message."""
    breaker = Breaker.objects.filter(name=way.name).first()
    if breaker is None or breaker.open_until is None:
        return Admission()
    if breaker.open_until > now:
        return Admission(0, breaker.detail)
    won = Breaker.objects.filter(pk=breaker.pk, open_until=breaker.open_until).update(open_until=_pause(now))
    return Admission(1 if won else 0, breaker.detail)


def note(way: Way, outcome: Outcome, *, now: datetime, was_troubled: bool) -> bool:
    """Remember how an attempt went; True when the way is to be left alone from now on.

    `was_troubled`: whether the last that is known of it was trouble; a way that works costs no statement.
    """
    if not outcome.is_about_gateway:
        if was_troubled:
            Breaker.objects.filter(name=way.name).update(failures=0, open_until=None, detail="", changed_at=now)
        return False
    detail = " ".join(filter(None, [outcome.code, outcome.detail]))[:200]
    changes = {"detail": detail, "changed_at": now}
    breaker, _is_new = Breaker.objects.get_or_create(name=way.name, defaults={"failures": 0, **changes})
    Breaker.objects.filter(pk=breaker.pk).update(failures=F("failures") + 1, **changes)
    asked = outcome.kind is OutcomeKind.RATE_LIMITED and outcome.retry_after
    if asked:
        Breaker.objects.filter(pk=breaker.pk).update(open_until=now + back_off(1, outcome.retry_after))
        return True
    troubled = Breaker.objects.filter(pk=breaker.pk, failures__gte=conf.settings.BREAKER_FAILURES)
    return bool(troubled.update(open_until=_pause(now)))


def is_troubled(way: Way) -> bool:
    return Breaker.objects.filter(name=way.name, failures__gt=0).exists()


def key_until(way: Way, *, now: datetime) -> datetime | None:
    """Until when `way` recognises a key that is first used at `now`; None without keys. A tenth is kept in reserve."""
    door = way.door
    if not door.has_idempotency_keys:
        return None
    return now + timedelta(seconds=0.9 * door.idempotency_key_life)


def _pause(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.settings.BREAKER_SECONDS)
