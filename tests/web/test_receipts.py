"""receipts/: what SMS providers say is taken from them alone, counts once in any order, and is asked for again in trouble."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from retarget_plugin import checks
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import consent, inbound
from retarget_plugin.engine.gateways import Way
from retarget_plugin.models import (
    Allowance,
    Attempt,
    Consent,
    ConsentRecord,
    Contact,
    Decision,
    Message,
    Suppression,
    Visitor,
)
from retarget_plugin.testing import Clock, build_contact, build_shop
from retarget_plugin.web import receipts
from tests.contracts.webhooks import ALIAS, CALLERS, FORM, ORIGIN, SECRET, HttpCaller, TwilioCaller
from tests.engine.handed_over import hand_over
from tests.promises import length
from tests.web.strangers import BYTES

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

PHONE = "+33612345678"
#: Ids of texts as these providers write them; the others take any.
IDS = {"smsmode": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "brevo": "1511882900176220", "ovh": "10867690"}


@pytest.fixture(params=CALLERS, ids=lambda caller: caller.name)
def caller(request, settings):
    """A provider that calls the shop, which has its gateway set up as it should be."""
    settings.RETARGET = {**settings.RETARGET, **request.param.setting()}
    return request.param


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ana(clock):
    return build_contact(build_shop(), now=clock.now, channels=("email", "sms"), email="ana@example.com", phone=PHONE)


@pytest.fixture
def texted(ana, clock, caller):
    """A text to Ana that the provider took."""
    return hand_over(ana.shop, contact=ana, channel="sms", now=clock.now, gateway_id=id_of(caller))


def of(fits):
    """Only with the providers that fit."""
    fitting = [caller for caller in CALLERS if fits(caller)]
    return pytest.mark.parametrize("caller", fitting, ids=lambda caller: caller.name, indirect=True)


def id_of(caller):
    return IDS.get(caller.name, "SM" + "a" * 32)


def report(caller, message, kind="delivered", *, number=PHONE):
    return caller.report(kind, message_id=str(message.pk), gateway_id=id_of(caller), number=number)


def said(caller, words, **facts):
    return caller.text(words, number=PHONE, **facts)


def everything(caller, message):
    """One call of every sort that the provider makes."""
    texts = [said(caller, words) for words in ("STOP", "START", "HELP")] if caller.has_texts else []
    return [*(report(caller, message, kind) for kind in caller.kinds), *texts]


def rows():
    """All that a call could change."""
    models = (Message, Attempt, Consent, ConsentRecord, Contact, Decision, Suppression, Allowance, Visitor)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def facts_of(message):
    """What calls have changed about a message and its person, without times and ids."""
    message = Message.objects.get(pk=message.pk)
    columns = ("delivered_at", "bounced_at", "unsubscribed_at")
    return {
        "state": message.state,
        "told": [column for column in columns if getattr(message, column)],
        "consent": consent.state_of(message.contact, channel="sms"),
        "withdrawals": ConsentRecord.objects.filter(state="withdrawn").count(),
        "suppressed": list(Suppression.objects.values_list("reason", flat=True)),
        "messages": Message.objects.count(),
    }


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_a_report_arrives(client, caller, texted):
    answer = report(caller, texted).post(client)

    assert answer.status_code == 200
    assert facts_of(texted)["told"] == ["delivered_at"]


def test_a_report_costs_the_same_whatever_there_is_beside_it(client, texted, ana, clock, caller):
    for _number in range(20):
        hand_over(ana.shop, contact=ana, channel="sms", now=clock.now)

    with CaptureQueriesContext(connection) as queries:
        report(caller, texted).post(client)

    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 4


def test_a_failure_for_good_ends_the_number(client, caller, texted):
    report(caller, texted, "failed").post(client)

    assert (facts_of(texted)["told"], facts_of(texted)["suppressed"]) == (["bounced_at"], ["bounced"])


@of(lambda one: "opted_out" in one.kinds)
def test_the_providers_word_of_a_stop_counts(client, caller, texted):
    report(caller, texted, "opted_out").post(client)

    assert (facts_of(texted)["consent"], facts_of(texted)["suppressed"]) == ("withdrawn", ["stopped"])


@of(lambda one: one.has_texts)
def test_a_stop_and_a_start_arrive(client, caller, texted):
    stopped = said(caller, "Stop").post(client)
    standing = facts_of(texted)
    said(caller, "START").post(client)

    assert stopped.status_code == 200
    assert (standing["consent"], standing["suppressed"]) == ("withdrawn", ["stopped"])
    assert (facts_of(texted)["consent"], facts_of(texted)["suppressed"]) == ("granted", [])


def test_twilio_is_answered_in_its_own_language(client, settings):
    settings.RETARGET = {**settings.RETARGET, **TwilioCaller().setting()}

    answer = said(TwilioCaller(), "Hello").post(client)

    assert (answer.status_code, answer.content) == (200, b"<Response/>")
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store, private"


def test_a_shop_that_asks_everybody_to_log_in_still_hears_its_provider(client, settings, caller, texted):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert report(caller, texted).post(Client(enforce_csrf_checks=True)).status_code == 200


def test_the_host_header_has_no_say_in_what_was_signed(client, settings, ana, clock):
    caller = TwilioCaller()
    settings.RETARGET = {**settings.RETARGET, **caller.setting()}
    call = said(caller, "Hello")

    as_seen_inside = Client(headers={"host": "10.0.0.7:8000"})
    settings.RETARGET = settings.RETARGET | {"PUBLIC_URL": "https://elsewhere.example"}
    elsewhere = call.post(client)
    settings.RETARGET = settings.RETARGET | {"PUBLIC_URL": ORIGIN}

    assert (call.post(as_seen_inside).status_code, elsewhere.status_code) == (200, 403)


# --- from whom (X9, X10) ---------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_nobody_else_is_believed(client, caller, texted, promise):
    before, believed, tried = rows(), [], 0

    for call in everything(caller, texted)[:: length(3, 1)]:
        # With the right address, what signs nothing is believed whoever calls.
        foreign = [other for other in CALLERS if other is not caller and (caller.key or not other.has_secret)]
        lent = [(f"a call of {other.name}", report(other, texted)) for other in foreign]
        for name, forged in [*caller.forgeries(call), *lent]:
            tried += 1
            status = forged.post(client).status_code
            believed += [(name, status)] if status != 403 else []

    promise(
        "X9",
        run=f"{caller.name}: {tried} forged calls: signature, body, address, age, method, another provider's",
        figure=f"{believed or 0} believed, {sum(rows()[name] != before[name] for name in before)} kinds of rows changed",
        bar="0, 0",
        holds=tried > 3 and not believed and rows() == before,
    )


@pytest.mark.promise
@pytest.mark.parametrize("key", [None, "", "wrong-key-0123456789"])
def test_without_its_own_key_nothing_is_believed_and_the_start_up_check_fails(
    client, settings, caller, texted, promise, key
):
    calls, before = everything(caller, texted), rows()
    settings.RETARGET = {**settings.RETARGET, **caller.keyless(key)}

    statuses = {call.post(client).status_code for call in calls}

    found = [problem for problem in checks.check_backends() if problem.id == "retarget_plugin.E010"]
    is_named = bool(found) and all("is not set" in problem.msg and f'["{ALIAS}"]' in problem.msg for problem in found)
    promise(
        "X9",
        run=f"{caller.name}: {len(calls)} good calls while the key is {key!r}",
        figure=f"answers {statuses}, {len(found)} start-up error(s)",
        bar="403 alone; 1 where no key is set, which says what to set",
        holds=statuses == {403} and rows() == before and (is_named and len(found) == 1 if not key else not found),
    )


@pytest.mark.promise
def test_forged_events_about_people_never_messaged_change_nothing(client, caller, ana, clock, promise):
    """With the right key: whoever holds it may tell of what was sent, and of nothing else."""
    queued = hand_over(ana.shop, contact=ana, channel="sms", now=clock.now, gateway="another", gateway_id="x-1")
    mailed = hand_over(ana.shop, contact=ana, channel="email", now=clock.now)
    stranger = build_contact(ana.shop, now=clock.now, channels=("sms",), phone="+33698765432")
    before, statuses = rows(), []

    for message in (queued, mailed, Message(pk=999_999), Message(pk=2**63)):
        if message.pk == mailed.pk and "email" in caller.kinds:
            continue
        calls = [] if message.pk == mailed.pk else [report(caller, message, kind) for kind in caller.kinds]
        statuses += [call.post(client).status_code for call in calls]
    for number in (ana.phone, stranger.phone, "+14155552671", "36180", "０６１２３４５６７８", "", "0", "+"):
        for words in ("STOP", "START", "HELP") if caller.has_texts else ():
            statuses.append(caller.text(words, number=number).post(client).status_code)

    changed = [name for name, found in rows().items() if found != before[name]]
    promise(
        "X10",
        run=f"{caller.name}: {len(statuses)} well-formed calls about people and texts it never had",
        figure=f"{len(changed)} kinds of rows changed, answers {set(statuses)}",
        bar="0, 200 alone",
        holds=not changed and set(statuses) == {200},
    )


def test_an_unknown_gateway_and_a_wrong_secret_are_answered_alike(client, settings):
    settings.RETARGET = {**settings.RETARGET, **HttpCaller().setting()}
    paths = [
        f"/retarget/receipts/sms/{end}" for end in (f"{ALIAS}/wrong/", f"nobody/{SECRET}/", f"{ALIAS}/", "a%00b/x/")
    ]

    answers = [client.post(path, b"state=in", content_type=FORM) for path in paths]

    assert {(answer.status_code, answer.content, str(sorted(answer.headers.items()))) for answer in answers} == {
        (403, b"", str(sorted(answers[0].headers.items())))
    }


def test_a_gateway_that_is_never_called_takes_nothing_and_needs_no_secret(client, settings):
    entry = {"BACKEND": "retarget_plugin.channels.sms.memory.MemoryGateway"}
    silent = {"BACKEND": HttpCaller.backend, "OPTIONS": {"url": "https://x.example/", "body": {"to": "{to}{text}"}}}
    settings.RETARGET = {**settings.RETARGET, "SMS": {ALIAS: entry, "silent": silent}}

    answers = [client.post(f"/retarget/receipts/sms/{alias}/{alias}/").status_code for alias in (ALIAS, "silent")]

    assert answers == [403, 403]
    assert checks.check_backends() == []


@pytest.mark.parametrize(
    "secret", ["short", "with/a-slash-0123456789", "with%20blanks-0123456789", ["long-enough-0123456789", "x"]]
)
def test_a_secret_that_could_be_guessed_or_stands_in_no_address_is_named(settings, secret):
    settings.RETARGET = {**settings.RETARGET, **HttpCaller().setting(secret=secret)}

    [problem] = checks.check_backends()

    assert problem.id == "retarget_plugin.E010"
    assert 'RETARGET["WEBHOOK_SECRETS"]["default"] must be at least 16 letters' in problem.msg


@pytest.mark.parametrize("secret", ["first-secret-0123456789", "second-secret-0123456789"])
def test_both_secrets_count_while_one_is_changed(client, settings, secret):
    both = ["first-secret-0123456789", "second-secret-0123456789"]
    settings.RETARGET = {**settings.RETARGET, **HttpCaller().setting(secret=both)}

    assert client.post(f"/retarget/receipts/sms/{ALIAS}/{secret}/").status_code == 200


# --- how often and in which order ------------------------------------------------------------------------------------


def test_fifty_copies_and_more_count_once(client, caller, texted):
    calls = [report(caller, texted), report(caller, texted, "failed")]
    calls += [said(caller, "STOP", gateway_id=IDS["smsmode"])] if caller.has_texts else []
    for call in calls:
        call.post(client)
    once, stamps = facts_of(texted), Message.objects.values_list("delivered_at", "bounced_at").get()

    statuses = {call.post(client).status_code for call in calls * length(17, 50)}

    assert statuses == {200}
    assert facts_of(texted) == once
    assert Message.objects.values_list("delivered_at", "bounced_at").get() == stamps


@pytest.mark.slow
def test_every_order_ends_the_same(client, caller, texted):
    calls = [report(caller, texted, kind) for kind in caller.kinds]
    calls += [said(caller, "STOP")] if caller.has_texts else []
    orders = list(permutations(calls))
    chosen = random.Random(20_261_124).sample(orders, min(len(orders), length(12, len(orders))))
    ends = []

    for order in chosen:
        with transaction.atomic():
            for call in order:
                call.post(client)
            ends.append(facts_of(texted))
            transaction.set_rollback(True)

    says_no = caller.has_texts or "opted_out" in caller.kinds
    assert all(end == ends[0] for end in ends)
    assert (ends[0]["state"], ends[0]["told"][:2]) == ("accepted", ["delivered_at", "bounced_at"])
    assert (ends[0]["consent"], ends[0]["withdrawals"]) == (("withdrawn", 1) if says_no else ("granted", 0))


@of(lambda one: one.has_texts)
def test_an_old_start_that_is_played_again_opens_nothing(client, caller, texted):
    start = said(caller, "START", gateway_id=IDS["smsmode"])
    said(caller, "STOP").post(client)
    start.post(client)
    said(caller, "STOP").post(client)

    statuses = [start.post(client).status_code for _time in range(3)]

    assert statuses == [200] * 3
    assert (facts_of(texted)["consent"], facts_of(texted)["suppressed"]) == ("withdrawn", ["stopped"])


# --- while the database is in trouble (X11) --------------------------------------------------------------------------


class Trouble:
    """From its `after`-th statement on, the database answers with `error`."""

    def __init__(self, error, after):
        self.error, self.left, self.is_met = error, after, False

    def __call__(self, execute, sql, params, many, context):
        is_statement = not sql.startswith(("SAVEPOINT", "ROLLBACK", "RELEASE"))
        if is_statement and self.left <= 0:
            self.is_met = True
            raise self.error("the database system is shutting down")
        self.left -= is_statement
        return execute(sql, params, many, context)


@pytest.mark.promise
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error", length([OperationalError, InternalError], [OperationalError, InternalError, InterfaceError])
)
def test_a_database_in_trouble_asks_the_provider_to_come_again(client, caller, texted, promise, error):
    calls = [report(caller, texted, "failed"), *([said(caller, "STOP")] if caller.has_texts else [])]
    answers = []

    for call in calls:
        for after in range(60):
            trouble = Trouble(error, after)
            with connection.execute_wrapper(trouble):
                answer = call.post(client)
            if not trouble.is_met:
                assert answer.status_code == 200
                break
            answers.append((answer.status_code, answer.headers.get("Retry-After")))

    promise(
        "X11",
        run=f"{caller.name}: {len(answers)} calls, the database gone ({error.__name__}) from each statement on",
        figure=f"answers {set(answers)}; taken once it was back: {facts_of(texted)['suppressed']}",
        bar="503 with a time to return; nothing lost",
        holds=set(answers) == {(503, "30")}
        and facts_of(texted)["told"] == ["bounced_at"]
        and facts_of(texted)["suppressed"] == (["stopped"] if caller.has_texts else ["bounced"]),
    )


def test_a_gateway_that_cannot_be_loaded_asks_the_provider_to_come_again(client, settings):
    settings.RETARGET = {**settings.RETARGET, "SMS": {ALIAS: {"BACKEND": "nowhere.Gateway"}}}

    assert client.post(f"/retarget/receipts/sms/{ALIAS}/x/").status_code == 503


# --- what no provider sends ------------------------------------------------------------------------------------------


def test_a_long_body_is_not_read(client, caller):
    path = caller.url().removeprefix(ORIGIN)

    fits = client.generic("POST", path, b"x" * receipts.LONGEST, content_type=FORM).status_code
    statuses = [
        client.generic("POST", path, b"x" * (receipts.LONGEST + 1), content_type=FORM).status_code,
        client.generic("POST", path, b"", content_type=FORM, CONTENT_LENGTH="9" * 5_000).status_code,
        client.generic("POST", path, b"", content_type=FORM, CONTENT_LENGTH="-1").status_code,
        client.generic("POST", path, b"", content_type=FORM, CONTENT_LENGTH="٣").status_code,
    ]

    assert fits in (200, 403)
    assert statuses == [413, 413, 400, 400]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_none(client, caller, method):
    assert client.generic(method, caller.url().removeprefix(ORIGIN)).status_code == 405


@of(lambda one: not one.key)
def test_rubbish_with_the_right_secret_crashes_nothing(client, caller, texted):
    path, before, statuses = caller.url().removeprefix(ORIGIN), rows(), set()
    bodies = [
        *BYTES,
        b"null",
        b"[]",
        b"{}",
        b"[[]]",
        b'{"status": []}',
        b'{"body": 1, "direction": "MO"}',
        b"a=%00&from=%00",
    ]

    for body in bodies:
        for kind in (FORM, "application/json", "multipart/form-data; boundary=x", "text/plain; charset=nope", ""):
            for method in ("POST", "GET"):
                statuses.add(
                    client.generic(method, f"{path}?id=\x00&ptt=4&to=%ff", body, content_type=kind).status_code
                )

    assert statuses == {200}
    assert rows() == before


# --- what is sent along ----------------------------------------------------------------------------------------------


def test_every_text_says_where_to_report(settings, caller):
    """Where its reports would be believed."""
    way = Way(Channel.SMS, ALIAS)
    told = way.receipt_url
    settings.RETARGET = {**settings.RETARGET, **caller.keyless("")}

    assert (told, way.receipt_url) == (caller.url(), "")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's")
def test_people_are_found_by_their_number_on_the_index(ana, clock):
    many = [Contact(shop=ana.shop, phone=f"+3361{n:07d}", created_at=clock.now) for n in range(20_000)]
    Contact.objects.bulk_create(many, batch_size=5_000)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Contact._meta.db_table}")

    found = inbound._texted(PHONE, gateway=ALIAS).explain()

    assert "retarget_contact_phone" in found
    assert f"Seq Scan on {Contact._meta.db_table}" not in found
