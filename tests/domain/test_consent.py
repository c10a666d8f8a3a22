"""The legal basis of a message, as a pure decision: a no beats everything, a yes comes before every exception."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from retarget_plugin.domain.consent import (
    ConfirmationRule,
    ConsentRule,
    CustomerRule,
    Evidence,
    Purchase,
    Relation,
    Terms,
    basis_for,
    is_old_enough,
    kinds_of,
)
from retarget_plugin.domain.keywords import Keyword, read
from retarget_plugin.domain.sources import Status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORIGIN = {"source": "a statute", "status": Status.OFFICIAL, "read_on": date(2026, 11, 22)}
LENS, LAMP = kinds_of([{"product_id": "1", "category": "Lenses"}]), kinds_of([{"product_id": "9", "category": "Lamps"}])


def terms(*, written=False, confirmed=False, after="sale", months=12, similar=True, **more):
    return Terms(
        consent=ConsentRule(is_written=written, **ORIGIN),
        double_opt_in=ConfirmationRule(is_required=confirmed, **ORIGIN),
        customer=CustomerRule(relation=Relation(after), months=months, similar_only=similar, **ORIGIN),
        **more,
    )


def bought(goods=LENS, *, days=10):
    return Evidence(purchases=(Purchase(order=5, at=NOW - timedelta(days=days), goods=goods),), goods=LENS)


@pytest.mark.parametrize(
    ("evidence", "asked", "answer"),
    [
        (Evidence(), terms(), ("none", "no_consent", "customer")),
        (Evidence(state="granted"), terms(), ("consent", None, "")),
        (Evidence(state="withdrawn"), terms(), ("none", "no_consent", "")),
        (Evidence(state="pending", is_confirmed=True), terms(), ("none", "consent_pending", "double_opt_in")),
        (Evidence(state="granted"), terms(confirmed=True), ("none", "consent_pending", "double_opt_in")),
        (Evidence(state="granted", is_confirmed=True), terms(confirmed=True), ("consent", None, "")),
        (Evidence(state="granted"), terms(written=True), ("none", "no_consent", "consent")),
        (Evidence(state="granted", is_written=True), terms(written=True), ("consent", None, "")),
        (bought(), terms(), ("sale", None, "")),
        (bought(), terms(after="negotiation"), ("sale", None, "")),
        (bought(), terms(after="nothing"), ("none", "no_consent", "customer")),
        (bought(days=360), terms(), ("sale", None, "")),
        (bought(days=361), terms(), ("none", "no_consent", "customer")),
        (bought(LAMP), terms(), ("none", "no_consent", "customer")),
        (bought(LAMP), terms(similar=False), ("sale", None, "")),
        (bought(frozenset()), terms(), ("none", "no_consent", "customer")),
        (Evidence(negotiated=True), terms(), ("none", "no_consent", "customer")),
        (Evidence(negotiated=True), terms(after="negotiation"), ("negotiation", None, "")),
        (replace(bought(), state="pending"), terms(), ("sale", None, "")),
        (replace(bought(), state="withdrawn"), terms(), ("none", "no_consent", "")),
        (Evidence(), terms(opt_out=True), ("opt_out", None, "")),
        (Evidence(state="withdrawn"), terms(opt_out=True), ("none", "no_consent", "")),
    ],
)
def test_the_basis_follows_from_what_is_known_and_what_is_asked(evidence, asked, answer):
    basis = basis_for(evidence, asked, now=NOW)

    assert (basis.basis, basis.reason, basis.rule) == answer


def test_a_basis_on_a_sale_names_the_order():
    assert basis_for(bought(), terms(), now=NOW).order == 5


@pytest.mark.parametrize(
    ("waivers", "evidence", "basis"),
    [
        ({"unconfirmed"}, Evidence(state="granted"), "consent"),
        ({"unconfirmed"}, Evidence(state="pending"), "none"),
        ({"after_sale"}, bought(), "sale"),
        ({"after_sale"}, Evidence(negotiated=True), "none"),
        ({"after_negotiation"}, Evidence(negotiated=True), "negotiation"),
        ({"opt_out"}, Evidence(), "opt_out"),
        ({"unconfirmed", "after_sale", "after_negotiation", "opt_out"}, Evidence(state="withdrawn"), "none"),
    ],
)
def test_the_owner_may_waive_one_rule_and_never_a_no(waivers, evidence, basis):
    strict = terms(confirmed=True, after="nothing")

    assert basis_for(evidence, strict.waiving(waivers), now=NOW).basis == basis


@pytest.mark.parametrize(
    ("born_on", "minimum", "is_enough"),
    [
        (None, None, True),
        (None, 18, False),
        (date(2008, 11, 22), 18, True),
        (date(2008, 11, 23), 18, False),
        (date(2008, 2, 29), 18, True),
        (date(2015, 1, 1), None, True),
    ],
)
def test_who_is_not_known_to_be_old_enough_is_not(born_on, minimum, is_enough):
    assert is_old_enough(born_on, minimum, today=date(2026, 11, 22)) is is_enough


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        *(
            (word, Keyword.STOP)
            for word in ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
        ),
        *((word, Keyword.STOP) for word in ("Arrêt", "désabonner", "BAJA", "parar", "Stopp", "abmelden", "cancella")),
        ("  stop!! ", Keyword.STOP),
        ("Stop 36111", Keyword.STOP),
        ("STOP PLEASE", Keyword.STOP),
        ("opt out", Keyword.STOP),
        ("Please stop texting me", Keyword.STOP),
        ("don't write to me any more", Keyword.STOP),
        ("Merci de ne m'envoyer plus rien", Keyword.STOP),
        ("je ne veux plus de SMS", Keyword.STOP),
        ("quiero darme de baja", Keyword.STOP),
        ("start", Keyword.START),
        ("YES", Keyword.START),
        ("yes, what is the price?", None),
        ("start of the sale?", None),
        ("HELP", Keyword.HELP),
        ("When do you open?", None),
        ("My bus stop is far", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_an_answer_is_read_in_the_readers_own_words(text, keyword):
    assert read(text) is keyword


def test_a_shop_may_add_words_of_its_own():
    assert read("genug jetzt", stop_words=("Genug",)) is Keyword.STOP
    assert read("genug jetzt") is None
