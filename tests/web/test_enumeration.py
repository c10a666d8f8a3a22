"""Nobody learns whose address is known: the same answer after the same work for known, unknown and suppressed people."""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import consent, visitors
from retarget_plugin.models import Claim, Contact, Lead, ProductSubscription
from tests.api.test_leads import CAPTURE, SUBSCRIBE
from tests.api.test_visitors import IDENTIFY
from tests.lead_forms import make_form
from tests.promises import length
from tests.web.conftest import answer

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}
KINDS = ("known", "unknown", "suppressed")
#: Welch's t of two samples from one population is hardly ever beyond this.
T_LIMIT = 4.5


def by_page(email):
    return "/retarget/forms/soups/", {"email": email, "consent_email_marketing": True}


def by_capture(email):
    fields = [{"name": "email", "values": [email]}, {"name": "consent_email_marketing", "values": ["1"]}]
    return "/retarget/graphql/", {"query": CAPTURE, "variables": {"input": {"form": "soups", "fields": fields}}}


def by_identify(email):
    return "/retarget/graphql/", {"query": IDENTIFY, "variables": {"input": {"email": email}}}


def by_subscription(email):
    wanted = {"product": "17", "news": "BACK_IN_STOCK", "email": email}
    return "/retarget/graphql/", {"query": SUBSCRIBE, "variables": {"input": wanted}}


#: Doors at which a stranger may type somebody's address.
DOORS = {
    "the form of a page": by_page,
    "retargetCaptureLead": by_capture,
    "retargetIdentify": by_identify,
    "retargetSubscribeToProduct": by_subscription,
}


@pytest.fixture
def people(shop, settings):
    """Makes somebody of each kind, and answers the address."""
    settings.RETARGET = settings.RETARGET | {"FORMS_PER_HOUR": 10**9}
    make_form(shop, now=timezone.now())

    def make(kind, number):
        email, now = f"{kind}-{number:05d}@mail.example", timezone.now()
        if kind != "unknown":
            contact = Contact.objects.create(shop=shop, email=email, created_at=now)
            consent.grant(contact, channel="email", source="checkout", is_confirmed=True, now=now)
        if kind == "suppressed":
            consent.suppress(shop, channel="email", address=email, reason="complained", now=now)
        return email

    return make


@pytest.fixture
def browser(shop):
    client = Client(headers=FIREFOX)
    client.cookies["retarget_visitor"] = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now()).key
    return client


def send(browser, door, email):
    path, data = DOORS[door](email)
    return browser.post(path, json.dumps(data), content_type="application/json")


def work(asked):
    """The statements, without their values."""
    return [re.sub(r"'[^']*'|\b\d+(\.\d+)?\b|\bs\d+_x\d+\b", "?", query["sql"]) for query in asked]


@pytest.mark.promise
@pytest.mark.parametrize("door", DOORS)
def test_the_answer_is_the_same_whoever_is_concerned(people, browser, door, promise):
    count, answers = length(8, 300), {kind: set() for kind in KINDS}

    for number in range(count):
        for kind in KINDS:
            response = send(browser, door, people(kind, number))
            answers[kind].add(repr(answer(response)))

    different = set.union(*answers.values())
    promise(
        "X16",
        run=f"{door}: {count} of each kind",
        figure=f"{len(different)} kinds of status, headers and body",
        bar="1, and it says that all is well",
        holds=len(different) == 1 and "200" in different.pop()[:5],
    )


@pytest.mark.parametrize("door", DOORS)
def test_the_work_is_the_same_whoever_is_concerned(people, browser, door):
    done = {}
    send(browser, door, "first@mail.example")  # what is looked up only once is looked up now

    for kind in KINDS:
        email = people(kind, 1)
        Claim.objects.all().delete()
        with CaptureQueriesContext(connection) as asked:
            send(browser, door, email)
        done[kind] = work(asked)

    assert done["known"] == done["unknown"] == done["suppressed"]
    assert not [
        sql
        for sql in done["known"]
        if re.search(r'(FROM|INTO|UPDATE) "retarget_plugin_(contact|consent|suppression)"', sql)
    ]


@pytest.mark.alone
@pytest.mark.promise
@pytest.mark.parametrize("door", DOORS)
def test_nobody_learns_it_by_the_clock(people, browser, door, promise):
    count = length(40, 10_000)
    chance, seconds = random.Random(16), {"known": [], "unknown": []}
    rounds = [(kind, number) for number in range(count) for kind in seconds]
    chance.shuffle(rounds)
    addresses = {(kind, number): people(kind, number) for kind, number in rounds}

    for number, place in enumerate(rounds):
        if number % 500 == 0:
            Claim.objects.all().delete()
            Lead.objects.all().delete()
            ProductSubscription.objects.all().delete()
        started = time.perf_counter()
        send(browser, door, addresses[place])
        seconds[place[0]].append(time.perf_counter() - started)

    t = welch(*(trimmed(values) for values in seconds.values()))
    promise(
        "X16",
        run=f"{door}: {count} known against {count} unknown",
        figure=f"|t| = {abs(t):.2f}",
        bar=f"< {T_LIMIT}",
        holds=abs(t) < T_LIMIT,
    )


def trimmed(values):
    """Without the slowest twentieth: what a busy machine does to some, it does to either kind."""
    return sorted(values)[: len(values) * 19 // 20]


def welch(one, other):
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


def test_the_test_of_the_clock_sees_a_difference():
    chance = random.Random(1)
    fast, slow = ([chance.gauss(mean, 1) for _time in range(1000)] for mean in (10, 10.5))

    assert abs(welch(fast, slow)) > T_LIMIT
