"""health/: nothing for strangers, and for the operator what waits and what is wrong."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.vocabulary import FlowState, MessageState
from retarget_plugin.engine import installation
from retarget_plugin.models import Breaker, Cart, DailyCount, Decision, Event, Flow, Installation, Message, Order, Shop
from tests.web.conftest import answer, make_message

TOKEN = "0123456789abcdef"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def url(settings, shop):
    """Of a site where a worker has just come round."""
    installation.beat(now=timezone.now())
    settings.RETARGET = settings.RETARGET | {"HEALTH_TOKEN": TOKEN}
    return reverse("retarget_plugin:health")


def queued(contact, *, state=MessageState.SCHEDULED, waiting=timedelta()):
    message = make_message(contact)
    due_at = timezone.now() - waiting
    Message.objects.filter(pk=message.pk).update(state=state, due_at=due_at, sent_at=None)
    return message


def test_strangers_learn_nothing_not_even_that_it_exists(client, settings, url):
    nowhere = answer(client.get("/retarget/nowhere/"))
    given = ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9"]

    answers = [answer(client.get(url, headers={"authorization": value})) for value in given]
    answers.append(answer(client.get(f"{url}?token={TOKEN}")))
    settings.RETARGET = settings.RETARGET | {"HEALTH_TOKEN": ""}
    answers += [answer(client.get(url, headers={"authorization": value})) for value in ["Bearer ", f"Bearer {TOKEN}"]]

    assert answers == [nowhere] * 11
    assert nowhere[0] == 404


def test_a_quiet_shop_is_well(client, url, shop):
    response = client.get(url, headers=BEARER)

    body = response.json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store, private"
    assert body.pop("at") >= body.pop("last_tick_at")
    assert body == {
        "ok": True,
        "problems": [],
        "shops": [
            {
                "shop": shop.pk,
                "last_cart_at": None,
                "last_order_at": None,
                "last_view_at": None,
                "is_silent": False,
                "has_flow": False,
            }
        ],
        "halted": "",
        "gateways": [],
        "messages": {state.value: 0 for state in MessageState},
        "answers": {"sent": 0, "retrying": 0, "rejected": 0, "outcome_unknown": 0},
        "oldest_due_seconds": 0,
        "unknown": 0,
        "parked": 0,
        "quarantined": 0,
    }


def test_messages_are_counted_per_state_for_a_week(client, url, contact):
    queued(contact, state=MessageState.ACCEPTED)
    queued(contact, state=MessageState.ACCEPTED)
    queued(contact, state=MessageState.SCHEDULED, waiting=timedelta(hours=-1))
    old = queued(contact, state=MessageState.UNKNOWN)
    Message.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))

    body = client.get(url, headers=BEARER).json()

    assert {state: count for state, count in body["messages"].items() if count} == {"accepted": 2, "scheduled": 1}
    assert body["ok"] is True


def test_a_message_that_waits_too_long_is_a_problem(client, url, contact):
    queued(contact, waiting=timedelta(minutes=14))
    early = client.get(url, headers=BEARER).json()
    queued(contact, waiting=timedelta(minutes=16))
    late = client.get(url, headers=BEARER).json()

    assert (early["ok"], early["problems"]) == (True, [])
    assert 14 * 60 <= early["oldest_due_seconds"] < 15 * 60
    assert (late["ok"], late["problems"]) == (False, ["messages_overdue"])
    assert 16 * 60 <= late["oldest_due_seconds"] < 17 * 60


@pytest.mark.parametrize("pause", ["is_paused", "email_is_paused"])
def test_what_a_shop_has_paused_is_not_waited_for(client, url, shop, contact, pause):
    queued(contact, waiting=timedelta(hours=2))
    Shop.objects.filter(pk=shop.pk).update(**{pause: True})

    body = client.get(url, headers=BEARER).json()

    assert (body["ok"], body["oldest_due_seconds"]) == (True, 0)


def test_what_staff_should_look_at_is_a_problem(client, url, contact):
    queued(contact, state=MessageState.UNKNOWN)
    for state in (MessageState.PARKED, MessageState.PARKED, MessageState.QUARANTINED):
        queued(contact, state=state)

    body = client.get(url, headers=BEARER).json()

    assert body["problems"] == ["outcomes_unknown", "messages_parked", "messages_quarantined"]
    assert (body["unknown"], body["parked"], body["quarantined"]) == (1, 2, 1)


def test_a_stop_is_a_problem_and_what_waits_for_it_is_none(client, url, contact):
    queued(contact, waiting=timedelta(hours=1))
    installation.stop(by="staff #1", now=timezone.now())

    body = client.get(url, headers=BEARER).json()

    assert (body["problems"], body["halted"]) == (["sending_stopped"], "stop_button")


@pytest.mark.parametrize(
    ("state", "last_tick", "problems"),
    [
        (FlowState.ON, timedelta(minutes=16), ["workers_missing"]),
        (FlowState.ON, None, ["workers_missing"]),
        (FlowState.ON, timedelta(minutes=14), []),
        (FlowState.OFF, None, []),
    ],
)
def test_a_tick_that_stopped_coming_is_a_problem(client, url, shop, state, last_tick, problems):
    Flow.objects.create(shop=shop, slug="one", name="One", trigger="cart_abandoned", state=state)
    if last_tick is None:
        Installation.objects.all().delete()
    else:
        Installation.objects.update(heartbeat_at=timezone.now() - last_tick)

    assert client.get(url, headers=BEARER).json()["problems"] == problems


def test_a_provider_that_is_left_alone_is_a_problem(client, url):
    now = timezone.now()
    Breaker.objects.create(name="sms:default", failures=5, open_until=now, detail="no answer", changed_at=now)
    Breaker.objects.create(name="email", failures=1, changed_at=now)

    body = client.get(url, headers=BEARER).json()

    assert body["problems"] == ["gateways_failing"]
    assert [(gateway["name"], gateway["failures"]) for gateway in body["gateways"]] == [("sms:default", 5)]


def test_what_providers_answered_is_counted_for_an_hour(client, url, contact):
    message, now = queued(contact), timezone.now()
    told = [("sent", 0), ("sent", 59), ("sent", 61), ("rejected", 5), ("retrying", 5), ("queued", 5)]
    for code, minutes in told:
        at = now - timedelta(minutes=minutes)
        Decision.objects.create(shop=contact.shop, contact=contact, message=message, code=code, at=at)

    body = client.get(url, headers=BEARER).json()

    assert body["answers"] == {"sent": 2, "retrying": 1, "rejected": 1, "outcome_unknown": 0}


def test_the_last_cart_and_order_events_are_told(client, url, shop, cart):
    now = timezone.now().replace(microsecond=0)
    for state, ago in [("active", 30), ("ordered", 5), ("active", 60)]:
        moment = now - timedelta(minutes=ago)
        Cart.objects.create(shop=shop, reference=str(uuid4()), state=state, touched_at=moment, created_at=moment)
    Order.objects.create(shop=shop, reference="o1", touched_at=now, placed_at=now - timedelta(minutes=7))

    (told,) = client.get(url, headers=BEARER).json()["shops"]

    assert told["last_cart_at"] == (now - timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    assert told["last_order_at"] == now.isoformat().replace("+00:00", "Z")


def test_the_last_view_is_told_of_whomever_it_was(client, url, shop):
    now = timezone.now().replace(microsecond=0)

    def told():
        (status,) = client.get(url, headers=BEARER).json()["shops"]
        return status["last_view_at"]

    Event.objects.create(shop=shop, name="page_view", at=now - timedelta(minutes=9))
    followed = told()
    for name, minutes in (("page_view", 3), ("search", 5)):
        DailyCount.objects.add(shop, {name: 1}, by_machine=False, now=now - timedelta(minutes=minutes))

    assert followed == (now - timedelta(minutes=9)).isoformat().replace("+00:00", "Z")
    assert told() == (now - timedelta(minutes=3)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("state", "paused", "last_seen", "problems"),
    [
        (FlowState.ON, False, timedelta(days=8), ["cart_events_missing"]),
        (FlowState.ON, False, timedelta(days=6), []),
        (FlowState.ON, True, timedelta(days=8), []),
        (FlowState.OFF, False, timedelta(days=8), []),
    ],
)
def test_a_shop_that_went_silent_is_a_problem(client, url, shop, state, paused, last_seen, problems):
    seen_at = timezone.now() - last_seen
    Flow.objects.create(shop=shop, slug="one", name="One", trigger="cart_abandoned", state=state)
    Cart.objects.create(shop=shop, reference="c1", touched_at=seen_at, created_at=seen_at)
    Shop.objects.filter(pk=shop.pk).update(is_paused=paused)

    body = client.get(url, headers=BEARER).json()

    assert body["problems"] == problems
    assert body["shops"][0]["is_silent"] is bool(problems)


def test_a_shop_that_never_spoke_is_silent_after_a_week(client, url, shop):
    Flow.objects.create(shop=shop, slug="one", name="One", trigger="cart_abandoned", state=FlowState.ON)
    fresh = client.get(url, headers=BEARER).json()["problems"]
    Shop.objects.filter(pk=shop.pk).update(created_at=timezone.now() - timedelta(days=8))
    stale = client.get(url, headers=BEARER).json()["problems"]

    assert (fresh, stale) == ([], ["cart_events_missing"])


def test_an_order_that_cannot_be_read_is_a_problem_after_an_hour(client, url, shop):
    now = timezone.now()
    order = Order.objects.create(shop=shop, reference="o1", touched_at=now - timedelta(minutes=59), placed_at=now)
    Order.objects.filter(pk=order.pk).update(read_again_at=now)
    fresh = client.get(url, headers=BEARER).json()["problems"]
    Order.objects.filter(pk=order.pk).update(touched_at=now - timedelta(minutes=61))
    stale = client.get(url, headers=BEARER).json()["problems"]
    Order.objects.filter(pk=order.pk).update(read_at=now)
    read = client.get(url, headers=BEARER).json()["problems"]

    assert (fresh, stale, read) == ([], ["orders_unreadable"], [])


def test_it_costs_seven_queries_whatever_there_is(client, url, contact, cart, django_assert_num_queries):
    for _ in range(5):
        queued(contact, waiting=timedelta(hours=1))

    with django_assert_num_queries(7):
        client.get(url, headers=BEARER)


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_other_methods_are_refused(client, url, method):
    response = getattr(client, method)(url, headers=BEARER)

    assert response.status_code == 405


def test_no_personal_data_is_told(client, url, contact, message, cart):
    body = client.get(url, headers=BEARER).content.decode().lower()

    assert [word for word in ("camille", "durand", "mail.example", "612345678", cart.reference) if word in body] == []
