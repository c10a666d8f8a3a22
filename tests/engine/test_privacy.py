"""Exported: all of it and nobody else's. Erased: all of it, everywhere, for good."""

from __future__ import annotations

import json

import pytest
from django.conf import settings as django_settings

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.engine import carts, consent, contacts, erasures, journal, privacy, suppressions, tick
from retarget_plugin.models import (
    Cart,
    Contact,
    Decision,
    Erasure,
    Event,
    Lead,
    Message,
    Order,
    Suppression,
)
from tests import canaries

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def ana(shop, clock):
    return canaries.Person(shop, "a", now=clock.now)


@pytest.fixture
def bob(shop, clock):
    return canaries.Person(shop, "b", now=clock.now)


def exported(person, clock):
    return json.dumps(privacy.export(person.contact, now=clock.now), ensure_ascii=False)


#: What a person is not handed: secrets of the browser, and what repeats other rows.
HIDDEN = {f"{table.model}.{column}" for table in TABLES for column in table.hidden.split()}


# -- export -----------------------------------------------------------------------------------------------------------


def test_every_column_that_can_hold_a_text_of_a_person_is_planted(ana):
    unplanted = {f"{table.model}.{column}" for table in TABLES if table.whose for column in table.person.split()} - set(
        ana.marks
    )

    assert len(ana.marks) >= 40
    # Numbers, dates and codes too short for a mark; merges, which need two.
    assert {name for name in unplanted if not name.startswith("Merge.")} == {
        "Contact.locale", "Contact.country", "Contact.latitude", "Contact.longitude", "Contact.born_on",
        "Contact.last_order_at", "Event.value", "Event.currency", "ProductSubscription.kind",
        "ProductSubscription.price", "Consent.state", "Click.is_human", "Claim.address",
        "Cart.email", "Cart.phone", "Cart.external_id", "Order.email", "Order.phone", "Lead.email", "Lead.phone",
        "ProductSubscription.email",
        "Customer.orders", "Customer.spent", "Customer.first_order_at", "Customer.last_order_at",
        "Customer.median_gap_days",
    }  # fmt: skip


@pytest.mark.promise
def test_an_export_is_complete_and_only_the_persons_own(ana, bob, clock, promise):
    text = exported(ana, clock)

    own, foreign = canaries.found(ana.marks, text), canaries.found(bob.marks, text)
    missing = set(ana.marks) - set(own) - HIDDEN
    promise(
        "P7",
        run=f"{len(ana.marks)} marks of one person, {len(bob.marks)} of another",
        figure=f"missing {len(missing)}, foreign {len(foreign)}",
        bar="missing 0, foreign 0",
        holds=not missing and not foreign,
    )


def test_an_export_says_why_how_long_and_who_receives_it(ana, clock):
    data = privacy.export(ana.contact, now=clock.now)

    carts_of = data["data"]["Cart"]
    assert (data["format"], data["made_at"]) == (privacy.FORMAT, clock.now.isoformat())
    assert carts_of["kept"] == "180 days after the cart last changed"
    assert carts_of["received_by"] == ["e-mail provider", "SMS gateway"]
    assert [row["reference"] for row in carts_of["rows"]] == ["c-a"]


def test_a_merged_person_is_exported_whole_from_either_side(ana, bob, shop, clock):
    eve = canaries.Person(shop, "e", now=clock.now)
    ana.merge(eve.contact)

    texts = [json.dumps(privacy.export(one, now=clock.now)) for one in (ana.contact, eve.contact)]

    for text in texts:
        assert set(ana.marks | eve.marks) - set(canaries.found(ana.marks, text)) <= HIDDEN
        assert set(eve.marks) - set(canaries.found(eve.marks, text)) <= HIDDEN
        assert canaries.found(bob.marks, text) == []


def test_a_merge_that_was_undone_tells_neither_of_the_other(ana, bob, clock):
    merge = ana.merge(bob.contact)
    merge.undone_at = clock.now
    merge.save()
    Contact.objects.filter(pk=bob.contact.pk).update(merged_into=None)

    assert canaries.found(bob.marks, exported(ana, clock)) == []
    assert (
        canaries.found({key: mark for key, mark in ana.marks.items() if key in bob.marks}, exported(bob, clock)) == []
    )


def test_on_a_shared_device_each_gets_what_was_their_own(ana, bob, clock):
    """Bob typed his address into Ana's cart, into a form on her browser, and was seen there after she had left."""
    Cart.objects.filter(pk=ana.cart.pk).update(email=bob.email, phone=bob.phone)
    ana.visitor.claims.create(channel="email", address=bob.email, source="checkout", at=clock.now)
    Event.objects.filter(visitor=bob.visitor).update(visitor=ana.visitor)
    Event.objects.filter(contact=None).delete()

    of_ana, of_bob = exported(ana, clock), exported(bob, clock)

    assert canaries.found(bob.marks, of_ana) == []
    assert canaries.found({"mark": ana.marks["Cart.items"], "email": ana.email}, of_bob) == []
    assert bob.marks["Event.path"] in of_bob


