"""Who a browser is: anonymous until proven, never two people, and nobody on a stranger's word."""

from __future__ import annotations

from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.partners import Match, Partner
from retarget_plugin.engine import consent, contacts, visitors
from retarget_plugin.models import Claim, Consent, Contact, Event, Visitor
from retarget_plugin.models import Identity as IdentityRow
from retarget_plugin.testing import FakeHost, build_contact, build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

ANA, BOB = Identity(external_id="a", email="ana@example.com"), Identity(external_id="b", email="bob@example.com")
YES = Grant(tracking=True, wording="2026-01", source="banner")


@pytest.fixture
def meet(shop, clock):
    return lambda: visitors.meet(shop, grant=YES, now=clock.now)


@pytest.fixture
def view(shop, clock):
    """A visitor looks at a product."""
    return lambda visitor, product: Event.objects.create(
        shop=shop, visitor=visitor, contact=visitor.contact, name="view_item", product=product, at=clock.now
    )


def seen_by(contact):
    return sorted(Event.objects.filter(contact=contact).values_list("product", flat=True))


def test_a_visitor_is_met_with_the_evidence_of_its_grant_and_found_by_its_cookie(meet):
    visitor = meet()

    assert visitors.find(visitor.key) == visitor
    assert (len(visitor.key), visitor.contact) == (43, None)
    state = Consent.objects.get(visitor=visitor)
    assert (state.purpose, state.state, state.record.wording_version) == ("tracking", "granted", "2026-01")


@pytest.mark.parametrize("key", ["", "x", "a" * 43, "é" * 43, "\0" * 43, "a" * 44, "../" * 14 + "a", "a" * 10_000])
def test_anything_that_is_no_key_is_nobody(db, key):
    assert visitors.find(key) is None


