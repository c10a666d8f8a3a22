"""`retarget_backtest`: what a flow would have done with the shop's past carts, gate by gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from json import dumps
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retarget_plugin.engine import backtest, outcomes, parallel
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Flow
from retarget_plugin.models.clock import database_now

DAYS = 90
#: Carts between two signs of progress.
OFTEN = 500


class Command(BaseCommand):
    help = "Play a flow over the shop's past carts, by the very same gates. Writes nothing, sends nothing."
    _told = 0

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("flow", help="The flow's key; it need not be on.")
        parser.add_argument("--since", type=date.fromisoformat, help=f"First day (UTC); {DAYS} days ago unless given.")
        parser.add_argument("--shop", type=int, help="The shop's id, where there are several.")
        parser.add_argument(
            "--processes",
            type=int,
            choices=range(1, parallel.LARGEST + 1),
            metavar="N",
            help=f"How many play at once; as many as there are processors, up to {parallel.MOST}, unless given.",
        )
        parser.add_argument("--json", action="store_true", help="Print the figures as one JSON object.")

    def handle(
        self,
        *args: Any,
        flow: str,
        since: date | None,
        shop: int | None,
        processes: int | None,
        json: bool,
        **options: Any,
    ) -> None:
        now = database_now()
        first = datetime.combine(since, time.min, UTC) if since else now - timedelta(days=DAYS)
        try:
            outcome = parallel.run(
                _flow(flow, shop), since=first, until=now, count=processes or parallel.processes(), watch=self._watch
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        if self.stderr.isatty():
            self.stderr.write("")
        if json:
            self.stdout.write(dumps(_data(outcome), indent=2, default=str))
            return
        for line in [*_funnel(outcome), *_steps(outcome), *_ends(outcome)]:
            self.stdout.write(line)
        self.stdout.write("What it cannot know:")
        for sentence in backtest.limits(outcome):
            self.stdout.write(f"    {sentence}")

    def _watch(self, carts: int) -> None:
        if carts < self._told + OFTEN:
            return
        self._told = carts
        if self.stderr.isatty():
            self.stderr.write(f"\r{carts:,} carts", ending="")
            self.stderr.flush()


def _flow(slug: str, shop: int | None) -> Flow:
    flows = Flow.objects.filter(slug=slug).select_related("shop", "version")
    found = list(flows.filter(shop=shop) if shop else flows)
    if not found:
        raise CommandError(f"There is no flow {slug!r}.")
    if len(found) > 1:
        raise CommandError("Several shops have it; say which with --shop.")
    return found[0]


def _funnel(outcome: backtest.Outcome) -> Iterator[str]:
    tally = outcome.tally
    yield f"{outcome.flow.slug}: {outcome.carts:,} carts of {outcome.people:,} owners since {outcome.since:%Y-%m-%d}"
    yield from _lines((count.label, count.count) for count in outcomes.carts(outcome))
    yield from _lines((f"{outcomes.NOT_ENTERED}: {count.label}", count.count) for count in outcomes.refused(outcome))
    yield from _lines([("entered", tally.entered), (outcomes.BOUGHT_FIRST, tally.bought_first)])


def _steps(outcome: backtest.Outcome) -> Iterator[str]:
    for step in outcomes.steps(outcome):
        segments = f", {step.segments:,} segments" if step.segments else ""
        yield f"step {step.key} ({step.channel}): {step.sent:,} {outcomes.SENT}{segments}"
        yield from _lines((f"{done}: {count.label}", count.count) for done, count in step.kept_back)


def _ends(outcome: backtest.Outcome) -> Iterator[str]:
    yield "How it ended:"
    yield from _lines((count.label, count.count) for count in outcomes.ended(outcome))
    yield from _lines([(outcomes.UNDER_WAY, outcome.tally.under_way)])
    for amount, currency in outcomes.cost(outcome):
        yield f"Texts would have cost {amount:,} {currency}."
    if outcome.coupons:
        yield f"Coupons given: {outcome.coupons:,}."


def _lines(counts: Iterable[tuple[Any, int]]) -> Iterator[str]:
    return (f"    {count:>9,} {words}" for words, count in counts)


def _data(outcome: backtest.Outcome) -> dict[str, Any]:
    tally = outcome.tally
    return {
        "flow": outcome.flow.slug,
        "since": outcome.since.isoformat(),
        "until": outcome.until.isoformat(),
        "people": outcome.people,
        "carts": {"all": outcome.carts, **tally.carts},
        "entered": tally.entered,
        "refused": tally.refused,
        "bought_before_any_message": tally.bought_first,
        "sent": outcome.sent,
        "blocked": tally.blocked,
        "put_off": tally.put_off,
        "skipped": tally.skipped,
        "ended": tally.ended,
        "under_way": tally.under_way,
        "given_up": tally.given_up,
        "segments": outcome.segments,
        "cost": outcome.cost,
        "coupons": outcome.coupons,
        "cannot_know": backtest.limits(outcome),
    }
