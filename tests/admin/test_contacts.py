"""A person on screen: what they agreed to and what happened to them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.formats import date_format

from retarget_plugin.engine import consent, merges
from retarget_plugin.models import Customer, Merge, Quintiles

from . import rows
from .conftest import everything, page, queries, read


def test_a_person_is_shown_with_consents_identities_and_history(owner):
    shop = rows.shop()
    ana = rows.contact(shop, email="ana@example.com", first_name="Ana")
    ana.identities.create(shop=shop, external_id="account-9", created_at=rows.NOW)
    consent.grant(ana, channel="email", source="checkout box", now=rows.NOW)
    consent.withdraw(ana, channel="email", source="unsubscribe page", now=rows.NOW + timedelta(days=1))
    message = rows.message(rows.run(rows.flow(shop), contact=ana), step="reminder")

    response = owner.get(page("contact_change", ana.pk))

    text = response.content.decode()
    assert [(row.channel, row.state) for row, _badge in response.context["consents"]] == [("email", "withdrawn")]
    assert "account-9" in text
    assert [event.title for event in response.context["events"]] == [
        "Consent for Marketing, E-mail: Withdrawn",
        "E-mail scheduled",
        "Consent for Marketing, E-mail: Granted",
    ]
    assert f'<a href="{page("message_change", message.pk)}">E-mail scheduled</a>' in text


def test_a_person_who_agreed_to_nothing_is_told_so(owner):
    nobody = rows.contact(rows.shop())

    text = read(owner, page("contact_change", nobody.pk))

    assert "This person agreed to nothing yet, so nothing is sent to them." in text
    assert "Nothing yet." in text


def test_a_merged_person_leads_to_the_other(owner):
    shop = rows.shop()
    kept = rows.contact(shop)
    merged = rows.contact(shop, merged_into=kept)

    assert f'<a href="{page("contact_change", kept.pk)}">' in read(owner, page("contact_change", merged.pk))


def test_a_long_history_costs_no_more_queries(owner):
    found = everything()
    url = page("contact_change", found.contact.pk)
    read(owner, url)

    few = queries(owner, url)
    for _number in range(30):
        run = rows.run(rows.flow(found.shop), contact=found.contact, cart=rows.cart(found.shop, contact=found.contact))
        rows.decision(found.shop, "entered", contact=found.contact, run=run, message=rows.message(run))

    assert queries(owner, url) == few


def test_a_merge_is_undone_by_a_button_that_asks_first(owner):
    shop = rows.shop()
    old, new = rows.contact(shop, email="old@example.com"), rows.contact(shop, email="new@example.com")
    merge = merges.merge(old, new, by="staff #1", now=rows.NOW)
    part = page("contact_part", old.pk)

    asked = read(owner, part)
    still_merged = Merge.objects.get().undone_at
    owner.post(part)

    merge.refresh_from_db()
    old.refresh_from_db()
    assert "become two people again" in asked
    assert still_merged is None
    assert merge.undone_at is not None
    assert old.merged_into is None


def test_a_customer_is_shown_with_orders_fifths_and_interests(owner):
    shop = rows.shop()
    ana = rows.contact(shop, interests={"macro-lenses": {"score": 8.0, "at": timezone.now().isoformat()}})
    last = timezone.now() - timedelta(days=3)
    facts = {"shop": shop, "orders": 4, "spent": "1234.50", "first_order_at": last, "median_gap_days": 30.4}
    Customer.objects.create(contact=ana, last_order_at=last, **facts)
    bounds = {"recency": [(last - timedelta(days=days)).isoformat() for days in (400, 200, 100, 50)]}
    Quintiles.objects.create(shop=shop, customers=50, frequency=[1, 1, 2, 4], monetary=["1", "2", "3", "4"], **bounds)

    response = owner.get(page("contact_change", ana.pk))

    assert [(str(label), str(value)) for label, value in response.context["standing"]] == [
        ("Orders", "4"),
        ("Spent", "€1,234.50"),
        ("Last order", date_format(timezone.localtime(last), "SHORT_DATE_FORMAT")),
        ("Between two orders", "30 days"),
        ("Group", "Champion: buys lately, often and for much"),
        ("Compared with others", "recency 5, frequency 4, money 5, of 5 each"),
        ("Interests", "macro-lenses (8.0)"),
    ]
    assert "As a customer" in response.content.decode()


def test_in_a_small_shop_a_customer_is_compared_with_nobody(owner):
    shop = rows.shop()
    ana = rows.contact(shop)
    facts = {"shop": shop, "orders": 1, "spent": 10, "first_order_at": rows.NOW, "last_order_at": rows.NOW}
    Customer.objects.create(contact=ana, **facts)
    Quintiles.objects.create(shop=shop, customers=12)

    standing = dict(owner.get(page("contact_change", ana.pk)).context["standing"])

    assert standing["Group"] == "The shop has 12 customers; from 50 on they are compared."


def test_who_objects_to_profiles_is_shown_without_one(owner):
    shop = rows.shop()
    ana = rows.contact(shop, interests={"macro": {"score": 8.0, "at": timezone.now().isoformat()}})
    consent.withdraw(ana, channel="", purpose="profiling", source="preference centre", now=rows.NOW)

    response = owner.get(page("contact_change", ana.pk))

    assert response.context["standing"] == []
    assert "As a customer" not in response.content.decode()
