"""A coupon for each message that gives one: minted once, within its budgets, the same in both, and gone when it is over."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from retarget_plugin import channels, failpoints
from retarget_plugin.domain.carts import Identity, Order
from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import attribution, carts, coupons, delivery, flows, orders, pools, tick, tokens
from retarget_plugin.exceptions import Refusal
from retarget_plugin.hosts import Host
from retarget_plugin.models import Coupon, CouponCode, CouponPool, Decision, Flow, FlowRun, Message
from retarget_plugin.models.claims import claim
from retarget_plugin.testing import FakeHost, build_contact, build_shop
from tests.contracts.coupons import CouponContract
from tests.promises import length

pytestmark = [pytest.mark.delivery]

TERMS = {"percent": 5, "valid": "72h", "once_per": "90d"}
TEXTS = {
    "channel": "email",
    "layout": "letter",
    "en": {
        "subject": "{{ coupon.text }} off",
        "preheader": "Until {{ coupon.expires }}.",
        "heading": "For you",
        "body": ["Your code is {{ coupon.code }}, good until {{ coupon.expires }}."],
        "button": "Use it",
    },
}
WORKERS = 16


class TestFakeHost(CouponContract):
    @pytest.fixture
    def host(self):
        return FakeHost(currency="EUR")

    def codes(self, host):
        made = [f"CODE-{number}" for number in range(1, len(host.coupons) + 1)]
        used = getattr(host, "used", [])
        return [code for code in made if code in used or code not in host.withdrawn]

    def use(self, host, code):
        host.used = [code]


@pytest.fixture
def shop(db, host, clock):
    """Without the shipped flows."""
    shop = build_shop()
    for slug in ("gifts", "more-gifts"):
        flow, _is_new = Flow.objects.get_or_create(shop=shop, slug=slug, defaults={"stage": "cart", "state": "on"})
        offer(flow, clock)
    return shop


@pytest.fixture
def flow(shop):
    """A flow of one step, an hour after a cart is left, with five per cent for three days."""
    return Flow.objects.get(shop=shop, slug="gifts")


def offer(flow, clock, *, deadline="12h", **changes):
    send = {"channel": "email", "message": "gift", "coupon": {**TERMS, **changes}}
    definition = {
        "slug": flow.slug,
        "trigger": "cart_abandoned",
        "stage": "cart",
        "steps": [{"key": "gift", "after": "1h", "deadline": deadline, "send": send}],
    }
    return flows.publish(flow, definition, {"gift": TEXTS}, now=clock.now)


def due(shopping, flow, count=1, *, first=0):
    """So many people, each with a message that gives a coupon and is due now."""
    made = []
    for number in range(first, first + count):
        email = f"p{number}@example.com"
        contact = build_contact(shopping.shop, now=shopping.clock.now, channels=["email"], email=email)
        shopping.leave_cart(f"c{number}", identity=Identity(email=email))
        cart = shopping.shop.carts.get(reference=f"c{number}")
        cart.currency, cart.total, cart.contact, cart.state = "EUR", Decimal("499.00"), contact, "abandoned"
        cart.save()
        made.append(message_of(shopping, flow, contact, cart))
    return made


def message_of(shopping, flow, contact, cart):
    run = FlowRun.objects.create(
        shop=shopping.shop, flow=flow, version=flow.version, contact=contact, cart=cart, subject=cart.subject,
        anchored_at=shopping.clock.now, entered_at=shopping.clock.now, arm="treated",
    )  # fmt: skip
    now = shopping.clock.now
    return delivery.queue(run, step="gift", channel="email", due_at=now, not_after=now + timedelta(hours=12), now=now)


def whole(*messages):
    return Message.objects.filter(pk__in=[message.pk for message in messages]).order_by("pk").whole(with_texts=True)


def mint(messages, now):
    return list(coupons.mint_for(whole(*messages), now=now).values())


def reasons(found):
    return [held.facts["because"] for held in found]


def bought(shopping, code, *, reference="A-1", **changes):
    """An order with `code`, read and settled."""
    shopping.host.orders[reference] = replace(
        Order(reference=reference, currency="EUR", total=Decimal("474.05"), coupon_codes=(code,)), **changes
    )
    orders.touch(host="default", reference=reference, now=shopping.clock.now)
    orders.read_new(now=shopping.clock.now)
    attribution.settle_new(now=shopping.clock.now)


# -- in the message ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_message_and_shop_speak_of_the_same_code_and_the_same_day(shopping, flow, host, clock):
    due(shopping, flow)

    delivery.dispatch(now=clock.now)

    coupon, (spec,) = Coupon.objects.get(), host.coupons.values()
    assert (coupon.code, coupon.state, coupon.cost) == ("CODE-1", "minted", Decimal("24.95"))
    assert coupon.expires_at == spec.expires_at
    # Three days from Tuesday at ten in Paris are Friday at ten, and the day is given to its end.
    assert spec.expires_at.isoformat() == "2026-11-27T23:00:00+00:00"
    assert (spec.kind, spec.value, spec.currency, spec.idempotency_key) == ("percent", 5, "EUR", str(coupon.key))
    (letter,) = mail.outbox
    assert letter.subject == "5% off"
    assert "Your code is CODE-1, good until November 27, 2026." in letter.body
    assert "CODE-1" in letter.alternatives[0].content
    tick.once(now=clock.now)
    coupon.refresh_from_db()
    assert coupon.state == "sent"


@pytest.mark.django_db
def test_a_message_without_a_coupon_asks_nothing(shopping, flow, clock):
    definition = flow.version.definition
    definition["steps"][0]["send"].pop("coupon")
    texts = {**TEXTS, "en": {**TEXTS["en"], "subject": "Hello", "preheader": "Hello", "body": ["Hello"]}}
    flows.publish(flow, definition, {"gift": texts}, now=clock.now)
    messages = whole(*due(shopping, flow, 3))

    with CaptureQueriesContext(connection) as queries:
        assert coupons.mint_for(messages, now=clock.now) == {}

    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
def test_the_shop_is_asked_outside_of_any_transaction(shopping, flow, host, clock, monkeypatch):
    due(shopping, flow, 2)
    within, make = [], host.create_coupon
    monkeypatch.setattr(host, "create_coupon", lambda spec: within.append(connection.in_atomic_block) or make(spec))

    sent = delivery.dispatch(now=clock.now)

    assert (sent["accepted"], within) == (2, [False, False])


@pytest.mark.django_db
def test_a_message_never_leaves_without_its_coupon(shopping, flow, host, clock, monkeypatch):
    """The shop is down: it is asked again until the deadline, and then there is a reason."""
    (message,) = due(shopping, flow)
    monkeypatch.setattr(host, "create_coupon", lambda spec: 1 / 0)

    delivery.dispatch(now=clock.now)
    message.refresh_from_db()
    assert (message.state, message.reason, message.detail) == ("scheduled", "no_coupon", "ZeroDivisionError")
    assert message.due_at == clock.now + timedelta(minutes=5)

    delivery.dispatch(now=clock.advance(hours=11, minutes=58))
    message.refresh_from_db()
    assert (message.state, message.reason, mail.outbox) == ("expired", "no_coupon", [])
    assert Decision.objects.filter(message=message, code="no_coupon").last().facts["because"] == "host_failed"
    tick.once(now=clock.now)
    assert Coupon.objects.get().state == "taken_back"


@pytest.mark.django_db
def test_a_shop_that_comes_back_in_time_gives_the_code_it_was_asked_for(shopping, flow, host, clock, monkeypatch):
    due(shopping, flow)
    with monkeypatch.context() as down:
        down.setattr(host, "create_coupon", lambda spec: None)
        delivery.dispatch(now=clock.now)
    promised = Coupon.objects.get().expires_at

    delivery.dispatch(now=clock.advance(minutes=5))

    assert (len(mail.outbox), Coupon.objects.get().expires_at, host.coupons.popitem()[1].expires_at) == (
        1,
        promised,
        promised,
    )


@pytest.mark.django_db
def test_a_shop_that_does_not_answer_is_waited_for_once(shopping, flow, host, clock, monkeypatch):
    messages, asked = due(shopping, flow, 5), []
    (has_one,) = mint(messages[4:], clock.now)
    monkeypatch.setattr(host, "create_coupon", lambda spec: asked.append(spec) or 1 / 0)

    *found, last = mint(messages, clock.now)

    assert (reasons(found), len(asked), last) == (["host_failed"] * 4, 1, has_one)


@pytest.mark.django_db
def test_a_coupon_that_ended_before_its_message_could_leave_is_not_mailed(shopping, flow, clock):
    (message,) = due(shopping, flow)
    mint([message], clock.now)

    found = mint([message], clock.advance(days=5))

    assert reasons(found) == ["ended"]


# -- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_worker_that_dies_after_minting_leaves_the_code_to_the_next(shopping, flow, host, clock):
    due(shopping, flow)

    def die(name):
        if name == "after_mint":
            failpoints.arm(None)
            raise SystemExit

    failpoints.arm(die)
    with pytest.raises(SystemExit):
        delivery.dispatch(now=clock.now)
    assert (Coupon.objects.get().code, list(host.coupons)) == ("", [str(Coupon.objects.get().key)])

    delivery.recover(now=clock.advance(seconds=121))
    for _round in range(2):
        delivery.dispatch(now=clock.now)

    assert (len(host.coupons), Coupon.objects.get().code, len(mail.outbox)) == (1, "CODE-1", 1)


@pytest.mark.django_db
def test_a_message_that_is_sent_again_under_a_new_key_keeps_its_code(shopping, flow, host, clock, monkeypatch):
    (message,) = due(shopping, flow)
    mint([message], clock.now)

    Message.objects.filter(pk=message.pk).update(key="0" * 32)
    (again,) = mint([message], clock.now)

    assert (again.code, len(host.coupons)) == ("CODE-1", 1)


def at_once(*jobs):
    """Run `jobs` side by side, each in a thread with a connection of its own; answers what they answered."""
    start, found = threading.Barrier(len(jobs)), []

    def work(job):
        start.wait()
        try:
            found.append(job())
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


needs_postgres = pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time there")


@needs_postgres
@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_with_one_message_make_one_coupon(shopping, flow, host, clock):
    (message,) = due(shopping, flow)

    found = at_once(*[lambda: mint([message], clock.now)[0].code] * WORKERS)

    assert (found, Coupon.objects.count(), len(host.coupons)) == (["CODE-1"] * WORKERS, 1, 1)


@needs_postgres
@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_give_no_more_than_the_flow_may(shopping, flow, host, clock):
    offer(flow, clock, budget={"coupons": 10})
    messages = due(shopping, flow, WORKERS)

    found = at_once(*[lambda message=message: mint([message], clock.now)[0] for message in messages])

    assert sum(isinstance(one, Coupon) for one in found) == 10
    assert (Coupon.objects.count(), len(host.coupons)) == (10, 10)


# -- budgets ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nobody_gets_a_second_one_within_ninety_days_by_whatever_flow(shopping, flow, clock):
    shopping.shop.coupons_per_contact = None
    shopping.shop.save()
    (first,) = due(shopping, flow)
    mint([first], clock.now)
    other = Flow.objects.get(shop=shopping.shop, slug="more-gifts")
    cart = first.run.cart

    clock.advance(days=89)
    second = message_of(shopping, other, first.contact, cart)
    assert reasons(mint([second], clock.now)) == ["recently"]
    (third,) = mint([second], clock.advance(days=2))

    assert third.code == "CODE-2"


@pytest.mark.django_db
def test_what_was_taken_back_does_not_count(shopping, flow, clock):
    (first,) = due(shopping, flow)
    mint([first], clock.now)
    delivery.cancel(first, by="owner", now=clock.now)
    coupons.settle(now=clock.now)
    FlowRun.objects.update(state="finished")

    second = message_of(shopping, flow, first.contact, first.run.cart)

    assert mint([second], clock.now)[0].code == "CODE-2"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value", "because"),
    [("coupons_per_contact", 0, "contact_budget"), ("discount_per_contact", Decimal("24.94"), "contact_budget")],
)
def test_a_person_gets_no_more_a_month_than_the_shop_allows(shopping, flow, host, clock, setting, value, because):
    setattr(shopping.shop, setting, value)
    shopping.shop.save()
    messages = due(shopping, flow)

    assert (reasons(mint(messages, clock.now)), host.coupons) == ([because], {})


@pytest.mark.django_db
def test_a_flow_gives_no_more_money_a_month_than_it_may_and_goes_on_in_the_next(shopping, flow, clock):
    offer(flow, clock, budget={"amount": "60.00"})
    flow.refresh_from_db()
    messages = due(shopping, flow, 3)

    found = mint(messages, clock.now)
    assert [getattr(one, "code", None) for one in found] == ["CODE-1", "CODE-2", None]
    assert (reasons(found[2:]), found[2].until) == (["flow_budget"], None)

    # One came back unused: there is room again.
    delivery.cancel(messages[0], by="owner", now=clock.now)
    coupons.settle(now=clock.now)
    assert mint(messages[2:], clock.now)[0].code == "CODE-3"
    late = due(shopping, flow, 1, first=7)
    assert reasons(mint(late, clock.now)) == ["flow_budget"]
    assert mint(late, clock.advance(days=7))[0].code == "CODE-4"


# -- an owner's own codes ---------------------------------------------------------------------------------------------


@pytest.fixture
def pool(shop, clock):
    pool = CouponPool.objects.create(
        shop=shop, name="November", kind="percent", value=5, created_at=clock.now,
        expires_at=clock.now + timedelta(days=20),
    )  # fmt: skip
    pools.fill(pool, b"code\nOWN-1\nOWN-2\n")
    return pool


@pytest.fixture
def unable(flow, host, monkeypatch):
    """A shop system that makes no codes."""
    for name in ("create_coupon", "coupon_problems"):
        monkeypatch.setattr(type(host), name, getattr(Host, name))


@pytest.mark.django_db
def test_codes_of_the_owner_are_given_once_and_end_with_their_list(shopping, pool, flow, host, clock):
    messages = due(shopping, flow, 3)

    found = mint(messages, clock.now)

    assert [coupon.code for coupon in found] == ["OWN-1", "OWN-2", "CODE-1"]
    assert [coupon.expires_at == pool.expires_at for coupon in found] == [True, True, False]
    assert len(host.coupons) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("unable")
def test_an_empty_list_keeps_the_message_until_there_are_more_codes(shopping, pool, flow, clock):
    due(shopping, flow, 3)

    delivery.dispatch(now=clock.now)
    (waiting,) = Message.objects.filter(state="scheduled")
    assert (waiting.reason, waiting.due_at, len(mail.outbox)) == ("no_coupon", clock.now + timedelta(minutes=5), 2)
    pools.fill(pool, b"OWN-3\n")
    delivery.dispatch(now=clock.advance(minutes=5))

    assert len(mail.outbox) == 3
    assert "OWN-3" in mail.outbox[-1].body


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes", [{"value": 10}, {"kind": "amount"}, {"minimum": 50}, {"expires": timedelta(hours=71)}], ids=str
)
@pytest.mark.usefixtures("unable")
def test_a_code_that_is_worth_something_else_or_ends_too_early_is_not_given(shopping, pool, flow, clock, changes):
    if "expires" in changes:
        changes = {"expires_at": clock.now + changes["expires"]}
    CouponPool.objects.filter(pk=pool.pk).update(**changes)

    found = mint(due(shopping, flow), clock.now)

    assert (reasons(found), CouponCode.objects.filter(given_at=None).count()) == (["host_refused"], 2)


@pytest.mark.django_db
def test_a_code_whose_message_did_not_leave_goes_back_into_the_list(shopping, pool, flow, host, clock):
    (message,) = due(shopping, flow)
    mint([message], clock.now)
    delivery.cancel(message, by="owner", now=clock.now)

    assert coupons.settle(now=clock.now) == {"taken_back": 1}

    assert CouponCode.objects.get(code="OWN-1").given_at is None
    assert mint(due(shopping, flow, 1, first=5), clock.now)[0].code == "OWN-1"
    assert host.withdrawn == []


@needs_postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unable")
def test_two_workers_take_the_last_codes_without_waiting_or_taking_one_twice(shopping, pool, flow, clock):
    messages = due(shopping, flow, 8)

    found = at_once(*[lambda message=message: mint([message], clock.now)[0] for message in messages])

    given = [one.code for one in found if isinstance(one, Coupon)]
    assert len(given) == len(set(given)) <= 2
    # Whoever met a code in another's hands asks again later; none is lost.
    left = CouponCode.objects.filter(given_at=None).count()
    assert left + len(given) == 2
    codes = [one.code for one in mint(messages, clock.advance(minutes=5)) if isinstance(one, Coupon)]
    assert sorted(codes) == ["OWN-1", "OWN-2"]


@needs_postgres
@pytest.mark.django_db(transaction=True)
def test_a_code_in_another_workers_hands_is_passed_over(shopping, pool, flow, clock):
    free = CouponCode.objects.filter(pool=pool, given_at=None).order_by("pk")
    holding, taken = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            (code,) = claim(free, limit=1, stamp="given_at", given_at=clock.now)
            holding.set()
            taken.wait(10)
            transaction.set_rollback(True)
        return code.code

    def take():
        holding.wait(10)
        (coupon,) = mint(due(shopping, flow), clock.now)
        taken.set()
        return coupon.code

    assert sorted(at_once(hold, take)) == ["OWN-1", "OWN-2"]
    assert list(free.values_list("code", flat=True)) == ["OWN-1"]


@pytest.mark.django_db
def test_a_file_is_taken_line_by_line_and_twice_adds_nothing(shop, pool):
    data = b"\xef\xbb\xbfcode;value\r\nOWN-1;5\r\nNEW-1;5\r\n=CMD();5\r\nnew-1;5\r\n"

    first, second = pools.fill(pool, data), pools.fill(pool, data)

    assert (first.taken, second.taken, pool.codes.count()) == (1, 0, 3)
    assert [(line, str(fault)) for line, _code, fault in first.refused] == [
        (2, "known"),
        (4, "not_a_code"),
        (5, "twice"),
    ]
    assert [(line, str(fault)) for line, _code, fault in second.refused][:2] == [(2, "known"), (3, "known")]


@pytest.mark.django_db
def test_a_code_is_in_one_list_of_a_shop_and_may_be_in_another_shops(shop, pool, clock):
    terms = {"kind": "percent", "value": 10, "expires_at": pool.expires_at, "created_at": clock.now}
    second = CouponPool.objects.create(shop=shop, name="December", **terms)
    elsewhere = CouponPool.objects.create(shop=build_shop(scope="other"), name="December", **terms)

    assert [pools.fill(one, b"own-1\n").taken for one in (second, elsewhere)] == [0, 1]


@pytest.mark.django_db
def test_a_long_file_is_taken_in_few_statements(pool):
    count = length(10_000, 100_000)
    data = "".join(f"C{number}\n" for number in range(count)).encode()

    with CaptureQueriesContext(connection) as queries:
        intake = pools.fill(pool, data)

    assert (intake.taken, intake.refused) == (count, [])
    assert len(queries) <= 12 * count / pools.AT_ONCE


# -- refused beforehand -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("unable")
def test_what_the_shop_refuses_is_refused_when_it_is_published_and_before_it_is_turned_on(shop, flow, clock):
    problem = "Step 'gift': The shop system makes no coupon codes: add a list of codes made there."

    assert flows.preflight(flow, now=clock.now) == [problem]
    with pytest.raises(Refusal):
        flows.turn_on(flow, now=clock.now)
    with pytest.raises(FlowError) as refused:
        offer(flow, clock, percent=7)
    assert refused.value.problems == [problem]

    CouponPool.objects.create(
        shop=shop, name="x", kind="percent", value=5, created_at=clock.now, expires_at=clock.now + timedelta(days=9)
    ).codes.create(shop=shop, code="OWN-9")
    assert flows.preflight(flow, now=clock.now) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("unable")
def test_a_step_that_is_off_promises_nothing(flow, clock):
    definition = copy.deepcopy(flow.version.definition)
    definition["steps"][0]["enabled"] = False

    flows.publish(flow, definition, {"gift": TEXTS}, now=clock.now)

    assert flows.preflight(flow, now=clock.now) == []


@pytest.mark.django_db
def test_a_shop_that_cannot_be_asked_is_a_problem(flow, clock, host, monkeypatch):
    monkeypatch.setattr(host, "coupon_problems", lambda spec: 1 / 0)

    assert flows.preflight(flow, now=clock.now) == [
        "Step 'gift': The shop system could not be asked about coupons (ZeroDivisionError)."
    ]


# -- by the link ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_link_applies_the_code_and_does_not_say_it(shopping, flow, host, clock):
    (message,) = due(shopping, flow)
    delivery.dispatch(now=clock.now)
    token = tokens.recovery(cart_id=message.run.cart_id, contact_id=message.contact_id, message_id=message.pk)
    request = RequestFactory().post("/")

    url = carts.restore(request, token, now=clock.now)
    assert ("CODE-1" in token, "CODE-1" in url) == (False, False)
    carts.restore(request, token, now=clock.advance(days=4))

    # After its last day the cart is brought back without it.
    assert host.applied == ["CODE-1", ""]


@pytest.mark.django_db
def test_another_messages_link_brings_no_coupon(shopping, flow, host, clock):
    first, second = due(shopping, flow, 2)
    mint([first], clock.now)
    token = tokens.recovery(cart_id=second.run.cart_id, contact_id=second.contact_id, message_id=second.pk)

    carts.restore(RequestFactory().post("/"), token, now=clock.now)

    assert host.applied == [""]


# -- what becomes of it -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_order_redeems_it_and_says_what_it_took_off(shopping, flow, clock):
    due(shopping, flow)
    delivery.dispatch(now=clock.now)
    at = clock.advance(hours=5)

    bought(shopping, "code-1", discounts={"code-1": Decimal("24.90")}, placed_at=at)

    coupon = Coupon.objects.get()
    assert (coupon.state, coupon.cost, coupon.order.reference, coupon.redeemed_at) == (
        "redeemed", Decimal("24.90"), "A-1", at,
    )  # fmt: skip
    period = {"since": at, "until": at + timedelta(seconds=1)}
    assert coupons.cost([flow], **period) == {flow.pk: {"EUR": Decimal("24.90")}}
    assert coupons.cost([flow], since=at + timedelta(seconds=1), until=at + timedelta(days=1)) == {}

    # Canceled later, it has cost nothing.
    bought(shopping, "CODE-1", is_cancelled=True, placed_at=at)
    assert coupons.cost([flow], **period) == {flow.pk: {"EUR": Decimal("0.00")}}


@pytest.mark.django_db
def test_where_the_shop_does_not_say_what_it_took_off_it_is_reckoned(shopping, flow, clock):
    due(shopping, flow)
    delivery.dispatch(now=clock.now)

    bought(shopping, "CODE-1", total=Decimal("474.05"))

    assert Coupon.objects.get().cost == Decimal("24.95")


@pytest.mark.django_db
def test_a_second_order_with_the_code_changes_nothing(shopping, flow, clock):
    due(shopping, flow)
    delivery.dispatch(now=clock.now)
    bought(shopping, "CODE-1", discounts={"CODE-1": Decimal("24.90")})

    bought(shopping, "CODE-1", reference="A-2", discounts={"CODE-1": Decimal("1.00")})

    assert (Coupon.objects.get().order.reference, Coupon.objects.get().cost) == ("A-1", Decimal("24.90"))


@pytest.mark.django_db
def test_a_code_whose_message_was_refused_is_taken_back_and_removed_from_the_shop(shopping, flow, host, clock):
    (message,) = due(shopping, flow)
    mint([message], clock.now)
    Message.objects.filter(pk=message.pk).update(state="rejected", reason="rejected")

    assert coupons.settle(now=clock.now) == {"taken_back": 1, "withdrawn": 1}

    coupon = Coupon.objects.get()
    assert (coupon.state, coupon.cost, coupon.withdrawn_at, host.withdrawn) == (
        "taken_back", 0, clock.now, ["CODE-1"],
    )  # fmt: skip
    assert coupons.settle(now=clock.advance(hours=1)) == {}
    bought(shopping, "CODE-1")
    assert Coupon.objects.get().state == "taken_back"


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["unknown", "scheduled", "parked", "attempting"])
def test_a_code_that_somebody_may_hold_or_get_is_not_taken_back(shopping, flow, host, clock, state):
    (message,) = due(shopping, flow)
    mint([message], clock.now)
    Message.objects.filter(pk=message.pk).update(state=state)

    assert coupons.settle(now=clock.now) == {}
    assert (Coupon.objects.get().state, host.withdrawn) == ("minted", [])


@pytest.mark.django_db
def test_a_transient_failure_keeps_the_code_for_the_next_try(shopping, flow, host, clock, monkeypatch):
    (message,) = due(shopping, flow)
    answers = [Outcome(kind=OutcomeKind.TRANSIENT, code="later")]
    send = channels.EmailChannel.send
    monkeypatch.setattr(
        channels.EmailChannel, "send", lambda self, letter: answers.pop() if answers else send(self, letter)
    )

    delivery.dispatch(now=clock.now)
    coupons.settle(now=clock.now)
    assert Coupon.objects.get().state == "minted"
    delivery.dispatch(now=clock.advance(minutes=2))

    message.refresh_from_db()
    assert (message.state, message.attempts_made, len(host.coupons)) == ("accepted", 2, 1)
    assert "CODE-1" in mail.outbox[0].body


@pytest.mark.django_db
def test_what_is_over_is_removed_from_the_shop_in_batches(shopping, flow, host, clock, monkeypatch):
    monkeypatch.setattr(coupons, "AT_ONCE", 2)
    due(shopping, flow, 3)
    delivery.dispatch(now=clock.now)
    bought(shopping, "CODE-3")
    coupons.settle(now=clock.now)

    clock.advance(days=5, hours=12)
    assert coupons.settle(now=clock.now) == {}
    assert coupons.settle(now=clock.advance(hours=12)) == {"ended": 2, "withdrawn": 2}

    assert sorted(host.withdrawn) == ["CODE-1", "CODE-2"]
    assert sorted(Coupon.objects.values_list("code", "state")) == [
        ("CODE-1", "expired"),
        ("CODE-2", "expired"),
        ("CODE-3", "redeemed"),
    ]


@pytest.mark.django_db
def test_a_shop_that_is_down_is_asked_to_remove_them_later_and_not_at_every_tick(
    shopping, flow, host, clock, monkeypatch
):
    asked = []
    monkeypatch.setattr(host, "withdraw_coupons", lambda codes: asked.append(codes) or 1 / 0)
    due(shopping, flow)
    delivery.dispatch(now=clock.now)
    coupons.settle(now=clock.advance(days=6))

    coupons.settle(now=clock.advance(minutes=9))
    assert (len(asked), Coupon.objects.get().withdrawn_at) == (1, None)
    monkeypatch.undo()
    tick.once(now=clock.advance(minutes=2))

    assert (host.withdrawn, Coupon.objects.get().withdrawn_at) == (["CODE-1"], clock.now)


@pytest.mark.django_db
def test_an_order_that_is_read_late_still_redeems_what_has_ended(shopping, flow, clock):
    due(shopping, flow)
    delivery.dispatch(now=clock.now)
    placed_at = clock.advance(days=3)
    coupons.settle(now=clock.advance(days=4))

    bought(shopping, "CODE-1", placed_at=placed_at)

    assert (Coupon.objects.get().state, Coupon.objects.get().redeemed_at) == ("redeemed", placed_at)
