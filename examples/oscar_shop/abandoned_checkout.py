"""The main job: Ana leaves a basket, is brought back by text and e-mail, and orders on another device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage

from django.urls import reverse

from retarget_plugin.domain.vocabulary import MessageState, Reason
from retarget_plugin.engine import doctor, reports
from retarget_plugin.models import Cart, Decision, Message, Order
from retarget_plugin.models.clock import database_now

from .clock import Clock
from .inbox import Inbox, html_of
from .shopper import Shopper
from .story import Stage, Story, first_link, hold, why

EMAIL = "ana.martin@example.com"
PHONE = "+33 6 12 34 56 78"


class AbandonedCheckout(Story):
    name = "The abandoned checkout"

    def __init__(self, *, url: str, inbox: Inbox, clock: Clock, number: str = PHONE) -> None:
        """`number`: where Ana gets her texts; her own is a French mobile."""
        super().__init__(url=url, inbox=inbox, clock=clock)
        self.number = number
        self.ana = self.meet(Shopper(url))
        self.phone = self.meet(Shopper(url))
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
        self.clock.sleep()
        self.clock.settle()
        names = self.turn_on("abandoned-cart", "abandoned-checkout")
        return Stage(
            f"The owner turns on {names} as well, and again holds nobody out.",
            self.admin("flow", self.flow("abandoned-checkout").pk),
        )

    def look_and_agree(self) -> Stage:
        self.ana.view("macro")
        self.ana.sign_up(email=EMAIL, phone=self.number, by_email=True, by_sms=True)
        return Stage("Ana looks at a macro lens and agrees to e-mails and texts.", f"{self.url}/stay-in-touch/")

    def fill_and_leave(self) -> Stage:
        self.ana.add_to_basket("macro")
        self.ana.add_to_basket("sling")
        self.ana.change_quantity("sling", 2)
        self.left = [(line.title, line.quantity) for line in self.ana.basket()]
        self.ana.start_checkout(EMAIL)
        cart = Cart.objects.get(email=EMAIL)
        hold(cart.stage == "checkout", f"the cart's stage is {cart.stage}")
        return Stage(
            "She puts it into her basket with two sling bags, types her e-mail at the checkout, and leaves.",
            self.ana.url,
        )

    def notice(self) -> Stage:
        self.pass_time(hours=1, minutes=1)
        cart = Cart.objects.get(email=EMAIL)
        hold(
            cart.state == "abandoned" and len(cart.items) == 2, f"the cart is {cart.state} with {len(cart.items)} lines"
        )
        hold(not self.inbox.texts and not self.mails_to(EMAIL), "something was sent already")
        return Stage(
            f"An hour later the basket counts as abandoned: {cart.total} {cart.currency}.", self.admin("cart", cart.pk)
        )

    def send_text(self) -> Stage:
        self.pass_time(minutes=45)
        hold(len(self.inbox.texts) == 1, f"{len(self.inbox.texts)} texts arrived. {why('sms')}")
        text = self.inbox.texts[0]
        hold(text["to"] == self.number.replace(" ", ""), f"the text went to {text['to']}")
        return Stage(f"After 1 h 45 she gets a text: “{text['text']}”", self.inbox.url)

    def send_mail(self) -> Stage:
        self.pass_time(hours=2, minutes=15)
        mails = self.mails_to(EMAIL)
        hold(len(mails) == 1, f"{len(mails)} e-mails arrived. {why('email')}")
        self.check_mail(mails[0])
        return Stage(f"After 4 h an e-mail: “{mails[0]['Subject']}”, with pictures, prices and a link.", self.inbox.url)

    def come_back(self) -> Stage:
        link = first_link(self.inbox.texts[0]["text"])
        self.phone.visit(link)
        self.phone.press()
        found = [(line.title, line.quantity) for line in self.phone.basket()]
        hold(sorted(found) == sorted(self.left), f"the basket on the phone holds {found}, not {self.left}")
        return Stage("She taps the short link on her phone: the basket is there, in a browser that never saw it.", link)

    def order(self) -> Stage:
        number = self.phone.complete_checkout(EMAIL)
        self.pass_time(minutes=1)
        order = Order.objects.get(number=number)
        message = order.credited_message
        hold(message is not None and message.channel == "sms", "no message is credited for the order")
        return Stage(
            f"She orders: number {number}, {order.total} {order.currency}, credited to the text.",
            self.admin("order", order.pk),
        )

    def stay_quiet(self) -> Stage:
        for _day in range(4):
            self.pass_time(days=1)
        sent = Message.objects.filter(contact__email=EMAIL, state=MessageState.ACCEPTED).count()
        hold((sent, len(self.mails_to(EMAIL)), len(self.inbox.texts)) == (2, 1, 1), f"{sent} messages were sent")
        left = Decision.objects.filter(contact__email=EMAIL, code=Reason.ORDERED)
        hold(left.exists(), "no run left its flow because of the order")
        return Stage("Four days pass: nothing more is sent, because she has ordered.", self.admin("message"))

    def report(self) -> Stage:
        now = database_now()
        seen = reports.overview(self.shop, since=now - timedelta(days=30), until=now, now=now)
        hold((seen.abandoned, seen.messaged, seen.recovered) == (1, 1, 1), f"the report counts {seen}")
        hold(seen.revenue > Decimal(0), "the report shows no revenue")
        said = f"{seen.abandoned} abandoned, {seen.messaged} messaged, {seen.recovered} recovered, {seen.revenue} {seen.currency}"
        return Stage(
            f"The report: {said}.", f"{self.url}{reverse('admin:retarget_plugin_shop_report_of', args=[self.shop.pk])}"
        )

    def examine(self) -> Stage:
        findings = doctor.examine(now=database_now())
        hold(not findings, f"the doctor found {findings}")
        return Stage("The doctor examines every record again: all is well.", self.admin("message"))

    # -- means --------------------------------------------------------------------------------------------------------

    def check_mail(self, mail: EmailMessage) -> None:
        html = html_of(mail)
        hold(mail["To"] == EMAIL, f"the e-mail went to {mail['To']}")
        hold("List-Unsubscribe" in mail and "List-Unsubscribe-Post" in mail, "the e-mail has no one-click unsubscribe")
        for title, _quantity in self.left:
            hold(title in html, f"the e-mail does not name {title}")
        hold("€" in html and "<img" in html, "the e-mail shows no price in euro or no picture")
        pictures = re.findall(r'<img[^>]+src="([^"]+)"', html)
        for picture in pictures:
            self.ana.visit(picture)
