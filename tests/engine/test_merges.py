"""Two contacts that are one person: put together by staff, and parted again to the last row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import consent, contacts, merges, visitors
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Cart, Consent, Contact, Event, Merge, Order, ProductSubscription, Visitor
from retarget_plugin.models import Identity as IdentityRow
from retarget_plugin.testing import build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def old(shop, clock):
    """The account of before: an address, a number, an account, a cart, an order, a browser, and what was seen in it."""
    who = {"external_id": "old", "email": "old@example.com", "phone": "+33612345678", "first_name": "Ana"}
    contact = build_contact(shop, now=clock.now, channels=("email", "sms"), **who)
    give_history(contact, "old", clock.now)
    return contact


@pytest.fixture
def new(shop, clock):
    contact = build_contact(shop, now=clock.now, external_id="new", email="new@example.com")
    give_history(contact, "new", clock.now)
    return contact


def give_history(contact, name, now):
    facts = {"shop": contact.shop, "contact": contact}
    cart = Cart.objects.create(**facts, reference=f"cart-{name}", email=contact.email, touched_at=now, created_at=now)
    Order.objects.create(
        **facts, reference=f"order-{name}", cart=cart, email=contact.email, touched_at=now, placed_at=now
    )
    Contact.objects.filter(pk=contact.pk).update(last_order_at=now)
    ProductSubscription.objects.create(**facts, product="17", kind="price_drop", source="page", at=now)
    ProductSubscription.objects.create(**facts, product=f"only-{name}", kind="price_drop", source="page", at=now)
    visitor = visitors.meet(contact.shop, grant=Grant(tracking=True), now=now)
    Event.objects.create(shop=contact.shop, visitor=visitor, name="view_item", product=name, at=now)
    visitors.become(visitor, contact, source="log-in", now=now)
    Event.objects.create(**facts, name="read_post", product=f"post-{name}", at=now)


def rows():
    """Whose every row is, and what is known of both."""
    whose = {
        model.__name__: sorted(model.objects.values_list("pk", "contact__first_name", "contact_id"))
        for model in (IdentityRow, Cart, Order, Visitor, Event, ProductSubscription, Consent)
    }
    return {**whose, "Contact": list(Contact.objects.order_by("pk").values())}


def of(contact, model, field):
    return sorted(model.objects.filter(contact=contact).values_list(field, flat=True))


def test_a_merged_contact_leads_to_what_it_became_and_brings_what_was_its_own(old, new, clock):
    merge = merges.merge(old, new, by="staff #1", reason="same person", now=clock.now)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.merged_into, merge.by, merge.reason) == (new, "staff #1", "same person")
    assert of(new, Cart, "reference") == ["cart-new", "cart-old"]
    assert of(new, Order, "reference") == ["order-new", "order-old"]
    assert of(new, IdentityRow, "external_id") == ["new", "old"]
    assert of(new, Event, "product") == ["new", "old", "post-new", "post-old"]
    assert of(new, ProductSubscription, "product") == ["17", "only-new", "only-old"]
    assert of(old, ProductSubscription, "product") == ["17"]
    assert Visitor.objects.filter(contact=new).count() == 2
    for part in ({"email": "old@example.com"}, {"external_id": "old"}, {"phone": "+33612345678"}):
        assert contacts.find(new.shop, **part) == new


def test_an_address_the_other_lacks_comes_with_the_consent_it_was_given_for(old, new, clock):
    merges.merge(old, new, by="staff #1", now=clock.now)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (new.phone, old.phone, new.email, old.email) == ("+33612345678", "", "new@example.com", "old@example.com")
    assert of(new, Consent, "channel") == ["", "email", "sms"]
    assert of(old, Consent, "channel") == ["", "email"]


def test_a_person_who_said_no_to_a_channel_gets_no_address_for_it(old, new, clock):
    consent.withdraw(new, channel="sms", source="page", now=clock.now)

    merges.merge(old, new, by="staff #1", now=clock.now)

    new.refresh_from_db()
    assert new.phone == ""
    assert Consent.objects.get(contact=new, channel="sms").state == "withdrawn"


def test_an_undo_puts_every_row_back(old, new, clock):
    before = rows()
    merge = merges.merge(old, new, by="staff #1", now=clock.advance(hours=1))
    between = rows()

    merges.undo(merge, by="staff #2", now=clock.advance(hours=1))
    merges.undo(merge, by="staff #3", now=clock.advance(hours=1))

    merge.refresh_from_db()
    assert between != before
    assert rows() == before
    assert (merge.undone_by, merge.undone_at) == ("staff #2", clock.now - timedelta(hours=1))


def test_what_came_while_they_were_one_goes_to_whom_it_names(shop, old, new, clock):
    merge = merges.merge(old, new, by="staff #1", now=clock.now)
    clock.advance(hours=1)
    for reference, facts in {"later-old": {"email": "old@example.com"}, "later-new": {"external_id": "new"}}.items():
        facts = {**facts, "shop": shop, "touched_at": clock.now, "created_at": clock.now, "contact": new}
        Cart.objects.create(reference=reference, **facts)

    merges.undo(merge, by="staff #1", now=clock.now)

    assert of(old, Cart, "reference") == ["cart-old", "later-old"]
    assert of(new, Cart, "reference") == ["cart-new", "later-new"]


def test_a_browser_recognised_meanwhile_is_nobodys_again(shop, old, new, clock):
    merge = merges.merge(old, new, by="staff #1", now=clock.now)
    clock.advance(hours=1)
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=clock.now)
    visitors.sign_in(visitor, Identity(external_id="old", email="old@example.com"), now=clock.now)
    Event.objects.create(shop=shop, visitor=visitor, contact=new, name="view_item", product="doubtful", at=clock.now)

    merges.undo(merge, by="staff #1", now=clock.now)

    visitor.refresh_from_db()
    assert (visitor.contact, visitor.ended_at) == (None, clock.now)
    assert Event.objects.get(product="doubtful").contact is None


def test_what_was_seen_meanwhile_in_the_browser_of_either_is_nobodys(shop, old, new, clock):
    merge = merges.merge(old, new, by="staff #1", now=clock.now)
    clock.advance(hours=1)
    browser = Visitor.objects.filter(contact=new).first()
    visitors.sign_in(browser, Identity(external_id="new", email="new@example.com"), now=clock.now)
    Event.objects.create(shop=shop, visitor=browser, contact=new, name="view_item", product="doubtful", at=clock.now)

    merges.undo(merge, by="staff #1", now=clock.now)

    assert Event.objects.get(product="doubtful").contact is None
    assert [visitors.find(visitor.key) for visitor in Visitor.objects.all()] == [None, None]


def test_a_chain_of_merges_leads_to_its_end_and_is_undone_from_there(shop, old, new, clock):
    last = build_contact(shop, now=clock.now, email="last@example.com")
    before = rows()
    clock.advance(hours=1)
    first, second = merges.merge(old, new, by="s", now=clock.now), merges.merge(new, last, by="s", now=clock.now)

    assert contacts.find(shop, email="old@example.com") == last
    with pytest.raises(Refusal, match="merged or erased since"):
        merges.undo(first, by="s", now=clock.now)
    merges.undo(second, by="s", now=clock.now)
    assert contacts.find(shop, email="old@example.com") == new
    merges.undo(first, by="s", now=clock.now)
    assert rows() == before


@pytest.mark.parametrize("case", ["itself", "another shop", "erased", "merged before", "into one that was merged"])
def test_what_cannot_be_one_person_is_refused_and_nothing_moves(old, new, clock, case):
    source, target = old, new
    if case == "itself":
        target = old
    elif case == "another shop":
        target = build_contact(build_shop(scope="other"), now=clock.now)
    elif case == "erased":
        Contact.objects.filter(pk=new.pk).update(erased_at=clock.now)
    else:
        other = build_contact(old.shop, now=clock.now)
        Contact.objects.filter(pk=(old if case == "merged before" else new).pk).update(merged_into=other)
    before = rows()

    with pytest.raises(Refusal, match="neither erased nor merged"):
        merges.merge(source, target, by="s", now=clock.now)

    assert rows() == before
    assert Merge.objects.count() == 0


def test_orders_count_for_who_placed_them(shop, old, new, clock):
    later = clock.now + timedelta(days=1)
    Order.objects.filter(reference="order-old").update(placed_at=later)

    merge = merges.merge(old, new, by="s", now=clock.now)
    new.refresh_from_db()
    merged = new.last_order_at
    merges.undo(merge, by="s", now=clock.now)

    new.refresh_from_db()
    old.refresh_from_db()
    assert (merged, new.last_order_at, old.last_order_at) == (later, clock.now, later)
