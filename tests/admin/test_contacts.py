"""A person on screen: what they agreed to and what happened to them."""

from __future__ import annotations

from datetime import timedelta

from retarget_plugin.engine import consent, merges
from retarget_plugin.models import Merge

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
