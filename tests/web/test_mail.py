"""E-mail events and inbound mail through anymail's own webhook views, in the shapes of six providers."""

from __future__ import annotations

import base64
import json
import random
from datetime import timedelta

import pytest
from anymail.webhooks import amazon_ses
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.test import Client
from django.urls import path
from django.utils import timezone

from retarget_plugin.engine import consent, seals
from retarget_plugin.models import Consent, ConsentRecord, Contact, Decision, Message, Shop, Suppression
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.handed_over import hand_over
from tests.fakes.mail_providers import PROVIDERS, RECEIVERS, SIGNING_KEY, AmazonSes, Call, Postmark, SendGrid, signed
from tests.promises import length

from . import mail_urls

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.delivery,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning"),
]

SECRET = "provider:correct horse"
CREDENTIALS = base64.b64encode(SECRET.encode()).decode()
ANA = "ana@example.com"
GATEWAY_ID = "12345678901234567"
BY_NAME = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


@pytest.fixture(autouse=True)
def webhooks(settings, monkeypatch):
    settings.ROOT_URLCONF = "tests.web.mail_urls"
    settings.ANYMAIL = {
        "WEBHOOK_SECRET": SECRET,
        "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
        "POSTMARK_SERVER_TOKEN": "x",
    }
    # Anymail asks for boto3, which is not installed, though a notification needs nothing of it.
    monkeypatch.setattr(amazon_ses, "_get_anymail_boto3_params", lambda **_: ({}, {}))


@pytest.fixture
def shop(db):
    return build_shop()


@pytest.fixture
def now():
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def message(shop, now):
    contact = build_contact(shop, now=now - timedelta(days=1), channels=("email",), email=ANA)
    sent_at = now - timedelta(hours=2)
    return hand_over(shop, contact=contact, now=sent_at, gateway="email", gateway_id=f"<{GATEWAY_ID}>")


def report(provider, kind, message, *, at, to=ANA, metadata=None, id=GATEWAY_ID):
    """The provider's call about `message`, with the metadata it was sent with unless told otherwise."""
    sent_with = {"retarget_message": str(message.pk), "retarget_seal": seals.of(message, seals.REPORT)}
    return provider.report(kind, id=id, to=to, at=at, metadata=sent_with if metadata is None else metadata)


def post(call, *, credentials=CREDENTIALS):
    return call.post(Client(raise_request_exception=False), credentials=credentials).status_code


def stamps(message):
    """What is known of the message's way: {kind: minutes after it was sent}."""
    row = Message.objects.get(pk=message.pk)
    names = ("delivered", "bounced", "complained", "unsubscribed", "opened", "clicked")
    known = {name: getattr(row, f"{name}_at") for name in names}
    return {name: (at - row.sent_at).total_seconds() / 60 for name, at in known.items() if at}


def standing(contact):
    """(state of e-mail consent, withdrawals on record, reasons of suppression)."""
    state = Consent.objects.get(contact=contact, channel="email").state
    withdrawals = ConsentRecord.objects.filter(contact=contact, state="withdrawn").count()
    return state, withdrawals, sorted(Suppression.objects.values_list("reason", flat=True))


def everything():
    """All rows that a report or a mail can change."""
    models = (Message, Contact, Consent, ConsentRecord, Suppression, Decision)
    return [list(model.objects.order_by("pk").values()) for model in models]


GRANTED = ("granted", 0, [])
#: What is known of the message half an hour after it was sent, and where its reader stands.
EFFECTS = {
    "deferred": ({}, GRANTED),
    "delivered": ({"delivered": 30.0}, GRANTED),
    "soft": ({"bounced": 30.0}, GRANTED),
    "hard": ({"bounced": 30.0}, ("granted", 0, ["bounced"])),
    "complained": ({"complained": 30.0}, ("withdrawn", 1, ["complained"])),
    "unsubscribed": ({"unsubscribed": 30.0}, ("withdrawn", 1, ["unsubscribed"])),
    "opened": ({"opened": 30.0}, GRANTED),
    "proxied": ({}, GRANTED),
    "clicked": ({"clicked": 30.0}, GRANTED),
}


