"""Scene: an open shop, a clock in the test's hands, and what has left so far."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core import mail
from django.db import connections
from django.db.models import Min, QuerySet
from django.utils import timezone

from retarget_plugin import channels, conf, hosts
from retarget_plugin.channels.mime import Letter
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain import experiments
from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.experiments import Arm
from retarget_plugin.domain.vocabulary import CartState, Channel
from retarget_plugin.engine import coupons, flows, products, tick
from retarget_plugin.models import Cart, Contact, Flow

from .builders import build_contact, build_shop
from .clock import Clock
from .host import FakeHost
from .sent import Sent
from .shopper import Shopper

#: Ticks until nothing is left that is due: what one does may be due for the next.
ROUNDS = 10
MEMORY = "retarget_plugin.channels.sms.memory.MemoryGateway"
PUBLIC_URL = "https://shop.example.com"


class Scene:
    """A shop whose flows are on, at ten o'clock on a Tuesday in Paris. Use it as a context manager, with a database.

    Where the shop makes no coupons, the flows that give some stay off.

    Inside, `django.utils.timezone.now()` is `clock.now`, for the shop's own pages too; texts go to MemoryGateway, and
    e-mails where Django's test runner puts them. Nothing moves by itself: time passes in `advance`. Nobody is held out, and
    where a step gives coupons everybody gets one, unless `arm` says where people are put who enter a flow.
    """

    def __init__(self, **shop: Any) -> None:
        """`shop`: changes as for `build_shop`. Without, it is the shop of the first host in the settings."""
        self.clock = Clock()
        self.outbox: list[Sent] = []
        self.arm: Arm | None = None
        self._changes = {"host": next(iter(conf.settings.HOSTS), "default"), **shop}
        self._letters = self._texts = 0
        self._exits = ExitStack()

    def __enter__(self) -> Scene:
        with ExitStack() as exits:
            exits.enter_context(mock.patch.object(timezone, "now", lambda: self.clock.now))
            exits.enter_context(mock.patch.object(experiments, "arms", self._arms))
            exits.callback(_forget_channels)
            exits.enter_context(mock.patch.dict(settings.RETARGET, self._settings()))
            _forget_channels()
            MemoryGateway.reset()
            self._letters = len(mail.outbox)
            self.shop = build_shop(**self._changes)
            self._open()
            # A scene that could not be set leaves nothing behind.
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    @property
    def now(self) -> datetime:
        return self.clock.now

    def agree(self, *, channels: Sequence[str] = (Channel.EMAIL, Channel.SMS), **identity: Any) -> Contact:
        """Somebody who said yes to messages, and proved it: `agree(email="ana@example.com", phone="+33612345678")`."""
        return build_contact(self.shop, now=self.now, channels=channels, **identity)

    def shopper(self, *, channels: Sequence[str] = (Channel.EMAIL, Channel.SMS), **identity: Any) -> Shopper:
        """Somebody as in `agree`, with a browser that may be followed."""
        return Shopper(self.shop, self.agree(channels=channels, **identity), clock=self.clock)

    def sells(self, *items: Item) -> None:
        """What the shop has on its shelves, as its pages have shown it and a FakeHost tells."""
        self._shelve(*items)
        products.remember(self.shop, items, currency=self.shop.currency, now=self.now)

    def sells_out(self, item: Item) -> None:
        """There is none left of it."""
        self._shelve(replace(item, is_available=False))
        products.change(self.shop, item.product_id, is_available=False, at=self.now)

    def only(self, *slugs: str) -> None:
        """Have these flows on, and no other. Raises Refusal for one that the shop is not ready for."""
        for flow in Flow.objects.filter(shop=self.shop):
            switch = flows.turn_on if flow.slug in slugs else flows.turn_off
            switch(flow, now=self.now)

    def advance(self, **delta: float) -> datetime:
        """Let time pass by a timedelta's arguments, with a tick whenever something falls due, and answer the new instant.

        Without arguments, what is due now is done. Raises RuntimeError when part of a tick failed; the log says why.
        """
        until = self.now + timedelta(**delta)
        self.commit()
        self._work()
        while self.now < until:
            self.clock.now = min([until, *self._moments_ahead()])
            self._work()
        return until

    def commit(self) -> None:
        """Run what waits for the commit of the shop's transaction, the shop's events among it.

        A test that is rolled back at its end never commits; `advance` calls this first.
        """
        for connection in connections.all(initialized_only=True):
            waiting, connection.run_on_commit = connection.run_on_commit, []
            for entry in waiting:
                entry[1]()

    def _work(self) -> None:
        for _round in range(ROUNDS):
            done = tick.once(now=self.now)
            self.commit()
            self._collect()
            if done["failed"]:
                raise RuntimeError(f"Part of the tick at {self.now} failed; the log says why.")
            if not done:
                return

    def _moments_ahead(self) -> list[datetime]:
        """When the next row of each kind falls due, and when the next cart counts as abandoned."""
        idle = self.shop.abandoned_after
        fresh = Cart.objects.filter(shop=self.shop, state=CartState.ACTIVE, touched_at__gt=self.now - idle)
        touched = fresh.aggregate(first=Min("touched_at"))["first"]
        waiting = [rows.filter(due_at__gt=self.now).aggregate(first=Min("due_at"))["first"] for rows in _waiting()]
        return [moment for moment in (touched and touched + idle, *waiting) if moment is not None]

    def _collect(self) -> None:
        for text in MemoryGateway.outbox[self._texts :]:
            self.outbox.append(Sent(Channel.SMS, text.to, text.text))
            self._texts += 1
        for letter in _letters(since=self._letters):
            html = next((str(content) for content, kind in letter.alternatives if kind == "text/html"), "")
            self.outbox.append(Sent(Channel.EMAIL, letter.to[0], str(letter.body), str(letter.subject), html))
        self._letters = len(mail.outbox)

    def _shelve(self, *items: Item) -> None:
        host = hosts.get_host(self.shop.host)
        if isinstance(host, FakeHost):
            host.products |= {item.product_id: item for item in items}

    def _open(self) -> None:
        """A shop that makes no coupons does without the flows that give some. Raises Refusal for anything else amiss."""
        for flow in flows.install(self.shop, now=self.now):
            if flow.version and not coupons.problems(flow, flow.version.parsed, now=self.now):
                flows.turn_on(flow, now=self.now)

    def _arms(self, holdout: int, *, has_coupon: bool) -> dict[str, float]:
        return {str(self.arm or (Arm.COUPON if has_coupon else Arm.TREATED)): 100.0}

    def _settings(self) -> dict[str, Any]:
        gateways = {alias: {**entry, "BACKEND": MEMORY, "OPTIONS": {}} for alias, entry in conf.settings.SMS.items()}
        return {
            "SMS": gateways,
            "MAILER": "",
            "PUBLIC_URL": conf.settings.PUBLIC_URL or PUBLIC_URL,
            # A file that other databases have written to would look like a restored backup.
            "HEARTBEAT_FILE": "",
        }


def _waiting() -> list[QuerySet[Any]]:
    """The rows of every kind that says itself when it is due."""
    models = apps.get_app_config("retarget_plugin").get_models()
    return [model._default_manager.all() for model in models if "due_at" in {f.name for f in model._meta.fields}]


def _letters(*, since: int) -> list[Letter]:
    """Our e-mails among those that the shop has sent in this test, but for the first `since` of them all."""
    return [letter for letter in mail.outbox[since:] if isinstance(letter, Letter)]


def _forget_channels() -> None:
    channels.get_email.cache_clear()
    channels.get_gateway.cache_clear()
