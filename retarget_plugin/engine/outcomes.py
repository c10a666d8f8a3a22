"""Outcomes: a backtest in words and rows, the same for whoever prints, draws or answers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from . import explain
from .backtest import Outcome

CENT = Decimal("0.01")
CARTS: dict[str, Any] = {
    "left": _("left behind"),
    "left_again": _("times left once more"),
    "ordered": _("ordered before they were left"),
    "empty": _("empty"),
}
#: Why a step is passed over: where it stands in the flow, and what it asks for in vain.
MISSING: dict[str, Any] = {
    "off": _("The step is off"),
    "replaced": _("Another step takes its place"),
    "deadline": _("Too late to be useful"),
    "shipping_facts": _("The shipping facts are not filled in"),
    "recommendations": _("Nothing to recommend"),
    "new_products": _("Nothing new"),
    "posts": _("Nothing to read"),
    "product": _("It is about no product"),
    "store_near": _("No store is near"),
    "support": _("Customer service cannot be reached"),
    "answer": _("No question of taste was answered"),
    "pay_link": _("The order can no longer be paid"),
}
NOT_ENTERED = _("not entered")
BOUGHT_FIRST = _("bought anyway, before any message")
SENT = _("would be sent")
BLOCKED, PUT_OFF, SKIPPED = _("blocked"), _("put off"), _("passed over")
UNDER_WAY = _("still under way")


@dataclass(frozen=True)
class Count:
    """How often; `code` is for programs, `label` for people, in the active language."""

    code: str
    label: str
    count: int


@dataclass(frozen=True)
class Step:
    """What became of the messages of one step. `segments` of texts; of one message, several things may have been put off."""

    key: str
    channel: str
    sent: int
    segments: int
    blocked: list[Count]
    put_off: list[Count]
    skipped: list[Count]

    @property
    def kept_back(self) -> Iterator[tuple[Any, Count]]:
        """(what was done, why and how often) of all that was not sent, or not at once."""
        for done, counts in ((BLOCKED, self.blocked), (PUT_OFF, self.put_off), (SKIPPED, self.skipped)):
            yield from ((done, count) for count in counts)


def carts(outcome: Outcome) -> list[Count]:
    """What became of the carts before a flow, most first."""
    return [Count(code, str(CARTS.get(code, code)), count) for code, count in outcome.tally.carts.most_common()]


def refused(outcome: Outcome) -> list[Count]:
    """Why carts that were left did not enter, most first."""
    return _by_reason(outcome.tally.refused)


def ended(outcome: Outcome) -> list[Count]:
    """How it ended for those who entered, most first; who is still inside is not among them."""
    return _by_reason(outcome.tally.ended)


def steps(outcome: Outcome) -> list[Step]:
    """Each step that sends, in the order of the flow."""
    tally, version = outcome.tally, outcome.flow.version
    return [
        Step(
            step.key,
            step.channel,
            sent=outcome.sent[step.key],
            segments=outcome.segments[step.key],
            blocked=_by_reason(tally.blocked.get(step.key, {})),
            put_off=_by_reason(tally.put_off.get(step.key, {})),
            skipped=_by_reason(tally.skipped.get(step.key, {})),
        )
        for step in (version.parsed.sends if version else ())
    ]


def cost(outcome: Outcome) -> list[tuple[Decimal, str]]:
    """(amount, currency) that the texts would have cost, to the cent; nothing where no price is known."""
    return [(amount.quantize(CENT), currency) for currency, amount in sorted(outcome.cost.items())]


def _by_reason(counts: Mapping[str, int]) -> list[Count]:
    found = [Count(str(code), _words(code), count) for code, count in counts.items()]
    # A stable sort: of those that come as often, what came first.
    return sorted(found, key=lambda one: -one.count)


def _words(code: str) -> str:
    return str(MISSING.get(code) or explain.reason_label(code)).replace("_", " ")
