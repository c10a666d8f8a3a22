"""F1 and F2 told on a host in memory: when messages go out, and every way in which they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.engine import carts, consent, delivery, flows, orders
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Contact, Decision, Flow, FlowRun, Message
from retarget_plugin.testing import build_cart, build_contact

from .conftest import EMAIL

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


def codes(**filters):
    return list(Decision.objects.filter(**filters).order_by("pk").values_list("code", flat=True))


def place_order(shopping, reference="1001", *, cart="17", email=EMAIL, **changes):
    facts = {
        "currency": "EUR",
        "total": 499,
        "identity": Identity(email=email),
        "cart_reference": cart,
        "placed_at": shopping.clock.now,
    }
    shopping.host.orders[reference] = OrderSnapshot(reference=reference, **{**facts, **changes})
    orders.touch(host="default", reference=reference, now=shopping.clock.now)


def test_an_abandoned_cart_is_texted_and_mailed_at_its_times(shopping, mailoutbox):
    shopping.consent("email", "sms")
    shopping.leave_cart()

    shopping.wait(hours=1, minutes=44)
    assert shopping.sent == []

    shopping.wait(minutes=1)
    assert shopping.sent == [("sms", "accepted")]
    assert [sms.to for sms in MemoryGateway.outbox] == ["+33612345678"]

    shopping.wait(hours=2, minutes=14)
    assert len(mailoutbox) == 0

    shopping.wait(minutes=1)
    assert shopping.sent == [("sms", "accepted"), ("reminder", "accepted")]
    assert [mail.to for mail in mailoutbox] == [[EMAIL]]

    shopping.wait(hours=20)
    assert len(mailoutbox) == 2

    shopping.wait(days=10)
    assert len(mailoutbox) == 2
    assert FlowRun.objects.get().state == "finished"


def test_the_checkout_flow_states_shipping_only_when_the_owner_filled_it_in(shopping, mailoutbox):
    shopping.consent("email")
    shopping.shop.free_shipping_from, shopping.shop.delivery_days = 50, 2
    shopping.shop.save()
    shopping.leave_cart(stage="checkout")

    for _hour in range(60):
        shopping.wait(hours=1)

    assert [step for step, state in shopping.sent if state == "accepted"] == ["reminder", "question", "shipping"]
    assert FlowRun.objects.get().flow.slug == "abandoned-checkout"


def test_without_shipping_facts_that_step_is_skipped_and_the_reason_kept(shopping):
    shopping.consent("email")
    shopping.leave_cart(stage="checkout")

    for _hour in range(60):
        shopping.wait(hours=1)

    skipped = Decision.objects.get(code="step_skipped", step="shipping")
    assert skipped.facts == {"because": "shipping_facts"}


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_without_consent_nothing_is_sent_and_the_reason_is_kept(shopping, mailoutbox, channel):
    build_contact(shopping.shop, now=shopping.clock.now, channels=(), email=EMAIL, phone="+33612345678")
    shopping.leave_cart()

    shopping.wait(hours=1, minutes=45)
    shopping.wait(hours=3)

    assert (len(mailoutbox), MemoryGateway.outbox) == (0, [])
    assert codes(message__channel=channel, code="no_consent") == ["no_consent"]


def test_a_cart_nobody_is_known_for_is_counted_as_such(shopping):
    shopping.leave_cart(identity=None)

    shopping.wait(hours=2)

    assert codes() == ["no_identity"]
    assert Cart.objects.get().state == "abandoned"


def test_the_address_typed_at_the_checkout_is_enough(shopping, mailoutbox):
    shopping.consent("email")
    shopping.host.carts["17"] = build_cart("17")
    carts.touch(
        host="default",
        reference="17",
        identity=Identity(email=" ANA@example.com"),
        stage="checkout",
        now=shopping.clock.now,
    )

    shopping.wait(hours=4)

    assert [mail.to for mail in mailoutbox] == [[EMAIL]]


@pytest.mark.parametrize(
    "changes",
    [
        {"cart": "17"},  # the same cart
        {"cart": "", "email": EMAIL},  # another device, a guest with the same address
        {"cart": "17", "email": "someone.else@example.com"},  # the same cart, another address
    ],
)
def test_an_order_ends_the_flow(shopping, mailoutbox, changes):
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)

    place_order(shopping, **changes)
    shopping.wait(hours=3)

    assert len(mailoutbox) == 0
    assert FlowRun.objects.get().reason == "ordered"


def test_an_order_by_phone_number_ends_the_flow(shopping, mailoutbox):
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)

    place_order(shopping, cart="", identity=Identity(phone="+33 6 12 34 56 78"))
    shopping.wait(hours=3)

    assert len(mailoutbox) == 0


def test_a_cancelled_order_does_not_stop_anything(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)

    place_order(shopping, cart="", is_cancelled=True)
    shopping.wait(hours=2)

    assert len(mailoutbox) == 1


def test_another_persons_order_does_not_stop_anything(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)

    place_order(shopping, cart="18", email="bob@example.com")
    shopping.wait(hours=2)

    assert len(mailoutbox) == 1


def test_new_activity_starts_the_waits_again_and_sends_no_step_twice(shopping):
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)

    shopping.clock.advance(hours=1)
    shopping.leave_cart()
    shopping.wait(hours=3, minutes=59)
    assert shopping.sent == [("sms", "accepted")]

    shopping.wait(minutes=1)
    assert shopping.sent == [("sms", "accepted"), ("reminder", "accepted")]


def test_reaching_the_checkout_moves_the_cart_to_the_checkout_flow(shopping):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=10)

    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=1)

    found = {run.flow.slug: (run.state, run.reason) for run in FlowRun.objects.select_related("flow")}
    assert found == {"abandoned-cart": ("exited", "higher_intent"), "abandoned-checkout": ("active", "")}


def test_the_same_person_does_not_enter_again_within_a_week(shopping):
    shopping.consent("email")
    shopping.leave_cart("17")
    shopping.wait(hours=2)

    shopping.clock.advance(days=6)
    shopping.leave_cart("18")
    shopping.wait(hours=2)
    assert FlowRun.objects.count() == 1
    assert codes(code="recently_entered") == ["recently_entered"]

    shopping.clock.advance(days=2)
    shopping.leave_cart("19")
    shopping.wait(hours=2)
    assert FlowRun.objects.count() == 2


def test_a_text_outside_the_hours_is_dropped_and_not_moved_to_tomorrow(shopping, mailoutbox):
    shopping.consent("email", "sms")
    shopping.clock.advance(hours=8, minutes=30)  # 18:30 in Paris; the text would be due at 20:15
    shopping.leave_cart()

    shopping.wait(hours=1, minutes=45)
    shopping.wait(hours=14)

    assert MemoryGateway.outbox == []
    assert codes(code="quiet_hours") == ["quiet_hours"]


def test_an_e_mail_outside_the_hours_waits_for_them(shopping, mailoutbox):
    shopping.shop.email_from, shopping.shop.email_until = time(16), time(20)
    shopping.shop.save()
    shopping.consent("email")
    shopping.leave_cart()  # at ten in Paris; the reminder is due at two

    shopping.wait(hours=5, minutes=59)
    assert len(mailoutbox) == 0
    assert codes(code="quiet_hours") == ["quiet_hours"]

    shopping.wait(minutes=1)
    assert len(mailoutbox) == 1


def test_hours_that_open_after_the_deadline_are_too_late(shopping, mailoutbox):
    shopping.shop.email_from, shopping.shop.email_until = time(8), time(20)
    shopping.shop.save()
    shopping.consent("email")
    shopping.clock.advance(hours=7)
    shopping.leave_cart()  # at five in the afternoon; due at nine, worthless at five in the morning

    shopping.wait(hours=4)

    message = Message.objects.get(step="reminder")
    assert (message.state, message.reason) == ("cancelled", "quiet_hours")


def test_no_step_is_caught_up_after_an_outage(shopping, mailoutbox):
    shopping.consent("email", "sms")
    shopping.leave_cart()

    shopping.wait(hours=30)

    assert MemoryGateway.outbox == []
    assert [step for step, state in shopping.sent if state == "accepted"] == ["question"]
    assert [d.step for d in Decision.objects.filter(code="step_skipped", facts__because="deadline").order_by("pk")] == [
        "sms",
        "reminder",
    ]


def test_the_caps_hold_across_flows(shopping, mailoutbox):
    contact = shopping.consent("email")
    shopping.leave_cart("17")
    shopping.wait(hours=4)
    other = Flow.objects.get(slug="abandoned-cart")
    FlowRun.objects.update(entered_at=shopping.clock.now - timedelta(days=8))

    shopping.leave_cart("18")
    shopping.wait(hours=4)

    assert len(mailoutbox) == 1
    assert Message.objects.filter(contact=contact, run__flow=other, reason="frequency_cap").count() == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda s: consent.unsubscribe(
                Contact.objects.get().pk, channel="email", message_id=None, source="t", now=s.clock.now
            ),
            "suppressed",
        ),
        (
            lambda s: consent.suppress(s.shop, channel="email", address=EMAIL, reason="bounced", now=s.clock.now),
            "suppressed",
        ),
        (lambda s: consent.withdraw(Contact.objects.get(), channel="email", source="t", now=s.clock.now), "no_consent"),
        (lambda s: Contact.objects.update(erased_at=s.clock.now), "erased"),
        (lambda s: Contact.objects.update(email=""), "no_address"),
        (lambda s: s.host.carts.clear(), "subject_gone"),
        (lambda s: s.host.carts.update({"17": build_cart("17", items=())}), "subject_empty"),
        (
            lambda s: s.host.carts.update({"17": build_cart("17", identity=Identity(email="bob@example.com"))}),
            "subject_reassigned",
        ),
    ],
)
def test_what_changed_since_the_text_keeps_the_e_mail_back(shopping, mailoutbox, change, reason):
    shopping.consent("email", "sms")
    shopping.consent("email", email="bob@example.com")
    Contact.objects.filter(email="bob@example.com").exclude(pk=0)
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)
    if reason != "subject_reassigned":
        Contact.objects.filter(email="bob@example.com").delete()

    change(shopping)
    shopping.wait(hours=2, minutes=15)

    assert len(mailoutbox) == 0
    assert Message.objects.get(step="reminder").reason == reason


@pytest.mark.parametrize("is_erased", [False, True])
@pytest.mark.parametrize("is_told", [False, True])
def test_a_cart_that_is_now_somebodys_who_is_not_known_here_is_nobody_elses(shopping, mailoutbox, is_told, is_erased):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)
    if is_erased:
        consent.suppress(
            shopping.shop, channel="email", address="eve@example.com", reason="erased", now=shopping.clock.now
        )

    shopping.host.carts["17"] = build_cart("17", identity=Identity(email="eve@example.com"))
    if is_told:
        carts.touch(host="default", reference="17", now=shopping.clock.now)
    shopping.wait(hours=2, minutes=15)
    shopping.wait(days=2)

    assert len(mailoutbox) == 0
    run = FlowRun.objects.get(contact__email=EMAIL)
    assert "subject_reassigned" in {run.reason, *run.messages.values_list("reason", flat=True)}
    assert not FlowRun.objects.exclude(pk=run.pk).filter(contact__email=EMAIL).exists()


def test_a_frozen_cart_waits_for_the_payment_to_end(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=45)
    shopping.host.carts["17"] = build_cart("17", identity=Identity(email=EMAIL), is_frozen=True)

    shopping.wait(hours=2, minutes=15)
    assert len(mailoutbox) == 0

    shopping.host.carts["17"] = build_cart("17", identity=Identity(email=EMAIL))
    shopping.wait(minutes=16)
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(("trouble", "reason"), [("payment", "subject_frozen"), ("error", "subject_unreadable")])
def test_a_cart_that_is_held_for_a_week_is_given_up(shopping, monkeypatch, trouble, reason):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)
    carts.touch(host="default", reference="17", now=shopping.clock.now)
    known = shopping.host.carts["17"]
    if trouble == "payment":
        shopping.host.carts["17"] = replace(known, is_frozen=True)
    else:
        monkeypatch.setattr(shopping.host, "get_cart", ask_in_vain)

    # Held since the first look, which is tomorrow's.
    for _day in range(7):
        shopping.wait(days=1)
    cart = Cart.objects.get()
    assert (cart.state, FlowRun.objects.get().state) == ("active", "active")
    shopping.wait(days=1)
    cart.refresh_from_db()
    run, touched_at = FlowRun.objects.get(), cart.touched_at
    assert (cart.state, run.state, run.reason) == ("closed", "exited", reason)
    assert codes(run=run)[-1] == reason and codes(cart=cart).count(reason) == 1
    shopping.wait(days=1)
    cart.refresh_from_db()
    assert cart.touched_at == touched_at, "it is looked at no more"

    # The payment failed after all, or the shop is well again; and the shopper is back.
    monkeypatch.undo()
    shopping.host.carts["17"] = known
    shopping.leave_cart()
    cart.refresh_from_db()
    assert (cart.state, cart.held_since) == ("active", None)
    shopping.wait(hours=2)
    cart.refresh_from_db()
    assert cart.state == "abandoned"


def test_of_a_payment_that_nobody_ends_is_told_why_nobody_was_reminded(shopping):
    shopping.leave_cart()
    shopping.host.carts["17"] = replace(shopping.host.carts["17"], is_frozen=True)
    for _day in range(9):
        shopping.wait(days=1)
    assert codes(cart=Cart.objects.get()) == ["subject_frozen"]


def test_a_payment_that_ends_is_held_no_more(shopping):
    shopping.leave_cart()
    known = shopping.host.carts["17"]
    shopping.host.carts["17"] = replace(known, is_frozen=True)
    shopping.wait(hours=2)
    assert Cart.objects.get().held_since is not None

    shopping.host.carts["17"] = known
    shopping.wait(hours=2)
    cart = Cart.objects.get()
    assert (cart.state, cart.held_since) == ("abandoned", None)


def ask_in_vain(reference):
    raise ConnectionError("the shop does not answer")


def test_a_paused_flow_holds_and_goes_on(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)
    flow = Flow.objects.get(slug="abandoned-cart")

    flows.pause(flow, now=shopping.clock.now)
    shopping.wait(hours=2)
    assert len(mailoutbox) == 0

    flows.turn_on(flow, now=shopping.clock.now)
    shopping.wait(minutes=6)
    assert len(mailoutbox) == 1


def test_turning_a_flow_off_ends_every_run(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)

    flows.turn_off(Flow.objects.get(slug="abandoned-cart"), now=shopping.clock.now)
    shopping.wait(hours=2)

    assert len(mailoutbox) == 0
    assert FlowRun.objects.get().reason == "flow_off"


def test_a_paused_shop_sends_nothing(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.shop.is_paused = True
    shopping.shop.save()

    shopping.wait(hours=4)

    assert len(mailoutbox) == 0


def test_a_raising_host_holds_the_message_and_not_the_others(shopping, mailoutbox, caplog):
    shopping.consent("email")
    shopping.consent("email", email="bob@example.com")
    shopping.leave_cart("17")
    shopping.leave_cart("18", identity=Identity(email="bob@example.com"))
    shopping.wait(hours=2)
    real = shopping.host.get_cart
    shopping.host.get_cart = lambda reference: 1 / 0 if reference == "17" else real(reference)

    shopping.wait(hours=2)
    assert [mail.to for mail in mailoutbox] == [["bob@example.com"]]
    assert Message.objects.get(reason="subject_unreadable").state == "scheduled"

    del shopping.host.get_cart
    shopping.wait(minutes=6)
    assert len(mailoutbox) == 2


def test_a_template_error_parks_its_message_and_no_other(shopping, mailoutbox):
    shopping.consent("email")
    shopping.consent("email", email="bob@example.com")
    shopping.leave_cart("17")
    shopping.wait(hours=2)
    run = FlowRun.objects.select_related("version").get()
    content = run.version.content
    content["reminder"]["languages"]["en"]["subject"] = "Hello\n {{ cart.total | nosuchfilter }}"
    type(run.version).objects.filter(pk=run.version_id).update(content=content)
    other = flows.publish(
        Flow.objects.get(slug="abandoned-checkout"), *shipped("abandoned_checkout"), now=shopping.clock.now
    )
    assert other.number == 2
    shopping.leave_cart("18", stage="checkout", identity=Identity(email="bob@example.com"))

    shopping.wait(hours=2)
    shopping.wait(hours=2)

    parked = Message.objects.get(state="parked")
    assert (parked.reason, parked.contact.email) == ("template_error", EMAIL)
    assert "line 2" in parked.detail
    assert [mail.to for mail in mailoutbox] == [["bob@example.com"]]


def test_a_flow_that_reads_what_nobody_fills_is_not_published(shopping):
    flow = Flow.objects.get(slug="abandoned-cart")
    definition, messages = shipped("abandoned_cart")
    messages["reminder"]["en"]["subject"] = "Hello {{ cart.totla }}"

    with pytest.raises(FlowError) as refused:
        flows.publish(flow, definition, messages, now=shopping.clock.now)

    assert "reminder/en/subject: nothing is known of cart.totla (line 1, column 10)" in str(refused.value)
    flow.refresh_from_db()
    assert (flow.state, flow.version.number) == ("on", 1)


def test_a_version_of_before_that_reads_what_nobody_fills_is_not_turned_on(shopping):
    flow = Flow.objects.get(slug="abandoned-cart")
    flows.turn_off(flow, now=shopping.clock.now)
    compiled = flow.version.content
    compiled["reminder"]["languages"]["en"]["subject"] = "Hello {{ cart.totla }}"
    type(flow.version).objects.filter(pk=flow.version_id).update(content=compiled)

    with pytest.raises(Refusal) as refused:
        flows.turn_on(Flow.objects.get(pk=flow.pk), now=shopping.clock.now)

    assert "reminder/en/subject: nothing is known of cart.totla (line 1, column 10)" in str(refused.value)
    flow.refresh_from_db()
    assert flow.state == "off"


def test_a_released_message_speaks_the_text_that_is_in_use_now(shopping, mailoutbox):
    shopping.consent("email")
    shopping.leave_cart()
    shopping.wait(hours=2)
    flow = Flow.objects.get(slug="abandoned-cart")
    broken = flow.version.content
    broken["reminder"]["languages"]["en"]["subject"] = "{{ oops | nosuchfilter }}"
    type(flow.version).objects.filter(pk=flow.version_id).update(content=broken)
    shopping.wait(hours=2)
    parked = Message.objects.get(state="parked")

    flows.publish(flow, *shipped("abandoned_cart"), now=shopping.clock.now)
    assert delivery.release(Message.objects.get(pk=parked.pk), now=shopping.clock.now)
    shopping.wait(minutes=1)

    assert [mail.to for mail in mailoutbox] == [[EMAIL]]


def shipped(name):
    import json

    data = json.loads(flows._shipped(f"flows/{name}.json"))
    return {key: value for key, value in data.items() if key != "messages"}, data["messages"]
