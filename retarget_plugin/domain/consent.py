"""On what legal basis marketing may go out. Strictest reading by default; sources stand with each country's rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from .sources import Sourced
from .vocabulary import ConsentState, LegalBasis, Reason, Waiver

#: Never longer than a month of the calendar.
MONTH = timedelta(days=30)


class Relation(StrEnum):
    """What makes somebody a customer who may be written to without having been asked first."""

    NOTHING = "nothing"
    SALE = "sale"
    NEGOTIATION = "negotiation"


@dataclass(frozen=True, kw_only=True)
class ConsentRule(Sourced):
    """What a yes must be. `is_written`: it counts only together with the wording that was shown."""

    is_written: bool


@dataclass(frozen=True, kw_only=True)
class ConfirmationRule(Sourced):
    """Whether a yes must be confirmed from the address itself (double opt-in)."""

    is_required: bool


@dataclass(frozen=True, kw_only=True)
class CustomerRule(Sourced):
    """The exception for customers: after a paid order, or already after a cart (`relation`), for `months`, about goods
    that are similar or about any (`similar_only`)."""

    relation: Relation
    months: int
    similar_only: bool


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a country asks before marketing on one channel. `opt_out`: the shop's owner has decided that nobody is asked."""

    consent: ConsentRule
    double_opt_in: ConfirmationRule
    customer: CustomerRule
    opt_out: bool = False

    def waiving(self, waivers: Collection[str]) -> Terms:
        """These terms, less what the shop's owner answers for."""
        terms = self
        if Waiver.UNCONFIRMED in waivers:
            terms = replace(terms, double_opt_in=replace(terms.double_opt_in, is_required=False))
        if Waiver.AFTER_SALE in waivers and terms.customer.relation is Relation.NOTHING:
            terms = replace(terms, customer=replace(terms.customer, relation=Relation.SALE))
        if Waiver.AFTER_NEGOTIATION in waivers:
            terms = replace(terms, customer=replace(terms.customer, relation=Relation.NEGOTIATION))
        return replace(terms, opt_out=Waiver.OPT_OUT in waivers)


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """A paid order that was not cancelled, as evidence of a sale. `goods`: what was bought, by `kinds_of`."""

    order: int
    at: datetime
    goods: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one person on one channel. `state`: today's consent, None when never asked.

    `purchases`: made while the checkout told customers that they would be written to, and let them refuse. `goods`: what
    the message is about, by `kinds_of`; `negotiated`: the person left that cart themselves, in such a checkout.
    """

    state: str | None = None
    is_confirmed: bool = False
    is_written: bool = False
    purchases: tuple[Purchase, ...] = ()
    goods: frozenset[str] = frozenset()
    negotiated: bool = False


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a message that goes out relies on, with the evidence: the columns of every attempt that say so."""

    basis: LegalBasis
    consent_id: int | None = None
    order_id: int | None = None
    override_id: int | None = None


NO_GROUND = Ground(basis=LegalBasis.NONE)


@dataclass(frozen=True)
class Basis:
    """`basis` is NONE when nothing allows the message; `reason` then says what is missing, and `rule` which rule asks it.

    `order`: the sale that a message to a customer relies on.
    """

    basis: LegalBasis
    reason: Reason | None = None
    rule: str = ""
    order: int | None = None


def basis_for(evidence: Evidence, terms: Terms, *, now: datetime) -> Basis:
    """The basis of a marketing message. A no beats everything; a yes comes before every exception.

    An account or a left cart is no customer relationship where a country asks for a sale (CNIL, "La prospection commerciale
    par SMS-MMS"; decision SAN-2021-008 of 14 June 2021).
    """
    if evidence.state == ConsentState.WITHDRAWN:
        return Basis(LegalBasis.NONE, Reason.NO_CONSENT)
    refusal = _shortcoming(evidence, terms)
    if refusal is None:
        return Basis(LegalBasis.CONSENT)
    return _as_customer(evidence, terms.customer, now=now) or (Basis(LegalBasis.OPT_OUT) if terms.opt_out else refusal)


def kinds_of(items: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """What makes the lines of a cart or an order similar to those of another: the product itself, or its category.

    Two that share nothing here are not known to be similar, and so they are not.
    """
    found = set()
    for item in items:
        found |= {f"{name}:{item[name]}" for name in ("product_id", "category") if item.get(name)}
    return frozenset(found)


def is_old_enough(born_on: date | None, minimum: int | None, *, today: date) -> bool:
    """True when somebody is known to be `minimum` years old, or when nobody asks."""
    if not minimum:
        return True
    if born_on is None:
        return False
    return (today.year - born_on.year) - ((today.month, today.day) < (born_on.month, born_on.day)) >= minimum


def _shortcoming(evidence: Evidence, terms: Terms) -> Basis | None:
    """Why the consent alone does not carry the message; None when it does."""
    if evidence.state == ConsentState.PENDING:
        return Basis(LegalBasis.NONE, Reason.CONSENT_PENDING, "double_opt_in")
    if evidence.state != ConsentState.GRANTED:
        return Basis(LegalBasis.NONE, Reason.NO_CONSENT, "customer")
    if terms.double_opt_in.is_required and not evidence.is_confirmed:
        return Basis(LegalBasis.NONE, Reason.CONSENT_PENDING, "double_opt_in")
    if terms.consent.is_written and not evidence.is_written:
        return Basis(LegalBasis.NONE, Reason.NO_CONSENT, "consent")
    return None


def _as_customer(evidence: Evidence, rule: CustomerRule, *, now: datetime) -> Basis | None:
    if rule.relation is Relation.NOTHING:
        return None
    for purchase in evidence.purchases:
        is_recent = now - purchase.at <= rule.months * MONTH
        if is_recent and (not rule.similar_only or purchase.goods & evidence.goods):
            return Basis(LegalBasis.SALE, order=purchase.order)
    if rule.relation is Relation.NEGOTIATION and evidence.negotiated:
        return Basis(LegalBasis.NEGOTIATION)
    return None
