"""On what legal basis one may write to people: evidence, countries and the owner's overrides brought together, set-based."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db.models import F, QuerySet

from retarget_plugin.domain.consent import NO_GROUND, Basis, Evidence, Ground, Purchase, Terms, basis_for, kinds_of
from retarget_plugin.domain.vocabulary import Channel, ConsentState, LegalBasis, Purpose, Reason, Waiver
from retarget_plugin.models import Cart, Consent, Contact, Order, Override, ProductSubscription, Shop

from . import countries

#: Strongest first: of several countries' answers, the weakest is what a message relies on.
_STRENGTH = [LegalBasis.CONSENT, LegalBasis.SALE, LegalBasis.NEGOTIATION, LegalBasis.OPT_OUT]
#: Which waiver a basis may owe its force to.
_OWED_TO = {
    LegalBasis.CONSENT: Waiver.UNCONFIRMED,
    LegalBasis.SALE: Waiver.AFTER_SALE,
    LegalBasis.NEGOTIATION: Waiver.AFTER_NEGOTIATION,
    LegalBasis.OPT_OUT: Waiver.OPT_OUT,
}


@dataclass(frozen=True)
class Case:
    """May `shop` market to `contact` on `channel`, about `cart`? `news`: (product, kind) where it only tells of that."""

    contact: Contact
    shop: Shop
    channel: str
    cart: Cart | None = None
    news: tuple[str, str] | None = None


@dataclass(frozen=True)
class Standing:
    """The answer: the `ground` when it may, else the `reason`. `is_measured`: whether the person allowed that their own opens
    and clicks are told apart from everybody's. `is_asked_for`: they wait for this very news, and have said no to nothing since.

    `facts`, JSON-safe: today's `consent`, the `country` that decides, and where one of its rules stands in the way that
    `rule` (consent, double_opt_in, customer) with its `source`, `status` (official, secondary, unverified) and `read_on`.
    """

    ground: Ground
    reason: Reason | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_measured: bool = False
    is_asked_for: bool = False


def standings(cases: Sequence[Case], *, now: datetime) -> list[Standing]:
    """An answer for each of `cases`: one query; one more where there is news; two more where somebody's consent alone does
    not do."""
    consents, measured, alerts = _consents(cases)
    said = [_said(consents.get((case.contact.pk, case.channel))) for case in cases]
    records = [row.record_id if (row := consents.get((case.contact.pk, case.channel))) else None for case in cases]
    answers = [
        _decide(case, evidence, record, {}, now=now)
        for case, evidence, record in zip(cases, said, records, strict=True)
    ]
    lacking = [n for n, answer in enumerate(answers) if answer.reason and said[n].state != ConsentState.WITHDRAWN]
    if lacking:
        _reconsider(cases, said, records, answers, lacking, now=now)
    for n, record in _asked_for(cases, consents, alerts).items():
        answers[n] = Standing(
            Ground(basis=LegalBasis.CONSENT, consent_id=record), facts={"basis": "alert"}, is_asked_for=True
        )
    return [
        replace(answer, is_measured=case.contact.pk in measured) for case, answer in zip(cases, answers, strict=True)
    ]


def _reconsider(
    cases: Sequence[Case],
    said: Sequence[Evidence],
    records: Sequence[int | None],
    answers: list[Standing],
    lacking: Iterable[int],
    *,
    now: datetime,
) -> None:
    """Answer the `lacking` ones again, with what they bought and what the owners waived."""
    lacking = list(lacking)
    overrides = overrides_of({cases[n].shop.pk for n in lacking})
    purchases = _purchases([cases[n] for n in lacking])
    for n in lacking:
        bought = purchases.get((cases[n].shop.pk, cases[n].contact.pk), ())
        answers[n] = _decide(cases[n], _in_full(cases[n], said[n], bought), records[n], overrides, now=now)


def standing(
    case: Case,
    said: Evidence,
    record: int | None,
    *,
    purchases: Sequence[Purchase],
    overrides: Mapping[tuple[int, str, str], Mapping[str, int]],
    now: datetime,
) -> Standing:
    """The answer to one case on evidence that is at hand, such as that of another day. Asks nothing of the database.

    `record`: of the consent in `said`; `purchases`: newest first; `overrides`: (shop, country, channel) -> waiver -> its row.
    """
    answer = _decide(case, said, record, {}, now=now)
    if answer.reason is None or said.state == ConsentState.WITHDRAWN:
        return answer
    told = [one for one in purchases if _is_told(one.at, case.shop.customers_told_since)]
    if not (told or overrides or _has_negotiated(case)):
        return answer
    return _decide(case, _in_full(case, said, told), record, overrides, now=now)


def _in_full(case: Case, said: Evidence, purchases: Iterable[Purchase]) -> Evidence:
    """With what was bought, and what the message is about."""
    goods = kinds_of(case.cart.items or ()) if case.cart else frozenset()
    return replace(said, purchases=tuple(purchases), goods=goods, negotiated=_has_negotiated(case))


def _decide(
    case: Case,
    evidence: Evidence,
    record: int | None,
    overrides: Mapping[tuple[int, str, str], Mapping[str, int]],
    *,
    now: datetime,
) -> Standing:
    """The strictest of the countries that the person may be in decides: the first refusal, else the weakest basis."""
    weakest, relied_on = LegalBasis.CONSENT, Ground(basis=LegalBasis.CONSENT, consent_id=record)
    for country in countries.candidates(case.contact, case.shop, case.channel):
        terms = countries.rules_of(country).terms[Channel(case.channel)]
        waivers = overrides.get((case.shop.pk, country, case.channel), {})
        basis = basis_for(evidence, terms.waiving(waivers.keys()), now=now)
        if basis.reason:
            return Standing(NO_GROUND, basis.reason, _facts(case, country, terms, basis, evidence))
        override = _owed(basis, evidence, terms, waivers, now=now)
        if override or _STRENGTH.index(basis.basis) > _STRENGTH.index(weakest):
            weakest = basis.basis
            consent = record if weakest is LegalBasis.CONSENT else None
            relied_on = Ground(basis=weakest, consent_id=consent, order_id=basis.order, override_id=override)
    return Standing(relied_on, facts={"basis": weakest.value})


def _owed(basis: Basis, evidence: Evidence, terms: Terms, waivers: Mapping[str, int], *, now: datetime) -> int | None:
    """The override without which there would be no such basis."""
    needed = waivers.get(_OWED_TO[basis.basis])
    return needed if needed and basis_for(evidence, terms, now=now).basis is not basis.basis else None


def _facts(case: Case, country: str, terms: Terms, basis: Basis, evidence: Evidence) -> dict[str, Any]:
    facts = {"channel": case.channel, "consent": evidence.state or "", "country": country}
    if not basis.rule:
        return facts
    rule = getattr(terms, basis.rule)
    return {
        **facts,
        "rule": basis.rule,
        "source": rule.source,
        "status": rule.status.name.lower(),
        "read_on": rule.read_on.isoformat(),
    }


# -- evidence ---------------------------------------------------------------------------------------------------------


def _consents(cases: Iterable[Case]) -> tuple[dict[tuple[int, str], Any], set[int], dict[int, int]]:
    """(contact, channel) -> what was said to marketing; the contacts that agreed to be measured; and contact -> the record
    of their yes to news of products."""
    rows: QuerySet[Consent, Any] = Consent.objects.filter(
        contact__in={case.contact.pk for case in cases},
        purpose__in=(Purpose.MARKETING, Purpose.MEASUREMENT, Purpose.ALERTS),
    )
    told = rows.annotate(
        is_confirmed=F("record__is_confirmed"), wording=F("record__wording"), version=F("record__wording_version")
    )
    marketing, measured, alerts = {}, set(), {}
    for row in told:
        if row.purpose == Purpose.MARKETING:
            marketing[row.contact_id or 0, row.channel] = row
        elif row.state == ConsentState.GRANTED and row.purpose == Purpose.MEASUREMENT:
            measured.add(row.contact_id or 0)
        elif row.state == ConsentState.GRANTED:
            alerts[row.contact_id or 0] = row.record_id
    return marketing, measured, alerts


def _asked_for(
    cases: Sequence[Case], consents: Mapping[tuple[int, str], Any], alerts: Mapping[int, int]
) -> dict[int, int]:
    """Number of a case -> the record of the yes by which its news was asked for. The last word counts: whoever said no to
    all e-mail after asking hears nothing."""
    telling = {n: case for n, case in enumerate(cases) if case.news and case.channel == Channel.EMAIL}
    people = {case.contact.pk for case in telling.values()} & alerts.keys()
    if not people:
        return {}
    products = {case.news[0] for case in telling.values() if case.news}
    wishes = ProductSubscription.objects.filter(contact__in=people, product__in=products, notified_at=None)
    asked_at = {
        (contact, product, kind): at
        for contact, product, kind, at in wishes.values_list("contact_id", "product", "kind", "at")
    }
    found = {}
    for n, case in telling.items():
        at = asked_at.get((case.contact.pk, *(case.news or ("", ""))))
        said = consents.get((case.contact.pk, case.channel))
        has_refused = at and said and said.state == ConsentState.WITHDRAWN and said.changed_at > at
        if at and not has_refused:
            found[n] = alerts[case.contact.pk]
    return found


def _said(row: Any) -> Evidence:
    if row is None:
        return Evidence()
    return Evidence(state=row.state, is_confirmed=row.is_confirmed, is_written=bool(row.wording or row.version))


def overrides_of(shops: Collection[int]) -> dict[tuple[int, str, str], dict[str, int]]:
    """(shop, country, channel) -> waiver -> the override in force."""
    found: dict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
    rows = Override.objects.filter(shop__in=shops, ended_at=None)
    for pk, shop, country, channel, waiver in rows.values_list("pk", "shop_id", "country", "channel", "waiver"):
        found[shop, country, channel][waiver] = pk
    return found


def _purchases(cases: Iterable[Case]) -> dict[tuple[int, int], list[Purchase]]:
    """(shop, contact) -> what was bought, newest first, since customers are told that they will be written to."""
    told = {case.shop.pk: case.shop.customers_told_since for case in cases if case.shop.customers_told_since}
    buyers = {case.contact.pk for case in cases if case.shop.pk in told}
    found: dict[tuple[int, int], list[Purchase]] = defaultdict(list)
    sales = Order.objects.filter(
        contact__in=buyers, shop__in=told.keys(), is_paid=True, cancelled_at=None, read_at__isnull=False
    )
    for order in sales.only("shop_id", "contact_id", "placed_at", "items").order_by("-placed_at"):
        if _is_told(order.placed_at, told[order.shop_id]):
            purchase = Purchase(order=order.pk, at=order.placed_at, goods=kinds_of(order.items))
            found[order.shop_id, order.contact_id or 0].append(purchase)
    return found


def _has_negotiated(case: Case) -> bool:
    cart = case.cart
    if cart is None or cart.contact_id != case.contact.pk or cart.restored_by_id:
        return False
    return _is_told(cart.created_at, case.shop.customers_told_since)


def _is_told(at: datetime, since: date | None) -> bool:
    """From the day after: on the day itself, somebody may have been there before the notice was."""
    return since is not None and at.date() > since
