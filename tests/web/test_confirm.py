"""confirm/<token>/: a scanner that opens every link confirms nothing; one press by the reader of the address is enough."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.vocabulary import ConsentState
from retarget_plugin.engine import optin, tokens
from retarget_plugin.models import Consent, ConsentRecord, Contact, Lead, LeadForm, Magnet, Message, Visitor
from tests.web.conftest import answer, kept_rows

EMAIL, PHONE = "nadia.b@mail.example", "+33612345699"
WORDING = "Yes, tell me about new looms & yarns."
TITLE = "Twelve <scarf> patterns"


@pytest.fixture
def stranger(shop):
    return Contact.objects.create(
        shop=shop, email=EMAIL, phone=PHONE, first_name="Nadia", last_name="Belkacem", created_at=timezone.now()
    )


@pytest.fixture
def lead(shop, stranger):
    texts = {"en": {"title": TITLE}, "fr": {"title": "Douze écharpes"}, "es": {"title": "Doce bufandas"}}
    magnet = Magnet.objects.create(
        shop=shop, slug="scarves", name="Scarves", kind="files", texts=texts, created_at=timezone.now()
    )
    form = LeadForm.objects.create(shop=shop, slug="scarves", name="Scarves", magnet=magnet, created_at=timezone.now())
    return Lead.objects.create(
        shop=shop, form=form, magnet=magnet, contact=stranger, email=EMAIL, created_at=timezone.now()
    )


@pytest.fixture
def token(stranger, lead):
    return ask(stranger, lead=lead)


@pytest.fixture
def url(token):
    return reverse("retarget_plugin:confirm", args=[token])


@pytest.fixture
def refuse_url(token):
    return reverse("retarget_plugin:refuse", args=[token])


def ask(contact, *, channel="email", lead=None):
    """The token of the question that goes to the address."""
    optin.request(
        contact,
        channel=channel,
        purpose="marketing",
        source="form scarves",
        wording=WORDING,
        wording_version="3",
        lead=lead,
        must_prove=True,
        now=timezone.now(),
    )
    question = Message.objects.get(template="confirm", contact=contact, channel=channel)
    return tokens.confirm(contact_id=contact.pk, message_id=question.pk)


def state(contact, channel="email"):
    return Consent.objects.get(contact=contact, channel=channel, purpose="marketing").state


def test_the_page_says_what_is_agreed_to_and_nothing_about_whose_address_it_is(client, stranger, url, refuse_url):
    response = client.get(url)

    page = response.content.decode()
    assert response.status_code == 200
    assert "Chez Léa" in page
    assert "Yes, tell me about new looms &amp; yarns." in page
    assert "Twelve &lt;scarf&gt; patterns" in page
    assert '<form class="action" method="post">' in page
    assert f'href="{refuse_url}"' in page
    assert [said for said in (EMAIL, PHONE, "Nadia", "Belkacem") if said in page] == []
    assert not response.cookies
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store, private"


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, stranger, url, refuse_url, method):
    before = kept_rows(), list(Lead.objects.values())

    for page in (url, refuse_url):
        getattr(client, method)(page)
        getattr(client, method)(f"{page}?confirm=1&List-Unsubscribe=One-Click")

    assert (kept_rows(), list(Lead.objects.values())) == before
    assert state(stranger) == ConsentState.PENDING


def test_one_press_is_enough_with_no_cookie_and_no_referrer(stranger, lead, url):
    response = Client(enforce_csrf_checks=True).post(url)

    lead.refresh_from_db()
    page = response.content.decode()
    assert response.status_code == 200
    assert "Thank you, it is confirmed" in page
    assert "What you asked for comes by e-mail within a few minutes." in page
    assert state(stranger) == ConsentState.GRANTED
    assert lead.confirmed_at is not None
    assert Message.objects.filter(template="magnet", contact=stranger).count() == 1


def test_twice_is_as_good_as_once(client, stranger, url):
    first = answer(client.post(url))
    records = ConsentRecord.objects.count()
    second = answer(client.post(url))

    assert first == second
    assert ConsentRecord.objects.count() == records
    assert Message.objects.filter(template="magnet").count() == 1


def test_it_was_not_me_deletes_what_was_typed(client, stranger, refuse_url, url):
    asked = client.get(refuse_url).content.decode()
    response = client.post(refuse_url)
    again = client.post(refuse_url)
    late = client.post(url)

    assert "It was not you?" in asked
    assert "It is deleted" in response.content.decode()
    assert "It is deleted" in again.content.decode()
    assert [response.status_code, again.status_code, late.status_code] == [200, 200, 404]
    assert (Lead.objects.count(), Contact.objects.filter(email=EMAIL).count(), Message.objects.count()) == (0, 0, 0)


def test_a_question_by_text_message_is_answered_on_the_same_page(client, stranger):
    token = ask(stranger, channel="sms")
    url = reverse("retarget_plugin:confirm", args=[token])

    asked = client.get(url).content.decode()
    client.post(url)

    assert "Somebody entered your mobile number in this shop." in asked
    assert state(stranger, "sms") == ConsentState.GRANTED


@pytest.mark.parametrize("name", ["confirm", "refuse"])
def test_the_link_works_for_seven_days(client, stranger, token, name):
    url = reverse(f"retarget_plugin:{name}", args=[token])
    dead = answer(client.get(reverse(f"retarget_plugin:{name}", args=["nonsense"])))

    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        alive = client.get(url).status_code
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        late = [answer(client.get(url)), answer(client.post(url))]

    assert alive == 200
    assert late == [dead, dead]
    assert state(stranger) == ConsentState.PENDING


@pytest.mark.parametrize("field", [{"erased_at": timezone.now()}, {"email": "other@mail.example"}])
def test_the_link_is_dead_when_the_address_is_no_longer_the_contacts(client, stranger, url, refuse_url, field):
    Contact.objects.filter(pk=stranger.pk).update(**field)
    dead = answer(client.get(reverse("retarget_plugin:confirm", args=["nonsense"])))

    answers = [answer(getattr(client, method)(page)) for page in (url, refuse_url) for method in ("get", "post")]

    assert answers == [dead] * 4
    assert state(stranger) == ConsentState.PENDING


@pytest.mark.parametrize(
    ("language", "question", "thanks", "deleted"),
    [
        ("fr", "C’est bien vous\u00a0?", "Merci, c’est confirmé", "C’est supprimé"),
        ("es", "¿Has sido tú?", "Gracias, está confirmado", "Está borrado"),
    ],
)
def test_in_french_and_spanish(client, stranger, url, refuse_url, language, question, thanks, deleted):
    Contact.objects.filter(pk=stranger.pk).update(locale=language)

    pages = [client.get(url), client.post(url), client.post(refuse_url)]

    assert [response.headers["Content-Language"] for response in pages] == [language] * 3
    for response, words in zip(pages, (question, thanks, deleted), strict=True):
        assert words in response.content.decode()


def test_a_forwarded_link_does_not_make_its_reader_the_contact(client, shop, stranger, url):
    reader = Visitor.objects.create(shop=shop, key="x" * 43, first_seen_at=timezone.now(), last_seen_at=timezone.now())
    client.cookies["retarget_visitor"] = reader.key

    client.post(url)

    reader.refresh_from_db()
    assert state(stranger) == ConsentState.GRANTED
    assert reader.contact is None
