"""forms/ and forms/<slug>/: which forms a page shows, and what is answered to whoever sends one."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.vocabulary import SuppressionReason
from retarget_plugin.engine import consent, leads, visitors
from retarget_plugin.models import Claim, Consent, Contact, Lead, Message, Preference
from tests.lead_forms import make_form, make_magnet

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

LIST, FORM = "/retarget/forms/", "/retarget/forms/soups/"
AS_FORM = {"content_type": "application/x-www-form-urlencoded"}
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def form(shop):
    now = timezone.now()
    return make_form(shop, magnet=make_magnet(shop, now=now), now=now)


def send(client, data, *, path=FORM, **headers):
    return client.post(path, json.dumps(data), content_type="application/json", headers=headers)


# -- shown ------------------------------------------------------------------------------------------------------------


def test_a_page_gets_its_forms_in_its_language(client, form):
    answer = client.get(LIST, {"path": "/blog/soups/", "topic": "cooking", "language": "fr-CA"})

    assert answer.status_code == 200
    [shown] = answer.json()["forms"]
    assert shown == {
        "slug": "soups",
        "kind": "popup",
        "language": "fr",
        "title": "Douze soupes d’hiver",
        "text": "Un livret de nos cuisiniers.",
        "button": "Recevoir le livret",
        "done": "Regardez votre boîte de réception.",
        "fields": [
            {"name": "email", "type": "email", "label": shown["fields"][0]["label"], "required": True, "options": []}
        ],
        "consents": [
            {
                "name": "consent_email_marketing",
                "required": False,
                "channel": "email",
                "purpose": "marketing",
                "label": "Écrivez-moi par e-mail pour les nouveautés.",
                "version": "2026-01",
            }
        ],
        "needs_tick": False,
        "show": {
            "after_seconds": None,
            "scroll_percent": None,
            "on_exit": False,
            "devices": "all",
            "every_days": 7,
        },
    }
    assert not client.cookies


def test_forms_that_are_off_or_meant_for_other_pages_are_not_shown(client, form):
    form.paths, form.topic = "/blog/*\n!/blog/private*", "cooking"
    form.save()

    def shown(path, topic):
        return len(client.get(LIST, {"path": path, "topic": topic}).json()["forms"])

    assert shown("/blog/soups/", "Cooking") == 1
    assert shown("/blog/soups/?utm_source=x", "cooking") == 1
    assert shown("/blog/private/", "cooking") == 0
    assert shown("/checkout/", "cooking") == 0
    assert shown("/blog/soups/", "sport") == 0
    form.is_on = False
    form.save()
    assert shown("/blog/soups/", "cooking") == 0


def test_a_page_costs_the_same_few_queries_however_many_forms_there_are(client, form, shop, django_assert_num_queries):
    Preference.objects.create(shop=shop, slug="sport", labels={"en": "Sport"}, options=[])
    for number in range(10):
        make_form(shop, slug=f"other-{number}", preferences=["sport"], now=timezone.now())

    with django_assert_num_queries(3):  # shops, forms, preferences
        assert len(client.get(LIST, {"path": "/"}).json()["forms"]) == 11


def test_an_allowed_storefront_may_read_the_forms_and_another_site_may_not(client, form, settings):
    settings.RETARGET = {**settings.RETARGET, "ALLOWED_ORIGINS": ("https://front.example",)}

    allowed = client.get(LIST, {"path": "/"}, headers={"Origin": "https://front.example"})
    foreign = client.get(LIST, {"path": "/"}, headers={"Origin": "https://evil.example"})

    assert allowed["Access-Control-Allow-Origin"] == "https://front.example"
    assert "Access-Control-Allow-Credentials" not in allowed
    assert "Access-Control-Allow-Origin" not in foreign


# -- sent -------------------------------------------------------------------------------------------------------------


def test_a_submission_is_stored_with_the_wording_that_was_ticked(client, form):
    answer = send(
        client,
        {"email": " Ana@Example.COM ", "consent_email_marketing": True, "page": "/blog/?secret=1", "language": "fr"},
    )

    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "message": "Regardez votre boîte de réception."}
    lead = Lead.objects.get()
    assert (lead.email, lead.language, lead.page, lead.magnet_id) == ("ana@example.com", "fr", "/blog/", form.magnet_id)
    assert lead.consents == [
        {
            "channel": "email",
            "purpose": "marketing",
            "wording": "Écrivez-moi par e-mail pour les nouveautés.",
            "version": "2026-01",
        }
    ]
    assert lead.confirmed_at is None


def test_an_unticked_box_asks_for_the_address_only(client, form):
    for no in (False, "false", "", 0, None, [], {}):
        send(client, {"email": "ana@example.com", "consent_email_marketing": no})

    leads.ask(timezone.now())

    assert [lead.consents for lead in Lead.objects.all()] == [[]] * 7
    assert not Consent.objects.exists()
    assert Message.objects.filter(template="confirm").count() == 1


def test_a_ticked_box_waits_for_the_proof_of_the_address(client, form):
    send(client, {"email": "ana@example.com", "consent_email_marketing": True})

    leads.ask(timezone.now())

    [state] = Consent.objects.all()
    assert (state.channel, state.purpose, state.state) == ("email", "marketing", "pending")
    assert (state.record.wording, state.record.wording_version, state.record.source) == (
        "Write to me about new books by e-mail.",
        "2026-01",
        "form soups",
    )


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        ({}, {"email": "Please fill this in."}),
        (
            {"email": "ana@"},
            {"email": "Please enter a complete e-mail address, such as name@example.com."},
        ),
        (
            {"email": ["ana@example.com"]},
            {"email": "Please fill this in."},
        ),
        (
            {"email": "ana@example.com", "first_name": "http://evil.example"},
            {"first_name": "Please enter a name, without links or digits."},
        ),
        (
            {"email": "ana@example.com", "phone": "12"},
            {"phone": "Please enter a mobile number, such as +33 6 12 34 56 78."},
        ),
        (
            {"email": "ana@example.com", "consent_sms_marketing": "on"},
            {"phone": "Please fill this in."},
        ),
        ({"email": "ana@example.com", "pet": "dragon"}, {"pet": "Please choose one of the answers."}),
    ],
)
def test_what_is_wrong_is_said_field_by_field_and_nothing_is_stored(client, form, shop, data, errors):
    options = [{"value": "cat", "labels": {"en": "Cat"}}]
    Preference.objects.create(shop=shop, slug="pet", labels={"en": "Your pet"}, options=options)
    form.phone, form.first_name, form.preferences, form.consents = "optional", "optional", ["pet"], ["email", "sms"]
    form.save()

    answer = send(client, {"language": "en", **data})

    assert answer.status_code == 422
    assert answer.json() == {"ok": False, "errors": errors}
    assert not Lead.objects.exists()


def test_declared_preferences_are_kept(client, form, shop):
    options = [{"value": value, "labels": {"en": value.title()}} for value in ("cat", "dog", "fish")]
    Preference.objects.create(shop=shop, slug="pet", labels={"en": "Pets"}, options=options, takes_several=True)
    form.preferences = ["pet"]
    form.save()

    shown = client.get(LIST, {"path": "/", "language": "en"}).json()["forms"][0]["fields"][1]
    answer = client.post(FORM, urlencode({"email": "ana@example.com", "pet": ["fish", "cat"]}, doseq=True), **AS_FORM)

    assert (shown["type"], shown["label"], [option["label"] for option in shown["options"]]) == (
        "choices",
        "Pets",
        ["Cat", "Dog", "Fish"],
    )
    assert answer.status_code == 200
    assert Lead.objects.get().answers == {"pet": ["cat", "fish"]}


def test_a_filled_honeypot_gets_the_same_answer_and_is_dropped(client, form):
    person = send(client, {"email": "ana@example.com"})
    machine = send(client, {"email": "bot@example.com", "website": "https://spam.example"})

    assert machine.content == person.content
    assert [lead.email for lead in Lead.objects.all()] == ["ana@example.com"]


def test_a_form_without_magnet_has_nothing_to_give_to_whoever_ticks_nothing(client, shop):
    make_form(shop, now=timezone.now())

    assert client.get(LIST, {"path": "/"}).json()["forms"][0]["consents"][0]["required"] is True
    refused = send(client, {"email": "ana@example.com", "language": "en"})
    taken = send(client, {"email": "ana@example.com", "consent_email_marketing": True})

    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == ["consent_email_marketing"]
    assert taken.status_code == 200


def test_marketing_is_the_price_only_where_the_owner_says_so(client, form):
    free = send(client, {"email": "ana@example.com"})
    form.is_bundled = True
    form.save()
    bundled = send(client, {"email": "ana@example.com"})

    assert (free.status_code, bundled.status_code) == (200, 422)


def test_a_recognised_visitor_only_claims_what_was_typed(client, form, shop):
    visitor = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now())
    client.cookies["retarget_visitor"] = visitor.key

    send(client, {"email": "victim@example.com"})
    leads.ask(timezone.now())

    visitor.refresh_from_db()
    assert visitor.contact is None
    assert [made.address for made in Claim.objects.filter(visitor=visitor)] == ["victim@example.com"]


def test_an_unknown_form_is_not_found(client, form):
    assert send(client, {"email": "ana@example.com"}, path="/retarget/forms/other/").status_code == 404
    form.is_on = False
    form.save()
    assert send(client, {"email": "ana@example.com"}).status_code == 404
    assert client.get(FORM, headers=BROWSER).status_code == 404


# -- A2, A18: nothing is told about who is known ----------------------------------------------------------------------


def test_known_unknown_and_suppressed_people_get_the_same_answer_after_the_same_statements(client, form, shop, contact):
    consent.suppress(
        shop,
        channel="email",
        address="gone@example.com",
        reason=SuppressionReason.COMPLAINED,
        now=timezone.now(),
    )
    send(client, {"email": "first@example.com"})

    answers, statements = [], []
    for email in (contact.email, "unknown@example.com", "gone@example.com"):
        with CaptureQueriesContext(connection) as captured:
            answers.append(send(client, {"email": email, "consent_email_marketing": True}))
        # A statement without its values.
        run = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
        statements.append([" ".join(sql.split()[:3]) for sql in run])

    assert statements[0] == statements[1] == statements[2]
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1
    assert not any(answer.cookies for answer in answers)


def test_no_contact_is_read_or_made_while_the_visitor_waits(client, form, contact):
    known = Contact.objects.count()

    send(client, {"email": "unknown@example.com"})

    assert Contact.objects.count() == known
    assert Lead.objects.get().contact is None


@pytest.mark.parametrize("query", ["?email=ana@example.com", "?lead=1", "?id=1&contact=1"])
def test_no_form_can_be_asked_about_somebody(client, form, contact, query):
    send(client, {"email": contact.email, "first_name": "Mallory"})

    for path in (LIST, FORM):
        assert client.get(path + query).content == client.get(path).content
        assert contact.email not in client.get(path + query).content.decode()


# -- A21, A22: bounds and bytes ---------------------------------------------------------------------------------------

NOT_TEXT = [
    b"\xff\xfe",
    b'{"email":"\xed\xa0\x80"}',
    b'{"email":"\\ud800"}',
    b"[]",
    b"null",
    b'{"a":1,"a":2}',
    b'{"n":NaN}',
]


@pytest.mark.parametrize("body", [*NOT_TEXT, b"[" * 10_000, b'{"a":' * 3_000, b'{"a":' + b"9" * 5_000 + b"}"])
def test_a_body_that_is_no_plain_object_is_refused(client, form, body):
    answer = client.post(FORM, body, content_type="application/json")

    assert answer.status_code == 400
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 16_385, "application/json", 413),
        (b"a=1&" * 4_097, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=" % number for number in range(1_500)), "application/x-www-form-urlencoded", 400),
        (b"email=ana@example.com", "text/plain", 415),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415),
    ],
)
def test_bodies_are_bounded(client, form, body, kind, status):
    assert client.post(FORM, body, content_type=kind).status_code == status
    assert not Lead.objects.exists()


@pytest.mark.parametrize("mark", ["\x00", "\u202e", "\u200b", "\r\nBcc: x@evil.example", "\x1b[31m"])
def test_marks_that_nobody_types_are_cleaned_away(client, form, mark):
    form.first_name = "optional"
    form.save()

    answer = send(client, {"email": f"ana@example.com{mark if len(mark) == 1 else ''}", "first_name": f"An{mark}a"[:4]})

    assert answer.status_code in (200, 422)
    for lead in Lead.objects.all():
        assert lead.first_name.isprintable()
        assert lead.email == "ana@example.com"


def test_one_network_may_send_so_many_an_hour(client, form, settings):
    settings.RETARGET = {**settings.RETARGET, "FORMS_PER_HOUR": 3, "TRUSTED_PROXY_COUNT": 0}

    statuses = [
        send(client, {"email": f"a{number}@example.com", "language": "en"}, X_Forwarded_For=f"192.0.2.{number}")
        for number in range(5)
    ]

    assert [answer.status_code for answer in statuses] == [200, 200, 200, 429, 429]
    assert statuses[-1].json() == {
        "ok": False,
        "errors": {"form": "That is too many at once. Please try again in an hour."},
    }
    assert Lead.objects.count() == 3


# -- A20, A27: whose page it is ---------------------------------------------------------------------------------------


def test_another_site_cannot_send_a_form(form):
    client = Client(enforce_csrf_checks=True)

    foreign = send(client, {"email": "ana@example.com"}, Origin="https://evil.example")
    hidden = send(client, {"email": "ana@example.com"}, Sec_Fetch_Site="cross-site")
    own = send(client, {"email": "ana@example.com"}, Origin="http://testserver")

    assert (foreign.status_code, hidden.status_code, own.status_code) == (403, 403, 200)
    assert Lead.objects.count() == 1


def test_the_host_header_is_repeated_nowhere(client, form):
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}):
        for accept in ("application/json", "text/html"):
            answer = client.get(FORM, headers={**headers, "Accept": accept})
            assert "evil.example" not in answer.content.decode()
            assert "evil.example" not in str(answer.headers)


# -- without script ---------------------------------------------------------------------------------------------------


def test_a_browser_without_script_gets_a_page_and_an_answer_on_it(client, form):
    page = client.get(FORM, headers={**BROWSER, "Accept-Language": "fr"})

    text = page.content.decode()
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert '<html lang="fr">' in text
    assert "Douze soupes d’hiver" in text
    assert "<script" not in text
    assert 'name="consent_email_marketing"' in text
    assert "checked" not in text

    typed = {"email": "ana@example.com", "language": "fr", "website": ""}
    sent = client.post(FORM, urlencode(typed), **AS_FORM, headers=BROWSER)

    assert sent.status_code == 200
    assert "Regardez votre boîte de réception." in sent.content.decode()
    assert Lead.objects.get().language == "fr"


def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(client, form):
    hostile = '"><script>alert(1)</script>'

    answer = client.post(FORM, urlencode({"email": hostile, "language": "en"}), **AS_FORM, headers=BROWSER)

    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'role="alert"' in text
    assert 'aria-describedby="email-error"' in text
    assert "Please enter a complete e-mail address" in text
    assert hostile not in text
    assert "&quot;&gt;&lt;script&gt;" in text
