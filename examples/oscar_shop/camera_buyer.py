"""After the purchase: Ben buys a camera, is taught, turns to macro lenses, and buys one with a customer's discount."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage

from django.urls import reverse
from oscar.core.loading import get_model

from retarget_plugin.domain.coupons import CouponState
from retarget_plugin.domain.vocabulary import Reason, RunState
from retarget_plugin.engine import doctor, reports
from retarget_plugin.models import Coupon, FlowRun, Order
from retarget_plugin.models.clock import database_now

from . import forms, journal
from .clock import Clock
from .inbox import Inbox, html_of
from .owner import Owner
from .shopper import Address, Shopper
from .story import Stage, Story, hold, why

EMAIL = "ben.clarke@example.com"
ADDRESS = Address(first_name="Ben", last_name="Clarke", line1="7 rue de la Monnaie", line4="Lille", postcode="59800")
FLOW = "cross-sell"
CAMERA, LENS, PRICE = "Corvo M5 mirrorless body", "Corvo 90 mm f/2.8 Macro", Decimal("549.00")
CLOSE, LIGHT = (str(article.title) for article in journal.ARTICLES if article.topic == journal.MACRO)


class CameraBuyer(Story):
    name = "The camera buyer"

    def __init__(self, *, url: str, inbox: Inbox, clock: Clock) -> None:
        super().__init__(url=url, inbox=inbox, clock=clock)
        self.ben = self.meet(Shopper(url))
        self.owner = self.meet(Owner(url))
        self.first = ""

    def stages(self) -> Iterator[Stage]:
        yield self.open()
        yield self.buy_camera()
        yield self.deliver()
        yield self.teach()
        yield self.allow()
        yield self.read_once()
        yield self.read_again()
        yield self.give_discount()
        yield self.apply()
        yield self.buy_lens()
        yield self.leave()
        yield self.report()
        yield self.examine()

    def open(self) -> Stage:
        products = self.ben.products()
        hold(len(products) >= 10, f"the front page shows {len(products)} products")
        name = self.turn_on(FLOW)
        return Stage(
            f"The shop is open with {len(products)} products. Its owner has turned on {name}, and holds nobody out: "
            "every message is to be seen here.",
            f"{self.url}/",
        )

    def buy_camera(self) -> Stage:
        self.ben.sign_up(email=EMAIL, by_email=True)
        self.ben.add_to_basket(CAMERA)
        self.first = self.ben.complete_checkout(EMAIL, ADDRESS)
        self.pass_time(minutes=1)
        order = Order.objects.get(number=self.first)
        hold(order.credited_message is None, "a message is credited with the camera")
        return Stage(
            f"Ben agrees to e-mails and buys a camera: order {order.number}, {order.total} {order.currency}.",
            self.admin("order", order.pk),
        )

    def deliver(self) -> Stage:
        self.owner.log_in()
        self.pass_time(days=1)
        self.owner.set_status(self.first, "Being processed")
        self.owner.set_status(self.first, "Complete")
        self.pass_time(minutes=1)
        run = FlowRun.objects.filter(flow__slug=FLOW, contact__email=EMAIL).first()
        hold(run is not None and run.state == RunState.ACTIVE, "nobody is in the flow")
        hold(not self.mails_to(EMAIL), "something was sent already")
        return Stage("The next day the owner marks it as complete in the dashboard.", self.owner.url)

    def teach(self) -> Stage:
        self.pass_time(days=3)
        mail = self.newest(1)
        hold(CAMERA in html_of(mail), f"the e-mail does not name {CAMERA}")
        return Stage(f"After three days he gets his first lesson: “{mail['Subject']}”.", self.inbox.url)

    def allow(self) -> Stage:
        self.open_link(self.newest(1), "Unsubscribe")
        self.ben.follow("Choose what you hear instead")
        self.ben.allow("grant:measurement")
        return Stage(
            "Instead of leaving, he ticks at the link in its foot that Lumen may see what he reads of its e-mails.",
            self.ben.url,
        )

    def read_once(self) -> Stage:
        self.pass_time(days=11)
        mail = self.newest(2)
        self.open_link(mail, CLOSE)
        hold(CLOSE in self.ben.page.text, f"the link led to {self.ben.url}")
        return Stage(f"After two weeks: “{mail['Subject']}”. He reads “{CLOSE}”.", self.ben.url)

    def read_again(self) -> Stage:
        self.pass_time(days=16)
        mail = self.newest(3)
        self.open_link(mail, LIGHT)
        hold(LIGHT in self.ben.page.text, f"the link led to {self.ben.url}")
        self.pass_time(minutes=1)
        hold(not Coupon.objects.exists(), "a coupon was made already")
        return Stage(
            f"After a month: “{mail['Subject']}”. He reads “{LIGHT}”, his second click on macro lenses.", self.ben.url
        )

    def give_discount(self) -> Stage:
        self.pass_time(days=1)
        mail = self.newest(4)
        coupon = Coupon.objects.get()
        hold(get_model("voucher", "Voucher").objects.filter(code=coupon.code).exists(), "Oscar knows no such voucher")
        for word in (LENS, coupon.code, str(journal.LABELS["en"])):
            hold(word in html_of(mail), f"the e-mail does not show {word}")
        return Stage(
            f"The next day: “{mail['Subject']}”, on the {LENS}, with the code {coupon.code} that was made in Oscar for him.",
            self.inbox.url,
        )

    def apply(self) -> Stage:
        link = self.open_link(self.newest(4), "Use my code")
        self.ben.press()
        hold(LENS in self.ben.page.text, f"the button led to {self.ben.url}")
        self.ben.add_to_basket(self.ben.url)
        total = self.ben.basket_total()
        hold(total == PRICE * 9 / 10, f"the basket comes to {total}")
        return Stage(
            f"The button applies it and leads to the lens; in the basket it costs {total} EUR, not {PRICE}.", link
        )

    def buy_lens(self) -> Stage:
        number = self.ben.complete_checkout(EMAIL, ADDRESS)
        self.pass_time(minutes=1)
        order, coupon = Order.objects.get(number=number), Coupon.objects.get()
        hold((coupon.state, coupon.order) == (CouponState.REDEEMED, order), f"the coupon is {coupon.state}")
        message = order.credited_message
        hold(message is not None and message.step == "offer", "the offer is not credited for the order")
        return Stage(
            f"He buys it: order {number}, {order.total} {order.currency}. The code is used up.",
            self.admin("order", order.pk),
        )

    def leave(self) -> Stage:
        run = FlowRun.objects.get(flow__slug=FLOW, contact__email=EMAIL)
        hold((run.state, run.reason) == (RunState.EXITED, Reason.ORDERED), f"the run is {run.state}, {run.reason}")
        self.pass_time(days=30)
        self.newest(4)
        return Stage(
            "With that he has left the flow: a month later, nothing more was sent.",
            self.admin("contact", run.contact_id),
        )

    def report(self) -> Stage:
        now = database_now()
        seen = reports.overview(self.shop, since=now - timedelta(days=90), until=now, now=now)
        line = next(line for line in seen.flows if line.flow.slug == FLOW)
        hold((line.entered, line.sent, line.recovered) == (1, 4, 1), f"the report counts {line}")
        hold(line.discount == PRICE / 10, f"the report shows a discount of {line.discount}")
        return Stage(
            f"The report: {line.sent} e-mails, {line.revenue} {seen.currency} with a discount of {line.discount}.",
            f"{self.url}{reverse('admin:retarget_plugin_shop_report_of', args=[self.shop.pk])}?days=90",
        )

    def examine(self) -> Stage:
        findings = doctor.examine(now=database_now())
        hold(not findings, f"the doctor found {findings}")
        return Stage(
            f"The doctor examines every record by {len(doctor.RULES)} rules: all is well.", self.admin("message")
        )

    # -- means --------------------------------------------------------------------------------------------------------

    def newest(self, count: int) -> EmailMessage:
        """The last of the `count` e-mails that he has by now."""
        mails = self.mails_to(EMAIL)
        hold(len(mails) == count, f"{len(mails)} e-mails arrived, not {count}. {why('email')}")
        return mails[-1]

    def open_link(self, mail: EmailMessage, text: str) -> str:
        """He clicks the link that shows `text` an hour after the e-mail came: within seconds only machines do."""
        found = [address for address, said in forms.read(html_of(mail)).links if text in said]
        hold(bool(found), f"the e-mail “{mail['Subject']}” has no link “{text}”")
        self.pass_time(hours=1)
        self.ben.visit(found[0])
        return found[0]
