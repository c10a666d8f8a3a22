"""A Saleor from the first day to the order: installed, left, reminded, brought back, bought, and left in peace.

Saleor, the shopper's storefront and our app speak HTTP with each other, as in life; only the far ends are fakes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from django.utils import timezone

from retarget_plugin import channels
from retarget_plugin.engine import flows, magnets, reconcile, reports
from retarget_plugin.hosts.saleor.client import Client
from retarget_plugin.models import Cart, Coupon, Flow, FlowRun, Message, Order, Product, SaleorApp, Shop
from retarget_plugin.testing import build_shop
from tests.channels.mailers import over_smtp
from tests.fakes.saleor import SaleorServer
from tests.journeys.conftest import BROWSER, TUESDAY_TEN_IN_PARIS, Town
from tests.lead_forms import make_lead, make_magnet
from tests.promises import length

pytestmark = pytest.mark.delivery

EMAIL, PHONE = "ana@example.com", "+33612345678"
STORE = "https://store.example.com"


class Shopper:
    """A browser in the storefront, which asks Saleor without logging in."""

    def __init__(self, saleor):
        self.saleor, self.client, self.checkout = saleor, Client(saleor.api_url), ""

    def do(self, mutation):
        ((answer,),) = [self.client.query(f"mutation {{ {mutation} }}").values()]
        assert not answer["errors"], answer
        return answer

    def fill(self, **quantities):
        by_name = {variant["product"]["slug"]: key for key, variant in self.saleor.shop.variants.items()}
        lines = ", ".join(
            f'{{variantId: "{by_name[name.replace("_", "-")]}", quantity: {count}}}'
            for name, count in quantities.items()
        )
        answer = self.do(f'checkoutCreate(input: {{channel: "default-channel", lines: [{lines}]}}) {_BOTH}')
        self.checkout = answer["checkout"]["id"]

    def begin(self):
        self.do(f'checkoutEmailUpdate(id: "{self.checkout}", email: "{EMAIL}") {_BOTH}')
        address = f'{{firstName: "Ana", phone: "{PHONE}", country: FR}}'
        self.do(f'checkoutBillingAddressUpdate(id: "{self.checkout}", billingAddress: {address}) {_BOTH}')

    def buy(self, *, voucher=""):
        if voucher:
            self.do(f'checkoutAddPromoCode(id: "{self.checkout}", promoCode: "{voucher}") {_BOTH}')
        self.do(f'checkoutComplete(id: "{self.checkout}") {{ order {{ id }} errors {{ code }} }}')


_BOTH = "{ checkout { id } errors { code } }"


class SaleorTown(Town):
    """The town with a Saleor in it; whatever happens there is told to us at once, or lost."""

    def __init__(self, *parts, saleor, url):
        super().__init__(*parts)
        self.saleor, self.url = saleor, url

    def told(self):
        return {(each.event, each.answers[-1]) for each in self.saleor.deliver()}

    def follow(self, text):
        """Open the link of a message in a new browser and press its button; answers where that leads, and all that was
        shown on the way."""
        browser = requests.Session()
        browser.headers["User-Agent"] = BROWSER
        page = browser.get(re.search(rf"{self.url}/\S+", text)[0], timeout=10)
        assert page.status_code == 200, page.text
        form = {"csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[1]}
        answer = browser.post(page.url, form, headers={"Referer": page.url}, timeout=10, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"], page.text, browser, page.url

    def press(self, browser, address):
        page = browser.get(address, timeout=10)
        form = {"csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[1]}
        return browser.post(address, form, headers={"Referer": address}, timeout=10, allow_redirects=False).headers[
            "Location"
        ]


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        server.shop.add_variant("Macro lens", "499.00")
        server.shop.add_variant("Lens cap", "9.90", stock=1)
        yield server


@pytest.fixture
def town(transactional_db, settings, live_server, mailbox, twilio, saleor):
    over_smtp(settings, mailbox, timeout=3)
    host = {
        "BACKEND": "retarget_plugin.hosts.saleor.SaleorHost",
        "OPTIONS": {"api_url": saleor.api_url, "storefront_url": STORE},
    }
    options = {"account_sid": twilio.account_sid, "auth_token": twilio.auth_token, "base_url": twilio.url}
    gateway = {
        "BACKEND": "retarget_plugin.channels.sms.twilio.TwilioGateway",
        "OPTIONS": {**options, "sender": "+15005550006", "read_seconds": 1},
    }
    ways = {"HOSTS": {"default": host}, "SMS": {"default": gateway}, "PUBLIC_URL": live_server.url}
    settings.RETARGET = {**settings.RETARGET, **ways}
    with time_machine.travel(TUESDAY_TEN_IN_PARIS, tick=False) as clock:
        shop = build_shop(sms_sender="", base_url=STORE)
        saleor.install(f"{live_server.url}/retarget/saleor/default/manifest/")
        for flow in Flow.objects.filter(shop=shop):
            flows.turn_on(flow, now=timezone.now())
        yield SaleorTown(shop, clock, mailbox, twilio, saleor=saleor, url=live_server.url)
        channels.get_email().close()


def test_installed_left_reminded_brought_back_bought_and_left_in_peace(town):
    shopper = Shopper(town.saleor)
    shopper.fill(macro_lens=1)
    assert town.told() == {("checkout_created", 202)}
    shop = Shop.objects.get()
    assert (shop.pk, shop.scope, shop.currency) == (town.shop.pk, "default-channel", "USD")
    town.agree(email=EMAIL, phone=PHONE)
    shopper.begin()
    assert town.told() == {("checkout_updated", 202)}

    town.wait(hours=1, minutes=45)
    (text,) = town.twilio.sent
    assert text["to"] == PHONE
    assert "Macro lens" in text["body"]
    assert shopper.checkout not in text["body"]

    location, page, browser, address = town.follow(text["body"])
    assert "Macro lens" in page
    assert not {EMAIL, PHONE, "Ana", shopper.checkout} & set(re.split(r"[\s<>\"']", page))
    found = parse_qs(urlsplit(location).query)["checkout"][0]
    assert location.startswith(f"{STORE}/checkout?checkout=")
    # Whoever holds a checkout's id reads whose it is: the link leads to another one, with the same in it.
    assert found != shopper.checkout
    restored = town.saleor.shop.checkouts[found]
    assert [(line["variant"]["product"]["name"], line["quantity"]) for line in restored["lines"]] == [("Macro lens", 1)]
    assert (restored["email"], restored["billingAddress"]) == (None, None)
    assert town.press(browser, address) == location
    assert len(town.saleor.shop.checkouts) == 2
    town.told()

    code = ten_percent_for(town, EMAIL)
    town.wait(minutes=10)
    shopper.checkout = found
    shopper.begin()
    shopper.buy(voucher=code)
    town.told()
    town.wait(minutes=1)
    order = Order.objects.get()
    assert (order.number, order.total, order.currency) == ("1", Decimal("449.10"), "USD")
    assert (order.coupon_codes, order.cart.reference) == ([code], found)
    assert order.credited_message.channel == "sms"
    assert not FlowRun.objects.filter(state="active").exists()

    town.wait(days=1)
    town.wait(days=1)
    assert (len(town.twilio.sent), len(town.mailbox.messages)) == (1, 0)
    seen = reports.overview(Shop.objects.get(), since=shop.created_at, until=timezone.now(), now=timezone.now())
    assert (seen.abandoned, seen.recovered, seen.revenue) == (1, 1, Decimal("449.10"))


def test_a_coupon_is_mailed_applied_by_the_link_redeemed_and_what_nobody_used_is_removed(town):
    flow = Flow.objects.get(slug="abandoned-cart")
    gift = {"channel": "email", "message": "gift", "coupon": {"percent": 10, "valid": "72h"}}
    text = {
        "subject": "{{ coupon.text }}",
        "heading": "For you",
        "body": ["{{ coupon.code }}, until {{ coupon.expires }}"],
    }
    flows.publish(
        flow,
        {
            "slug": flow.slug,
            "trigger": "cart_abandoned",
            "stage": "cart",
            "holdout": 0,
            "steps": [{"key": "gift", "after": "2h", "deadline": "12h", "send": gift}],
        },
        {"gift": {"channel": "email", "layout": "letter", "en": {**text, "preheader": "x", "button": "Use it"}}},
        now=timezone.now(),
    )
    buyer, dreamer = Shopper(town.saleor), Shopper(town.saleor)
    for shopper, email in ((buyer, EMAIL), (dreamer, "ben@example.com")):
        town.agree(email=email)
        shopper.fill(macro_lens=1)
        shopper.do(f'checkoutEmailUpdate(id: "{shopper.checkout}", email: "{email}") {_BOTH}')
    town.told()

    town.wait(hours=2)

    (voucher,) = town.saleor.shop.vouchers.values()
    assert len(voucher["codes"]) == len(town.mailbox.messages) == 2
    coupon = Coupon.objects.get(contact__email=EMAIL)
    # Three days from Tuesday noon in Paris, to the end of the day: Saleor ends it at the very same instant.
    assert voucher["endDate"] == coupon.expires_at.isoformat() == "2026-11-27T23:00:00+00:00"
    plain = [received.message.get_body(("plain",)).get_content() for received in town.mailbox.messages]
    said = next(text for text in plain if coupon.code in text)
    assert f"{coupon.code}, until November 27, 2026" in said

    location, *_page = town.follow(said)
    assert coupon.code not in location
    buyer.checkout = parse_qs(urlsplit(location).query)["checkout"][0]
    assert town.saleor.shop.checkouts[buyer.checkout]["voucherCode"] == coupon.code
    buyer.begin()
    buyer.buy()
    town.told()
    town.wait(minutes=1)

    coupon.refresh_from_db()
    assert (coupon.state, coupon.order.number, coupon.cost, coupon.currency) == (
        "redeemed",
        "1",
        Decimal("49.90"),
        "USD",
    )
    town.wait(days=6)
    assert list(voucher["codes"]) == [coupon.code]
    assert Coupon.objects.get(contact__email="ben@example.com").state == "expired"


def ten_percent_for(town, email):
    """The code that a lead magnet of the shop gives to whoever has confirmed their address."""
    options = {"unit": "percent", "value": "10", "minimum": "", "days": "30"}
    shop = Shop.objects.get()
    magnet = make_magnet(shop, kind="discount", options=options, now=timezone.now())
    lead = make_lead(shop, email=email, magnet=magnet, now=timezone.now())

    code = magnets.gift(lead, now=timezone.now()).code

    (voucher,) = town.saleor.shop.vouchers.values()
    assert (list(voucher["codes"]), len(voucher["channelListings"])) == ([code], 1)
    town.told()
    return code


@pytest.mark.promise
def test_what_an_outage_swallowed_is_found_through_the_api_and_nobody_who_bought_is_written_to(town, promise):
    town.agree(email=EMAIL, phone=PHONE)
    count = length(2, 60)
    left, bought = [[Shopper(town.saleor) for _ in range(count)] for _kind in "12"]
    for shopper in left + bought:
        shopper.fill(macro_lens=1)
    town.told()
    for shopper in bought:
        shopper.begin()
        shopper.buy()
    assert len(town.saleor.lose()) == 7 * count

    town.clock.shift(timedelta(minutes=15))
    first = reconcile.run(now=timezone.now())
    again = reconcile.run(now=timezone.now())
    town.wait(hours=5)

    assert (first["failed"], again["saleor"]) == (0, 0)
    assert SaleorApp.objects.get().caught_up_at is not None
    told, ordered = Message.objects.count(), Cart.objects.filter(state="ordered").values_list("reference", flat=True)
    assert Cart.objects.filter(state="abandoned", reference__in=[each.checkout for each in left]).count() == count
    promise(
        "D21",
        run=f"Saleor: 15 minutes without webhooks, {7 * count} of them given up, {count} orders",
        figure=f"{Order.objects.count()} orders known after one pass, {told} messages to who had bought",
        bar="all, and 0",
        holds=Order.objects.count() == count and set(ordered) == {each.checkout for each in bought} and told == 0,
    )


def test_a_webhook_that_never_was_is_made_up_for_by_the_listings(town):
    shopper = Shopper(town.saleor)
    shopper.fill(macro_lens=1)
    shopper.begin()
    town.saleor.deliveries.clear()

    tally = reconcile.run(now=timezone.now())

    assert tally["saleor"] == 1
    assert Cart.objects.get().reference == shopper.checkout


def test_a_lower_price_and_fresh_stock_are_known_of_products_that_were_met(town):
    shopper = Shopper(town.saleor)
    shopper.fill(macro_lens=1)
    shopper.begin()
    town.told()
    town.wait(hours=2)
    (lens, cap) = town.saleor.shop.variants.values()
    Product.objects.update(is_available=False)

    town.clock.shift(timedelta(minutes=1))
    town.saleor.shop.reprice(lens, "399.00")
    town.told()
    town.clock.shift(timedelta(minutes=1))
    town.saleor.shop.restock(lens, 5)
    town.saleor.shop.restock(cap, 5)
    town.told()

    (known,) = Product.objects.all()
    assert (known.reference, known.price, known.is_available) == (lens["product"]["id"], Decimal("399.00"), True)
