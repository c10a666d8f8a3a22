"""What people said is evidence: nobody rewrites it, nothing old undoes it, and every send names what allowed it."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import DatabaseError, IntegrityError, connection, transaction

from retarget_plugin import hosts
from retarget_plugin.engine import consent, delivery, overrides
from retarget_plugin.models import Attempt, Cart, Consent, ConsentRecord, Contact, Flow, FlowRun, Message, Order
from retarget_plugin.testing import build_cart, build_contact

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

TABLE = ConsentRecord._meta.db_table
REWRITES = {
    "channel": "sms",
    "purpose": "ads",
    "state": "granted",
    "wording": "Something else",
    "wording_version": "9",
    "source": "elsewhere",
    "proof": '{"ip": "192.0.2.1"}',
    "is_confirmed": True,
    "at": "2020-01-01 00:00:00+00:00",
}


@pytest.fixture
def record(shop, clock):
    contact = build_contact(shop, now=clock.now, channels=())
    facts = {"wording": "Write to me.", "wording_version": "1", "proof": {"form": "guide"}, "now": clock.now}
    consent.pend(contact, channel="email", source="/guide/", **facts)
    return ConsentRecord.objects.get()


def rewrite(record, column, value):
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE {TABLE} SET "{column}" = %s WHERE id = %s', [value, record.pk])  # noqa: S608


@pytest.mark.parametrize("column", REWRITES)
def test_not_even_sql_rewrites_what_was_said(record, column):
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        rewrite(record, column, REWRITES[column])

    assert ConsentRecord.objects.filter(pk=record.pk).values().get() == {
        name: getattr(record, name) for name in ConsentRecord.objects.values().get()
    }


@pytest.mark.parametrize(("column", "value"), [("wording", ""), ("source", ""), ("proof", "{}")])
def test_personal_data_can_be_emptied(record, column, value):
    rewrite(record, column, value)

    record.refresh_from_db()
    assert not getattr(record, column)


def test_a_record_follows_a_contact_that_is_merged(record, shop, clock):
    other = build_contact(shop, now=clock.now, channels=())

    ConsentRecord.objects.filter(pk=record.pk).update(contact=other)

    record.refresh_from_db()
    assert record.contact == other


def test_the_record_that_todays_state_rests_on_cannot_be_deleted(record):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE id = %s", [record.pk])  # noqa: S608
        connection.check_constraints()

    assert Consent.objects.get().record == record


# -- every send names what allowed it -------------------------------------------------------------------------------------


def person(shop, n, country, clock):
    return Contact.objects.create(
        shop=shop, email=f"p{n}@example.com", country=country, locale="en", created_at=clock.now
    )


def prepare(contact, kind, clock):
    """A contact whose message may rely on `kind`."""
    if kind == "consent":
        consent.grant(contact, channel="email", source="form", now=clock.now)
    elif kind == "confirmed":
        consent.pend(contact, channel="email", source="form", wording="Write to me.", now=clock.now)
        consent.confirm(contact, channel="email", source="link", now=clock.now)
    elif kind == "sale":
        placed = clock.now - timedelta(days=90)
        Order.objects.create(
            shop=contact.shop, reference=f"o{contact.pk}", contact=contact, placed_at=placed, touched_at=placed,
            read_at=placed, settled_at=placed, items=[{"product_id": "1"}],
        )  # fmt: skip


def message_about_a_cart(contact, clock):
    flow, reference = Flow.objects.get(shop=contact.shop, slug="abandoned-checkout"), f"c{contact.pk}"
    hosts.get_host("default").carts[reference] = build_cart(reference)
    left = clock.now - timedelta(hours=4)
    cart = Cart.objects.create(
        shop=contact.shop, reference=reference, contact=contact, state="abandoned", touched_at=left, created_at=left,
        abandoned_at=clock.now, items=[{"product_id": "1"}],
    )  # fmt: skip
    run = FlowRun.objects.create(
        shop=contact.shop, flow=flow, version=flow.version, contact=contact, cart=cart, subject=cart.subject,
        anchored_at=left, entered_at=clock.now, due_at=None,
    )  # fmt: skip
    return Message.objects.create(
        shop=contact.shop, run=run, contact=contact, step="reminder", channel="email", due_at=clock.now,
        not_after=clock.now + timedelta(hours=2), key=uuid.uuid4(), created_at=clock.now,
    )  # fmt: skip


KINDS = {  # what somebody has -> (country, the basis it gives)
    "consent": ("FR", "consent"),
    "confirmed": ("DE", "consent"),
    "sale": ("FR", "sale"),
    "negotiation": ("GB", "negotiation"),
    "opt_out": ("US", "opt_out"),
    "nothing": ("FR", None),
    "unconfirmed": ("DE", None),
}


@pytest.mark.promise
def test_every_send_names_the_row_it_relied_on(shop, clock, promise):
    shop.customers_told_since = date(2020, 1, 1)
    shop.save()
    waived = overrides.make(
        shop, country="US", channel="email", waiver="opt_out", reason="CAN-SPAM", by=None, now=clock.now
    )
    messages = {}
    for n in range(35):
        kind = list(KINDS)[n % len(KINDS)]
        contact = person(shop, n, KINDS[kind][0], clock)
        prepare(contact, "consent" if kind == "unconfirmed" else kind, clock)
        messages[message_about_a_cart(contact, clock).pk] = kind

    for _round in range(3):
        delivery.dispatch(now=clock.now)

    relied_on = {}
    for attempt in Attempt.objects.select_related("message", "consent"):
        kind, contact_id = messages[attempt.message_id], attempt.message.contact_id
        assert attempt.basis == KINDS[kind][1]
        proof = {
            "consent": lambda a=attempt, c=contact_id: a.consent.contact_id == c and a.consent.state == "granted",
            "sale": lambda a=attempt, c=contact_id: a.order.contact_id == c,
            "negotiation": lambda a=attempt, c=contact_id: a.message.run.cart.contact_id == c,
            "opt_out": lambda a=attempt: a.override == waived,
        }
        assert proof[attempt.basis]()
        relied_on[attempt.message_id] = attempt.basis
    refused = Message.objects.exclude(pk__in=relied_on)
    assert sorted(messages[pk] for pk in refused.values_list("pk", flat=True)) == ["nothing"] * 5 + ["unconfirmed"] * 5
    assert set(refused.values_list("state", flat=True)) == {"cancelled"}
    assert len(mail.outbox) == len(relied_on) == 25
    promise(
        "P11",
        run="35 people in 4 countries on 5 kinds of ground or none; SQL on 9 columns; a replayed confirmation",
        figure=f"{len(relied_on)} of {len(mail.outbox)} sends name their row",
        bar="100 %",
        holds=len(relied_on) == len(mail.outbox) == 25,
    )


# -- countries and ages --------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_blocked_countries_and_the_young_get_nothing(shop, clock, promise):
    shop.blocked_countries, shop.minimum_age = ["US", "ca"], 18
    shop.save()
    grown_up, child = date(1990, 5, 1), clock.now.date() - timedelta(days=365 * 17)
    people = [("FR", grown_up, None), ("US", grown_up, "country_blocked"), ("CA", grown_up, "country_blocked")]
    people += [("FR", child, "under_age"), ("FR", None, "under_age")]
    expected = {}
    for n, (country, born_on, reason) in enumerate(people):
        contact = person(shop, n, country, clock)
        Contact.objects.filter(pk=contact.pk).update(born_on=born_on)
        consent.grant(contact, channel="email", source="form", wording="Yes.", is_confirmed=True, now=clock.now)
        expected[message_about_a_cart(contact, clock).pk] = reason or ""

    delivery.dispatch(now=clock.now)

    assert dict(Message.objects.values_list("pk", "reason")) == expected
    sent = [address for letter in mail.outbox for address in letter.to]
    wrong = len([address for address in sent if address != "p0@example.com"])
    assert sent == ["p0@example.com"]
    run = "5 people: 2 in blocked countries, 1 too young, 1 of unknown age"
    promise("P18", run=run, figure=f"{wrong} sends", bar="0 sends", holds=wrong == 0)