def test_a_shared_phone_belongs_to_whose_it_is(ana, bob, clock):
    Order.objects.filter(pk=ana.order.pk).update(phone=bob.phone)
    Lead.objects.filter(pk=ana.lead.pk).update(phone=bob.phone)

    assert bob.phone not in exported(ana, clock)
    assert "o-a" not in exported(bob, clock)


def test_what_was_said_of_ones_addresses_is_exported(ana, shop, clock):
    consent.suppress(shop, channel="email", address=ana.email, reason="bounced", now=clock.now)

    data = privacy.export(ana.contact, now=clock.now)

    assert data["suppressed"] == [
        {"address": ana.email, "channel": "email", "reason": "bounced", "at": clock.now.isoformat()}
    ]


# -- erase ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_nothing_is_left_of_whom_was_erased_but_keyed_hashes(ana, bob, clock, promise):
    bobs = canaries.found(bob.marks, canaries.dump())
    assert set(canaries.found(ana.marks, canaries.dump())) == set(ana.marks)

    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    text = canaries.dump()
    left = canaries.found(ana.marks, text)
    assert canaries.found(bob.marks, text) == bobs
    marks = suppressions.keys(ana.email)[0], suppressions.keys(ana.phone)[0]
    assert all(mark in text for mark in marks)
    promise(
        "P1",
        run=f"{len(ana.marks)} marks in every table of the database",
        figure=f"{len(left)} left",
        bar="0 left but the keyed hashes",
        holds=left == [],
    )


def test_sums_stay(ana, clock):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    message, order, cart = Message.objects.get(), Order.objects.get(), Cart.objects.get()
    assert (message.state, message.sent_at, order.total, cart.state) == ("accepted", None, ana.order.total, "active")
    assert (order.contact, cart.contact, cart.items, order.items) == (None, None, [], [])


def test_an_erasure_says_what_went_and_who_asked(ana, clock):
    erasure = privacy.erase(ana.contact, by="staff #7", now=clock.now)

    erasure.refresh_from_db()
    assert (erasure.by, erasure.at, erasure.done_at) == ("staff #7", clock.now, clock.now)
    assert erasure.removed == {
        "Contact": 1, "Identity": 1, "Visitor": 1, "Claim": 1, "Event": 2, "Lead": 1, "ProductSubscription": 1,
        "ConsentRecord": 1, "Consent": 1, "Cart": 1, "Order": 1, "Message": 1, "MessageBody": 1, "Attempt": 1,
        "Decision": 1, "Link": 1, "Click": 1, "Coupon": 1, "Customer": 1, "FlowRun": 1, "Watch": 1, "WebhookCall": 1,
    }  # fmt: skip


def test_twice_is_as_good_as_once(ana, clock):
    first = privacy.erase(ana.contact, by="staff #1", now=clock.now)

    again = privacy.erase(Contact.objects.get(), by="staff #2", now=clock.advance(hours=1))

    assert (again.pk, Erasure.objects.count()) == (first.pk, 1)


def test_all_that_were_merged_go_together(ana, bob, shop, clock):
    eve = canaries.Person(shop, "e", now=clock.now)
    ana.merge(eve.contact)

    privacy.erase(eve.contact, by="staff #1", now=clock.now)

    assert canaries.found(ana.marks | {f"e.{name}": mark for name, mark in eve.marks.items()}, canaries.dump()) == []
    assert Contact.objects.get(pk=bob.contact.pk).erased_at is None


def test_ones_address_goes_from_other_peoples_rows_and_theirs_stay(ana, bob, clock):
    Cart.objects.filter(pk=bob.cart.pk).update(email=ana.email)
    Lead.objects.filter(pk=bob.lead.pk).update(phone=ana.phone)
    bob.visitor.claims.create(channel="sms", address=ana.phone, source="form", at=clock.now)

    privacy.erase(ana.contact, by="staff #1", now=clock.now)

    assert canaries.found(ana.marks, canaries.dump()) == []
    cart, lead = Cart.objects.get(pk=bob.cart.pk), Lead.objects.get(pk=bob.lead.pk)
    assert (cart.email, cart.phone, lead.phone, lead.email) == ("", bob.phone, "", bob.email)
    assert [claim.address for claim in bob.visitor.claims.all()] == [bob.email]


