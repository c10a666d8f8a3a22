"""A coupon in a message that is about no cart: its button leads to a page that applies it, where the shop can."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import RequestFactory

from retarget_plugin.domain.subjects import Product, Subject
from retarget_plugin.engine import composing, delivery, flows, links, offers, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.hosts import Host
from retarget_plugin.models import Cart, Coupon, Flow, FlowRun, Link, Message
from retarget_plugin.testing import FakeHost, build_cart, build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

LENS = Product(reference="1", title="Macro lens", url="https://shop.example.com/macro/")
PAGE = "https://shop.example.com/retarget/offer/"
HOW = "{% if coupon.is_applied %}by the button{% else %}at the checkout{% endif %}"
MAIL = {"subject": "For you", "preheader": "p", "heading": "h", "body": [HOW], "button": "Use it"}
MESSAGES = {
    "mail": {"channel": "email", "layout": "product", "en": MAIL},
    "letter": {"channel": "email", "layout": "letter", "en": MAIL},
    "text": {"channel": "sms", "en": {"text": "{{ coupon.code }} {{ link }} {{ stop }}"}},
    "plain": {"channel": "email", "layout": "product", "en": MAIL | {"body": ["Nothing."]}},
}


class Plain(FakeHost):
    """A shop in which a code must be entered."""

    apply_coupon = Host.apply_coupon


class Desk:
    """Has messages to Ana composed, each with a coupon of its own."""

    def __init__(self, clock):
        self.clock, self.shop = clock, build_shop()
        self.ana = build_contact(self.shop, now=clock.now, email="ana@example.com", phone="+33612345678")
        self.flow = Flow.objects.get_or_create(shop=self.shop, slug="offers", defaults={"name": "Offers"})[0]
        offer = {"percent": 5, "valid": "72h"}
        steps = []
        for key, message in MESSAGES.items():
            send = {"channel": message["channel"], "message": key} | ({} if key == "plain" else {"coupon": offer})
            steps.append({"key": key, "after": "1h", "deadline": "24h", "send": send})
        definition = {"slug": "offers", "trigger": {"on": "interest_shown"}, "stage": "site", "steps": steps}
        flows.publish(self.flow, definition, MESSAGES, now=clock.now)
        self.flow.refresh_from_db()

    def queue(self, key, *, cart=None):
        now = self.clock.now
        run = FlowRun.objects.create(
            shop=self.shop,
            flow=self.flow,
            version=self.flow.version,
            contact=self.ana,
            cart=cart,
            subject=key,
            anchored_at=now,
            entered_at=now,
        )
        step = {"step": key, "channel": MESSAGES[key]["channel"]}
        message = delivery.queue(run, **step, due_at=now, not_after=now + timedelta(hours=1), now=now)
        if key != "plain":
            Coupon.objects.create(
                shop=self.shop,
                contact=self.ana,
                message=message,
                flow=self.flow,
                key=message.key,
                code="CODE-1",
                kind="percent",
                value=5,
                currency="EUR",
                state="minted",
                created_at=now,
                expires_at=now + timedelta(days=3),
            )
        related = ("shop", "contact", "coupon", "run__flow", "run__version", "run__cart")
        return Message.objects.select_related(*related).get(pk=message.pk)

    def write(self, message, *, is_measured=False, **subject):
        """The plain text of `message` about `subject`, without one about the lens."""
        about = Subject(**(subject or {"product": LENS}))
        coupon = getattr(message, "coupon", None)
        done = composing.compose(message, subject=about, coupon=coupon, is_measured=is_measured, now=self.clock.now)
        return done.text


@pytest.fixture
def desk(db, host, clock):
    return Desk(clock)


def destinations():
    return dict(Link.objects.exclude(purpose=links.UNSUBSCRIBE).values_list("purpose", "destination"))


def token_in(url):
    return url.removeprefix(PAGE).rstrip("/")


# -- in the message ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "subject", "leads_to"),
    [("mail", {"product": LENS}, LENS.url), ("letter", {"product": None}, "https://shop.example.com")],
)
def test_the_button_leads_to_a_page_that_applies_the_code_and_then_on(desk, key, subject, leads_to):
    message = desk.queue(key)

    text = desk.write(message, is_measured=True, **subject)

    found = destinations()
    assert token_in(found["offer"]) != ""
    assert tokens.read_offer(token_in(found["offer"])).message_id == message.pk
    assert found["offered"] == leads_to
    assert links.shorten(found["offer"], message=message, purpose="offer", is_measured=True, now=desk.clock.now) in text
    assert "by the button" in text
    assert [url for url in found.values() if "CODE" in url] == []


def test_who_is_not_to_be_measured_gets_the_page_itself(desk):
    message = desk.queue("mail")

    text = desk.write(message)

    assert PAGE in text
    assert destinations() == {"offered": LENS.url}


def test_a_text_has_the_page_behind_a_short_link(desk):
    message = desk.queue("text")

    text = desk.write(message)

    assert text.startswith("CODE-1 https://shop.example.com/retarget/r/")
    assert PAGE in destinations()["offer"]


def test_written_anew_it_leads_where_the_message_leads_now(desk):
    message = desk.queue("mail")

    desk.write(message)
    desk.write(message, product=Product(reference="2", title="Bag", url="https://shop.example.com/bag/"))

    assert destinations() == {"offered": "https://shop.example.com/bag/"}


def test_a_shop_that_applies_none_has_it_entered(desk, monkeypatch):
    monkeypatch.setattr(FakeHost, "apply_coupon", Host.apply_coupon)
    message = desk.queue("mail")

    text = desk.write(message)

    assert LENS.url in text
    assert PAGE not in text
    assert "at the checkout" in text
    assert destinations() == {}


def test_a_message_without_a_coupon_leads_straight_to_the_product(desk):
    text = desk.write(desk.queue("plain"))

    assert LENS.url in text
    assert PAGE not in text


@pytest.mark.parametrize("can_apply", [True, False])
def test_a_cart_is_brought_back_with_it_as_ever(desk, monkeypatch, can_apply):
    if not can_apply:
        monkeypatch.setattr(FakeHost, "apply_coupon", Host.apply_coupon)
    cart = Cart.objects.create(
        shop=desk.shop, reference="17", contact=desk.ana, touched_at=desk.clock.now, created_at=desk.clock.now
    )

    text = desk.write(desk.queue("letter", cart=cart), cart=build_cart())

    assert "/retarget/recover/" in text
    assert PAGE not in text
    assert "by the button" in text


@pytest.mark.parametrize(("host_class", "can"), [(FakeHost, True), (Plain, False), (Host, False)])
def test_a_shop_can_apply_coupons_when_it_says_how(host_class, can):
    assert host_class().can_apply_coupons is can


# -- the link, followed -----------------------------------------------------------------------------------------------


def test_it_is_applied_for_whoever_asks_as_often_as_they_ask(desk, host):
    message = desk.queue("mail")
    desk.write(message)
    token = tokens.offer(message_id=message.pk)

    urls = [offers.take(RequestFactory().post("/"), token, now=desk.clock.now) for _reader in range(2)]

    assert urls == [LENS.url, LENS.url]
    assert host.applied == ["CODE-1", "CODE-1"]


@pytest.mark.parametrize("late", [timedelta(days=3), timedelta(days=400)])
def test_after_its_last_day_it_is_over(desk, host, late):
    message = desk.queue("mail")
    token = tokens.offer(message_id=message.pk)

    with pytest.raises(Refusal) as refused:
        offers.take(RequestFactory().post("/"), token, now=desk.clock.now + late)

    assert refused.value.reason == "over"
    assert host.applied == []
