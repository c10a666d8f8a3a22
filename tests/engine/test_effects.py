"""What flows have caused, as the database adds it up: who is counted, in which arm, with which orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.domain.effects import Difference, Sums
from retarget_plugin.engine import effects, merges
from retarget_plugin.engine.effects import ArmFigures, Effect
from retarget_plugin.models import Contact, Experiment, FlowRun, Order
from tests.admin import rows

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HELD_OUT = (ArmFigures("holdout"),)
TWO, THREE = {"holdout": 20.0, "treated": 80.0}, {"holdout": 20.0, "plain": 40.0, "coupon": 40.0}


@pytest.fixture
def shop():
    return rows.shop(time_zone="UTC", attribution_days=5)


@pytest.fixture
def flow(shop):
    return rows.flow(shop)


@pytest.fixture
def experiment(flow):
    return experiment_of(flow)


def experiment_of(flow, *, number=1, weights=TWO, began_at=NOW - timedelta(days=60)):
    return Experiment.objects.create(flow=flow, number=number, weights=weights, began_at=began_at, read_at=began_at)


def enter(experiment, arm, *, days_ago=10.0, **changes):
    """Somebody who entered, and counts."""
    entered_at = NOW - timedelta(days=days_ago)
    return rows.run(experiment.flow, experiment=experiment, arm=arm, entered_at=entered_at, **changes)


def buy(run, *, after=timedelta(days=1), **changes):
    return rows.order(run.shop, contact=run.contact, placed_at=run.entered_at + after, **changes)


def many(experiment, arm, people, orders, *, total=Decimal(50), days_ago=10.0):
    """`people` who entered, of whom the first `orders` placed one each."""
    flow, entered_at = experiment.flow, NOW - timedelta(days=days_ago)
    contacts = Contact.objects.bulk_create(Contact(shop=flow.shop, created_at=NOW) for _person in range(people))
    FlowRun.objects.bulk_create(
        FlowRun(
            shop=flow.shop, flow=flow, version=flow.version, contact=contact, experiment=experiment, arm=arm,
            subject="", anchored_at=entered_at, entered_at=entered_at, state="finished",
        )
        for contact in contacts
    )  # fmt: skip
    Order.objects.bulk_create(
        Order(
            shop=flow.shop, reference=f"{arm}-{contact.pk}", contact=contact, currency="EUR", total=total,
            placed_at=entered_at + timedelta(hours=30), touched_at=NOW, read_at=NOW,
        )
        for contact in contacts[:orders]
    )  # fmt: skip


def arms(effect):
    return {arm.name: (arm.entrants, arm.would_have_sent, arm.orders, arm.revenue) for arm in effect.arms}


def of_flow(flow, **period):
    return effects.of_flow(flow, now=NOW, **period)


def test_orders_within_the_window_of_entering_count_and_no_others(experiment):
    treated, held_out = enter(experiment, "treated"), enter(experiment, "holdout")
    buy(treated, after=timedelta(), total=Decimal("10.10"))
    buy(treated, after=timedelta(days=5) - timedelta(microseconds=1), total=Decimal("20.20"))
    buy(treated, after=timedelta(days=5))
    buy(treated, after=-timedelta(microseconds=1))
    buy(treated, cancelled_at=NOW)
    rows.order(treated.shop, placed_at=treated.entered_at + timedelta(days=1))
    buy(held_out, total=Decimal("70.70"))

    assert arms(of_flow(experiment.flow)) == {
        "holdout": (1, 0, 1, Decimal("70.70")),
        "treated": (1, 0, 2, Decimal("30.30")),
    }


def test_an_order_in_another_currency_is_an_order_without_revenue(experiment):
    run = enter(experiment, "treated")
    buy(run, currency="USD", total=Decimal(99))
    buy(run, total=Decimal(10))

    assert arms(of_flow(experiment.flow)) == {"treated": (1, 0, 2, Decimal("10.00"))}


def test_nobody_counts_before_their_window_is_over(experiment):
    enter(experiment, "treated", days_ago=5)
    buy(enter(experiment, "treated", days_ago=4.999))

    found = of_flow(experiment.flow)

    assert arms(found) == {"treated": (1, 0, 0, Decimal("0.00"))}
    assert found.waiting == 1


@pytest.mark.parametrize(("first", "second"), [("holdout", "treated"), ("treated", "holdout")])
def test_two_contacts_that_are_one_person_count_once_where_the_first_was_drawn(experiment, first, second):
    earlier, later = enter(experiment, first, days_ago=20), enter(experiment, second, days_ago=18)
    buy(earlier, total=Decimal("10.10"))
    buy(later, total=Decimal("20.20"))
    bystander = enter(experiment, second)
    apart = arms(of_flow(experiment.flow))

    merge = merges.merge(earlier.contact, later.contact, by="staff #1", now=NOW)
    together = arms(of_flow(experiment.flow))
    merges.undo(merge, by="staff #1", now=NOW)

    assert together == {first: (1, 0, 2, Decimal("30.30")), second: (1, 0, 0, Decimal("0.00"))}
    assert arms(of_flow(experiment.flow)) == apart
    assert apart == {first: (1, 0, 1, Decimal("10.10")), second: (2, 0, 1, Decimal("20.20"))}
    assert FlowRun.objects.get(pk=bystander.pk).experiment == experiment


def test_a_run_outside_the_experiment_is_not_counted(experiment):
    buy(rows.run(experiment.flow, arm="treated", entered_at=NOW - timedelta(days=10)))

    assert of_flow(experiment.flow).arms == ()


def test_the_moment_of_sending_is_told_of_both_arms(experiment):
    treated, held_out, unsent = (enter(experiment, arm) for arm in ("treated", "holdout", "treated"))
    rows.message(treated, sent_at=NOW)
    rows.message(treated, sent_at=NOW)
    rows.message(held_out, state="cancelled", reason="holdout")
    rows.message(unsent, state="cancelled", reason="no_consent")

    found = {name: (entrants, sent) for name, (entrants, sent, *_rest) in arms(of_flow(experiment.flow)).items()}

    assert found == {"holdout": (1, 1), "treated": (2, 1)}


def test_a_large_effect_is_conclusive(experiment):
    many(experiment, "treated", 800, 160)
    many(experiment, "holdout", 200, 12)

    found = of_flow(experiment.flow, since=NOW - timedelta(days=30))

    assert found.orders.value == pytest.approx(0.2 - 0.06)
    assert found.revenue.value == pytest.approx(50 * (0.2 - 0.06))
    assert found.caused_orders == pytest.approx(112.0)
    assert found.caused_revenue == pytest.approx(5600.0)
    assert (found.is_conclusive, found.needed_entrants, found.needed_days) == (True, 0, None)
    between = found.caused_orders_between
    assert (round(between.low), round(between.high)) == (44, 165)


def test_a_small_effect_says_how_many_more_are_needed(experiment):
    many(experiment, "treated", 400, 60)
    many(experiment, "holdout", 100, 10)
    many(experiment, "treated", 60, 0, days_ago=2)

    found = of_flow(experiment.flow)

    assert found.orders is not None
    assert not found.is_conclusive
    assert found.waiting == 60
    # 560 entered in the last 28 days, and the last of those to come have five days to order.
    assert found.needed_days == -(-found.needed_entrants * 28 // 560) + 5
    assert found.needed_entrants > 1000


def test_before_ten_orders_nothing_is_said(experiment):
    many(experiment, "treated", 40, 9)
    many(experiment, "holdout", 10, 0)

    found = of_flow(experiment.flow)

    assert (found.orders, found.revenue, found.caused_orders, found.is_conclusive) == (None, None, None, False)
    assert found.needed_entrants > 0


def test_all_that_was_measured_counts_and_the_period_tells_of_how_many(experiment):
    many(experiment, "treated", 800, 160, days_ago=50)
    many(experiment, "holdout", 200, 12, days_ago=50)
    many(experiment, "treated", 10, 0, days_ago=8)
    many(experiment, "holdout", 4, 0, days_ago=8)

    found = of_flow(experiment.flow, since=NOW - timedelta(days=9), until=NOW - timedelta(days=7))

    assert found.is_conclusive
    assert found.treated == 10
    assert found.caused_orders == pytest.approx(10 * (160 / 810 - 12 / 204))


def test_experiments_of_other_shares_are_never_thrown_together(flow):
    good = experiment_of(flow, weights={"holdout": 10.0, "treated": 90.0})
    bad = experiment_of(flow, number=2, weights={"holdout": 50.0, "treated": 50.0})
    many(good, "treated", 900, 180)
    many(good, "holdout", 100, 20)
    many(bad, "treated", 500, 25)
    many(bad, "holdout", 500, 25)

    found = of_flow(flow)

    assert found.orders.value == pytest.approx(0.0)
    assert not found.is_conclusive


def test_experiments_of_the_same_shares_add_up(flow):
    for number in (1, 2):
        experiment = experiment_of(flow, number=number)
        many(experiment, "treated", 160, 48)
        many(experiment, "holdout", 40, 4)

    assert of_flow(flow).orders.value == pytest.approx(0.2)
    assert arms(of_flow(flow))["treated"] == (320, 0, 96, Decimal("4800.00"))


def test_the_coupon_is_compared_with_the_step_it_replaces(flow):
    experiment = experiment_of(flow, weights=THREE)
    many(experiment, "holdout", 200, 20)
    many(experiment, "plain", 400, 60)
    many(experiment, "coupon", 400, 80, total=Decimal(40))

    found = of_flow(flow)

    assert found.orders.value == pytest.approx(140 / 800 - 0.1)
    assert found.coupon_orders.value == pytest.approx(0.05)
    assert found.coupon_revenue.value == pytest.approx(0.2 * 40 - 0.15 * 50)


def test_flows_that_are_each_too_small_are_sure_together(shop):
    flows = [rows.flow(shop) for _number in range(4)]
    for flow in flows:
        experiment = experiment_of(flow)
        many(experiment, "treated", 200, 40)
        many(experiment, "holdout", 50, 3)

    found = effects.of_flows(shop, flows, now=NOW)

    assert [found.flows[flow.pk].is_conclusive for flow in flows] == [False] * 4
    assert found.whole.is_conclusive
    assert found.whole.orders.value == pytest.approx(0.14)


def test_a_flow_without_an_experiment_is_not_measured(flow):
    found = of_flow(flow)

    assert (found.is_measured, found.arms, found.needed_days) == (False, (), None)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Effect(), "Not measured: nobody has been held out yet."),
        (
            Effect(arms=HELD_OUT, needed_entrants=1234),
            "Not yet known. About 1,234 more people have to enter.",
        ),
        (
            Effect(arms=HELD_OUT, needed_entrants=1234, needed_days=40),
            "Not yet known. About 1,234 more people have to enter, 40 days at today's pace.",
        ),
        (
            Effect(arms=HELD_OUT, orders=Difference(0.1, 0.01, 0.0, 5_000, 0.1), treated=10_000, is_conclusive=True),
            "Known: between 696 and 1,304 orders would not have been placed without it.",
        ),
        (
            Effect(arms=HELD_OUT, orders=Difference(-0.1, 0.01, 0.0, 5_000, 0.1), treated=10_000, is_conclusive=True),
            "Known: between 696 and 1,304 orders more would have been placed without it.",
        ),
    ],
)
def test_an_effect_is_told_in_a_sentence(effect, said):
    assert effects.words(effect) == said


def split(experiment, path, people, orders, *, arm="treated", days_ago=10.0):
    known = set(FlowRun.objects.values_list("pk", flat=True))
    many(experiment, arm, people, orders, days_ago=days_ago)
    for run in FlowRun.objects.exclude(pk__in=known):
        rows.decision(
            run.shop,
            "split",
            run=run,
            contact=run.contact,
            flow_slug=run.flow.slug,
            step="offer",
            facts={"path": path},
            at=run.entered_at,
        )


def test_the_paths_of_a_split_are_compared(experiment):
    split(experiment, "a", 90, 9)
    split(experiment, "b", 80, 60)
    split(experiment, "b", 5, 5, arm="holdout")
    split(experiment, "b", 5, 5, days_ago=4)

    (found,) = effects.of_splits(experiment.flow.shop, now=NOW)

    assert (found.flow_slug, found.step) == (experiment.flow.slug, "offer")
    assert found.paths == ({"a": Sums(90, 9, 9, 9), "b": Sums(80, 60, 60, 60)})
    assert (found.choice.leader, found.choice.winner) == ("b", "b")


def test_a_new_version_begins_the_comparison_anew(experiment):
    split(experiment, "a", 10, 2)
    FlowRun.objects.update(version=rows.flow(experiment.flow.shop).version)

    assert effects.of_splits(experiment.flow.shop, now=NOW) == []


def test_the_number_of_queries_does_not_grow_with_the_shop(shop):
    def queries(flows):
        with CaptureQueriesContext(connection) as captured:
            effects.of_flows(shop, flows, now=NOW)
        return len(captured)

    flows = [rows.flow(shop)]
    many(experiment_of(flows[0]), "treated", 5, 2)
    before = queries(flows)
    for _number in range(5):
        flows.append(rows.flow(shop))
        many(experiment_of(flows[-1]), "treated", 5, 2)
        many(experiment_of(flows[-1], number=2), "holdout", 5, 1)

    assert (before, queries(flows)) == (4, 4)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's")
def test_many_runs_are_added_up_by_the_database(shop, flow):
    experiment, other = experiment_of(flow), experiment_of(rows.flow(shop))
    many(experiment, "treated", 1_000, 100)
    many(other, "treated", 20_000, 2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE retarget_plugin_flowrun, retarget_plugin_order, retarget_plugin_contact")

    with CaptureQueriesContext(connection) as asked:
        found = of_flow(flow)

    assert arms(found) == {"treated": (1_000, 0, 100, Decimal("5000.00"))}
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            steps = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on retarget_plugin_flowrun" not in steps, steps
        assert "SubPlan" not in steps, steps