def test_what_was_waiting_is_cancelled(shopping, mailoutbox):
    shopping.consent("email", "sms")
    shopping.leave_cart()
    shopping.wait(hours=1, minutes=46)
    assert shopping.sent == [("sms", "accepted")]

    privacy.erase(Contact.objects.get(), by="staff #1", now=shopping.clock.now)
    shopping.wait(hours=12)

    assert shopping.sent == [("sms", "accepted")]
    assert len(mailoutbox) == 0
    assert Decision.objects.filter(code="erased").exists()


@pytest.mark.promise
def test_the_keyed_hash_names_nobody_without_the_key(ana, clock, settings, promise):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    stolen = set(Suppression.objects.values_list("key", flat=True))

    settings.SECRET_KEY = "what a thief would try"
    guesses = [ana.email, ana.phone, *(f"{letter}-email@{letter}.example" for letter in "abcdefghij")]

    recovered = stolen & {key for guess in guesses for key in suppressions.keys(guess)}
    promise(
        "P3",
        run=f"{len(stolen)} hashes, a dictionary that holds the right answers, another key",
        figure=f"{len(recovered)} recovered",
        bar="0 recovered",
        holds=len(stolen) == 3 and not recovered,
    )


# -- and never comes back ---------------------------------------------------------------------------------------------


def host_tells(shopping, person, *, reference):
    who = Identity(email=person.email, phone=person.phone, external_id=person.account, first_name="Ana")
    shopping.leave_cart(reference, identity=who)
    carts.touch(host="default", reference=reference, identity=who, now=shopping.clock.now)


@pytest.mark.promise
def test_nobody_brings_back_who_was_erased(shopping, ana, clock, mailoutbox, promise):
    privacy.erase(ana.contact, by="the person", now=clock.now)

    for day in range(30):
        if day % 10 == 0:
            host_tells(shopping, ana, reference=f"later-{day}")
        shopping.wait(days=1)

    alive = Contact.objects.filter(erased_at=None).count()
    left = canaries.found(ana.marks, canaries.dump())
    promise(
        "P2",
        run="30 days; the shop tells of the person's carts three times",
        figure=f"messages {len(mailoutbox)}, contacts {alive}, marks {len(left)}",
        bar="messages 0, contacts 0, marks 0",
        holds=(len(mailoutbox), alive, left) == (0, 0, []),
    )


def test_an_act_of_their_own_begins_anew_and_what_was_is_gone(ana, shop, clock):
    privacy.erase(ana.contact, by="the person", now=clock.now)

    told = contacts.resolve(shop, Identity(email=ana.email), now=clock.now)
    acted = contacts.resolve(shop, Identity(email=ana.email), is_own_act=True, now=clock.now)

    assert told is None
    assert (acted.email, acted.first_name, acted.pk == ana.contact.pk) == (ana.email, "", False)
    assert consent.is_suppressed(shop, channel="email", address=ana.email) is True

    suppressions.welcome_back(shop.pk, ana.email)

    assert consent.is_suppressed(shop, channel="email", address=ana.email) is False


# -- restored backups -------------------------------------------------------------------------------------------------


@pytest.fixture
def journaled(settings, tmp_path):
    settings.RETARGET = django_settings.RETARGET | {"HEARTBEAT_FILE": str(tmp_path / "heartbeat.json")}
    erasures._compared = None
    return tmp_path / "heartbeat.json.erasures"


def test_the_journal_names_nobody(ana, clock, journaled, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        erasure = privacy.erase(ana.contact, by="staff #1", now=clock.now)

    entry = journal.read()[0]
    assert (entry.uuid, entry.contacts) == (str(erasure.uuid), {str(ana.contact.pk): clock.now.isoformat()})
    assert canaries.found(ana.marks, journaled.read_text()) == []


@pytest.mark.promise
def test_a_restored_backup_is_erased_again_before_anything_is_sent(
    shopping, ana, clock, journaled, mailoutbox, promise
):
    privacy.erase(ana.contact, by="staff #1", now=clock.now)
    erasures.remember(now=clock.now)
    # The backup was made before: it has the person and neither the erasure nor the suppressions.
    Contact.objects.all().delete()
    Erasure.objects.all().delete()
    Suppression.objects.all().delete()
    Contact.objects.create(
        pk=ana.contact.pk, shop=shopping.shop, email=ana.email, phone=ana.phone, created_at=clock.now
    )
    consent.grant(Contact.objects.get(), channel="email", source="backup", now=clock.now)
    shopping.leave_cart()

    tick.once(now=clock.now)
    shopping.wait(hours=5)

    left = canaries.found({"email": ana.email, "phone": ana.phone}, canaries.dump())
    promise(
        "P6",
        run="a backup from before the erasure, with consent and a cart",
        figure=f"messages {len(mailoutbox)}, marks {len(left)}",
        bar="erased again before any send",
        holds=(len(mailoutbox), left, Erasure.objects.count()) == (0, [], 1),
    )
