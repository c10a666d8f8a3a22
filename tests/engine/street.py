"""A street with one shop and one flow: somebody walks by, and does what may let them in."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from itertools import count

from retarget_plugin.domain.carts import Identity, Order
from retarget_plugin.domain.events import Event
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.vocabulary import FlowState
from retarget_plugin.engine import attribution, flows, optin, orders, tokens, tracking, triggers, visitors
from retarget_plugin.models import Flow, FlowRun, Lead, Link, Message, Watch
from retarget_plugin.testing import Clock, build_contact, build_item, build_shop
from tests.lead_forms import make_form, make_magnet

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
#: A text: nothing is faster to compile.
MESSAGES = {"m": {"channel": "sms", "en": {"text": "Hello {{ stop }}"}}}
STEPS = [{"key": "m", "after": "1h", "deadline": "24h", "send": {"channel": "sms", "message": "m"}}]


class Street:
    """`ana` is known, may be written to, texted, followed and measured; `visitor` is her browser."""

    def __init__(self, clock=None):
        self.clock = clock or Clock()
        self.shop = build_shop()
        self.ana = build_contact(
            self.shop, now=self.now, channels=("email", "sms"), email="ana@example.com", phone="+33612345678"
        )
        self.visitor = visitors.become(self.meet(), self.ana, source="log-in", now=self.now)
        self._numbers = count(1)

    @property
    def now(self):
        return self.clock.now

    def meet(self):
        return visitors.meet(self.shop, grant=Grant(tracking=True, wording="1", source="cmp"), now=self.now)

    def open(self, trigger, slug="flow", messages=MESSAGES, **changes):
        """A flow with this trigger that is on. `changes`: other keys of its definition."""
        definition = {"slug": slug, "trigger": trigger, "stage": "site", "steps": STEPS, **changes}
        flow, _is_new = Flow.objects.get_or_create(shop=self.shop, slug=slug, defaults={"name": slug})
        flows.publish(flow, definition, messages, now=self.now)
        Flow.objects.filter(pk=flow.pk).update(state=FlowState.ON)
        return Flow.objects.get(pk=flow.pk)

    def tick(self, **delta):
        """Time passes; whatever is due is looked at."""
        self.clock.advance(**delta)
        orders.read_new(now=self.now)
        attribution.settle_new(now=self.now)
        for _round in range(10):
            if not triggers.sweep(now=self.now):
                return

    @property
    def inside(self):
        """What each run is about, and its t0."""
        return list(FlowRun.objects.order_by("pk").values_list("subject", "anchored_at"))

    # -- what somebody does ------------------------------------------------------------------------------------------

    def does(self, *events, is_bot=False, visitor=None):
        tracking.record(self.shop, events, visitor=visitor or self.visitor, is_bot=is_bot, now=self.now)

    def views(self, *products, category="", price="", is_bot=False):
        for product in products:
            line = {"item_id": product, "item_category": category, "price": price}
            self.does(Event(name="view_item", product=product, data={"items": [line]}), is_bot=is_bot)

    def opens(self, pages, is_bot=False):
        self.does(*[Event(name="page_view", path=f"/{number}/") for number in range(pages)], is_bot=is_bot)

    def mailed(self, topic="", **sent):
        """A message that has gone out, with a link about `topic`; answers the link. `sent`: how long ago, as a timedelta."""
        number = next(self._numbers)
        message = Message.objects.create(
            shop=self.shop,
            contact=self.ana,
            step=str(number),
            channel="email",
            state="accepted",
            due_at=self.now,
            not_after=self.now,
            key=uuid.uuid4(),
            created_at=self.now,
            sent_at=self.now - timedelta(**sent),
        )
        return Link.objects.create(
            shop=self.shop, message=message, code=f"code{number}", destination="https://shop.example.com/", topic=topic,
            created_at=self.now,
        )  # fmt: skip

    def clicks(self, *topics, is_bot=False):
        for topic in topics:
            agent = "curl/8" if is_bot else BROWSER
            tracking.click(self.mailed(topic, hours=1).code, user_agent=agent, method="GET", headers={}, now=self.now)

    def orders(self, reference="o1", **changes):
        facts = {
            "reference": reference,
            "number": reference,
            "currency": "EUR",
            "total": Decimal("499.00"),
            "identity": Identity(email=self.ana.email),
            "items": (build_item(),),
            "placed_at": self.now,
        }
        order = Order(**facts | changes)
        orders.touch(host="default", reference=reference, snapshot=order, told_at=self.now, now=self.now)

    def fills_in(self, slug="soups", topic="cooking"):
        """A form, whose question is waiting in the mail; answers its lead."""
        magnet = make_magnet(self.shop, now=self.now, slug=slug, topic=topic, files=(("guide.pdf", b"%PDF"),))
        form = make_form(self.shop, now=self.now, slug=slug, magnet=magnet)
        lead = Lead.objects.create(
            shop=self.shop, form=form, magnet=magnet, contact=self.ana, email=self.ana.email, created_at=self.now
        )
        said = {"channel": "email", "purpose": "", "source": "form", "wording": "", "wording_version": ""}
        optin.request(self.ana, lead=lead, now=self.now, **said)
        return lead

    def confirms(self):
        question = Message.objects.filter(template="confirm").latest("pk")
        optin.confirm(tokens.confirm(contact_id=question.contact_id, message_id=question.pk), now=self.now)

    def watched(self):
        return list(Watch.objects.order_by("subject").values_list("subject", "due_at"))
