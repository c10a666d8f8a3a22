"""Real workers before gateways that are limited, down, hung or replaced: nobody is hammered, doubled or held up."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

import pytest

from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.web import Fault, Reply, refusing_port
from tests.percentiles import percentile
from tests.promises import length

from .mayhem import discharge, wait_until

pytestmark = [
    pytest.mark.promise,
    pytest.mark.slow,
    pytest.mark.xdist_group("processes"),
    pytest.mark.timeout(900),
]

RATE = 20
#: How much of the rate has to be used. A short run on a busy machine proves only that it is not exceeded, and not idle.
USED = length(0.4, 0.9)


def options(url, *, read_seconds=5.0):
    """The plain gateway's at `url`."""
    return {
        "url": f"{url}/v1/messages",
        "auth": {"bearer": PlainGatewayServer.token},
        "body": {"message": {"to": "{to}", "text": "{text}", "ref": "{message_id}"}},
        "id_path": "messages.0.id",
        "error_path": "error.code",
        "read_seconds": read_seconds,
    }


def most_in(instants, seconds):
    """The largest number of `instants` in any window of `seconds`."""
    instants = sorted(instants)
    start, most = 0, 0
    for end, instant in enumerate(instants):
        while instant - instants[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def test_a_rate_is_kept_by_all_workers_together(make_rig, promise):
    count, seconds = length(3, 8), length(6, 180)
    rig = make_rig(SMS={"default": {"RATE": RATE}}, BATCH_SIZE=50, LEASE_SECONDS=30)
    rig.prepare(texts=int(RATE * seconds * 1.2) + RATE * 5, is_queued=True)

    workers = rig.start(count)
    wait_until(lambda: rig.journal("sms"), seconds=60)
    time.sleep(seconds)
    discharge(workers)

    instants = [line["at"] for line in rig.journal("sms")]
    span = max(instants) - min(instants)
    second, minute = most_in(instants, 1.0), most_in(instants, 60.0)
    promise(
        "D15",
        run=f"limit {RATE}/s, {count} workers, {span:.0f} s",
        figure=f"at most {second} in a second, {minute} in a minute; {len(instants) / span:.1f}/s in all",
        bar="at most 22 in any second, 1,200 in any minute",
        holds=second <= 22 and minute <= 1200 and len(instants) / span >= USED * RATE,
    )


def test_a_gateway_that_is_down_is_left_alone_and_not_stormed_when_it_is_back(make_rig, promise):
    count, due, pause = length(3, 8), length(300, 50_000), length(1.0, 10.0)
    down, back = length(6, 240), length(4, 60)
    rig = make_rig(SMS={"default": {"RATE": RATE}}, BREAKER_SECONDS=pause, BATCH_SIZE=50, LEASE_SECONDS=30)
    rig.prepare(texts=due, is_queued=True)
    rig.gateway.every_answer = Reply(503, {"error": {"code": "closed"}})

    workers = rig.start(count)
    wait_until(lambda: len(rig.journal("sms")) >= 5, seconds=60)
    time.sleep(down)
    rig.gateway.every_answer = None
    returned_at = time.time()
    time.sleep(back)
    discharge(workers)

    journal = rig.journal("sms")
    refused = [line["at"] for line in journal if line["at"] < returned_at]
    # Each worker may have one call in its hands when the fifth failure opens the breaker.
    probes = refused[5 + count - 1 :]
    apart = min((later - earlier for earlier, later in pairwise(probes)), default=pause)
    taken = [line["at"] for line in journal if line["is_taken"]]
    rate = most_in(taken, back / 2) / (back / 2)
    tries = max(Counter(line["to"] for line in journal).values())
    promise(
        "D14",
        run=f"{due:,} due, {count} workers, gateway down {down} s, a probe every {pause:g} s",
        figure=f"{len(refused)} calls while down, probes at least {apart:.2f} s apart, {tries} tries at most for one "
        f"person; {rate:.1f}/s on return",
        bar=f"at most 1 probe in {pause:g} s; at most {RATE}/s + 5 % on return",
        holds=len(probes) >= 2 and apart >= 0.95 * pause and USED * RATE <= rate <= 1.05 * RATE and tries <= 3,
    )


def test_a_gateway_that_hangs_holds_up_no_other(make_rig, promise):
    emails, hang = length(40, 1000), length(5.0, 60.0)
    with PlainGatewayServer() as hung:
        hung.every_answer = Fault.HANG_AFTER_BODY
        gateway = {"OPTIONS": options(hung.url, read_seconds=hang)}
        rig = make_rig(SMS={"default": gateway}, LEASE_SECONDS=200, BREAKER_FAILURES=1000)
        rig.smtp.answer_seconds = 0.05
        workers = rig.start(2)

        def p95(number):
            rig.prepare(emails=number, is_queued=True)
            known = rig.rows(
                "SELECT c.email, m.created_at FROM retarget_plugin_message m "
                "JOIN retarget_plugin_contact c ON c.id = m.contact_id WHERE m.channel = 'email'"
            )
            due = {email: at.timestamp() for email, at in known[-number:]}
            wait_until(lambda: len(rig.journal("email")) >= len(known), seconds=200)
            arrived = {line["to"]: line["at"] for line in rig.journal("email")}
            return percentile([arrived[email] - at for email, at in due.items()], 0.95)

        p95(20)
        baseline = p95(emails)
        rig.prepare(texts=100, is_queued=True)
        wait_until(lambda: len(hung.calls) >= len(workers), seconds=60)
        beside_it = p95(emails)
        calls = len(hung.calls)

    ratio = beside_it / baseline
    promise(
        "D16",
        run=f"2 workers, {emails} e-mails while every text hangs {hang:g} s ({calls} did)",
        figure=f"p95 due to accepted {beside_it:.2f} s, {ratio:.2f} x the baseline of {baseline:.2f} s",
        bar="at most 1.2 x the baseline",
        holds=ratio <= 1.2,
    )


def test_a_stand_in_takes_only_what_was_certainly_not_sent(make_rig, promise):
    texts = length(30, 500)
    with PlainGatewayServer() as slow, PlainGatewayServer() as stand_in:
        slow.every_answer = Fault.HANG_AFTER_BODY
        gateways = {
            "default": {"OPTIONS": options(slow.url, read_seconds=0.5), "FALLBACK": "b"},
            "b": {"OPTIONS": options(stand_in.url)},
        }
        rig = make_rig(SMS=gateways, BREAKER_FAILURES=3, LEASE_SECONDS=30)
        rig.prepare(texts=texts, is_queued=True)
        workers = rig.start(2)
        rig.settle(120, workers)
        discharge(workers)
        taken = Counter(message["to"] for server in (slow, stand_in) for message in server.sent)
        by_stand_in = {message["to"] for message in stand_in.sent}

    states, doubled = rig.states(), [to for to, times in taken.items() if times > 1]
    promise(
        "D17",
        run=f"{texts} texts, the gateway answers nobody and takes all, another stands in",
        figure=f"{len(doubled)} doubles, {len(rig.ledger) - len(taken)} lost, {len(by_stand_in)} by the stand-in, "
        f"{states['unknown']} unknown",
        bar="0 doubles; only what was certainly not sent goes to the stand-in",
        holds=not doubled
        and set(taken) == set(rig.ledger)
        and states == Counter(accepted=len(by_stand_in), unknown=texts - len(by_stand_in))
        and len(by_stand_in) > 0,
    )


def test_a_stand_in_carries_what_the_first_refuses_to_hear(make_rig, promise):
    texts = length(30, 500)
    with refusing_port() as port, PlainGatewayServer() as stand_in:
        gateways = {
            "default": {"OPTIONS": options(f"http://127.0.0.1:{port}"), "FALLBACK": "b"},
            "b": {"OPTIONS": options(stand_in.url)},
        }
        rig = make_rig(SMS=gateways, BREAKER_FAILURES=1, BREAKER_SECONDS=600, LEASE_SECONDS=30)
        rig.prepare(texts=texts, is_queued=True)
        workers = rig.start(2)
        # What a worker had in its hands when the connection was refused is tried again half a minute later.
        wait_until(lambda: len(stand_in.sent) >= texts - length(len(workers), 0), seconds=120)
        discharge(workers)
        taken, states = Counter(message["to"] for message in stand_in.sent), rig.states()

    promise(
        "D17",
        run=f"{texts} texts, the gateway refuses the connection, another stands in",
        figure=f"{len(taken)} carried by the stand-in, {states['scheduled']} to be tried again, "
        f"{sum(taken.values()) - len(taken)} doubles",
        bar="all, 0 doubles",
        holds=set(taken.values()) == {1} and len(taken) + states["scheduled"] == texts,
    )
