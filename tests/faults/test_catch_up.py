"""After an outage, and with a clock that is wrong: nothing too late, nothing too early, nobody flooded."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from retarget_plugin.engine import tick
from retarget_plugin.models import Message
from tests.promises import length

from . import databases
from .mailing import Mailing

pytestmark = [pytest.mark.promise, pytest.mark.timeout(600)]

SEED = int(os.environ.get("RETARGET_TEST_SEED") or random.randrange(2**32))

# -- six hours down ----------------------------------------------------------------------------------------------------

PEOPLE = length(40, 1000)
PER_MINUTE = length(30, 300)
OUTAGE, LATE = timedelta(hours=6), timedelta(minutes=15)
# What the catch-up rate may have saved up.
BURST = PER_MINUTE // 6 + 1


@pytest.fixture
def mailing(db, settings, mailoutbox):
    return Mailing(settings, mailoutbox, catch_up_per_minute=PER_MINUTE)


@pytest.fixture
def outage(mailing):
    """Two steps of each person came due while nothing ran; then it ran until all was over."""
    print(f"seed {SEED}")
    chance, back = random.Random(SEED), mailing.clock.now
    for number in range(PEOPLE):
        who = {"email": f"reader{number}@example.com", "phone": f"+336124{number:05}"}
        for step in ("sms", "reminder"):
            missed = timedelta(seconds=chance.randrange(int(OUTAGE.total_seconds())))
            deadline = timedelta(minutes=chance.choice((30, 120, 420, 720)))
            mailing.queue("abandoned-cart", step, due_at=back - missed, deadline=deadline, **who)
    outage = Outage(back, dict(Message.objects.values_list("pk", "due_at")))
    run_until_over(mailing)
    return outage


@dataclass(frozen=True)
class Outage:
    """When it ended, and when each message (by its id) was due in it."""

    back: datetime
    due: dict[int, datetime]

    @property
    def sent(self):
        return list(Message.objects.filter(state="accepted").order_by("sent_at"))

    @property
    def pairs(self):
        """(first, second) of everybody who got both."""
        by_person = defaultdict(list)
        for message in self.sent:
            by_person[message.contact_id].append(message)
        return [theirs for theirs in by_person.values() if len(theirs) == 2]


def test_after_six_hours_down_nothing_comes_too_late_or_all_at_once(outage, promise):
    sent, states = outage.sent, dict(Counter(Message.objects.values_list("state", flat=True)))

    too_late = [message for message in sent if message.sent_at > message.not_after]
    late = [message for message in sent if outage.back - outage.due[message.pk] > LATE]
    # Who was postponed within the run waits for a cap, no longer for the rate.
    at_the_rate = [message.sent_at for message in late if message.due_at == outage.due[message.pk]]
    promise(
        "T6",
        run=f"{2 * PEOPLE} messages due during 6 h without a worker, {PER_MINUTE} a minute, virtual clock: {states}",
        figure=f"after the deadline {len(too_late)}; at most {most_within(at_the_rate, timedelta(minutes=1))} a minute",
        bar=f"0; {PER_MINUTE} and {BURST} saved",
        holds=len(sent) > 0
        and not too_late
        and set(states) <= {"accepted", "expired", "cancelled"}
        and most_within(at_the_rate, timedelta(minutes=1)) <= PER_MINUTE + BURST,
    )


def test_what_somebody_missed_comes_in_the_order_it_was_due(outage, promise):
    pairs = outage.pairs

    misordered = [pair for pair in pairs if outage.due[pair[0].pk] > outage.due[pair[1].pk]]
    promise(
        "T6",
        run=f"{len(pairs)} people who got both steps that were due during 6 h without a worker",
        figure=f"out of order {len(misordered)}",
        bar="0",
        holds=bool(pairs) and not misordered,
    )


@pytest.mark.parametrize("first", ["sms", "reminder"])
@pytest.mark.parametrize("minutes", [1, 10, 100])
def test_of_two_that_wait_in_two_lanes_the_first_comes_first(mailing, promise, first, minutes):
    second = {"sms": "reminder", "reminder": "sms"}[first]
    who = {"email": "reader@example.com", "phone": "+33612400001"}
    for step, waits in ((second, minutes - 0.5), (first, minutes)):
        mailing.queue("abandoned-cart", step, due_at=mailing.clock.now - timedelta(minutes=waits), **who)

    run_until_over(mailing)

    sent = list(Message.objects.filter(state="accepted").order_by("sent_at").values_list("step", flat=True))
    promise(
        "T6",
        run=f"{first} was due {minutes} minutes ago and {second} half a minute after it",
        figure=", ".join(sent),
        bar=f"{first}, {second}",
        holds=sent == [first, second],
    )


def test_two_steps_due_at_once_do_not_come_at_once(mailing, outage, promise):
    gaps = [(second.sent_at - first.sent_at).total_seconds() / 60 for first, second in outage.pairs]

    promise(
        "T7",
        run=f"{PEOPLE} people with two steps due during 6 h without a worker, both sent to {len(gaps)}",
        figure=f"least time between them {min(gaps):.0f} min",
        bar=f"{mailing.shop.gap_minutes} min",
        holds=min(gaps) >= mailing.shop.gap_minutes > 0,
    )


def run_until_over(mailing):
    """Tick as a worker does, every ten seconds while anything is late, else when the next message is due."""
    waiting = Message.objects.filter(state__in=("scheduled", "claimed", "attempting"))
    while upcoming := waiting.order_by("due_at").first():
        tick.once(now=mailing.clock.now)
        later = mailing.clock.now + timedelta(seconds=10)
        mailing.clock.now = max(later, min(upcoming.due_at, later + timedelta(minutes=1)))


def most_within(moments, span):
    """The largest number of `moments` (sorted) in any stretch of time as long as `span`."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most