REPORTS = [
    pytest.param(provider, kind, id=f"{provider.name}: {kind}")
    for provider in PROVIDERS
    for kind in EFFECTS
    if kind in provider.takes
]


@pytest.mark.parametrize(("provider", "kind"), REPORTS)
def test_a_report_changes_what_it_says_however_often_it_comes(message, now, provider, kind):
    call = report(provider, kind, message, at=now - timedelta(minutes=90))

    answers = {post(call) for _copy in range(length(2, 50))}

    assert answers == {200}
    assert (stamps(message), standing(message.contact)) == EFFECTS[kind]


@pytest.mark.parametrize(("name", "reason"), [("SendGrid", "unsubscribed"), ("Mailjet", "complained")])
def test_what_somebody_told_the_provider_before_is_their_no(message, now, name, reason):
    provider = next(each for each in PROVIDERS if each.name == name)

    post(report(provider, "dropped", message, at=now))

    assert standing(message.contact) == ("withdrawn", 1, [reason])


@BY_NAME
def test_a_report_without_our_metadata_is_known_by_the_providers_own_id(message, now, provider):
    # Anymail gives Mailgun's ids their brackets back; the others' it leaves as they are.
    if provider.name != "Mailgun":
        Message.objects.update(gateway_id=GATEWAY_ID)

    post(report(provider, "complained", message, at=now, metadata={}))

    assert standing(message.contact) == ("withdrawn", 1, ["complained"])


def test_a_report_still_finds_an_e_mail_that_went_by_the_mailer_of_yesterday(message, now):
    Message.objects.update(gateway="another mailer")
    message.attempts.update(gateway="another mailer")

    post(report(Postmark(), "delivered", message, at=now))

    assert stamps(message) == {"delivered": 120.0}


@pytest.mark.promise
@BY_NAME
def test_reports_in_any_order_end_the_same(shop, now, provider, promise):
    kinds = [kind for kind in EFFECTS if kind in provider.takes]
    people = [build_contact(shop, now=now - timedelta(days=1), email=f"p{n}@example.com") for n in range(length(2, 60))]
    ends = set()
    for contact in people:
        sent_at = now - timedelta(hours=2)
        message = hand_over(shop, contact=contact, now=sent_at, gateway="email")
        # Each twice; the second copy of any may come before the first of another.
        calls = [
            report(provider, kind, message, to=contact.email, at=sent_at + timedelta(minutes=minutes))
            for minutes, kind in enumerate(kinds, start=1)
        ] * 2
        random.Random(contact.pk).shuffle(calls)
        for call in calls:
            post(call)
        state, withdrawals, _all = standing(contact)
        keys = consent.suppression_keys(contact.email)
        reasons = tuple(Suppression.objects.filter(key__in=keys).values_list("reason", flat=True))
        ends.add((tuple(sorted(stamps(message).items())), state, withdrawals, reasons))

    [(_stamps, *end)] = ends
    promise(
        "D20",
        run=f"{len(people)} shuffles of {len(kinds)} reports, twice each, through anymail's view for {provider.name}",
        figure=f"{len(ends)} final state(s): {end}",
        bar="the same final state for every order; complaint and unsubscription always win",
        holds=end == ["withdrawn", 1, ("complained",)],
    )


