"""What flows have caused: their people beside those who were held out, however large the shop."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connections
from django.db.models import Count, F, FloatField, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from retarget_plugin.domain import effects as rules
from retarget_plugin.domain.effects import Choice, Difference, Interval, Sums
from retarget_plugin.domain.experiments import LEARNING, Arm
from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Decision, Experiment, Flow, FlowRun, Message, Shop

CENT = Decimal("0.01")

#: Days over which is counted how many enter a day, to tell how long the rest will take.
PACE_DAYS = 28


@dataclass(frozen=True)
class ArmFigures:
    """What became of one arm. `would_have_sent`: for whom a message left, or would have but for the holdout."""

    name: str
    entrants: int = 0
    would_have_sent: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one flow, or all of a shop together, has caused; by intention to treat: everybody counts who entered.

    `orders` and `revenue` are the difference per entrant, in orders and in major units of the shop's currency; None until
    enough is known to give an interval. Counted are the orders of each within the attribution window after entering, none
    that was cancelled, of people whose window has passed; `waiting` are those whose window has not. `treated` are the people
    of the period asked for who were not held out, so that `caused_orders` stands beside what is attributed to it.
    `needed_entrants` and `needed_days` (None: nobody enters) are what is missing to be sure; 0 once it is.
    `coupon_orders` and `coupon_revenue`: what the arm with the coupon had more than the one without.
    """

    arms: tuple[ArmFigures, ...] = ()
    orders: Difference | None = None
    revenue: Difference | None = None
    coupon_orders: Difference | None = None
    coupon_revenue: Difference | None = None
    treated: int = 0
    waiting: int = 0
    is_conclusive: bool = False
    needed_entrants: int = 0
    needed_days: int | None = None

    @property
    def is_measured(self) -> bool:
        """Whether anybody was held out at all."""
        return any(arm.name == Arm.HOLDOUT for arm in self.arms)

    @property
    def caused_orders(self) -> float | None:
        return self.orders.value * self.treated if self.orders else None

    @property
    def caused_orders_between(self) -> Interval | None:
        """Whatever the day on which it is read: the always-valid interval."""
        return self.orders.anytime.times(self.treated) if self.orders else None

    @property
    def caused_revenue(self) -> float | None:
        return self.revenue.value * self.treated if self.revenue else None

    @property
    def caused_revenue_between(self) -> Interval | None:
        return self.revenue.anytime.times(self.treated) if self.revenue else None


@dataclass(frozen=True)
class Report:
    """The effect of each flow by its id, and of all together: flows that are each too small may be sure as a whole."""

    whole: Effect
    flows: Mapping[int, Effect]


@dataclass(frozen=True)
class Split:
    """How the paths of one step of a flow compare: the orders of each by its name, and which is the best."""

    flow_slug: str
    step: str
    paths: Mapping[str, Sums]
    choice: Choice


@dataclass
class _Cell:
    """One arm of one experiment, as the database has added it up. `stratum`: flow and shares; only within one are the
    arms alike."""

    arm: str
    stratum: tuple[int, str]
    began_at: datetime
    entrants: int
    waiting: int
    in_period: int
    lately: int
    orders: Sums
    revenue: Sums
    would_have_sent: int = 0


_Cells = dict[tuple[int, str], _Cell]


def of_flow(flow: Flow, *, since: datetime | None = None, until: datetime | None = None, now: datetime) -> Effect:
    """The effect of `flow` as known at `now`, told for the people of `since` <= t < `until`."""
    return of_flows(flow.shop, [flow], since=since, until=until, now=now).whole


def of_flows(
    shop: Shop, flows: Iterable[Flow], *, since: datetime | None = None, until: datetime | None = None, now: datetime
) -> Report:
    """The effects of flows of `shop`. Four queries, however many flows and people.

    What is known comes from all that was ever measured, so that reading it every day stays safe and a small shop needs not
    begin again with each period; the period says only of how many people it is told.
    """
    flows = list(flows)
    drawn = Experiment.objects.filter(flow__in=flows).order_by("pk")
    experiments = {experiment.pk: experiment for experiment in drawn}
    cells = _cells(shop, experiments, since=since, until=until, now=now)
    by_flow: defaultdict[int, list[_Cell]] = defaultdict(list)
    for (experiment, _arm), cell in cells.items():
        by_flow[experiments[experiment].flow_id].append(cell)
    return Report(
        whole=_effect(list(cells.values()), shop, now=now),
        flows={flow.pk: _effect(by_flow[flow.pk], shop, now=now) for flow in flows},
    )