def test_what_cannot_be_a_key_costs_no_query(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        visitors.find("\0" * 43)


def test_what_an_anonymous_visitor_did_is_the_contacts_it_becomes(shop, meet, view, clock):
    ana, visitor = build_contact(shop, now=clock.now, email="ana@example.com"), meet()
    view(visitor, "17")

    known = visitors.become(visitor, ana, source="log-in", now=clock.now)

    assert known == visitor
    assert (known.contact, known.known_by, known.known_since) == (ana, "log-in", clock.now)
    assert seen_by(ana) == ["17"]


def test_becoming_the_same_contact_twice_is_as_good_as_once(shop, meet, view, clock):
    ana, visitor = build_contact(shop, now=clock.now), meet()
    view(visitor, "17")

    for _time in range(2):
        visitor = visitors.become(visitor, ana, source="log-in", now=clock.now)

    assert (Visitor.objects.count(), seen_by(ana)) == (1, ["17"])


def test_a_second_person_in_the_same_browser_is_a_new_visitor(shop, meet, view, clock):
    ana, bob = (build_contact(shop, now=clock.now) for _person in range(2))
    first = visitors.become(meet(), ana, source="log-in", now=clock.now)
    view(first, "17")

    second = visitors.become(first, bob, source="log-in", now=clock.now)

    assert second != first
    assert second.contact == bob
    assert visitors.find(first.key) is None
    assert Visitor.objects.get(pk=first.pk).contact == ana
    assert (seen_by(ana), seen_by(bob)) == (["17"], [])
    assert Consent.objects.get(visitor=second).record.source == "banner"


def test_who_left_is_not_recognised_again(shop, meet, clock):
    visitor = meet()

    visitors.leave(visitor, now=clock.now)

    assert visitors.find(visitor.key) is None
    assert visitors.become(visitor, build_contact(shop, now=clock.now), source="log-in", now=clock.now) != visitor


def test_nobody_becomes_an_erased_person_or_one_of_another_shop(shop, meet, clock):
    gone, visitor = build_contact(shop, now=clock.now), meet()
    gone.erased_at = clock.now
    gone.save()
    foreign = build_contact(build_shop(scope="other"), now=clock.now)

    answers = [visitors.become(visitor, contact, source="log-in", now=clock.now) for contact in (gone, foreign)]

    assert [answer.contact for answer in answers] == [None, None]


def test_a_visitor_becomes_what_its_contact_was_merged_into(shop, meet, clock):
    old, new = (build_contact(shop, now=clock.now) for _person in range(2))
    old.merged_into = new
    old.save()

    assert visitors.become(meet(), old, source="log-in", now=clock.now).contact == new


# --- claims -----------------------------------------------------------------------------------------------------


def test_an_address_that_a_stranger_types_stays_a_claim(shop, meet, view, clock):
    victim, visitor = build_contact(shop, now=clock.now, email="ana@example.com", phone="+33612345678"), meet()
    before = Contact.objects.values().get(pk=victim.pk)
    view(visitor, "17")

    visitors.claim(visitor, email="Ana@Example.com", phone="06 12 34 56 78", source="form", now=clock.now)

    visitor.refresh_from_db()
    assert visitor.contact is None
    assert sorted(Claim.objects.values_list("channel", "address", "proven_at")) == [
        ("email", "ana@example.com", None),
        ("sms", "+33612345678", None),
    ]
    assert seen_by(victim) == []
    assert Contact.objects.values().get(pk=victim.pk) == before


def test_a_claim_reads_no_contact_and_costs_the_same_for_known_and_unknown(shop, meet, clock):
    build_contact(shop, now=clock.now, email="ana@example.com")
    costs = {}

    for email in ("ana@example.com", "nobody@example.com"):
        visitor = meet()
        with CaptureQueriesContext(connection) as asked:
            visitors.claim(visitor, email=email, source="form", now=clock.now)
        costs[email] = [query["sql"].split(" ")[0] for query in asked]
        assert not [query for query in asked if "retarget_plugin_contact" in query["sql"]]

    assert costs["ana@example.com"] == costs["nobody@example.com"]


def test_what_is_no_address_is_dropped_and_claims_are_few(shop, meet, clock):
    visitor = meet()

    visitors.claim(visitor, email="nonsense", phone="911", source="form", now=clock.now)
    for number in range(20):
        visitors.claim(visitor, email=f"p{number}@example.com", source="form", now=clock.now)

    assert sorted(Claim.objects.values_list("address", flat=True)) == [f"p{number}@example.com" for number in range(5)]


def test_confirming_in_the_browser_that_claimed_the_address_makes_it_known(shop, meet, view, clock):
    ana, visitor = build_contact(shop, now=clock.now, email="ana@example.com"), meet()
    view(visitor, "17")
    visitors.claim(visitor, email="ana@example.com", source="form", now=clock.now)

    known = visitors.confirmed(ana, visitor=visitor, now=clock.now)

    assert (known.contact, known.known_by) == (ana, "confirmation")
    assert seen_by(ana) == ["17"]
    assert Claim.objects.get().proven_at == clock.now


def test_a_confirmation_elsewhere_leaves_a_strangers_claim_a_claim(shop, meet, view, clock):
    ana, attacker, owner = build_contact(shop, now=clock.now, email="ana@example.com"), meet(), meet()
    view(attacker, "his")
    visitors.claim(attacker, email="ana@example.com", source="form", now=clock.now)

    for browser in (None, owner):
        visitors.confirmed(ana, visitor=browser, now=clock.now)

    assert list(Visitor.objects.filter(contact__isnull=False)) == []
    assert seen_by(ana) == []


def test_another_address_that_was_typed_proves_nothing(shop, meet, clock):
    ana, visitor = build_contact(shop, now=clock.now, email="ana@example.com"), meet()
    visitors.claim(visitor, email="bob@example.com", source="form", now=clock.now)

    visitors.confirmed(ana, visitor=visitor, now=clock.now)

    visitor.refresh_from_db()
    assert visitor.contact is None


# --- accounts ---------------------------------------------------------------------------------------------------


def test_whoever_logs_in_is_known_and_their_history_theirs(shop, meet, view, clock):
    visitor = meet()
    view(visitor, "17")

    known = visitors.sign_in(visitor, ANA, now=clock.now)

    assert known.contact.email == "ana@example.com"
    assert seen_by(known.contact) == ["17"]


def test_who_logs_in_after_somebody_else_ends_the_visitor(shop, meet, view, clock):
    first = visitors.sign_in(meet(), ANA, now=clock.now)
    view(first, "17")

    second = visitors.sign_in(first, BOB, now=clock.now)

    assert second is None
    assert visitors.find(first.key) is None
    assert seen_by(contacts.find(shop, external_id="b")) == []


def test_an_account_with_an_address_that_was_known_before_is_not_that_person(shop, meet, view, clock):
    victim, visitor = build_contact(shop, now=clock.now, email="ana@example.com"), meet()
    view(visitor, "his")
    account = Identity(external_id="mallory", email="ana@example.com", phone="+33698765432", first_name="Mallory")

    visitors.sign_in(visitor, account, now=clock.now)

    victim.refresh_from_db()
    visitor.refresh_from_db()
    assert visitor.contact is None
    assert victim.phone == ""
    assert seen_by(victim) == []
    assert Claim.objects.filter(visitor=visitor).count() == 2


def test_an_account_whose_address_the_shop_has_proven_is_that_person(shop, meet, clock):
    ana = build_contact(shop, now=clock.now, email="ana@example.com")
    account = Identity(external_id="a", email="ana@example.com", phone="+33612345678", is_verified=True)

    known = visitors.sign_in(meet(), account, now=clock.now)

    ana.refresh_from_db()
    assert (known.contact, ana.phone) == (ana, "+33612345678")
    assert IdentityRow.objects.get().is_own is True


def test_proof_that_comes_later_counts_from_then_on(shop, meet, clock):
    ana = build_contact(shop, now=clock.now, email="ana@example.com")
    visitor = visitors.sign_in(meet(), Identity(external_id="a", email="ana@example.com"), now=clock.now)
    was = visitor.contact

    known = visitors.sign_in(
        visitor, Identity(external_id="a", email="ana@example.com", is_verified=True), now=clock.now
    )

    assert (was, known.contact) == (None, ana)


class Accounts(FakeHost):
    def account_of(self, user):
        return None if user.is_staff else Identity(external_id=str(user.pk), email=user.email)


@pytest.fixture
def accounts(settings):
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {"BACKEND": f"{__name__}.Accounts"}}}


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("ana", email="ana@example.com")


