"""Who is who: found by host id, address or number; created once; never merged by what a shop happens to say."""

from __future__ import annotations

from datetime import date

import pytest

from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import contacts
from retarget_plugin.models import Contact
from retarget_plugin.models import Identity as IdentityRow
from retarget_plugin.testing import build_shop

pytestmark = pytest.mark.django_db


def test_the_same_person_is_found_by_each_of_their_ids(shop, clock):
    who = Identity(external_id="7", email="Ana@Example.com", phone="06 12 34 56 78", first_name="Ana", locale="fr")

    made = contacts.resolve(shop, who, now=clock.now)

    assert (made.email, made.phone, made.first_name) == ("ana@example.com", "+33612345678", "Ana")
    for part in ({"email": "ana@example.com"}, {"phone": "+33612345678"}, {"external_id": "7"}):
        assert contacts.find(shop, **part) == made
    assert contacts.resolve(shop, who, now=clock.now) == made
    assert (Contact.objects.count(), IdentityRow.objects.count()) == (1, 1)


def test_what_was_empty_is_filled_in_and_what_was_known_is_kept(shop, clock):
    made = contacts.resolve(shop, Identity(email="ana@example.com", first_name="Ana"), now=clock.now)

    account = Identity(
        external_id="7", email="ana@example.com", phone="0612345678", first_name="Anna", is_verified=True
    )
    contacts.resolve(shop, account, now=clock.now)

    made.refresh_from_db()
    assert (made.phone, made.first_name) == ("+33612345678", "Ana")


def test_a_number_that_a_stranger_types_beside_a_known_address_stays_a_claim(shop, clock):
    ana = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)
    claim = Identity(email="ana@example.com", phone="0698765432")

    contacts.resolve(shop, claim, now=clock.now)
    texted = contacts.resolve_for(shop, claim, channel="sms", now=clock.now)
    mailed = contacts.resolve_for(shop, claim, channel="email", now=clock.now)

    ana.refresh_from_db()
    assert ana.phone == ""
    assert (texted.phone, texted.email) == ("+33698765432", "")
    assert mailed == ana


def test_an_account_that_proved_nothing_adds_no_number_to_an_address_that_was_known(shop, clock):
    ana = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)
    account = Identity(external_id="7", email="ana@example.com", phone="0698765432")

    mailed = contacts.resolve(shop, account, now=clock.now)
    texted = contacts.resolve_for(shop, account, channel="sms", now=clock.now)

    ana.refresh_from_db()
    assert (mailed, ana.phone) == (ana, "")
    assert (texted.phone, texted.email) == ("+33698765432", "")


def test_the_account_that_made_a_contact_completes_it(shop, clock):
    made = contacts.resolve(shop, Identity(external_id="7", email="ana@example.com"), now=clock.now)

    contacts.resolve(shop, Identity(external_id="7", email="ana@example.com", phone="0612345678"), now=clock.now)

    made.refresh_from_db()
    assert made.phone == "+33612345678"


def test_the_contacts_own_account_says_how_old_it_is_and_nobody_else(shop, clock):
    born_on = date(1990, 5, 1)
    ana = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)

    contacts.resolve(shop, Identity(email="ana@example.com", born_on=born_on), now=clock.now)
    contacts.resolve(shop, Identity(external_id="7", email="ana@example.com", born_on=born_on), now=clock.now)
    ana.refresh_from_db()
    assert ana.born_on is None

    proven = Identity(external_id="7", email="ana@example.com", is_verified=True, born_on=born_on)
    contacts.resolve(shop, proven, now=clock.now)
    ana.refresh_from_db()
    assert ana.born_on == born_on


def test_two_known_people_are_never_merged_by_one_cart(shop, clock):
    ana = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)
    bob = contacts.resolve(shop, Identity(email="bob@example.com", phone="0612345678"), now=clock.now)

    found = contacts.resolve(shop, Identity(email="ana@example.com", phone="0612345678"), now=clock.now)

    assert found == ana
    ana.refresh_from_db()
    bob.refresh_from_db()
    assert (ana.phone, bob.phone) == ("", "+33612345678")


def test_an_identity_that_says_nothing_usable_is_nobody(shop, clock):
    assert contacts.resolve(shop, Identity(email="nonsense", phone="911"), now=clock.now) is None
    assert Contact.objects.count() == 0


def test_shops_do_not_share_people(shop, clock):
    other = build_shop(scope="other")

    here = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)
    there = contacts.resolve(other, Identity(email="ana@example.com"), now=clock.now)

    assert here != there


def test_a_merged_contact_leads_to_what_it_became(shop, clock):
    old = contacts.resolve(shop, Identity(email="old@example.com"), now=clock.now)
    new = contacts.resolve(shop, Identity(email="new@example.com"), now=clock.now)
    old.merged_into = new
    old.save()

    assert contacts.find(shop, email="old@example.com") == new


def test_an_erased_person_is_not_filled_in_again(shop, clock):
    gone = contacts.resolve(shop, Identity(email="ana@example.com"), now=clock.now)
    gone.erased_at = clock.now
    gone.save()

    contacts.resolve(shop, Identity(email="ana@example.com", first_name="Ana", phone="0612345678"), now=clock.now)

    gone.refresh_from_db()
    assert (gone.first_name, gone.phone) == ("", "")