def of_splits(shop: Shop, *, now: datetime) -> list[Split]:
    """How the paths of each split of the shop compare, among those who came to it on the version in use. Two queries.

    A published change begins the comparison anew: it would count orders for words that nobody reads any more.
    """
    window = timedelta(days=shop.attribution_days)
    drawn = Decision.objects.filter(
        shop=shop,
        code=Reason.SPLIT,
        at__lte=now - window,
        run__experiment__isnull=False,
        run__version=F("run__flow__version"),
    )
    drawn = drawn.exclude(run__arm=Arm.HOLDOUT).annotate(path=KT("facts__path"))
    people = drawn.values_list("flow_slug", "step", "path").annotate(people=Count("pk"))
    paths: defaultdict[tuple[str, str], dict[str, Sums]] = defaultdict(dict)
    for flow, step, path, count in people.order_by("flow_slug", "step", "path"):
        paths[flow, step][path] = Sums(count)
    if not paths:
        return []
    for (flow, step, path), sums, _paid in _bought(drawn, since="at", window=window, by=("flow_slug", "step", "path")):
        paths[flow, step][path] = Sums(paths[flow, step][path].count, *sums)
    return [Split(flow, step, found, rules.choose(found)) for (flow, step), found in paths.items()]


def _cells(
    shop: Shop,
    experiments: Mapping[int, Experiment],
    *,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> _Cells:
    if not experiments:
        return {}
    window = timedelta(days=shop.attribution_days)
    runs = FlowRun.objects.filter(shop=shop, experiment__in=list(experiments))
    is_over = Q(entered_at__lte=now - window)
    in_period = Q(entered_at__lt=until or now) & (Q(entered_at__gte=since) if since else Q())
    entered = runs.values("experiment", "arm").annotate(
        entrants=Count("pk", filter=is_over),
        waiting=Count("pk", filter=~is_over),
        in_period=Count("pk", filter=in_period),
        lately=Count("pk", filter=Q(entered_at__gt=now - timedelta(days=PACE_DAYS))),
    )
    cells: _Cells = {}
    for group in entered.order_by():
        row: dict[str, Any] = {**group}
        experiment, arm = experiments[row.pop("experiment")], row.pop("arm")
        stratum = (experiment.flow_id, json.dumps(experiment.weights, sort_keys=True))
        nothing = Sums(row["entrants"])
        cells[experiment.pk, arm] = _Cell(arm, stratum, experiment.began_at, orders=nothing, revenue=nothing, **row)
    counted = runs.filter(is_over)
    for pk, arm, people in _would_have_sent(counted):
        cells[pk, arm].would_have_sent = people
    for (pk, arm), placed, paid in _bought(counted, since="entered_at", window=window, by=("experiment", "arm")):
        cell = cells[pk, arm]
        cell.orders, cell.revenue = Sums(cell.entrants, *placed), Sums(cell.entrants, *paid)
    return cells


def _would_have_sent(runs: QuerySet[FlowRun]) -> Iterable[tuple[int, str, int]]:
    """(experiment, arm, people): whom a message went to, or would have gone to but for the holdout."""
    moments = Message.objects.filter(Q(sent_at__isnull=False) | Q(reason=Reason.HOLDOUT), run__in=runs)
    return moments.values_list("run__experiment", "run__arm").annotate(people=Count("run", distinct=True)).order_by()


def _bought(
    rows: QuerySet[Any], *, since: str, window: timedelta, by: tuple[str, ...]
) -> Iterator[tuple[tuple[Any, ...], tuple[float, ...], tuple[float, ...]]]:
    """What the people of `rows` bought within `window` of the column `since`, added up in the database for each value of the
    columns `by`: these values, the sums of the orders of each row to the powers 1, 2 and 3, of its revenue to 1 and 2.

    An order is the contact's own: what only a link in a message could tell of would be known of one arm alone. Of a contact
    that became another, it is the other's.
    """
    theirs = {"placed_at__gte": F(since), "placed_at__lt": F(since) + window, "cancelled_at": None}
    groups = {f"group_{number}": F(column) for number, column in enumerate(by)}
    parts, parameters = [], []
    for orders in ("contact__orders", "contact__merged_into__orders"):
        paid = Sum(f"{orders}__total", filter=Q((f"{orders}__currency", F("shop__currency"))), default=Decimal(0))
        buyers = (
            rows.filter(**{f"{orders}__{name}": value for name, value in theirs.items()})
            .values("pk", **groups)
            .annotate(placed=Count(orders), paid=Cast(paid, FloatField()))
            .order_by()
        )
        part, values = buyers.query.get_compiler(buyers.db).as_sql()
        parts.append(part)
        parameters += values
    inner, columns = " UNION ALL ".join(parts), ", ".join(groups)
    sums = "SUM(placed), SUM(placed * placed), SUM(placed * placed * placed), SUM(paid), SUM(paid * paid)"
    # The ORM groups once, and this is grouped already. `inner` is its own SQL, in which every value is a parameter.
    outer = f"SELECT {columns}, {sums} FROM ({inner}) AS buyers GROUP BY {columns}"  # noqa: S608
    with connections[rows.db].cursor() as cursor:
        cursor.execute(outer, parameters)
        for row in cursor.fetchall():
            keys, figures = row[: len(by)], tuple(map(float, row[len(by) :]))
            yield keys, figures[:3], figures[3:]


def _effect(cells: Sequence[_Cell], shop: Shop, *, now: datetime) -> Effect:
    treated = {Arm.TREATED, Arm.PLAIN, Arm.COUPON}
    orders, revenue = _differences(cells, treated, {Arm.HOLDOUT})
    coupon_orders, coupon_revenue = _differences(cells, {Arm.COUPON}, {Arm.PLAIN})
    is_conclusive = orders is not None and orders.anytime.excludes_zero
    entrants, waiting = sum(cell.entrants for cell in cells), sum(cell.waiting for cell in cells)
    held_out = sum(cell.entrants for cell in cells if cell.arm == Arm.HOLDOUT)
    missing, days = 0, None
    if not is_conclusive:
        share = held_out / entrants if 0 < held_out < entrants else LEARNING / 100
        missing = max(rules.needed(orders, entrants=entrants, holdout=share) - entrants - waiting, 0)
        days = _days(missing, cells, shop, now=now)
    return Effect(
        arms=tuple(_figures(arm.value, cells) for arm in Arm if any(cell.arm == arm for cell in cells)),
        orders=orders,
        revenue=revenue,
        coupon_orders=coupon_orders,
        coupon_revenue=coupon_revenue,
        treated=sum(cell.in_period for cell in cells if cell.arm in treated),
        waiting=waiting,
        is_conclusive=is_conclusive,
        needed_entrants=missing,
        needed_days=days,
    )


def _differences(
    cells: Sequence[_Cell], ones: set[Arm], others: set[Arm]
) -> tuple[Difference | None, Difference | None]:
    """What `ones` have more than `others`, in orders and in revenue per entrant; None before enough is known."""
    orders, revenue = [], []
    for stratum in sorted({cell.stratum for cell in cells}):
        one, other = (
            [cell for cell in cells if cell.stratum == stratum and cell.arm in arms] for arms in (ones, others)
        )
        orders.append((sum((cell.orders for cell in one), Sums()), sum((cell.orders for cell in other), Sums())))
        revenue.append((sum((cell.revenue for cell in one), Sums()), sum((cell.revenue for cell in other), Sums())))
    if not rules.is_enough(orders):
        return None, None
    return rules.difference(orders), rules.difference(rules.evened(revenue, orders))


def _figures(arm: str, cells: Sequence[_Cell]) -> ArmFigures:
    own = [cell for cell in cells if cell.arm == arm]
    return ArmFigures(
        arm,
        entrants=sum(cell.entrants for cell in own),
        would_have_sent=sum(cell.would_have_sent for cell in own),
        orders=round(sum(cell.orders.first for cell in own)),
        revenue=cents(sum(cell.revenue.first for cell in own)),
    )


def _days(missing: int, cells: Sequence[_Cell], shop: Shop, *, now: datetime) -> int | None:
    """Days until `missing` more have entered as they did lately, and the window of the last is over; None for never."""
    lately = sum(cell.lately for cell in cells)
    if not lately:
        return None
    days = min((now - min(cell.began_at for cell in cells)) / timedelta(days=1), PACE_DAYS)
    return math.ceil(missing * max(days, 1) / lately) + shop.attribution_days


def cents(number: float) -> Decimal:
    """An amount that was reckoned in floats, to the cent."""
    return Decimal(number).quantize(CENT)


def words(effect: Effect) -> str:
    """What is to be said of an effect in one sentence, in the language in use."""
    if not effect.is_measured:
        return _("Not measured: nobody has been held out yet.")
    if effect.is_conclusive and (between := effect.caused_orders_between):
        if between.high < 0:
            lost = {"low": _whole(-between.high), "high": _whole(-between.low)}
            return _("Known: between %(low)s and %(high)s orders more would have been placed without it.") % lost
        figures = {"low": _whole(between.low), "high": _whole(between.high)}
        return _("Known: between %(low)s and %(high)s orders would not have been placed without it.") % figures
    figures = {"people": _whole(effect.needed_entrants), "days": _whole(effect.needed_days or 0)}
    if effect.needed_days is None:
        return _("Not yet known. About %(people)s more people have to enter.") % figures
    return _("Not yet known. About %(people)s more people have to enter, %(days)s days at today's pace.") % figures


def _whole(number: float) -> str:
    return number_format(round(number), force_grouping=True)