# -- who may report ----------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_well_formed_reports_that_are_not_ours_change_nothing(shop, message, now, promise):
    never = build_contact(shop, now=now, channels=("email",), email="never@example.com")
    queued = Message.objects.create(
        shop=shop,
        contact=never,
        step="reminder",
        channel="email",
        key="5e0c2a52-5d0e-4c43-9c39-0a6d3b8f6f11",
        due_at=now,
        not_after=now,
        created_at=now,
    )
    text = hand_over(shop, contact=message.contact, now=now, channel="sms", gateway="default", gateway_id="77")
    seal, ours = seals.of(message, seals.REPORT), str(message.pk)
    foreign = [
        {},
        {"retarget_message": ours},
        {"retarget_message": ours, "retarget_seal": ""},
        {"retarget_message": ours, "retarget_seal": "a" * 26},
        {"retarget_message": ours, "retarget_seal": seal.upper()},
        {"retarget_message": ours, "retarget_seal": seals.of(message, seals.STOP)},
        {"retarget_message": str(queued.pk), "retarget_seal": seal},
        {"retarget_message": str(queued.pk), "retarget_seal": seals.of(queued, seals.REPORT)},
        {"retarget_message": str(text.pk), "retarget_seal": seals.of(text, seals.REPORT)},
        {"retarget_message": "9" * 40, "retarget_seal": seal},
        {"retarget_message": f"{ours}\0", "retarget_seal": seal},
        {"retarget_message": "١٢", "retarget_seal": "é" * 26},
        {"order": ours},
    ]
    before = everything()
    calls = [
        report(provider, kind, message, at=now, to=to, metadata=metadata, id=id)
        for provider in PROVIDERS
        for kind in provider.takes
        for metadata in foreign
        for to in (ANA, "never@example.com")
        for id in (["999"] if provider.name == "Mailjet" else ["<x@y>\0"])
    ]
    chosen = random.Random(5).sample(calls, length(100, len(calls)))

    answers = {post(call) for call in chosen}

    promise(
        "X10",
        run=f"{len(chosen)} forged or foreign e-mail reports of {len(PROVIDERS)} providers, {len(foreign)} kinds of metadata",
        figure=f"{sum(b != a for b, a in zip(before, everything(), strict=True))} tables changed, answers {answers}",
        bar="0 state changes",
        holds=before == everything() and answers == {200},
    )


@pytest.mark.promise
def test_calls_that_are_not_the_providers_are_refused(message, now, promise):
    before, accepted = everything(), []
    wrong = [
        "",
        "!",
        *(base64.b64encode(pair.encode()).decode() for pair in ("provider:wrong", "x:y", ":", SECRET[:-1])),
    ]
    for provider in PROVIDERS:
        call = report(provider, "complained", message, at=now)
        accepted += [(provider.name, pair) for pair in wrong if post(call, credentials=pair) < 400]
    mailgun = report(PROVIDERS[0], "complained", message, at=now)
    said = json.loads(mailgun.body)
    for signature in ({}, signed(now, key="another key"), {**signed(now), "token": "0" * 50}):
        forged = Call(mailgun.path, json.dumps({**said, "signature": signature}))
        accepted += [("Mailgun", signature)] if post(forged) < 400 else []

    promise(
        "X9",
        run=f"{len(wrong)} wrong or missing secrets at {len(PROVIDERS)} e-mail providers, 3 wrong signatures",
        figure=f"{len(accepted)} accepted, rows changed: {before != everything()}",
        bar="0 accepted",
        holds=not accepted and before == everything(),
    )


@pytest.mark.promise
@pytest.mark.parametrize("statement", ["SELECT", "UPDATE"])
def test_without_a_database_the_provider_is_asked_to_come_again(message, now, promise, statement):
    def gone(execute, sql, *rest):
        if sql.startswith(statement):
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    calls = [report(provider, "complained", message, at=now) for provider in PROVIDERS]
    mail = RECEIVERS[0](sender=ANA, to="help@shop.example.com", subject="Unsubscribe", headers={})
    with connection.execute_wrapper(gone):
        answers = [post(call) for call in [*calls, *([mail] if statement == "SELECT" else [])]]
    unchanged = standing(message.contact) == GRANTED
    again = post(calls[0])

    promise(
        "X11",
        run=f"{len(answers)} calls of e-mail providers while every {statement} fails, then one again",
        figure=f"answers {sorted(set(answers))}, nothing half done: {unchanged}; then {again}",
        bar="5xx, and the report counts once it is repeated",
        holds=set(answers) == {500}
        and unchanged
        and (again, standing(message.contact)) == (200, ("withdrawn", 1, ["complained"])),
    )


