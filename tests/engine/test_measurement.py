"""Nobody's opens and clicks are told apart who did not agree to that."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail

from retarget_plugin import hosts
from retarget_plugin.domain.subjects import Subject
from retarget_plugin.engine import attribution, composing, consent, delivery, tracking
from retarget_plugin.models import Cart, Click, Flow, FlowRun, Link, Message, Order
from retarget_plugin.testing import build_cart, build_contact

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

TOKEN = re.compile(r"(https://[^/\s\"<]+/retarget/(unsubscribe|recover))/[^/\s\"<>]+/?")
SHORT = re.compile(r"https://[^/\s\"<]+/retarget/r/\w+")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def person(shop, clock, name, *, is_measured, channels=("email",), **identity):
    contact = build_contact(shop, now=clock.now, channels=channels, email=f"{name}@example.com", **identity)
    if not is_measured:
        consent.withdraw(contact, channel="", purpose="measurement", source="preferences", now=clock.now)
    return contact


def queue(contact, clock, *, step="reminder", channel="email"):
    flow, reference = Flow.objects.get(shop=contact.shop, slug="abandoned-checkout"), f"c{contact.pk}"
    hosts.get_host("default").carts[reference] = build_cart(reference)
    left = clock.now - timedelta(hours=4)
    cart = Cart.objects.create(
        shop=contact.shop, reference=reference, contact=contact, state="abandoned", touched_at=left, created_at=left,
        abandoned_at=clock.now,
    )  # fmt: skip
    run = FlowRun.objects.create(
        shop=contact.shop, flow=flow, version=flow.version, contact=contact, cart=cart, subject=cart.subject,
        anchored_at=left, entered_at=clock.now,
    )  # fmt: skip
    later = clock.now + timedelta(hours=2)
    return delivery.queue(run, step=step, channel=channel, due_at=clock.now, not_after=later, now=clock.now)


def bare(letter):
    """Everything of a mail that a reader's program is given, without whom it goes to and the two tokens that act."""
    html = next(content for content, kind in letter.alternatives if kind == "text/html")
    headers = {name: TOKEN.sub(r"\1/", value) for name, value in sorted(letter.extra_headers.items())}
    headers = {name: value for name, value in headers.items() if name.lower() not in ("message-id", "date")}
    return headers, letter.subject, letter.from_email, TOKEN.sub(r"\1/", letter.body), TOKEN.sub(r"\1/", html)


@pytest.mark.promise
def test_without_leave_two_mails_differ_by_nothing_but_what_acts(shop, clock, promise):
    for name in ("ana", "bo"):
        queue(person(shop, clock, name, is_measured=False), clock)
    for name in ("cleo", "dan"):
        queue(person(shop, clock, name, is_measured=True), clock)

    delivery.dispatch(now=clock.now)

    letters = {letter.to[0].split("@")[0]: letter for letter in mail.outbox}
    assert sorted(letters) == ["ana", "bo", "cleo", "dan"]
    unmeasured = [bare(letters[name]) for name in ("ana", "bo")]
    assert unmeasured[0] == unmeasured[1]
    assert not any(SHORT.search(letters[name].body) for name in ("ana", "bo"))
    assert bare(letters["cleo"]) != bare(letters["dan"])
    assert Link.objects.count() == 2
    found = sum(one != other for one, other in zip(*unmeasured, strict=True))
    promise(
        "P14",
        run="2 recipients without leave, 2 with: headers, subject, text and HTML compared",
        figure=f"{found} parts differ, apart from the tokens that unsubscribe and that open the cart",
        bar="off: identical apart from the unsubscribe token",
        holds=found == 0,
    )


@pytest.mark.parametrize("is_measured", [True, False])
def test_the_provider_is_asked_to_measure_only_with_leave(shop, clock, is_measured):
    message = queue(person(shop, clock, "ana", is_measured=is_measured), clock)
    message = Message.objects.select_related("shop", "contact", "run__flow", "run__version", "run__cart").get(
        pk=message.pk
    )

    outgoing = composing.compose(
        message, subject=Subject(cart=build_cart()), is_measured=is_measured, now=clock.now
    ).outgoing

    assert (outgoing.track_opens, outgoing.track_clicks) == (is_measured, is_measured)


@pytest.mark.parametrize("is_measured", [True, False])
def test_a_texts_short_link_keeps_who_followed_it_only_with_leave(shop, clock, is_measured):
    contact = person(shop, clock, "ana", is_measured=is_measured, channels=("email", "sms"), phone="+33612345678")
    queue(contact, clock, step="sms", channel="sms")
    delivery.dispatch(now=clock.now)
    link = Link.objects.get(purpose="cart")
    clock.advance(minutes=10)

    destination = tracking.click(link.code, user_agent=BROWSER, method="GET", headers={}, now=clock.now)

    assert destination == link.destination
    assert Click.objects.filter(is_human=True).exists() is is_measured
    assert (Message.objects.get().clicked_at is not None) is is_measured


def test_leave_that_is_taken_back_between_writing_and_sending_counts(shop, clock, monkeypatch):
    contact = person(shop, clock, "ana", is_measured=True)
    queue(contact, clock)
    written = []
    compose = composing.compose

    def compose_and_change_ones_mind(message, **facts):
        written.append(facts["is_measured"])
        composed = compose(message, **facts)
        if len(written) == 1:
            consent.withdraw(contact, channel="", purpose="measurement", source="preferences", now=clock.now)
        return composed

    monkeypatch.setattr(composing, "compose", compose_and_change_ones_mind)

    delivery.dispatch(now=clock.now)

    assert written == [True, False]
    assert not SHORT.search(mail.outbox[0].body)


def test_an_order_of_a_rebuilt_cart_is_credited_without_a_click(shop, clock):
    contact = person(shop, clock, "ana", is_measured=False)
    message = queue(contact, clock)
    delivery.dispatch(now=clock.now)
    cart = Cart.objects.get()
    Cart.objects.filter(pk=cart.pk).update(restored_by=message)
    clock.advance(hours=3)
    order = Order.objects.create(
        shop=shop,
        reference="o1",
        contact=contact,
        cart=cart,
        placed_at=clock.now,
        touched_at=clock.now,
        read_at=clock.now,
    )

    attribution.settle_new(now=clock.now)

    order.refresh_from_db()
    assert order.credited_message == message