@pytest.fixture
def tell(user, django_capture_on_commit_callbacks):
    """Django says that `user` logged in or out, in the browser with this cookie."""

    def say(signal, key, who=user):
        request = RequestFactory().post("/log-in/")
        request.COOKIES["retarget_visitor"] = key
        with django_capture_on_commit_callbacks(execute=True):
            signal.send(type(who), request=request, user=who)

    return say


def test_djangos_log_in_and_log_out_are_heard(shop, accounts, meet, view, tell):
    visitor = meet()
    view(visitor, "17")

    tell(user_logged_in, visitor.key)
    visitor.refresh_from_db()
    known_as = visitor.contact.email
    tell(user_logged_out, visitor.key)

    assert known_as == "ana@example.com"
    assert visitors.find(visitor.key) is None
    assert seen_by(contacts.find(shop, email="ana@example.com")) == ["17"]


@pytest.mark.parametrize("key", ["", "x", "\0" * 43, "a" * 43])
def test_a_log_in_without_a_cookie_of_ours_does_nothing(shop, accounts, tell, key):
    tell(user_logged_in, key)
    tell(user_logged_out, key)

    assert (Visitor.objects.count(), Contact.objects.count()) == (0, 0)


def test_staff_who_log_in_are_no_customers(shop, accounts, meet, tell, user):
    visitor = meet()
    user.is_staff = True

    tell(user_logged_in, visitor.key)

    visitor.refresh_from_db()
    assert (visitor.contact, visitor.ended_at) == (None, None)


def test_a_host_that_cannot_say_whose_account_it_is_breaks_no_log_in(shop, accounts, meet, tell, caplog):
    visitor = meet()

    with mock.patch.object(Accounts, "account_of", side_effect=RuntimeError("down")):
        tell(user_logged_in, visitor.key)

    visitor.refresh_from_db()
    assert visitor.contact is None
    assert "could not say whose account it is" in caplog.text


# --- reach ------------------------------------------------------------------------------------------------------


@pytest.fixture
def reachable(shop, meet, clock):
    contact = build_contact(shop, now=clock.now, channels=("sms",), phone="+33612345678")
    return visitors.become(meet(), contact, source="log-in", now=clock.now)


def test_a_recognised_visitor_with_an_opted_in_number_can_be_reached(reachable):
    assert visitors.reachable_by_sms(reachable).phone == "+33612345678"


@pytest.mark.parametrize("case", ["anonymous", "no grant", "withdrawn", "suppressed", "erased", "no number", "left"])
def test_nobody_else_can_be_reached(shop, reachable, meet, clock, case):
    contact = reachable.contact
    if case == "anonymous":
        reachable = meet()
    elif case == "no grant":
        Consent.objects.filter(contact=contact).delete()
    elif case == "withdrawn":
        consent.withdraw(contact, channel="sms", source="page", now=clock.now)
    elif case == "suppressed":
        consent.suppress(shop, channel="sms", address=contact.phone, reason="stopped", now=clock.now)
    elif case == "erased":
        contact.erased_at = clock.now
    elif case == "no number":
        contact.phone = ""
    else:
        visitors.leave(reachable, now=clock.now)

    assert visitors.reachable_by_sms(reachable) is None


class Base(Partner):
    asked: list[int] = []

    def match(self, visitor):
        self.asked.append(visitor)
        return Match(phone="+33698765432", wording="Lumen Camera may text me", wording_version="7", source="partner")


def test_a_partners_base_is_off_until_it_is_named(shop, meet, clock, settings):
    visitor = meet()
    Base.asked.clear()

    without = visitors.matched(visitor, now=clock.now)
    settings.RETARGET = {**settings.RETARGET, "PARTNER": f"{__name__}.Base"}
    found = visitors.matched(visitor, now=clock.now)

    assert (without, Base.asked) == (None, [visitor.pk])
    assert found.phone == "+33698765432"
    assert Consent.objects.get(contact=found).record.wording == "Lumen Camera may text me"


def test_a_partners_word_reaches_nobody_whom_the_shop_knows(shop, meet, clock, settings):
    build_contact(shop, now=clock.now, channels=(), phone="+33698765432")
    settings.RETARGET = {**settings.RETARGET, "PARTNER": f"{__name__}.Base"}

    assert visitors.matched(meet(), now=clock.now) is None
    assert Consent.objects.filter(contact__isnull=False).count() == 0
