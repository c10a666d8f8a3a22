"""Who is held out, when everybody is drawn anew, and what is done to whoever is held out: all but sending."""

from __future__ import annotations

import copy

import pytest
from django.core import mail

from retarget_plugin import hosts
from retarget_plugin.engine import effects, experiments, flows, merges
from retarget_plugin.engine.effects import Effect
from retarget_plugin.models import Decision, Experiment, Flow, FlowRun, FlowVersion, Message
from tests.admin import rows

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

TWO, THREE = {"holdout": 20.0, "treated": 80.0}, {"holdout": 20.0, "plain": 40.0, "coupon": 40.0}


@pytest.fixture
def host(host, settings):
    settings.RETARGET = {**settings.RETARGET, "HOLDOUT": True}
    # Other settings, other hosts.
    return hosts.get_host("default")


@pytest.fixture
def flow(shop):
    return Flow.objects.select_related("shop", "version").get(shop=shop, slug="abandoned-checkout")


def contacts(shop, number):
    return [rows.contact(shop) for _person in range(number)]


def republished(flow, *, now, change=lambda definition: None):
    definition = copy.deepcopy(flow.version.definition)
    change(definition)
    version = FlowVersion.objects.create(
        flow=flow, number=99, definition=definition, content=flow.version.content, published_at=now
    )
    Flow.objects.filter(pk=flow.pk).update(version=version)
    return Flow.objects.select_related("shop", "version").get(pk=flow.pk)


def with_holdout(percent):
    return lambda definition: definition.update(holdout=percent)


def with_coupon(definition):
    next(step for step in definition["steps"] if step["key"] == "coupon")["enabled"] = True


def as_service(definition):
    for step in definition["steps"]:
        step["send"] = {**step["send"], "kind": "service"}
        step.pop("requires", None)
        step["send"].pop("coupon", None)


def in_force(flow):
    return Experiment.objects.filter(flow=flow).order_by("-number").first()


# -- drawing ----------------------------------------------------------------------------------------------------------


def test_a_contact_keeps_its_arm_and_counts_once(flow, clock):
    person = rows.contact(flow.shop)

    first = experiments.assign(flow, person, now=clock.now)
    rows.run(flow, contact=person, arm=first.arm, experiment=first.experiment)
    second = experiments.assign(flow, person, now=clock.advance(days=80))

    assert first.experiment == in_force(flow)
    assert (second.arm, second.experiment) == (first.arm, None)


@pytest.mark.parametrize(("first", "second"), [("holdout", "treated"), ("treated", "holdout")])
def test_two_contacts_that_are_one_person_stay_where_the_first_was_drawn(flow, clock, first, second):
    old, new = two_drawn(flow, first, second, now=clock.now)
    place = experiments.assign(flow, old, now=clock.now)
    rows.run(flow, contact=old, arm=place.arm, experiment=place.experiment)

    merges.merge(old, new, by="staff #1", now=clock.advance(days=1))
    after = experiments.assign(flow, new, now=clock.now)

    assert (place.arm, place.experiment) == (first, in_force(flow))
    assert (after.arm, after.experiment) == (first, None)


def two_drawn(flow, *wanted, now):
    """Somebody drawn into each of these arms, in this order."""
    found = {}
    while len(found) < 2:
        person = rows.contact(flow.shop)
        found.setdefault(experiments.assign(flow, person, now=now).arm, person)
    return [found[arm] for arm in wanted]


def test_flows_draw_by_keys_of_their_own(shop, flow, clock):
    other = Flow.objects.get(shop=shop, slug="abandoned-cart")
    people = contacts(shop, 60)

    arms = [[experiments.assign(each, person, now=clock.now).arm for person in people] for each in (flow, other)]

    assert {"holdout", "treated"} == set(arms[0]) == set(arms[1])
    assert arms[0] != arms[1]
    assert in_force(flow).key != in_force(other).key


@pytest.mark.parametrize(
    ("change", "weights"),
    [
        (lambda definition: None, TWO),
        (with_coupon, THREE),
        (with_holdout(0), {"treated": 100.0}),
        (with_holdout(35), {"holdout": 35.0, "treated": 65.0}),
        (as_service, {"treated": 100.0}),
    ],
    ids=["by default", "with a coupon", "the owner wants none", "the owner wants more", "what people asked for"],
)
def test_the_arms_follow_the_definition(flow, clock, change, weights):
    flow = republished(flow, now=clock.now, change=change)

    experiments.assign(flow, rows.contact(flow.shop), now=clock.now)

    assert in_force(flow).weights == weights


def test_where_every_message_is_to_be_seen_nobody_is_held_out(flow, clock, settings):
    settings.RETARGET = {**settings.RETARGET, "HOLDOUT": False}

    experiments.assign(flow, rows.contact(flow.shop), now=clock.now)

    assert in_force(flow).weights == {"treated": 100.0}