# -- a wrong clock -----------------------------------------------------------------------------------------------------

SENDS = length(40, 1000)
CLOCKS = ("600", "-600", "jumps", "0")
SPREAD_OUT = """
    UPDATE retarget_plugin_message m SET due_at = clock_timestamp() + interval '2 s' + m.id * %s * interval '1 s'
    FROM retarget_plugin_contact c WHERE c.id = m.contact_id RETURNING c.email, m.due_at
"""


def test_the_database_clock_decides_and_not_the_workers(make_rig, promise):
    rig = make_rig()
    rig.prepare(emails=SENDS, is_queued=True)
    seconds = length(8, 100)
    with databases.connect(rig.database_url) as connection:
        due_at = dict(connection.execute(SPREAD_OUT, [seconds / SENDS]).fetchall())
    workers = [
        rig.spawn("tests.faults.skewed", clock, str(rig.seed), "retarget_tick", "--loop", "0.1") for clock in CLOCKS
    ]
    while len(rig.journal("email")) < SENDS // 3:
        assert not any(worker.returncode for worker in workers), rig.output()[-3000:]
    # The one that is ten minutes ahead: its leases must not last ten minutes longer.
    workers[0].kill()

    rig.settle(seconds + 240)

    verdict = rig.check()
    early = [
        (due_at[line["to"]] - datetime.fromtimestamp(line["at"], UTC)).total_seconds() for line in rig.journal("email")
    ]
    promise(
        "T3",
        run=f"{SENDS} mails due over {seconds} s; workers 10 min ahead, 10 min behind, jumping by 1 h, and right; one killed",
        figure=f"earliest {max(early):+.1f} s before it was due; doubled {len(verdict.doubled)}, lost {len(verdict.lost)}; "
        f"{dict(verdict.states)}",
        bar="1 s; 0, 0; none stuck",
        holds=max(early) <= 1
        and not verdict.doubled
        and not [to for to in verdict.lost if to not in verdict.unknown]
        and set(verdict.states) <= {"accepted", "unknown"},
    )
