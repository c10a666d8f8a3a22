"""What is asked of coupons at every send, order and tick stays on its indexes with many rows (PostgreSQL)."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Count, Sum
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import coupons
from retarget_plugin.models import Coupon, CouponCode, CouponPool, Flow, FlowRun, FlowVersion, Message, Order
from retarget_plugin.testing import build_contact, build_shop

from .test_plans import NOW, fill, plan

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]


MANY = 5_000


@pytest.fixture
def shop():
    return build_shop()


@pytest.fixture
def flow(shop):
    """A flow that has given as many coupons, one in a hundred of which may still be used; beside it, one that has given a few."""
    flow, few = (Flow.objects.create(shop=shop, slug=slug) for slug in ("many", "few"))
    contact = build_contact(shop, now=NOW)
    version = FlowVersion.objects.create(flow=flow, number=1, definition={}, published_at=NOW)
    run = FlowRun.objects.create(
        shop=shop, flow=flow, version=version, contact=contact, subject="x", anchored_at=NOW, entered_at=NOW
    )
    facts = {"shop": shop, "contact": contact, "channel": "email", "due_at": NOW, "not_after": NOW, "created_at": NOW}
    messages = [
        Message(run=run, step=str(n), key=uuid.uuid4(), state="accepted" if n % 2 else "cancelled", **facts)
        for n in range(MANY)
    ]
    fill(Message, messages)
    states = ["minted", "sent"] + ["redeemed"] * 98 + ["expired", "taken_back"] * 50
    terms = {
        "kind": "percent",
        "value": 5,
        "currency": "EUR",
        "cost": Decimal("2.50"),
        "shop": shop,
        "contact": contact,
    }
    made = []
    for n, message in enumerate(messages):
        state, at = states[n % 200], NOW - timedelta(minutes=n)
        made.append(
            Coupon(
                flow=few if n % 1000 == 7 else flow, message=message, code=f"CODE-{n}", key=message.key, state=state,
                created_at=at, expires_at=at + timedelta(days=3), redeemed_at=at if state == "redeemed" else None,
                withdrawn_at=None if n % 200 > 197 else NOW, **terms,
            )
        )  # fmt: skip
    fill(Coupon, made)
    return few


def plans_of(work):
    """The plan by which `work` finds coupons, each time; what it changes it names by primary key."""
    with CaptureQueriesContext(connection) as captured:
        work()
    asked = [query["sql"] for query in captured if '"retarget_plugin_coupon' in query["sql"]]
    found = []
    for sql in asked:
        if sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
                found.append(cursor.fetchone()[0][0]["Plan"])
    return found


def nodes(tree):
    """Every node of a plan."""
    yield tree
    for below in tree.get("Plans", ()):
        yield from nodes(below)


def read_whole(trees):
    """Tables of coupons that a plan reads from end to end."""
    scans = [node for tree in trees for node in nodes(tree) if node["Node Type"] == "Seq Scan"]
    return {scan["Relation Name"] for scan in scans} & {"retarget_plugin_coupon", "retarget_plugin_couponcode"}


def indexes(trees):
    return {node["Index Name"] for tree in trees for node in nodes(tree) if "Index Name" in node}


def test_what_somebody_has_had_is_found_by_index(shop, flow):
    other = build_contact(shop, now=NOW)

    found = plan(Coupon.objects.exclude(state="taken_back").filter(contact=other, created_at__gt=NOW))

    assert "retarget_coupon_contact" in found
    assert "Seq Scan" not in found


def test_a_flows_month_and_what_it_has_cost_are_summed_by_index(flow):
    given = Coupon.objects.exclude(state="taken_back").filter(flow=flow, created_at__gte=NOW - timedelta(days=5))
    month = plan(given.annotate(number=Count("pk")))
    redeemed = Coupon.objects.filter(
        flow__in=[flow.pk], state="redeemed", redeemed_at__gte=NOW - timedelta(days=5), redeemed_at__lt=NOW
    )
    cost = plan(redeemed.values_list("flow", "currency").annotate(Sum("cost")).order_by())

    assert "retarget_coupon_flow" in month
    assert "retarget_coupon_cost" in cost or "retarget_coupon_flow" in cost
    assert "Seq Scan" not in month + cost


def test_an_order_finds_the_coupon_of_its_code_by_index(shop, flow):
    order = Order(shop=shop, reference="1", coupon_codes=["code-2"], total=Decimal(9), currency="EUR", placed_at=NOW)
    order.touched_at = NOW
    order.save()

    found = plans_of(lambda: coupons.redeem(order))

    assert "retarget_coupon_own_code" in indexes(found)
    assert read_whole(found) == set()
    assert Coupon.objects.get(order=order).code == "CODE-2"


def test_what_has_become_of_coupons_is_found_by_index(flow):
    found = plans_of(lambda: coupons.settle(now=NOW))

    assert {"retarget_coupon_open", "retarget_coupon_ending", "retarget_coupon_dead"} <= indexes(found)
    assert read_whole(found) == set()


def test_a_free_code_behind_many_that_were_given_is_found_by_index(shop):
    pool = CouponPool.objects.create(
        shop=shop, name="x", kind="percent", value=5, created_at=NOW, expires_at=NOW + timedelta(days=9)
    )
    given = [
        CouponCode(shop=shop, pool=pool, code=f"C{n}", given_at=NOW if n < MANY - 5 else None) for n in range(MANY)
    ]
    fill(CouponCode, given)

    found = plan(CouponCode.objects.filter(pool=pool, given_at=None).order_by("pk")[:1])

    assert "retarget_coupon_code_free" in found
    assert "Seq Scan" not in found
