"""A test of a message: staff gets it marked, and to everybody and every count it never was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.engine import allowances, consent, installation, suppressions, trials
from retarget_plugin.exceptions import GatewayError, Refusal
from retarget_plugin.models import Attempt, Budget, Decision, Flow, Link, Message, Suppression
from retarget_plugin.testing import build_contact

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

OWNER, NUMBER = "owner@shop.example.com", "+33698765432"


@pytest.fixture
def version(shop):
    return Flow.objects.get(shop=shop, slug="abandoned-checkout").version


@pytest.fixture
def send(shop, version, clock):
    def send_one(key="reminder", *, to=OWNER, by="7", **changes):
        trials.send(version, key, shop=shop, to=to, by=by, now=clock.now, **changes)

    return send_one


def nothing_left():
    return (mail.outbox, MemoryGateway.calls) == ([], [])


def test_a_mail_arrives_marked_and_by_nothing_in_it_can_anybody_be_counted(shop, send):
    send(language="fr")

    (sent,) = mail.outbox
    html = sent.alternatives[0][0]
    assert sent.to == [OWNER]
    assert sent.subject == f"[Test] Votre commande chez {shop.name} vous attend"
    assert "List-Unsubscribe" not in sent.message()
    assert "/retarget/" not in html
    assert "/retarget/" not in sent.body
    assert f'href="{shop.base_url}"' in html


def test_a_text_arrives_marked(send, shop):
    send("sms", to=NUMBER)

    (sent,) = MemoryGateway.outbox
    assert sent.to == NUMBER
    assert sent.text.startswith(f"[Test] {shop.name}: ")
    assert sent.receipt_url == ""


def test_a_test_leaves_no_row_behind(send):
    before = Decision.objects.count()

    send()
    send("sms", to=NUMBER)

    assert [model.objects.count() for model in (Message, Attempt, Link)] == [0, 0, 0]
    assert Decision.objects.count() == before


def test_a_test_speaks_to_the_contact_that_was_chosen(send, shop, clock):
    ana = build_contact(shop, now=clock.now, email="ana@example.com", first_name="Ana")

    send(contact=ana)

    (sent,) = mail.outbox
    assert sent.to == [OWNER]
    assert "Hello Ana," in sent.body


@pytest.mark.parametrize(
    ("key", "channel", "to", "most"), [("reminder", "email", OWNER, 30), ("sms", "sms", NUMBER, 10)]
)
def test_one_person_sends_so_many_in_an_hour(send, clock, key, channel, to, most):
    allowances.take(f"tests by {channel}", "7", most=most, within=trials.HOUR, amount=most - 1, now=clock.now)
    send(key, to=to)

    with pytest.raises(Refusal) as refused:
        send(key, to=to)
    send(key, to=to, by="8")
    clock.now += timedelta(hours=1, minutes=5)
    send(key, to=to)

    assert refused.value.reason == "too_many"
    assert len(mail.outbox) + len(MemoryGateway.outbox) == 3


def test_nothing_leaves_while_sending_is_stopped(send, clock):
    installation.stop(by="owner", now=clock.now)

    with pytest.raises(Refusal) as refused:
        send()

    assert refused.value.reason == "halted"
    assert nothing_left()


def test_nothing_leaves_a_developers_copy(send, settings):
    settings.DEBUG = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}

    with pytest.raises(Refusal) as refused:
        send()

    assert refused.value.reason == "rehearsal"


def test_whoever_unsubscribed_gets_no_test(send, shop, clock):
    ana = build_contact(shop, now=clock.now, email="ana@example.com", channels=("email",))
    consent.withdraw(ana, channel="email", source="test", now=clock.now)

    with pytest.raises(Refusal) as refused:
        send(to="ana@example.com")

    assert refused.value.reason == "unwelcome"
    assert nothing_left()


def test_an_address_that_bounced_gets_no_test(send, shop, clock):
    key = suppressions.keys(OWNER)[0]
    Suppression.objects.create(shop=shop, channel="email", key=key, reason="bounced", at=clock.now)

    with pytest.raises(Refusal) as refused:
        send()

    assert refused.value.reason == "unwelcome"
    assert nothing_left()


@pytest.mark.parametrize(
    ("answer", "reason", "segments"),
    [
        (Outcome(kind=OutcomeKind.REJECTED, detail="no such number"), "rejected", 0),
        (GatewayError("busy", gateway="memory", outcome="transient"), "transient", 0),
        (GatewayError("no answer", gateway="memory", outcome="unknown"), "unknown", 1),
    ],
)
def test_what_the_provider_answers_is_told_and_only_what_may_cost_is_spent(send, shop, answer, reason, segments):
    shop.sms_segments_per_month = 5
    shop.save()
    MemoryGateway.answers.append(answer)

    with pytest.raises(Refusal, match="The provider did not take it: ") as refused:
        send("sms", to=NUMBER)

    assert refused.value.reason == reason
    assert Budget.objects.get(shop=shop).segments == segments


def test_a_budget_that_is_used_up_holds_for_tests_too(send, shop):
    shop.sms_segments_per_month = 0
    shop.save()

    with pytest.raises(Refusal) as refused:
        send("sms", to=NUMBER)

    assert refused.value.reason == "budget"
    assert nothing_left()


def test_a_gateway_that_is_not_set_up_is_named(send, shop):
    shop.sms_gateway = "missing"
    shop.save()

    with pytest.raises(Refusal, match="No SMS gateway 'missing'"):
        send("sms", to=NUMBER)