def test_a_report_that_nobody_understands_does_not_hold_up_its_batch(message, now):
    whole = {"id": "x", "to": ANA, "at": now, "metadata": {}}
    sealed = {"retarget_message": str(message.pk), "retarget_seal": seals.of(message, seals.REPORT)}
    call = SendGrid().batch([("soft", whole), ("opened", whole), ("delivered", {**whole, "metadata": sealed})])
    odd = json.loads(call.body)
    odd[0]["email"], odd[0]["retarget_message"] = {"a": ["\0"]}, {"b": 1}
    odd[1]["anymail_id"], odd[1]["useragent"] = ["x"], 7

    assert post(Call(call.path, json.dumps(odd))) == 200

    assert stamps(message) == {"delivered": 120.0}


# -- machines, and people who are not measured ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["opened", "clicked"])
@BY_NAME
def test_what_happens_within_seconds_of_the_sending_is_a_scanner(message, provider, kind):
    post(report(provider, kind, message, at=message.sent_at + timedelta(seconds=2)))
    assert stamps(message) == {}

    post(report(provider, kind, message, at=message.sent_at + timedelta(seconds=60)))
    assert stamps(message) == {kind: 1.0}


def test_nobody_is_measured_who_did_not_agree(message, now):
    consent.withdraw(message.contact, channel="", purpose="measurement", source="choices", now=now)

    for kind in ("opened", "clicked", "delivered"):
        post(report(Postmark(), kind, message, at=now))

    assert stamps(message) == {"delivered": 120.0}


def test_an_open_of_somebody_who_is_not_measured_still_tells_that_the_message_was_taken(message, now):
    consent.withdraw(message.contact, channel="", purpose="measurement", source="choices", now=now)
    Message.objects.update(state="unknown", reason="outcome_unknown")

    post(report(Postmark(), "opened", message, at=now))

    message.refresh_from_db()
    assert (message.state, message.opened_at) == ("accepted", None)


def test_taking_a_mail_out_of_the_spam_folder_is_no_complaint(message, now):
    said = {"complainedRecipients": [{"emailAddress": ANA}], "complaintFeedbackType": "not-spam"}
    mail = {"messageId": f"<{GATEWAY_ID}>", "destination": [ANA], "headers": []}

    assert post(AmazonSes().notify({"eventType": "Complaint", "complaint": said, "mail": mail}, at=now)) == 200

    assert standing(message.contact) == GRANTED


# -- mail that people send -----------------------------------------------------------------------------------------------

HELP = "help@shop.example.com"
OUTSIDE = pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda receiver: receiver.__name__)


