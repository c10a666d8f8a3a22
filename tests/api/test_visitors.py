"""The visitor over GraphQL: by its cookie alone, without a word about the person, and never by a foreign page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import visitors
from retarget_plugin.models import Claim, Consent, Contact, DailyCount, Event, Visitor
from tests.api.conftest import ask, post

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

VISITOR = "{ retargetVisitor { isKnown grants { tracking ads measurement } } }"
GRANT = """mutation Grant($input: RetargetGrantInput!) {
  retargetGrant(input: $input) {
    visitor { isKnown grants { tracking ads measurement } } errors { field message code }
  }
}"""
TRACK = """mutation Track($input: RetargetTrackInput!) {
  retargetTrack(input: $input) { errors { field message code } }
}"""
WITHDRAW = "mutation { retargetWithdraw { errors { code } } }"
IDENTIFY = """mutation Identify($input: RetargetIdentifyInput!) {
  retargetIdentify(input: $input) { errors { field message code } }
}"""
YES = {"tracking": True, "ads": True, "wording": "2026-01", "source": "banner"}
SHIRT = {"itemId": "17", "itemName": "Linen shirt", "price": "49.90", "quantity": 1}
VIEW = {"page": {"path": "/shirts/17/?ref=mail"}, "events": [{"name": "view_item", "items": [SHIRT], "value": "49.90"}]}
DONE = {"errors": []}


@pytest.fixture(autouse=True)
def _shop(shop):
    return shop


@pytest.fixture
def browser():
    return Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"})


@pytest.fixture
def granted(browser):
    ask(browser, GRANT, {"input": YES})
    return browser


def visitor_of(browser):
    return visitors.find(browser.cookies["retarget_visitor"].value)


def test_a_browser_without_a_grant_is_nobody_and_gets_no_cookie(browser):
    assert ask(browser, VISITOR)["data"]["retargetVisitor"] is None
    assert ask(browser, TRACK, {"input": VIEW})["data"]["retargetTrack"] == DONE
    assert dict(browser.cookies) == {}
    assert (Visitor.objects.count(), Event.objects.count()) == (0, 0)
    assert DailyCount.objects.get().name == "view_item"


def test_a_grant_is_kept_as_evidence_and_answered_with_a_cookie(browser):
    reply = ask(browser, GRANT, {"input": YES})

    grants = {"tracking": True, "ads": True, "measurement": False}
    assert reply["data"]["retargetGrant"] == {"visitor": {"isKnown": False, "grants": grants}, "errors": []}
    assert ask(browser, VISITOR)["data"]["retargetVisitor"] == {"isKnown": False, "grants": grants}
    states = Consent.objects.filter(visitor=visitor_of(browser)).order_by("purpose")
    assert [(row.purpose, row.state, row.record.wording_version) for row in states] == [
        ("ads", "granted", "2026-01"),
        ("tracking", "granted", "2026-01"),
    ]


def test_the_cookie_is_first_party_and_unreadable_by_scripts(granted):
    cookie = granted.cookies["retarget_visitor"]

    kept = cookie["max-age"] / timedelta(days=1).total_seconds()
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"], cookie["domain"], kept) == (
        True,
        True,
        "Lax",
        "/",
        "",
        390,
    )


def test_no_tracking_means_no_cookie(browser):
    reply = ask(browser, GRANT, {"input": {**YES, "tracking": False}})

    assert reply["data"]["retargetGrant"] == {"visitor": None, "errors": []}
    assert Visitor.objects.count() == 0
    assert browser.cookies.get("retarget_visitor") is None or browser.cookies["retarget_visitor"].value == ""


def test_events_are_the_visitors(granted):
    reply = ask(granted, TRACK, {"input": VIEW})

    assert reply["data"]["retargetTrack"] == DONE
    event = Event.objects.get()
    assert (event.visitor, event.name, event.product, event.path, str(event.value)) == (
        visitor_of(granted),
        "view_item",
        "17",
        "/shirts/17/",
        "49.90",
    )


@pytest.mark.parametrize(
    "event",
    [{"name": "View Item"}, {"name": "view_item", "value": "1e99"}, {"name": "view_item", "currency": "euro"}],
    ids=["name", "value", "currency"],
)
def test_an_event_that_is_none_is_told_so_and_not_kept(granted, event):
    reply = ask(granted, TRACK, {"input": {**VIEW, "events": [event]}})

    [error] = reply["data"]["retargetTrack"]["errors"]
    assert error["code"] == "INVALID"
    assert Event.objects.count() == 0


def test_a_withdrawal_ends_the_visitor_and_takes_the_cookie(granted):
    ask(granted, TRACK, {"input": VIEW})
    key = granted.cookies["retarget_visitor"].value

    assert ask(granted, WITHDRAW)["data"]["retargetWithdraw"] == DONE

    assert visitors.find(key) is None
    assert granted.cookies["retarget_visitor"].value == ""
    assert list(Event.objects.values_list("visitor", "contact", "path")) == [(None, None, "")]


def test_a_visitor_that_has_ended_is_nobody(granted):
    visitors.leave(visitor_of(granted), now=timezone.now())

    assert ask(granted, VISITOR)["data"]["retargetVisitor"] is None


# --- identify ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["camille.durand@mail.example", "nobody@mail.example", "nonsense", ""])
def test_an_address_is_a_claim_and_the_answer_always_the_same(granted, contact, email):
    before = Contact.objects.values().get()

    reply = ask(granted, IDENTIFY, {"input": {"email": email}})

    assert reply == {"data": {"retargetIdentify": DONE}}
    assert list(Claim.objects.values_list("address", flat=True)) == ([email] if "@" in email else [])
    assert ask(granted, VISITOR)["data"]["retargetVisitor"]["isKnown"] is False
    assert Contact.objects.values().get() == before


def test_a_claim_of_nobody_is_kept_nowhere(browser, contact):
    assert ask(browser, IDENTIFY, {"input": {"email": contact.email}}) == {"data": {"retargetIdentify": DONE}}
    assert Claim.objects.count() == 0


def test_addresses_are_taken_only_so_often_from_one_network(granted, settings):
    settings.RETARGET = {**settings.RETARGET, "FORMS_PER_HOUR": 2}
    codes = []

    for number in range(4):
        # Neither a made-up proxy nor another visitor makes it another network.
        reply = ask(
            granted, IDENTIFY, {"input": {"email": f"p{number}@mail.example"}}, X_Forwarded_For=f"192.0.2.{number}"
        )
        codes.append([error["code"] for error in reply["data"]["retargetIdentify"]["errors"]])

    assert codes == [[], [], ["TOO_MANY"], ["TOO_MANY"]]
    assert Claim.objects.count() == 2


def test_what_a_known_visitor_is_told_names_nobody(granted, contact):
    visitors.become(visitor_of(granted), contact, source="log-in", now=timezone.now())

    reply = post(granted, VISITOR).content.decode().lower()

    assert '"isknown":true' in reply
    assert [word for word in ("camille", "durand", "mail.example", "6123", "69003") if word in reply] == []


def test_the_cookie_of_another_shop_is_nobodys_here(browser, shop):
    from retarget_plugin.testing import build_shop

    foreign = visitors.meet(
        build_shop(scope="other", base_url="https://other.example"), grant=Grant(tracking=True), now=timezone.now()
    )
    browser.cookies["retarget_visitor"] = foreign.key

    reply = ask(browser, VISITOR, HOST="shop.example.com")

    assert reply["data"]["retargetVisitor"] is None


# --- foreign pages ----------------------------------------------------------------------------------------------


def rows():
    models = (Visitor, Claim, Consent, Event, DailyCount, Contact)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


OPERATIONS = {
    "grant": (GRANT, {"input": YES}),
    "track": (TRACK, {"input": VIEW}),
    "withdraw": (WITHDRAW, {}),
    "identify": (IDENTIFY, {"input": {"email": "ana@mail.example"}}),
    "visitor": (VISITOR, {}),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["foreign origin", "opaque origin", "no origin but cross-site"],
)
def test_a_foreign_page_reads_and_changes_nothing_even_with_the_cookie(granted, name, headers):
    before = rows()

    response = post(granted, *OPERATIONS[name], **headers)

    assert response.status_code == 403
    assert rows() == before
    assert "retarget_visitor" not in response.cookies


def test_an_allowed_storefront_counts_and_neither_reads_nor_sets_the_cookie(granted, settings):
    settings.RETARGET = {**settings.RETARGET, "ALLOWED_ORIGINS": ("https://front.example",)}
    front = {"Origin": "https://front.example"}

    replies = {name: post(granted, *operation, **front) for name, operation in OPERATIONS.items()}

    assert replies["visitor"].json()["data"]["retargetVisitor"] is None
    assert [e["code"] for e in replies["grant"].json()["data"]["retargetGrant"]["errors"]] == ["FOREIGN"]
    assert {name for name, reply in replies.items() if reply.cookies} == set()
    assert (Visitor.objects.count(), Claim.objects.count(), Event.objects.count()) == (1, 0, 0)
    assert visitor_of(granted) is not None
    assert all("Access-Control-Allow-Credentials" not in reply for reply in replies.values())
