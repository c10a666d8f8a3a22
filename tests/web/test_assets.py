"""assets/<token>/: who gets what for a proven address, how files leave the house, and when a link is dead."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.interests import score
from retarget_plugin.engine import downloads, tokens
from retarget_plugin.models import Event, Lead, MagnetFile
from tests.lead_forms import make_lead, make_magnet

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

PDF = b"%PDF-1.7 soups"
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "Accept": "text/html",
    "Accept-Language": "en",
}


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def lead(shop):
    now = timezone.now()
    files = (("Twelve soups.pdf", PDF), ("Liste d’épices.html", b"<script>alert(1)</script>"))
    return make_lead(shop, magnet=make_magnet(shop, files=files, now=now), now=now)


def address(lead):
    return reverse("retarget_plugin:assets", args=[tokens.asset(lead_id=lead.pk)])


def fetch(client, lead, number=0, **headers):
    file = list(MagnetFile.objects.order_by("pk"))[number]
    return client.get(f"{address(lead)}?file={file.pk}", headers={**BROWSER, **headers})


def test_the_page_lists_the_files_and_says_nothing_of_the_person(client, lead):
    answer = client.get(address(lead), headers=BROWSER)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Twelve winter soups" in text
    assert "Twelve soups.pdf" in text
    assert "ana@example.com" not in text
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["Referrer-Policy"] == "same-origin"
    assert not Event.objects.exists()


def test_a_file_leaves_as_an_attachment_and_as_an_event(client, lead):
    answer = fetch(client, lead)

    assert b"".join(answer.streaming_content) == PDF
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="Twelve soups.pdf"'
    assert answer["Content-Length"] == str(len(PDF))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    [event] = Event.objects.all()
    assert (event.name, event.contact, event.product, event.topic, event.is_bot) == (
        "asset_downloaded",
        lead.contact,
        "soups",
        "cooking",
        False,
    )
    lead.refresh_from_db()
    assert lead.downloaded_at is not None
    lead.contact.refresh_from_db()
    assert score(lead.contact.interests, "cooking", now=timezone.now()) == pytest.approx(5.0, abs=0.01)


def test_any_type_of_file_is_only_ever_saved(client, lead):
    answer = fetch(client, lead, 1)

    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment; filename*=utf-8''Liste%20d")


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"User-Agent": "curl/8.0"},
        {"Sec-Purpose": "prefetch"},
    ],
)
def test_a_machine_that_downloads_is_marked_and_counts_for_nothing(client, lead, headers):
    answer = fetch(client, lead, **headers)

    assert b"".join(answer.streaming_content) == PDF
    assert [event.is_bot for event in Event.objects.all()] == [True]
    lead.refresh_from_db()
    lead.contact.refresh_from_db()
    assert lead.downloaded_at is None
    assert lead.contact.interests == {}


def test_following_the_link_of_the_message_downloads_nothing(client, lead):
    for method in (client.get, client.head):
        method(address(lead))

    lead.refresh_from_db()
    assert lead.downloaded_at is None
    assert not Event.objects.exists()
    assert client.post(address(lead)).status_code == 405


def test_a_file_lies_under_a_name_that_nobody_can_guess(lead):
    stored = [file.file.name for file in MagnetFile.objects.all()]

    assert len(set(stored)) == 2
    for name in stored:
        assert name.startswith("retarget/magnets/")
        assert name.endswith(".bin")
        assert len(name) == len("retarget/magnets/") + 32 + len(".bin")


def test_a_storage_of_its_own_can_keep_the_files(shop, settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "private", "base_url": "/media/"},
        },
    }
    settings.RETARGET = {**settings.RETARGET, "MAGNET_STORAGE": "private"}

    magnet = make_magnet(shop, files=(("a.pdf", PDF),), now=timezone.now())

    with pytest.raises(NotImplementedError):
        assert magnet.files.get().file.url
    assert len(list((tmp_path / "private").rglob("*.bin"))) == 1


# -- dead links -------------------------------------------------------------------------------------------------------


def dead(client, lead):
    """True when the page, the files and the calendar of `lead` answer as a link that never was."""
    never = client.get("/retarget/assets/nothing/", headers=BROWSER)
    answers = [
        client.get(address(lead), headers=BROWSER),
        fetch(client, lead),
        client.get(f"{address(lead)}?calendar", headers=BROWSER),
    ]
    return all((answer.status_code, answer.content) == (404, never.content) for answer in answers)


def test_a_link_ends_after_its_days(client, lead):
    now = timezone.now()
    url = address(lead)

    with time_machine.travel(now + timedelta(days=30) - timedelta(minutes=1), tick=False):
        early = client.get(url, headers=BROWSER).status_code
    with time_machine.travel(now + timedelta(days=30, minutes=1), tick=False):
        late = client.get(url, headers=BROWSER).status_code

    assert (early, late) == (200, 404)


def test_a_revoked_link_is_dead(client, lead):
    downloads.revoke(lead, now=timezone.now())

    assert dead(client, lead)
    assert not Event.objects.exists()


@pytest.mark.parametrize("change", ["unconfirmed", "erased", "no magnet", "deleted"])
def test_a_link_is_dead_without_its_reason(client, lead, change):
    if change == "unconfirmed":
        Lead.objects.update(confirmed_at=None)
    elif change == "erased":
        lead.contact.erased_at = timezone.now()
        lead.contact.save()
    elif change == "no magnet":
        Lead.objects.update(magnet=None)
    else:
        Lead.objects.filter(pk=lead.pk).delete()

    assert dead(client, lead)


def test_one_link_opens_nobody_elses_files(client, shop, lead):
    other = make_magnet(shop, slug="secret", files=(("secret.pdf", b"secret"),), now=timezone.now())

    answer = client.get(f"{address(lead)}?file={other.files.get().pk}", headers=BROWSER)

    assert answer.status_code == 404
    assert not Event.objects.exists()


@pytest.mark.parametrize("number", ["", "x", "-1", "1e3", "²", "9" * 40, "../../etc/passwd", "1;2", "\x00"])
def test_a_number_that_is_none_is_a_dead_link(client, lead, number):
    assert client.get(address(lead), {"file": number}, headers=BROWSER).status_code == 404


def test_a_file_that_is_gone_from_the_storage_is_a_dead_link(client, lead):
    MagnetFile.objects.order_by("pk")[0].file.storage.delete(MagnetFile.objects.order_by("pk")[0].file.name)

    assert fetch(client, lead).status_code == 404
    assert not Event.objects.exists()


# -- a date -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def seat(shop):
    magnet = make_magnet(
        shop,
        slug="course",
        kind="event",
        texts={"en": {"title": "Soup, live; with Ana", "text": "Bring a spoon."}},
        options={
            "starts_at": "2026-12-12T18:00:00+01:00",
            "minutes": 90,
            "url": "https://meet.example/soup",
            "place": "",
        },
        now=timezone.now(),
    )
    return make_lead(shop, magnet=magnet, now=timezone.now())


def test_a_seat_shows_its_link_its_date_and_a_calendar_file(client, seat):
    seat.shop.time_zone = "Europe/Paris"
    seat.shop.save()

    text = client.get(address(seat), headers=BROWSER).content.decode()
    calendar = client.get(f"{address(seat)}?calendar", headers=BROWSER)

    assert "Saturday, December 12, 2026, 6:00\u202fPM (Paris)" in text
    assert 'href="https://meet.example/soup"' in text
    assert calendar["Content-Type"] == "text/calendar; charset=utf-8"
    assert calendar["Content-Disposition"] == 'attachment; filename="invitation.ics"'
    lines = calendar.content.decode().split("\r\n")
    assert "DTSTART:20261212T170000Z" in lines
    assert "DTEND:20261212T183000Z" in lines
    assert "SUMMARY:Soup\\, live\\; with Ana" in lines
