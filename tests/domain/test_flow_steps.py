"""The verbs of the flow language: what a run does at each, and what is refused before anybody enters."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from retarget_plugin.domain.facts import Facts, Happening
from retarget_plugin.domain.flows import Do, Finish, FlowError, Go, Send, Skip, Wait, follow, next_step, parse, path_of
from retarget_plugin.domain.vocabulary import Exit, Reason, Trigger

T0 = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")


def send(key="mail", **changes):
    told = {"channel": "email", "message": "m", **changes.pop("send", {})}
    return {"key": key, "after": "0h", "deadline": "1d", "send": told, **changes}


def flow(*steps, **changes):
    return {"slug": "f", "trigger": "cart_abandoned", "stage": "cart", "steps": list(steps), **changes}


def decide(definition, position=0, *, now=T0, facts=None, **changes):
    return next_step(definition, position, anchored_at=T0, now=now, facts=facts or Facts(), **changes)


def refused(data):
    with pytest.raises(FlowError) as caught:
        parse(data)
    return "\n".join(caught.value.problems)


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_a_wait_lasts_from_when_the_run_came_there_and_later_times_count_from_its_end():
    two_days = parse(flow({"key": "w", "wait": {"for": "2d"}}, send(after="1h")))
    came = T0 + 3 * HOUR

    early = decide(two_days, now=came, reached_at=came)
    over = decide(two_days, now=came + 2 * DAY + HOUR, reached_at=came)
    then = decide(two_days, 1, now=came + 2 * DAY + HOUR, marked_at=came + 2 * DAY)

    assert early == Wait(came + 2 * DAY)
    assert (over.to, over.code, over.marked_at) == (1, Reason.WAITED, came + 2 * DAY)
    assert then == Send(two_days.steps[1], came + 2 * DAY + HOUR, came + 3 * DAY)


@pytest.mark.parametrize(
    ("hour", "weekdays", "zone", "came", "until"),
    [
        ("10:00", None, UTC, datetime(2026, 11, 24, 9, 0), datetime(2026, 11, 24, 10, 0)),
        ("10:00", None, UTC, datetime(2026, 11, 24, 10, 0), datetime(2026, 11, 24, 10, 0)),
        ("10:00", None, UTC, datetime(2026, 11, 24, 10, 1), datetime(2026, 11, 25, 10, 0)),
        ("10:00", None, PARIS, datetime(2026, 11, 24, 8, 0), datetime(2026, 11, 24, 9, 0)),
        ("10:00", ["mon"], PARIS, datetime(2026, 11, 24, 8, 0), datetime(2026, 11, 30, 9, 0)),
        # The clocks go back on 25 October: ten o'clock in Paris is an hour later in UTC.
        ("10:00", None, PARIS, datetime(2026, 10, 24, 8, 30), datetime(2026, 10, 25, 9, 0)),
        # 2:30 does not exist on 29 March in Paris: half an hour past the jump is when it would have been.
        ("02:30", None, PARIS, datetime(2026, 3, 29, 0, 0), datetime(2026, 3, 29, 1, 30)),
        # 1:30 comes twice on 1 November in New York: the first counts.
        ("01:30", None, NEW_YORK, datetime(2026, 11, 1, 4, 0), datetime(2026, 11, 1, 5, 30)),
        ("01:30", None, NEW_YORK, datetime(2026, 11, 1, 5, 45), datetime(2026, 11, 2, 6, 30)),
    ],
)
def test_a_wait_ends_when_the_contacts_clock_shows_the_hour(hour, weekdays, zone, came, until):
    body = {"until": hour, **({"weekday": weekdays} if weekdays else {})}
    definition = parse(flow({"key": "w", "wait": body}, send()))
    came, until = came.replace(tzinfo=UTC), until.replace(tzinfo=UTC)

    action = decide(definition, now=came - HOUR, reached_at=came, facts=Facts(zone=zone))

    assert action == Wait(until)


CLICKS = {"event": "click", "for": "10d", "times": 2, "else": "later"}


@pytest.mark.parametrize(
    ("changes", "happened", "to"),
    [
        ({}, [("click", 1, "a"), ("click", 2, "b")], "now"),
        ({}, [("click", 1, "a")], None),
        ({}, [("visit", 1, ""), ("visit", 2, "")], None),
        ({}, [("click", -1, ""), ("click", 1, "")], None),
        ({"since": "entry"}, [("click", -1, ""), ("click", 1, "")], "now"),
        ({"topic": "macro"}, [("click", 1, "macro"), ("click", 2, "tripods")], None),
        ({"topic": "macro"}, [("click", 1, "macro"), ("click", 2, "macro")], "now"),
        ({"topic": "any"}, [("click", 1, "macro"), ("click", 2, "tripods")], None),
        ({"topic": "any"}, [("click", 1, "macro"), ("click", 2, "tripods"), ("click", 3, "macro")], "now"),
        ({"topic": "any"}, [("click", 1, ""), ("click", 2, "")], None),
    ],
)
def test_a_wait_for_an_event_goes_on_once_it_happened_often_enough(changes, happened, to):
    definition = parse(flow({"key": "w", "wait": {**CLICKS, **changes}}, send("now"), send("later")))
    came = T0 + DAY
    facts = Facts(happened=[Happening(name, came + hours * HOUR, topic) for name, hours, topic in happened])

    action = decide(definition, now=came + DAY, reached_at=came, facts=facts)
    given_up = decide(definition, now=came + 10 * DAY, reached_at=came, facts=facts)

    if to is None:
        assert action == Wait(came + 10 * DAY)
        assert (definition.steps[given_up.to].key, given_up.marked_at) == ("later", came + 10 * DAY)
    else:
        assert definition.steps[action.to].key == "now"
        assert given_up == action


def test_what_the_person_turned_to_is_kept_for_the_messages():
    definition = parse(flow({"key": "w", "wait": {**CLICKS, "topic": "any", "else": "stop"}}, send()))
    clicks = [Happening("click", T0 + hours * HOUR, "macro") for hours in (1, 3)]

    action = decide(definition, now=T0 + 5 * HOUR, facts=Facts(happened=clicks))

    assert (action.topic, action.marked_at) == ("macro", T0 + 3 * HOUR)


@pytest.mark.parametrize(("otherwise", "to"), [("stop", 2), ("next", 1), (None, 1)])
def test_a_wait_that_is_over_leads_where_it_says(otherwise, to):
    body = {"event": "click", "for": "1d", **({"else": otherwise} if otherwise else {})}
    definition = parse(flow({"key": "w", "wait": body}, send()))

    assert decide(definition, now=T0 + DAY).to == to


# -- ways -------------------------------------------------------------------------------------------------------------

BRANCH = {
    "key": "b",
    "branch": {"if": {"fact": "has_phone"}, "then": [send("text"), send("mail")], "else": [send("other")]},
}


@pytest.mark.parametrize(("has_phone", "keys"), [(True, ["b", "text", "mail", "end"]), (False, ["b", "other", "end"])])
def test_a_branch_takes_one_of_its_ways_and_both_come_together(has_phone, keys):
    definition = parse(flow(BRANCH, send("end")))
    facts = Facts(has_phone=has_phone)
    position, walked = 0, []

    while not isinstance(action := decide(definition, position, facts=facts), Finish):
        walked.append(action.step.key)
        position = action.to if isinstance(action, Go) else action.step.next

    assert walked == keys


def test_a_branch_without_else_goes_on():
    definition = parse(flow({"key": "b", "branch": {"if": {"fact": "has_phone"}, "then": [send("text")]}}, send("end")))

    action = decide(definition)

    assert (definition.steps[action.to].key, action.facts) == ("end", {"rule": "has phone", "holds": False})


SPLIT = {
    "key": "s",
    "split": {"paths": {"a": {"weight": 75, "steps": [send("one")]}, "b": {"weight": 25, "steps": []}}},
}


def test_a_split_draws_each_contact_once_and_for_all_by_the_weights():
    definition = parse(flow(SPLIT, send("end")))
    people = [Facts(contact=number, draw_key=b"k") for number in range(4_000)]

    paths = [path_of(definition, definition.steps[0], one) for one in people]

    assert paths == [path_of(parse(flow(SPLIT, send("end"))), definition.steps[0], one) for one in people]
    # Six standard deviations of a binomial about 3,000.
    assert abs(Counter(paths)["a"] - 3_000) < 165


def test_two_splits_of_one_flow_are_drawn_independently():
    second = {**SPLIT, "key": "t", "split": {"paths": {"a": {"weight": 75}, "b": {"weight": 25}}}}
    definition = parse(flow(SPLIT, second, send("end")))
    first, other = (step for step in definition.steps if step.key in "st")
    people = [Facts(contact=number, draw_key=b"k") for number in range(4_000)]

    both = sum(path_of(definition, first, one) == path_of(definition, other, one) == "b" for one in people)

    # A sixteenth of all, within six standard deviations.
    assert abs(both - 250) < 92


def test_goto_and_stop_lead_down_and_out():
    definition = parse(
        flow(
            {"key": "b", "branch": {"if": {"fact": "has_phone"}, "then": [{"key": "g", "goto": "end"}]}},
            send("between"),
            send("end"),
            {"key": "z", "stop": True},
        )
    )

    assert definition.steps[decide(definition, 1).to].key == "end"
    assert decide(definition, 4) == Finish()


# -- what is done and what is passed over -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "is_kept_from_the_held_out"),
    [
        ({"tag": {"add": ["vip"]}}, False),
        ({"webhook": {"url": "https://crm.example/hook"}}, True),
        ({"notify": {"subject": {"en": "Call"}, "text": {"en": "Please call."}}}, True),
        ({"suppress": {"channel": "email"}}, True),
    ],
)
def test_a_step_that_does_something_is_done_at_once_but_not_for_whom_is_held_out(step, is_kept_from_the_held_out):
    definition = parse(flow({"key": "x", **step}))

    assert decide(definition) == Do(definition.steps[0])
    held_out = decide(definition, facts=Facts(arm="holdout"))
    assert held_out == (Skip(definition.steps[0], "holdout") if is_kept_from_the_held_out else Do(definition.steps[0]))


COUPON = {"percent": 5, "valid": "72h", "once_per": "90d"}


@pytest.mark.parametrize(
    ("is_on", "arm", "facts_step", "coupon_step"),
    [
        (True, "", "replaced", "sent"),
        (True, "coupon", "replaced", "sent"),
        (True, "plain", "sent", "arm"),
        (True, "holdout", "replaced", "sent"),
        (False, "", "sent", "off"),
    ],
)
def test_a_coupon_replaces_another_step_while_it_is_on_except_in_the_plain_arm(is_on, arm, facts_step, coupon_step):
    coupon = send("coupon", after="1h", enabled=is_on, send={"coupon": COUPON, "replaces": "facts"})
    definition = parse(flow(send("facts"), coupon))

    found = [decide(definition, n, now=T0 + HOUR, facts=Facts(arm=arm)) for n in (0, 1)]

    told = ["sent" if isinstance(action, Send) else action.because for action in found]
    assert told == [facts_step, coupon_step]


def test_a_missing_fact_is_looked_for_when_the_step_is_due():
    definition = parse(flow(send(after="2h", requires=["answer"])))

    assert decide(definition, now=T0 + HOUR) == Wait(T0 + 2 * HOUR)
    assert decide(definition, now=T0 + 2 * HOUR) == Skip(definition.steps[0], "answer")
    assert isinstance(decide(definition, now=T0 + 2 * HOUR, facts=Facts(held=frozenset({"answer"}))), Send)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (flow(send("a"), {"key": "g", "goto": "a"}), "Step 'g' leads back to 'a': people would go round in a loop."),
        (flow({"key": "g", "goto": "g"}), "Step 'g' leads back to 'g'"),
        (flow(send("a"), {"key": "w", "wait": {**CLICKS, "else": "a"}}), "Step 'w' leads back to 'a'"),
        (flow({"key": "g", "goto": "nowhere"}), "Step 'g': goto: there is no step 'nowhere'."),
        (
            flow({"key": "w", "wait": {**CLICKS, "else": "nowhere"}}),
            "else leads to 'nowhere', and there is no such step",
        ),
        (flow({"key": "z", "stop": True}, send("a")), "Step 'a' can never be reached"),
        (flow({"key": "g", "goto": "b"}, send("a"), send("b")), "Step 'a' can never be reached"),
        (flow(send("a", after="5d", deadline="6d"), send("b", after="1d")), "Step 'b': its deadline comes before"),
        (
            flow(send("a", after="5d", deadline="6d"), send("b", after="1d", deadline="2d")),
            "Step 'b' is due before 'a', which stands above it.",
        ),
        (
            flow(
                {"key": "x", "branch": {"if": {"fact": "product"}, "then": [send("a", after="5d", deadline="6d")]}},
                send("b", after="1d", deadline="2d"),
            ),
            "Step 'b' is due before 'a'",
        ),
        (flow(send(send={"coupon": {"percent": 5}})), "Step 'mail': a coupon without an expiry is refused"),
        (flow(send(send={"coupon": {"valid": "3d"}})), "a coupon is worth either a percent or an amount"),
        (flow(send(send={"coupon": {"percent": 5, "amount": "1", "valid": "3d"}})), "either a percent or an amount"),
        (flow(send(send={"coupon": {"percent": 105, "valid": "3d"}})), "percent: 105 is no whole number from 1 to 100"),
        (flow(send(send={"kind": "service", "coupon": COUPON})), "a service message carries neither a coupon"),
        (flow(send(requires=["posts"], send={"kind": "service"})), "a service message carries neither a coupon"),
        (flow(send(send={"replaces": "gone"})), "Step 'mail' replaces 'gone', and there is no such step"),
        (
            flow(send("a", send={"replaces": "b"}), send("b", send={"replaces": "a"})),
            "Step 'a' replaces 'b', which replaces it in turn: neither would be sent.",
        ),
        (
            flow(
                {"key": "x", "branch": {"if": {"fact": "product"}, "then": [send("b", send={"replaces": "a"})]}},
                send("a"),
            ),
            "Step 'b' replaces 'a', and some come to 'a' without coming to 'b': they would get neither.",
        ),
        (
            flow(send("a"), {"key": "w", "wait": {**CLICKS, "else": "stop"}}, send("b", send={"replaces": "a"})),
            "Step 'b' replaces 'a', and some come to 'a' without coming to 'b'",
        ),
        (
            flow(send(), trigger={"on": "order_unpaid", "after": "1d"}),
            "Step 'mail': its deadline is over before the trigger order_unpaid lets anybody in.",
        ),
        (
            flow(
                {"key": "x", "branch": {"if": {"fact": "product"}, "then": [send()]}},
                trigger={"on": "site_left", "idle": "2d"},
            ),
            "Step 'mail': its deadline is over before the trigger site_left lets anybody in.",
        ),
        (flow(send(), slug="Not A Key"), "The flow: slug: 'Not A Key' is no key"),
        (flow(send(), name="Hello"), "The flow: name: 'Hello' is no text by language."),
        (flow(send(), description={"en": 5}), "The flow: description: 5 is no text."),
        (
            flow({"key": "x", "notify": {"subject": {"en": "Hi"}, "text": {"en": "{{ contact.email }}"}}}),
            "Step 'x': notify: its words are sent as they stand; nothing is filled into them.",
        ),
        (flow(send(), trigger="no_such"), "trigger: 'no_such' is none of"),
        (flow(send(), trigger={"on": "product_viewed", "often": 2}), "trigger product_viewed: unknown key 'often'"),
        (flow(send(), trigger={"on": "custom_event"}), "trigger custom_event needs 'name'."),
        (flow(send(), trigger={"on": "site_left", "idle": "soon"}), "trigger site_left: idle: 'soon' is no duration"),
        (flow(send(), exits=["never"]), "The flow: exits: 'never' is none of order,"),
        (flow(send(), holdout=60), "The flow: holdout: 60 is no whole number from 0 to 50."),
        (flow(send(), cooldown={"visit": "1d"}), "cooldown: unknown key 'visit'"),
        (flow(send(), reentry={"flow": "1d"}), "reentry: unknown key 'flow'"),
        (flow(send(), format=2), "The flow is written in format 2; this version reads 1."),
        (flow(send(), format="0.9"), "The flow is written in format '0.9'"),
        (flow({"key": "x", "dance": True}), "Step 'x' needs exactly one of send, wait,"),
        (flow({"key": "x", "stop": True, "goto": "y"}), "Step 'x' needs exactly one of send, wait,"),
        (flow({"key": "x", "wait": {"for": "1d"}, "after": "1d"}), "Step 'x': unknown key 'after'"),
        (flow({"key": "x", "wait": {"for": "0h"}}), "Step 'x': wait: it waits for no time at all."),
        (flow({"key": "x", "wait": {"until": "25:00"}}), "until: '25:00' is no time of day"),
        (flow({"key": "x", "wait": {"until": "10:00", "weekday": ["lundi"]}}), "weekday: 'lundi' is none of mon,"),
        (flow({"key": "x", "wait": {"event": "rain", "for": "1d"}}), "event: 'rain' is none of order,"),
        (flow({"key": "x", "wait": {"event": "click"}}), "Step 'x': wait needs 'for'."),
        (flow({"key": "x", "wait": "1d"}), "Step 'x': wait is '1d'"),
        (flow({"key": "x", "branch": {"if": {"fact": "luck"}}}), "Step 'x': branch: nothing is known of 'luck'"),
        (flow({"key": "x", "branch": {"if": {"any": []}}}), "Step 'x': branch: any needs a list of conditions."),
        (flow({"key": "x", "branch": {"then": []}}), "Step 'x': branch: a condition is written as keys and values"),
        (flow({"key": "x", "branch": {"if": {"fact": "tag"}}}), "Step 'x': branch: tag needs 'is'."),
        (flow({"key": "x", "branch": {"if": {"fact": "has_phone"}, "then": "y"}}), "then is 'y'; it must be a list"),
        (flow({"key": "x", "split": {"paths": {"a": {"weight": 1}}}}), "split: it needs paths, and two of them"),
        (flow({"key": "x", "split": {"paths": {"a": {"weight": 0}, "b": {"weight": 1}}}}), "path 'a': weight: 0 is no"),
        (flow({"key": "x", "tag": {}}), "Step 'x': tag: nothing is added and nothing removed."),
        (flow({"key": "x", "webhook": {"url": "http://crm.example"}}), "is no address that begins with https://"),
        (flow({"key": "x", "webhook": {"url": "https://me:secret@crm.example"}}), "carries no password"),
        (flow({"key": "x", "notify": {"subject": {"en": "Hi"}}}), "Step 'x': notify needs 'text'."),
        (flow({"key": "x", "stop": "yes"}), "Step 'x': stop: write true."),
        (flow(*(send(f"s{number}") for number in range(201))), "A flow has at most 200 steps."),
    ],
)
def test_what_could_go_wrong_for_somebody_is_refused_and_the_step_is_named(data, problem):
    assert problem in refused(data)


def test_after_a_wait_a_deadline_counts_from_the_end_of_the_wait():
    late = {"on": "order_unpaid", "after": "2d"}

    assert parse(flow({"key": "w", "wait": {"for": "1h"}}, send(), trigger=late)).step("mail")


def test_a_step_may_stand_in_for_one_before_or_after_it_on_the_same_way():
    beside = [send("a", send={"replaces": "b"}), send("b"), send("c", send={"replaces": "b"})]

    assert len(parse(flow({"key": "x", "branch": {"if": {"fact": "product"}, "then": beside}})).sends) == 3


def test_nests_that_are_too_deep_are_refused():
    inner = [send("leaf")]
    for depth in range(9):
        inner = [{"key": f"b{depth}", "branch": {"if": {"fact": "has_phone"}, "then": inner}}]

    assert "Branches and paths are nested more than 6 deep." in refused(flow(*inner))


# -- the head ---------------------------------------------------------------------------------------------------------


def test_everything_about_entering_and_leaving_is_read():
    definition = parse(
        flow(
            send(),
            trigger={"on": "product_viewed", "times": 3, "within": "2d"},
            stage="product",
            reentry={"subject": "14d"},
            cooldown={"order": "10d"},
            exclusive_with=["win-back"],
            exits=["add_to_cart", "order"],
            topic="cameras",
            holdout=10,
            format=1,
        )
    )

    assert definition.trigger is Trigger.PRODUCT_VIEWED
    assert definition.start.values == {"times": 3, "within": 2 * DAY, "or_category": 3}
    assert (definition.reentry, definition.reentry_by_subject) == (14 * DAY, True)
    assert (definition.order_cooldown, definition.exclusive_with) == (10 * DAY, ("win-back",))
    assert definition.exits == {Exit.ADD_TO_CART, Exit.ORDER}
    assert (definition.topic, definition.holdout) == ("cameras", 10)


def test_an_order_ends_a_flow_that_says_nothing_of_exits():
    assert parse(flow(send())).exits == {Exit.ORDER}


# -- another version --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "position", "to"),
    [
        ("abc", 1, 1),
        ("cab", 1, 2),
        ("ac", 1, 1),
        ("a", 1, 1),
        ("xayb", 0, 1),
        ("abc", 3, 3),
        ("bc", 0, 0),
    ],
)
def test_who_moves_stands_at_the_same_step_or_at_the_next_that_is_left(new, position, to):
    old, changed = parse(flow(*map(send, "abc"))), parse(flow(*map(send, new)))

    assert follow(old.steps, changed.steps, position) == to
