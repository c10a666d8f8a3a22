"""The main job, told once: Ana leaves a basket, is brought back by text and e-mail, and orders on another device."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage

from django.urls import reverse

from retarget_plugin.domain.vocabulary import MessageState, Reason
from retarget_plugin.engine import doctor, flows, reports
from retarget_plugin.models import Cart, Decision, Flow, Message, Order, Shop
from retarget_plugin.models.clock import database_now

from .clock import Clock
from .inbox import Inbox, html_of
from .shopper import Shopper

EMAIL = "ana.martin@example.com"
PHONE = "+33 6 12 34 56 78"


class StageFailed(AssertionError):
    """A stage of the story did not hold; the message says what was seen instead."""


@dataclass(frozen=True)
class Stage:
    """One line a person understands, and where to look."""

    title: str
    address: str = ""


class Story:
    """Plays the story against a running shop. `stages()` yields each stage once it has held; StageFailed ends it."""

    def __init__(self, *, url: str, inbox: Inbox, clock: Clock) -> None:
        self.url, self.inbox, self.clock = url, inbox, clock
        self.shop = Shop.objects.get()
        self.ana = Shopper(url)
        self.phone = Shopper(url)
        self.left: list[tuple[str, int]] = []

    def stages(self) -> Iterator[Stage]:
        yield self.open()
        yield self.look_and_agree()
        yield self.fill_and_leave()
        yield self.notice()
        yield self.send_text()
        yield self.send_mail()
        yield self.come_back()
        yield self.order()
        yield self.stay_quiet()
        yield self.report()
        yield self.examine()

    def open(self) -> Stage:
        products = self.ana.products()
        _hold(len(products) >= 10, f"the front page shows {len(products)} products")
        for flow in Flow.objects.filter(shop=self.shop):
            flows.turn_on(flow, now=database_now())
        return Stage(
            f"The shop is open with {len(products)} products; its owner has turned the flows on.", f"{self.url}/"
        )

    def look_and_agree(self) -> Stage:
        self.ana.view("macro")
        self.ana.sign_up(email=EMAIL, phone=PHONE, by_email=True, by_sms=True)
        return Stage("Ana looks at a macro lens and agrees to e-mails and texts.", f"{self.url}/stay-in-touch/")

    def fill_and_leave(self) -> Stage:
        self.ana.add_to_basket("macro")
        self.ana.add_to_basket("sling")
        self.ana.change_quantity("sling", 2)
        self.left = [(line.title, line.quantity) for line in self.ana.basket()]
        self.ana.start_checkout(EMAIL)
        cart = Cart.objects.get(email=EMAIL)
        _hold(cart.stage == "checkout", f"the cart's stage is {cart.stage}")
        return Stage(
            "She puts it into her basket with two sling bags, types her e-mail at the checkout, and leaves.",
            self.ana.url,
        )

    def notice(self) -> Stage:
        self.pass_time(hours=1, minutes=1)
        cart = Cart.objects.get(email=EMAIL)
        _hold(
            cart.state == "abandoned" and len(cart.items) == 2, f"the cart is {cart.state} with {len(cart.items)} lines"
        )
        _hold(not self.inbox.texts and not self.inbox.mails, "something was sent already")
        return Stage(
            f"An hour later the basket counts as abandoned: {cart.total} {cart.currency}.", self.admin("cart", cart.pk)
        )

    def send_text(self) -> Stage:
        self.pass_time(minutes=45)
        _hold(len(self.inbox.texts) == 1, f"{len(self.inbox.texts)} texts arrived. {_why('sms')}")
        text = self.inbox.texts[0]
        _hold(text["to"] == "+33612345678", f"the text went to {text['to']}")
        return Stage(f"After 1 h 45 she gets a text: “{text['text']}”", self.inbox.url)

    def send_mail(self) -> Stage:
        self.pass_time(hours=2, minutes=15)
        _hold(len(self.inbox.mails) == 1, f"{len(self.inbox.mails)} e-mails arrived. {_why('email')}")
        mail = self.inbox.mails[0]
        self.check_mail(mail)
        return Stage(f"After 4 h an e-mail: “{mail['Subject']}”, with pictures, prices and a link.", self.inbox.url)

    def come_back(self) -> Stage:
        link = _first_link(self.inbox.texts[0]["text"])
        self.phone.visit(link)
        self.phone.press()
        found = [(line.title, line.quantity) for line in self.phone.basket()]
        _hold(sorted(found) == sorted(self.left), f"the basket on the phone holds {found}, not {self.left}")
        return Stage("She taps the short link on her phone: the basket is there, in a browser that never saw it.", link)

    def order(self) -> Stage:
        number = self.phone.complete_checkout(EMAIL)
        self.pass_time(minutes=1)
        order = Order.objects.get(number=number)
        message = order.credited_message
        _hold(message is not None and message.channel == "sms", "no message is credited for the order")
        return Stage(
            f"She orders: number {number}, {order.total} {order.currency}, credited to the text.",
            self.admin("order", order.pk),
        )

    def stay_quiet(self) -> Stage:
        for _day in range(4):
            self.pass_time(days=1)
        sent = Message.objects.filter(state=MessageState.ACCEPTED).count()
        _hold(
            sent == 2 and len(self.inbox.mails) + len(self.inbox.texts) == 2 + self.confirmations(),
            f"{sent} messages were sent",
        )
        left = Decision.objects.filter(code=Reason.ORDERED).count()
        _hold(left >= 1, "no run left its flow because of the order")
        return Stage("Four days pass: nothing more is sent, because she has ordered.", self.admin("message"))

    def report(self) -> Stage:
        now = database_now()
        seen = reports.overview(self.shop, since=now - timedelta(days=30), until=now)
        _hold((seen.abandoned, seen.messaged, seen.recovered) == (1, 1, 1), f"the report counts {seen}")
        _hold(seen.revenue > Decimal(0), "the report shows no revenue")
        said = f"{seen.abandoned} abandoned, {seen.messaged} messaged, {seen.recovered} recovered, {seen.revenue} {seen.currency}"
        return Stage(
            f"The report: {said}.", f"{self.url}{reverse('admin:retarget_plugin_shop_report_of', args=[self.shop.pk])}"
        )

    def examine(self) -> Stage:
        findings = doctor.examine(now=database_now())
        _hold(not findings, f"the doctor found {findings}")
        return Stage(
            f"The doctor examines every record by {len(doctor.RULES)} rules: all is well.", self.admin("message")
        )

    # -- means --------------------------------------------------------------------------------------------------------

    def pass_time(self, **delta: float) -> None:
        """Hours pass, and everything that became due is done."""
        self.clock.advance(**delta)
        self.clock.settle()

    def confirmations(self) -> int:
        """Mails the shop itself sent: Oscar confirms an order."""
        return sum(1 for mail in self.inbox.mails if "List-Unsubscribe" not in mail)

    def check_mail(self, mail: EmailMessage) -> None:
        html = html_of(mail)
        _hold(mail["To"] == EMAIL, f"the e-mail went to {mail['To']}")
        _hold("List-Unsubscribe" in mail and "List-Unsubscribe-Post" in mail, "the e-mail has no one-click unsubscribe")
        for title, _quantity in self.left:
            _hold(title in html, f"the e-mail does not name {title}")
        _hold("€" in html and "<img" in html, "the e-mail shows no price in euro or no picture")
        pictures = re.findall(r'<img[^>]+src="([^"]+)"', html)
        for picture in pictures:
            self.ana.visit(picture)

    def admin(self, model: str, key: int | None = None) -> str:
        name = f"admin:retarget_plugin_{model}_{'change' if key else 'changelist'}"
        return f"{self.url}{reverse(name, args=[key] if key else [])}"


def _hold(condition: bool, otherwise: str | Callable[[], str]) -> None:
    if not condition:
        raise StageFailed(otherwise if isinstance(otherwise, str) else otherwise())


def _first_link(text: str) -> str:
    found = re.search(r"https?://\S+", text)
    if found is None:
        raise StageFailed(f"no link in {text!r}")
    return found.group().rstrip(".,)")


def _why(channel: str) -> str:
    """What is known of the messages of a channel, for whoever has to find out."""
    rows = Message.objects.filter(channel=channel).values_list("step", "state", "reason", "detail")
    return f"Messages: {list(rows)}. Decisions: {list(Decision.objects.values_list('step', 'code', 'facts'))}"
