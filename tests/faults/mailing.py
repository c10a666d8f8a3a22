"""A shop in this process whose people have messages due: for what needs a clock of its own, not processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from retarget_plugin import hosts
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.vocabulary import RunState
from retarget_plugin.engine import delivery, flows
from retarget_plugin.models import Cart, FlowRun, Message
from retarget_plugin.testing import Clock, build_cart, build_contact, build_item, build_shop


class Mailing:
    """The shipped flows, turned on. `received`: recipient -> how many mails reached them."""

    def __init__(self, settings: Any, mailoutbox: list[Any], *, catch_up_per_minute: int = 1_000_000) -> None:
        host = {"BACKEND": "retarget_plugin.testing.FakeHost"}
        settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": host}}
        MemoryGateway.reset()
        self.host: Any = hosts.get_host("default")
        self.mailoutbox, self.clock, self.numbers = mailoutbox, Clock(), count(1)
        self.shop = build_shop(catch_up_per_minute=catch_up_per_minute)
        self.flows = {flow.slug: flow for flow in flows.install(self.shop, now=self.clock.now)}
        for flow in self.flows.values():
            flows.turn_on(flow, now=self.clock.now)

    def queue(
        self,
        slug: str,
        step: str,
        *,
        items: Sequence[Any] | None = None,
        due_at: datetime | None = None,
        deadline: timedelta = timedelta(hours=12),
        **identity: str,
    ) -> Message:
        """A message for `step` of the flow `slug`, due now, to a contact of that identity with a cart of `items`."""
        flow, number = self.flows[slug], next(self.numbers)
        now = due_at or self.clock.now
        who = {"email": f"person{number}@example.com", "phone": f"+336123{number:05}", **identity}
        contact = build_contact(self.shop, now=now, channels=("email", "sms"), **who)
        reference = f"cart{number}"
        self.host.carts[reference] = build_cart(reference, items=[build_item()] if items is None else items)
        cart = Cart.objects.create(
            shop=self.shop, reference=reference, state="abandoned", contact=contact, touched_at=now, created_at=now
        )
        run = FlowRun.objects.create(
            shop=self.shop,
            flow=flow,
            version=flow.version,
            contact=contact,
            cart=cart,
            subject=cart.subject,
            state=RunState.FINISHED,
            anchored_at=now,
            entered_at=now,
        )
        channel = flow.version.parsed.step(step).channel
        return delivery.queue(run, step=step, channel=channel, due_at=now, not_after=now + deadline, now=now)

    def send(self) -> None:
        """Whatever can go at this moment."""
        while delivery.dispatch(now=self.clock.now):
            pass

    @property
    def received(self) -> Counter[str]:
        return Counter(mail.to[0] for mail in self.mailoutbox)