# -- drawing anew -----------------------------------------------------------------------------------------------------


@pytest.fixture
def running(flow, clock):
    experiments.assign(flow, rows.contact(flow.shop), now=clock.now)
    return in_force(flow)


def known(monkeypatch, *, is_conclusive):
    """Readings of an effect as they come out, and how often it was read."""
    asked = []

    def of_flow(flow, *, now, **period):
        asked.append(flow.slug)
        return Effect(is_conclusive=is_conclusive)

    monkeypatch.setattr(effects, "of_flow", of_flow)
    return asked


def test_once_the_effect_is_known_a_tenth_is_held_out_and_it_stays_so(running, clock, monkeypatch):
    known(monkeypatch, is_conclusive=True)
    now = clock.advance(days=2)

    begun = experiments.renew(now=now)
    known(monkeypatch, is_conclusive=False)
    again = experiments.renew(now=clock.advance(days=2))

    latest = in_force(running.flow)
    assert (begun, again) == (1, 0)
    assert (latest.number, latest.weights, latest.known_at) == (2, {"holdout": 10.0, "treated": 90.0}, now)
    assert latest.key != running.key


def test_it_is_looked_once_a_day_and_only_at_flows_that_are_on(running, clock, monkeypatch):
    asked = known(monkeypatch, is_conclusive=False)

    experiments.renew(now=clock.advance(hours=23))
    experiments.renew(now=clock.advance(hours=1))
    experiments.renew(now=clock.advance(hours=1))
    flows.pause(running.flow, now=clock.now)
    experiments.renew(now=clock.advance(days=3))

    assert asked == ["abandoned-checkout"]


def test_after_ninety_days_everybody_is_drawn_anew(running, clock):
    early, late = (experiments.renew(now=clock.advance(days=days)) for days in (89, 1))

    assert (early, late) == (0, 1)
    latest = in_force(running.flow)
    assert (latest.number, latest.weights, latest.known_at) == (2, TWO, None)
    assert latest.key != running.key


def test_who_counted_before_counts_again_in_the_next_experiment(running, clock):
    person = rows.contact(running.flow.shop)
    rows.run(running.flow, contact=person, arm="treated", experiment=running)
    experiments.renew(now=clock.advance(days=90))

    place = experiments.assign(running.flow, person, now=clock.now)

    assert place.experiment == in_force(running.flow) != running


def test_another_share_on_publishing_counts_at_once(running, clock):
    flow = republished(running.flow, now=clock.now, change=with_holdout(0))

    experiments.review(flow, now=clock.now)
    experiments.review(flow, now=clock.now)

    assert [(each.number, each.weights) for each in Experiment.objects.order_by("number")] == [
        (1, TWO),
        (2, {"treated": 100.0}),
    ]


# -- being held out ---------------------------------------------------------------------------------------------------


def in_arm(arm):
    """Everybody in `arm` from the beginning."""
    FlowRun.objects.update(arm=arm)


@pytest.mark.parametrize(
    ("arm", "state", "code", "letters"),
    [("treated", "accepted", "sent", 1), ("holdout", "cancelled", "holdout", 0)],
)
def test_the_moment_of_sending_is_the_same_in_both_arms(shopping, clock, arm, state, code, letters):
    shopping.consent("email")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=2)
    in_arm(arm)

    shopping.wait(hours=2)

    assert [pair for pair in shopping.sent if pair[0] == "reminder"] == [("reminder", state)]
    assert len(mail.outbox) == letters
    moment = Decision.objects.get(step="reminder", code=code)
    assert moment.at == clock.now


def test_whoever_would_have_got_nothing_is_not_held_out(shopping, clock):
    shopping.leave_cart(stage="checkout")
    shopping.consent("sms")
    shopping.wait(hours=2)
    in_arm("holdout")

    shopping.wait(hours=2)

    assert Message.objects.get(step="reminder").reason == "no_consent"
    assert not Decision.objects.filter(step="reminder", code="holdout").exists()


def test_a_cart_that_is_gone_from_the_shop_is_gone_in_both_arms(shopping, host):
    shopping.consent("email")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=2)
    in_arm("holdout")
    del host.carts["17"]

    shopping.wait(hours=2)

    assert Message.objects.get(step="reminder").reason == "subject_gone"


def test_what_somebody_asked_for_reaches_the_held_out_too(shopping, flow, clock):
    republished(flow, now=clock.now, change=as_service)
    shopping.consent("email")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=2)
    in_arm("holdout")

    shopping.wait(hours=2)

    assert [pair for pair in shopping.sent if pair[0] == "reminder"] == [("reminder", "accepted")]