def write(receiver, subject="", *, sender=ANA, to=HELP, text="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return post(receiver(sender=sender, to=to, subject=subject, text=text, headers=named))


@OUTSIDE
def test_a_mail_to_the_address_of_our_list_unsubscribe_header_counts_whoever_wrote_it(message, settings, receiver):
    settings.RETARGET = {**settings.RETARGET, "UNSUBSCRIBE_MAILBOX": "stop@in.shop.example"}
    # Mail programs may change the case, and answer by themselves.
    address = seals.mailbox(message).upper()

    answers = {
        write(receiver, sender="else@example.com", to=address, Auto_Submitted="auto-generated") for _ in range(3)
    }

    message.refresh_from_db()
    assert answers == {200}
    assert standing(message.contact) == ("withdrawn", 1, ["unsubscribed"])
    assert message.unsubscribed_at is not None


@OUTSIDE
def test_a_mail_whose_whole_subject_says_no_counts_for_the_address_it_is_from(message, receiver):
    assert write(receiver, "Désabonnement !", sender="Ana@Example.com") == 200

    assert standing(message.contact) == ("withdrawn", 1, ["unsubscribed"])
    source = ConsentRecord.objects.filter(state="withdrawn").values_list("source", flat=True).get()
    assert source == "e-mail that says no"


@OUTSIDE
@pytest.mark.parametrize(
    "facts",
    [
        {"subject": "Re: Unsubscribe from my order?"},
        {"subject": "Re: Your basket is waiting", "text": "> Unsubscribe: https://shop.example/u/x\n\nSTOP"},
        {"subject": "", "text": "unsubscribe"},
        {"subject": "Unsubscribe", "Auto_Submitted": "auto-replied"},
        {"subject": "Unsubscribe", "Precedence": "bulk"},
        {"subject": "Unsubscribe", "X_Autoreply": "yes"},
        {"subject": "Unsubscribe", "sender": "never@example.com"},
        {"subject": "Unsubscribe", "to": "newsletter@another.example"},
        {"subject": "hello", "to": "stop+1-aaaaaaaaaaaaaaaaaaaaaaaaaa@in.shop.example"},
    ],
    ids=lambda facts: "/".join(f"{key}={value[:18]}" for key, value in facts.items()),
)
def test_any_other_mail_changes_nothing(message, receiver, facts):
    build_contact(message.shop, now=message.sent_at, channels=("email",), email="never@example.com")
    before = everything()

    assert write(receiver, **facts) == 200

    assert before == everything()


def test_a_mail_to_one_shop_says_nothing_to_another(message, now):
    other = build_shop(scope="outlet", sender_email="outlet@outlet.example", support_email="", name="Outlet")
    there = build_contact(other, now=now, channels=("email",), email=ANA)
    hand_over(other, contact=there, now=now, gateway="email")

    write(RECEIVERS[0], "STOP", to="outlet@outlet.example")

    assert Consent.objects.get(contact=there, channel="email").state == "withdrawn"
    assert Consent.objects.get(contact=message.contact, channel="email").state == "granted"
    assert Shop.objects.count() == 2


# -- system checks -------------------------------------------------------------------------------------------------------


def found(identifier):
    return [problem for problem in run_checks() if problem.id == f"retarget_plugin.{identifier}"]


def test_webhooks_that_take_anybodys_word_are_an_error(settings):
    assert found("E012") == []

    settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY}

    [error] = found("E012")
    assert "anymail/postmark/tracking/" in error.msg
    # Mailgun signs its calls.
    assert "anymail/mailgun/tracking/" not in error.msg
    assert "WEBHOOK_SECRET" in error.hint


def test_a_webhook_with_a_secret_of_its_own_is_none_of_them(settings, monkeypatch):
    settings.ANYMAIL = {}
    open_view = PostmarkTrackingWebhookView.as_view()
    own = PostmarkTrackingWebhookView.as_view(basic_auth=["shop:secret"])
    monkeypatch.setattr(mail_urls, "urlpatterns", [path("own/", own), path("open/", open_view)])
    settings.ROOT_URLCONF = "tests.shop.urls"
    settings.ROOT_URLCONF = "tests.web.mail_urls"

    [error] = found("E012")
    assert error.msg.endswith("at: open/.")


@pytest.mark.parametrize("mailbox", ["nobody", "a b@x.example", "@x.example", f"{'a' * 25}@x.example", 7])
def test_a_mailbox_that_no_mark_fits_into_is_an_error(settings, mailbox):
    settings.RETARGET = {**settings.RETARGET, "UNSUBSCRIBE_MAILBOX": mailbox}

    assert len(found("E013")) == 1


def test_a_mailbox_of_the_longest_name_is_fine(settings, message):
    settings.RETARGET = {**settings.RETARGET, "UNSUBSCRIBE_MAILBOX": f"{'a' * 24}@in.shop.example"}
    message.pk = 999_999_999_999

    assert found("E013") == []
    assert len(seals.mailbox(message).rpartition("@")[0]) == 64
