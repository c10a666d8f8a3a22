"""Webhooks out: signed as the standard says, tried again when the other side fails, and never a word about the erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from retarget_plugin import conf
from retarget_plugin.channels import webhooks as channel
from retarget_plugin.domain.steps import WebhookStep
from retarget_plugin.engine import webhooks
from retarget_plugin.models import Contact, WebhookCall
from retarget_plugin.testing import build_shop
from tests.fakes.web import Fault, Reply, WebFake

from .test_runs import Journey, send

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Crm(WebFake):
    def answer(self, call):
        return Reply(204)


@pytest.fixture
def crm(monkeypatch):
    monkeypatch.setitem(conf.django_settings.RETARGET, "WEBHOOK_SECRET", SECRET)
    with Crm() as server:
        yield server


@pytest.fixture
def told(db, host, clock, crm):
    """A journey and its one call, still to be made."""
    journey = Journey(build_shop(), clock)
    journey.publish({"key": "w", "wait": {"for": "9d"}}, send())
    ana = journey.person(email="ana@example.com")
    Contact.objects.filter(pk=ana.pk).update(tags=["vip"])
    (run,) = journey.enter(ana, data={"topic": "macro"})
    webhooks.queue(run, WebhookStep(key="crm", next=1, url=f"{crm.url}/hook"), now=clock.now)
    return journey


def test_the_signature_is_that_of_the_standard():
    # The reference vector of the Standard Webhooks specification.
    body = b'{"test": 2432232314}'

    signed = channel.signature(body, key="msg_p5jXN8AQM9LWM0D4loKWxJek", seconds="1614265330", secret=SECRET)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_other_side_gets_one_signed_call_about_the_step_and_the_person(told, crm):
    assert webhooks.send(now=told.clock.now) == {"answered": 1}
    assert webhooks.send(now=told.clock.now + timedelta(days=3)) == {}

    (call,) = crm.calls
    row = WebhookCall.objects.get()
    headers = {name.lower(): value for name, value in call.headers.items()}
    assert (call.method, call.path, headers["content-type"]) == ("POST", "/hook", "application/json")
    assert headers["webhook-id"] == str(row.key)
    assert datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC) == told.clock.now
    seconds = headers["webhook-timestamp"]
    assert headers["webhook-signature"] == channel.signature(
        call.body, key=str(row.key), seconds=seconds, secret=SECRET
    )
    data = call.document["data"]
    assert (data["flow"], data["step"], data["about"]) == ("journey", "crm", {"topic": "macro"})
    assert (data["contact"]["email"], data["contact"]["tags"]) == ("ana@example.com", ["vip"])
    assert (row.answered_at, row.due_at, row.detail) == (told.clock.now, None, "204")


def test_a_call_that_fails_is_repeated_under_its_id_ever_more_slowly_until_it_is_given_up(told, crm):
    crm.every_answer = Reply(500)

    tried = []
    for _minute in range(60):
        before = len(crm.calls)
        webhooks.send(now=told.clock.now)
        if len(crm.calls) > before:
            tried.append(told.clock.now)
        row = WebhookCall.objects.get()
        if row.due_at is None:
            break
        told.clock.now = row.due_at

    pauses = [(later - earlier) // timedelta(minutes=1) for earlier, later in pairwise(tried)]
    assert pauses == [1, 5, 30, 120, 360, 720, 1440]
    assert len({call.headers["Webhook-Id"] for call in crm.calls}) == 1
    assert (row.given_up_at, row.answered_at, row.detail, row.attempts_made) == (told.clock.now, None, "500", 8)


@pytest.mark.parametrize("answer", [Reply(302, headers={"Location": "/elsewhere"}), Reply(404), Fault.RESET_AFTER_BODY])
def test_whatever_is_no_yes_is_tried_again_and_no_other_address_is_followed(told, crm, answer):
    crm.next_answers = [answer]

    assert webhooks.send(now=told.clock.now) == {"put_off": 1}
    assert webhooks.send(now=told.clock.now) == {}
    assert webhooks.send(now=told.clock.now + timedelta(minutes=1)) == {"answered": 1}
    assert [call.path for call in crm.calls] == ["/hook", "/hook"]


def test_a_receiver_that_is_gone_is_not_asked_again(told, crm):
    crm.every_answer = Reply(410)

    assert webhooks.send(now=told.clock.now) == {"given_up": 1}
    assert WebhookCall.objects.get().due_at is None


def test_nobody_is_told_about_the_erased(told, crm):
    Contact.objects.update(erased_at=told.clock.now)

    assert webhooks.send(now=told.clock.now) == {"given_up": 1}
    assert crm.calls == []


def test_without_a_secret_and_on_a_developers_copy_nothing_leaves(told, crm, settings, monkeypatch):
    settings.DEBUG = True
    assert webhooks.send(now=told.clock.now) == {}
    settings.DEBUG = False
    monkeypatch.setitem(conf.django_settings.RETARGET, "WEBHOOK_SECRET", "")
    assert webhooks.send(now=told.clock.now) == {}

    assert crm.calls == []
    assert told.shop.webhook_calls.filter(due_at__isnull=False).count() == 1


def test_a_worker_that_is_lost_leaves_its_call_to_the_next(told, crm, monkeypatch):
    def lost(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(channel, "post", lost)
    with pytest.raises(KeyboardInterrupt):
        webhooks.send(now=told.clock.now)
    monkeypatch.undo()
    monkeypatch.setitem(conf.django_settings.RETARGET, "WEBHOOK_SECRET", SECRET)

    assert webhooks.send(now=told.clock.now) == {}
    assert webhooks.send(now=told.clock.now + webhooks.LEASE) == {"answered": 1}


def test_one_deaf_receiver_holds_up_no_other(told, crm):
    crm.every_answer = Reply(503)
    for number in range(5):
        (run,) = told.enter(told.person(), subject=f"thing:{number + 2}")
        webhooks.queue(run, WebhookStep(key="crm", next=1, url=f"{crm.url}/hook"), now=told.clock.now)

    assert webhooks.send(now=told.clock.now) == {"put_off": 1}

    assert len(crm.calls) == 1
    assert sorted(WebhookCall.objects.values_list("attempts_made", flat=True)) == [0, 0, 0, 0, 0, 1]
