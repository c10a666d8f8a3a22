"""`retarget_optouts`: who said STOP to the provider is texted no more, and nobody becomes a contact by it."""

from __future__ import annotations

import io
import json
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.messages import InboundSms
from retarget_plugin.engine import consent, delivery, gates, inbound
from retarget_plugin.models import ConsentRecord, Contact, Suppression
from retarget_plugin.testing import build_contact, build_shop

from .handed_over import hand_over

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

ANA, STRANGER = "+33612345678", "+33698765432"


@pytest.fixture
def ana(shop, clock):
    return build_contact(shop, now=clock.now, channels=("email", "sms"), email="ana@example.com", phone=ANA)


@pytest.fixture
def take_over(tmp_path):
    """Run the command on a file of this text; answers what it printed to either stream."""

    def act(text, *options, gateway="default"):
        (tmp_path / "list.csv").write_text(text)
        told, warned = io.StringIO(), io.StringIO()
        call_command(
            "retarget_optouts", str(tmp_path / "list.csv"), f"--gateway={gateway}", *options, stdout=told, stderr=warned
        )
        return told.getvalue(), warned.getvalue()

    return act


def test_who_is_on_the_list_is_not_texted_any_more(ana, clock, take_over):
    told = take_over(f"{ANA}\n")

    standing = gates.of_person(ana, channel="sms", now=clock.now)
    assert told == ("Numbers in the list: 1. Not texted from now on: 1; known before: 0.\n", "")
    assert standing.reason == "suppressed"
    assert consent.state_of(ana, channel="sms") == "withdrawn"
    assert consent.state_of(ana, channel="email") == "granted"
    assert delivery.dispatch(now=clock.now) == {}
    assert MemoryGateway.outbox == []


def test_nobody_becomes_a_contact_and_a_stranger_is_refused_from_the_start(ana, clock, take_over):
    take_over(f"{STRANGER}\n")

    later = build_contact(ana.shop, now=clock.now, channels=("sms",), phone=STRANGER)
    assert Contact.objects.count() == 2
    assert gates.of_person(later, channel="sms", now=clock.now).reason == "suppressed"
    assert gates.of_person(ana, channel="sms", now=clock.now).reason is None


def test_twice_is_as_good_as_once(ana, take_over):
    first = json.loads(take_over(f"{ANA}\n{STRANGER}\n", "--json")[0])
    records = ConsentRecord.objects.count()

    second = json.loads(take_over(f"{ANA}\n{STRANGER}\n", "--json")[0])

    assert (first, second) == ({"new": 2, "known": 0, "refused": []}, {"new": 0, "known": 2, "refused": []})
    assert ConsentRecord.objects.count() == records
    assert Suppression.objects.count() == 2


def test_garbage_is_named_by_its_line_and_the_rest_counts(ana, take_over):
    told, warned = take_over(f"{ANA}\nnobody@example.com\n+33892701239\n{STRANGER}\n")

    assert told == "Numbers in the list: 2. Not texted from now on: 2; known before: 0.\n"
    assert warned == "Line 2 holds no mobile number.\nLine 3 holds no mobile number.\n"


def test_much_garbage_is_summed_up(ana, take_over):
    _told, warned = take_over(f"{ANA}\n" + "garbage\n" * 25)

    assert warned.splitlines()[-2:] == ["Line 21 holds no mobile number.", "And so do 5 more."]


def test_start_opens_again_what_the_list_closed(ana, clock, take_over):
    hand_over(ana.shop, contact=ana, channel="sms", now=clock.now)
    take_over(f"{ANA}\n")

    inbound.hear([InboundSms(sender=ANA, text="START")], gateway="default", now=clock.now)

    assert consent.state_of(ana, channel="sms") == "granted"
    assert gates.of_person(ana, channel="sms", now=clock.now).reason is None


def test_a_weaker_reason_becomes_a_stop_and_a_stronger_one_stays(ana, clock, take_over):
    for number, reason in ((ANA, "bounced"), (STRANGER, "complained")):
        consent.suppress(ana.shop, channel="sms", address=number, reason=reason, now=clock.now)

    told = json.loads(take_over(f"{ANA}\n{STRANGER}\n", "--json")[0])

    assert told == {"new": 1, "known": 1, "refused": []}
    assert sorted(Suppression.objects.values_list("reason", flat=True)) == ["complained", "stopped"]


def test_it_counts_for_every_shop_the_gateway_carries_for_and_for_no_other(ana, clock, take_over):
    sister = build_shop(scope="outlet", name="Lumen Outlet")
    foreign = build_shop(scope="us", name="Lumen US", sms_gateway="us")

    take_over(f"{ANA}\n")

    asked = {shop.name: consent.is_suppressed(shop, channel="sms", address=ANA) for shop in (ana.shop, sister, foreign)}
    assert asked == {"Lumen Camera": True, "Lumen Outlet": True, "Lumen US": False}


def test_the_standard_input_is_read(ana):
    with mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{ANA}\n".encode()))):
        call_command("retarget_optouts", "-", "--gateway=default", stdout=io.StringIO())

    assert consent.is_suppressed(ana.shop, channel="sms", address=ANA)


@pytest.mark.parametrize(
    ("text", "gateway", "words"),
    [
        (f"{ANA}\n", "nobody", "No shop sends its texts by gateway 'nobody'."),
        ("who,where\n1,2\n", "default", "one of them is to be chosen"),
        ("garbage\n1\n", "default", "There is no number in this list."),
    ],
)
def test_what_cannot_be_done_is_said(ana, take_over, text, gateway, words):
    with pytest.raises(CommandError, match=words):
        take_over(text, gateway=gateway)

    assert Suppression.objects.count() == 0


def test_a_list_that_is_not_there_is_said(shop):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("retarget_optouts", "/nowhere/list.csv", "--gateway=default")


def test_a_long_list_takes_few_queries(ana, take_over, django_assert_max_num_queries):
    numbers = "".join(f"+3361{n:07d}\n" for n in range(600))
    take_over(numbers)

    with django_assert_max_num_queries(14):
        take_over(numbers)

    assert Suppression.objects.count() == 600
