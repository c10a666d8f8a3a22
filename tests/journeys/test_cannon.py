"""People who use a form as a cannon: scripts over HTTP, and what arrives at the victim's mailbox and number (X17)."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import leads
from retarget_plugin.models import Message
from tests.lead_forms import make_form, make_magnet
from tests.promises import length

pytestmark = [pytest.mark.delivery, pytest.mark.promise]

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
#: Ways to type one mailbox, and one number.
MAILBOX = [
    "victim@example.com",
    " Victim@Example.COM ",
    "v.i.c.t.i.m@example.com",
    "victim+a1@example.com",
    "vic.tim+b+c@EXAMPLE.com",
    "VICTIM+1@example.com",
]
NUMBER = ["+33612345678", "06 12 34 56 78", "0612345678", "+33 (6) 12-34-56-78", "+33.6.12.34.56.78"]
PREMIUM = ["+1 900 555 0123", "+33 899 12 34 56", "+979 123 456 789", "+882 16 1234 5678", "3615", "+44 9098 790 000"]


@pytest.fixture
def form(town):
    magnet = make_magnet(town.shop, now=timezone.now())
    return make_form(
        town.shop, now=timezone.now(), magnet=magnet, email="optional", phone="optional", consents=["email", "sms"]
    )


class Attackers:
    """As many computers as a script can rent, each in a network of its own."""

    def __init__(self, town):
        self.town, self.dice, self.answers = town, random.Random(17), set()

    def shoot(self, **fields):
        """One submission, from anywhere."""
        network = ".".join(str(self.dice.randint(1, 254)) for _part in range(4))
        answer = Client(headers={"user-agent": BROWSER}, REMOTE_ADDR=network).post(
            "/retarget/forms/soups/", json.dumps(fields), content_type="application/json"
        )
        self.answers.add((answer.status_code, answer.content))

    def work(self):
        """What the shop's worker does with it, again and again."""
        while leads.ask(timezone.now()):
            pass
        self.town.wait(seconds=1)


@pytest.fixture
def attackers(town):
    return Attackers(town)


def most_within(times, period):
    return max((sum(first <= at < first + period for at in times) for first in times), default=0)


def test_a_mailbox_gets_one_question_a_day_and_three_a_month(town, form, attackers, promise):
    days = length(6, 120)
    for _half_day in range(days * 2):
        for typed in attackers.dice.sample(MAILBOX, 3):
            attackers.shoot(email=typed, consent_email_marketing=True)
        attackers.work()
        town.wait(hours=12)

    times = list(Message.objects.filter(kind="service").order_by("sent_at").values_list("sent_at", flat=True))
    in_a_day, in_a_month = most_within(times, timedelta(days=1)), most_within(times, timedelta(days=30))
    assert len(town.mailbox.messages) == len(times)
    assert len(attackers.answers) == 1
    promise(
        "X17",
        run=f"{days * 6:,} submissions of one mailbox typed in {len(MAILBOX)} ways, from as many networks, in {days} days",
        figure=f"{in_a_day} in 24 h, {in_a_month} in 30 d",
        bar="<= 1 confirmation mail in 24 h and <= 3 in 30 d",
        holds=in_a_day == 1 and in_a_month <= 3,
    )


def test_a_number_gets_one_text_a_day(town, form, attackers, promise):
    shots = length(10, 100)
    for _turn in range(shots):
        for typed in NUMBER:
            attackers.shoot(phone=typed, consent_sms_marketing=True)
        attackers.work()
        town.wait(hours=6)

    times = list(Message.objects.filter(channel="sms").order_by("sent_at").values_list("sent_at", flat=True))
    in_a_day = most_within(times, timedelta(days=1))
    assert {text["to"] for text in town.twilio.sent} == {"+33612345678"}
    assert len(town.twilio.sent) == len(times)
    promise(
        "X17",
        run=f"{shots * len(NUMBER)} submissions of one number typed in {len(NUMBER)} ways, in {shots * 6} hours",
        figure=f"{in_a_day} in 24 h",
        bar="<= 1 text in 24 h",
        holds=in_a_day == 1,
    )


def test_texts_to_many_numbers_cost_no_more_than_the_owner_allows(town, form, attackers, settings, promise):
    settings.RETARGET = {**settings.RETARGET, "OPTIN_SMS_PER_HOUR": 10}
    town.shop.blocked_countries = ["BE"]
    town.shop.save()
    count = length(60, 600)

    for number in range(count):
        attackers.shoot(phone=f"+3361{number:07}", consent_sms_marketing=True)
        attackers.shoot(phone=f"+32470{number:06}", consent_sms_marketing=True)
    for number in PREMIUM:
        attackers.shoot(phone=number, consent_sms_marketing=True)
    attackers.work()
    town.wait(minutes=30)
    attackers.work()

    sent = [text["to"] for text in town.twilio.sent]
    wrong = [number for number in sent if not number.startswith("+3361")]
    promise(
        "X17",
        run=f"{count} numbers, {count} of a blocked country and {len(PREMIUM)} that cost extra, from as many networks",
        figure=f"{len(sent)} texts in the hour, {len(wrong)} to blocked countries or dear numbers",
        bar="<= OPTIN_SMS_PER_HOUR (10) texts an hour, blocked and dear 0",
        holds=len(sent) == 10 and not wrong,
    )


def test_one_network_reaches_few_people_whatever_it_says_of_itself(town, form, settings, promise):
    settings.RETARGET = {**settings.RETARGET, "FORMS_PER_HOUR": 10}
    statuses = []

    for number in range(60):
        spoofed = f"198.51.100.{number}"
        client = Client(
            headers={
                "user-agent": BROWSER,
                "x-forwarded-for": spoofed,
                "forwarded": f"for={spoofed}",
                "x-real-ip": spoofed,
            },
            REMOTE_ADDR=f"2001:db8:7:7:{number:x}::{number + 1:x}",
        )
        body = json.dumps({"email": f"victim{number}@example.com", "consent_email_marketing": True})
        statuses.append(client.post("/retarget/forms/soups/", body, content_type="application/json").status_code)
    while leads.ask(timezone.now()):
        pass
    town.wait(minutes=1)

    assert set(statuses) == {200, 429}
    promise(
        "X17",
        run="60 addresses typed from one /64 network within an hour, each with another forged X-Forwarded-For",
        figure=f"{len(town.mailbox.messages)} questions sent",
        bar="<= FORMS_PER_HOUR (10)",
        holds=len(town.mailbox.messages) == 10,
    )


def test_nobody_can_be_sent_gifts_they_never_confirmed(town, form, attackers):
    for _turn in range(20):
        attackers.shoot(email="victim@example.com")
    attackers.work()
    town.wait(days=1)

    assert Message.objects.filter(template="magnet").count() == 0
    assert len(town.mailbox.messages) == 1
