"""Backtest: what a flow would have done with the shop's past carts, before it is turned on. Nothing is written or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from retarget_plugin import conf
from retarget_plugin.domain.abandonment import TRIGGERS
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.steps import Act
from retarget_plugin.domain.vocabulary import Channel, Exit, FlowState, Reason
from retarget_plugin.exceptions import Refusal, TemplateError
from retarget_plugin.models import Flow, FlowVersion

from . import bases, facts, histories, proofs
from .histories import EVERYBODY, Share
from .postbox import Fate, Tally, Terms
from .replays import ROUNDS, Replay

#: Carts that may be played while somebody waits for a page: a web worker is not held for long.
MOST_ON_THE_WEB = 10_000
#: Facts that only follow from what people do with a message, and those of which just today's are kept.
FOLLOWED = {"clicks", "downloaded"}
OF_TODAY = {"interest", "tag", "answer", "country", "language", "has_phone"}


@dataclass
class Outcome:
    """What came of it. `sent`: by step; `segments`: of texts, by step; `cost` by currency, where a text's price is known;
    `coupons`: how many would have been given. `is_our_record`: the host tells of no past, and our own carts were played."""

    flow: Flow
    since: datetime
    until: datetime
    people: int = 0
    carts: int = 0
    tally: Tally = field(default_factory=Tally)
    sent: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    cost: dict[str, Decimal] = field(default_factory=dict)
    coupons: int = 0
    stages_unknown: int = 0
    is_our_record: bool = False

    def add(self, other: Outcome) -> None:
        """Take in what came of it for other people."""
        self.tally.add(other.tally)
        self.sent.update(other.sent)
        self.segments.update(other.segments)
        for name in ("people", "carts", "coupons", "stages_unknown"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, amount in other.cost.items():
            self.cost[currency] = self.cost.get(currency, Decimal()) + amount
        self.is_our_record = self.is_our_record or other.is_our_record


def is_playable(flow: Flow) -> bool:
    """Whether `flow` starts with a cart, and was ever published."""
    return flow.version_id is not None and flow.trigger in TRIGGERS


def run(
    flow: Flow,
    *,
    since: datetime,
    until: datetime,
    watch: Callable[[int], None] = lambda carts: None,
    keep: Callable[[Fate], None] = lambda fate: None,
    share: Share = EVERYBODY,
    most: int | None = None,
) -> Outcome:
    """Play `flow` over the carts that those of `share` began in [since, until): person by person, so that memory stays flat.

    `watch` is told the number of carts so far, `keep` what became of each message. Raises Refusal for a flow that is not about
    carts, was never published, or not since it is written as now (invalid); and before it plays any, for more carts than `most`
    (too_many), which are then all in memory.
    """
    outcome, terms = Outcome(flow, since, until), _terms(flow, until=until)
    costs = _Costs(terms, now=until)
    for person in histories.people(flow.shop, since=since, until=until, share=share, most=most):
        outcome.people += 1
        outcome.carts += len(person.carts)
        outcome.is_our_record = person.is_our_record
        outcome.stages_unknown += sum(not past.stage for past in person.carts)
        for fate in Replay(terms, person, tally=outcome.tally).live():
            keep(fate)
            if fate.reason:
                continue
            outcome.sent[fate.step] += 1
            outcome.coupons += fate.has_coupon
            if fate.channel == Channel.SMS:
                costs.add(fate, outcome)
        watch(outcome.carts)
    return outcome


def limits(outcome: Outcome) -> list[str]:
    """What the past does not tell, in plain words: of all that holds for this flow and these carts."""
    return [
        _("Consent is as it was at the time; a stop that was lifted since is not seen."),
        _("Caps count the messages of this flow alone, and no other flow stands in its way."),
        _("Carts begun before the first day are not played: nobody is inside the flow as it begins."),
        _("Hours follow each person's zone as it is known today."),
        _("Lines, prices and stock are those each cart had last; nothing is asked of the shop at hand-off."),
        *_of_the_flow(outcome),
        *_of_the_carts(outcome),
        _("Some of those who got a message would have bought without: only a holdout can tell how many."),
    ]


def _of_the_flow(outcome: Outcome) -> Iterator[str]:
    flow, version = outcome.flow, outcome.flow.version
    if version is None:
        return
    definition, shop = version.parsed, flow.shop
    asked, awaited = definition.facts_needed, definition.awaited - {Exit.ORDER}
    if awaited or asked & FOLLOWED:
        yield _("Nobody opened or clicked anything: what waits for a click waits in vain.")
    if asked & OF_TODAY:
        yield _("Interests, tags, answers and addresses are those of today.")
    if "store_near" in asked:
        yield _("Nobody lives near a store.")
    if any(isinstance(step, Act) for step in definition.steps):
        yield _("What a step does besides sending is not done.")
    if conf.settings.HOLDOUT and definition.holdout != 0:
        yield _("Nobody is held out.")
    if shop.sms_segments_per_month and any(step.channel == Channel.SMS for step in definition.sends):
        yield _("The month's SMS budget does not run out.")
    if definition.has_coupon:
        yield _(
            "Whoever is due a coupon gets one: the flow's coupon budget does not run out, and the shop refuses none."
        )
    if shop.customers_told_since:
        yield _("The order that a cart became counts as paid from the moment it was placed.")


def _of_the_carts(outcome: Outcome) -> Iterator[str]:
    tally = outcome.tally
    if outcome.is_our_record:
        yield _("Of each cart only the last activity is known, and not how often it was left before.")
    elif outcome.carts:
        yield _("Each account of the shop is taken for one person.")
    if outcome.stages_unknown:
        yield _("How far a cart got is not known: each is taken for one that starts this flow.")
    if tally.refused[Reason.NO_IDENTITY]:
        yield _("Whose a cart without an account was is not known, though many guests would have told at the checkout.")
    if tally.under_way:
        yield _("What comes after the last day is not counted, for those still inside the flow.")
    if tally.given_up:
        yield _(
            "Of %(people)d people the rest was left out: more than %(most)d things fell due for them at the same instant."
        ) % {"people": tally.given_up, "most": ROUNDS}


def _terms(flow: Flow, *, until: datetime) -> Terms:
    """It is played as if it had been on."""
    version = _version(flow)
    playing = copy(flow)
    playing.state = FlowState.ON
    version.flow = playing
    return Terms(playing, version, flow.shop, bases.overrides_of({flow.shop_id}), until, facts.draw_key())


def _version(flow: Flow) -> FlowVersion:
    version = flow.version
    if version is None or not is_playable(flow):
        raise Refusal(
            "invalid", _("Only a published flow that starts with an abandoned cart or checkout can be played back.")
        )
    try:
        version.parsed  # noqa: B018 - read once for all, or not at all
    except FlowError as error:
        raise Refusal("invalid", _("This flow can no longer be read. Publish it anew.")) from error
    return version


class _Costs:
    """What texts cost, by a proof of each in each language."""

    def __init__(self, terms: Terms, *, now: datetime) -> None:
        self._terms, self._now = terms, now
        self._known: dict[tuple[str, str], tuple[int, tuple[Decimal, str] | None]] = {}

    def add(self, fate: Fate, outcome: Outcome) -> None:
        segments, price = self._of(fate.step, fate.language)
        outcome.segments[fate.step] += segments
        if price:
            amount, currency = price
            outcome.cost[currency] = outcome.cost.get(currency, Decimal()) + amount

    def _of(self, key: str, language: str) -> tuple[int, tuple[Decimal, str] | None]:
        if (key, language) not in self._known:
            step, shop = self._terms.version.parsed.step(key), self._terms.shop
            try:
                composed = proofs.preview(
                    self._terms.version, step.message if step else key, shop=shop, language=language, now=self._now
                )
                found = (composed.segments or 1, proofs.price(composed, shop=shop, now=self._now))
            except TemplateError:
                found = (1, None)
            self._known[key, language] = found
        return self._known[key, language]
