"""The small pure rules, a row a sentence: caps, attribution, cart states, consent, machines."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain import abandonment, attribution, limits
from retarget_plugin.domain.carts import Cart, Item
from retarget_plugin.domain.machines import is_machine
from retarget_plugin.domain.vocabulary import Trigger

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAPS = ((1, 16 * HOUR), (3, 168 * HOUR))


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("sent", "free_in_hours"),
    [
        ([], 0),
        ([ago(16)], 0),
        ([ago(15)], 1),
        ([ago(20), ago(40), ago(60)], 108),  # three this week: when the oldest is a week old
        ([ago(2), ago(40), ago(60)], 108),
        ([ago(20), ago(40), ago(169)], 0),
    ],
)
def test_the_next_message_waits_until_no_cap_is_broken(sent, free_in_hours):
    assert limits.next_free(NOW, sent, CAPS) == NOW + free_in_hours * HOUR


def test_a_cap_of_nothing_is_never_free():
    assert limits.next_free(NOW, [], ((0, 24 * HOUR),)) > NOW


def test_the_last_click_in_the_window_earns_the_order():
    touches = [
        attribution.Touch(1, ago(100)),
        attribution.Touch(2, ago(30)),
        attribution.Touch(3, ago(200)),
        attribution.Touch(4, NOW + HOUR),
    ]

    assert attribution.credited(touches, placed_at=NOW, window=120 * HOUR) == 2
    assert attribution.credited(touches, placed_at=NOW, window=20 * HOUR) is None
    assert attribution.credited([], placed_at=NOW, window=20 * HOUR) is None


ITEM = Item(product_id="1", title="Lens", quantity=2, unit_price=Decimal("10.50"))
FULL = Cart(reference="1", currency="EUR", items=(ITEM,))


@pytest.mark.parametrize(
    ("cart", "touched", "finding", "since"),
    [
        (None, ago(2), "gone", ago(2)),
        (Cart(reference="1", currency="EUR"), ago(2), "empty", ago(2)),
        (Cart(reference="1", currency="EUR", items=(ITEM,), is_frozen=True), ago(2), "frozen", ago(2)),
        (FULL, ago(2), "abandoned", ago(2)),
        (FULL, ago(1), "abandoned", ago(1)),
        (FULL, ago(0.9), "active", ago(0.9)),
        (Cart(reference="1", currency="EUR", items=(ITEM,), updated_at=ago(0.5)), ago(2), "active", ago(0.5)),
        (Cart(reference="1", currency="EUR", items=(ITEM,), updated_at=ago(5)), ago(2), "abandoned", ago(2)),
        (Cart(reference="1", currency="EUR", items=(ITEM,), updated_at=NOW + 9 * HOUR), ago(2), "active", NOW),
    ],
)
def test_an_idle_cart_turns_out_to_be(cart, touched, finding, since):
    reading = abandonment.read(cart, touched_at=touched, now=NOW, idle=HOUR)

    assert (reading.finding.value, reading.last_activity) == (finding, since)


def test_the_amount_is_the_hosts_total_or_the_sum_of_lines():
    assert FULL.amount == Decimal("21.00")
    assert Cart(reference="1", currency="EUR", items=(ITEM,), total=Decimal(19)).amount == Decimal(19)


def test_items_survive_storage():
    assert Item.from_data(ITEM.to_data()) == ITEM


def test_the_intent_ladder():
    assert abandonment.trigger_for("cart") is Trigger.CART_ABANDONED
    assert abandonment.trigger_for("checkout") is Trigger.CHECKOUT_ABANDONED
    assert abandonment.is_higher("checkout", "cart")
    assert not abandonment.is_higher("cart", "cart")


BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "method", "headers", "seconds", "machine"),
    [
        (BROWSER, "GET", {}, 60, False),
        (BROWSER, "GET", {}, None, False),
        (BROWSER, "HEAD", {}, 60, True),
        (BROWSER, "GET", {"sec-purpose": "prefetch;prerender"}, 60, True),
        (BROWSER, "GET", {"purpose": "preview"}, 60, True),
        (BROWSER, "GET", {}, 1, True),
        ("", "GET", {}, 60, True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "GET", {}, 60, True),
        ("python-requests/2.34", "GET", {}, 60, True),
        ("Mozilla/5.0 Proofpoint URL Defense", "GET", {}, 60, True),
        ("WhatsApp/2.23", "GET", {}, 60, True),
    ],
)
def test_a_machine_is_told_from_a_person(agent, method, headers, seconds, machine):
    since = None if seconds is None else timedelta(seconds=seconds)

    assert is_machine(user_agent=agent, method=method, headers=headers, since_sent=since) is machine
