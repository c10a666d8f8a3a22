"""Magnets: every kind keeps its contract, a shop can add its own, and a code is given once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.db import connection, connections

from retarget_plugin.domain.magnets import Discount, Event, Files, Gift, Kind, Option, OptionType, file_name
from retarget_plugin.engine import delivery, magnets, notices
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Lead, MagnetCode
from tests.contracts.kinds import KindContract
from tests.lead_forms import make_lead, make_magnet

TEN_PERCENT = {"unit": "percent", "value": "10", "minimum": "", "days": "30"}


class Quiz(Kind):
    """A shop's own: a link to a quiz, with a code for whoever has done it."""

    label = "Quiz"
    options = (Option(name="url", label="Address of the quiz", type=OptionType.URL, is_required=True),)

    def gift(self, options, *, code, given_at):
        return Gift(url=options["url"])


@dataclass
class NoKind:
    label: str = "Not a kind"


class TestDiscount(KindContract):
    kind, options = Discount(), TEN_PERCENT


class TestFiles(KindContract):
    kind, options = Files(), {}


class TestEvent(KindContract):
    kind = Event()
    options = {"starts_at": "2026-12-12T18:00:00+01:00", "minutes": "90", "url": "https://meet.example/x", "place": ""}


class TestAShopsOwn(KindContract):
    kind, options = Quiz(), {"url": "https://quiz.example/soups"}


@pytest.fixture
def own_kinds(settings, host):
    added = {"quiz": f"{__name__}.Quiz", "gone": "nowhere.Quiz", "wrong": f"{__name__}.NoKind"}
    settings.RETARGET = {**settings.RETARGET, "MAGNETS": added}


def test_a_shop_adds_a_kind_in_its_settings(own_kinds, shop, clock):
    magnet = make_magnet(shop, kind="quiz", options={"url": "https://quiz.example/soups"}, now=clock.now)
    lead = make_lead(shop, magnet=magnet, now=clock.now)

    context = magnets.context(lead, language="en", locale="en", now=clock.now)

    assert context == {
        "title": "Twelve winter soups",
        "text": "Enjoy.",
        "code": None,
        "expires": None,
        "url": "https://quiz.example/soups",
        "starts": None,
        "place": None,
        "files": [],
    }


def test_a_kind_that_cannot_be_used_is_reported_and_stops_nothing_else(own_kinds):
    assert list(magnets.kinds()) == ["discount", "files", "event", "quiz"]
    assert magnets.faults() == [
        'RETARGET["MAGNETS"]["gone"] is no kind of magnet that can be imported.',
        'RETARGET["MAGNETS"]["wrong"] is no kind of magnet that can be imported.',
    ]
    assert [found.msg for found in run_checks() if found.id == "retarget_plugin.E008"] == magnets.faults()


def test_a_magnet_whose_kind_is_gone_is_not_sent(shop, clock):
    lead = make_lead(shop, magnet=make_magnet(shop, kind="quiz", now=clock.now), now=clock.now)

    with pytest.raises(TemplateError, match="has no 'quiz'"):
        magnets.context(lead, language="en", locale="en", now=clock.now)


def test_the_shop_makes_one_code_for_one_person(shop, host, clock):
    magnet = make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now)
    ana, ben = (
        make_lead(shop, email=email, magnet=magnet, now=clock.now) for email in ("a@example.com", "b@example.com")
    )

    codes = [magnets.gift(Lead.objects.get(pk=lead.pk), now=clock.advance(days=1)).code for lead in (ana, ana, ben)]

    assert codes == ["CODE-1", "CODE-1", "CODE-2"]
    assert [(spec.kind, spec.value, spec.idempotency_key) for spec in host.coupons.values()] == [
        ("percent", 10, f"lead-{ana.pk}"),
        ("percent", 10, f"lead-{ben.pk}"),
    ]


def test_a_discount_ends_so_many_days_after_it_was_earned(shop, clock):
    magnet = make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now)
    lead = make_lead(shop, magnet=magnet, now=clock.now)

    context = magnets.context(lead, language="fr", locale="fr", now=clock.advance(days=9))

    assert (context["code"], context["expires"]) == ("CODE-1", "24 décembre 2026")


def test_an_owners_own_codes_come_first_and_are_given_once(shop, host, clock):
    magnet = make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now)
    for code in ("A-1", "A-2"):
        MagnetCode.objects.create(magnet=magnet, code=code)
    people = [make_lead(shop, email=f"{name}@example.com", magnet=magnet, now=clock.now) for name in "abc"]

    assert [magnets.gift(lead, now=clock.now).code for lead in (people[0], people[0], people[1])] == [
        "A-1",
        "A-1",
        "A-2",
    ]
    with pytest.raises(TemplateError, match="no code left"):
        magnets.gift(people[2], now=clock.now)
    people[0].delete()
    with pytest.raises(TemplateError):
        magnets.gift(people[2], now=clock.now)
    assert host.coupons == {}


def test_a_shop_that_cannot_make_a_code_is_no_reason_to_send_none(shop, host, clock, monkeypatch):
    lead = make_lead(shop, magnet=make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now), now=clock.now)
    monkeypatch.setattr(host, "create_coupon", lambda spec: 1 / 0)

    with pytest.raises(TemplateError, match="could not make a code"):
        magnets.gift(lead, now=clock.now)
    lead.refresh_from_db()
    assert lead.code == ""


@pytest.mark.django_db(transaction=True)
def test_eight_workers_give_eight_different_codes(shop, clock):
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time there")
    magnet = make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now)
    MagnetCode.objects.bulk_create([MagnetCode(magnet=magnet, code=f"A-{number}") for number in range(8)])
    people = [make_lead(shop, email=f"p{number}@example.com", magnet=magnet, now=clock.now) for number in range(8)]
    start, given = threading.Barrier(8), []

    def take(lead):
        start.wait()
        given.append(magnets.gift(lead, now=clock.now).code)
        connections.close_all()

    workers = [threading.Thread(target=take, args=(lead,)) for lead in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(given) == [f"A-{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Soups.pdf", "Soups.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\Soups.pdf", "Soups.pdf"),
        (".htaccess", "htaccess"),
        ('a"b\r\nX: y.pdf', "ab X y.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("", "file"),
        ("/", "file"),
    ],
)
def test_a_file_name_is_only_a_name(typed, kept):
    assert file_name(typed) == kept


@pytest.mark.django_db(transaction=True)
def test_the_shop_is_asked_for_a_code_outside_of_any_transaction(shop, host, clock, monkeypatch):
    magnet = make_magnet(shop, kind="discount", options=TEN_PERCENT, now=clock.now)
    lead = make_lead(shop, magnet=magnet, now=clock.now)
    gift = {"lead": lead.pk, "language": "en"}
    letter = {"channel": "email", "template": "magnet", "context": gift, "within": timedelta(days=1), "now": clock.now}
    notices.queue(shop, lead.contact, **letter)
    in_transaction = []
    make = host.create_coupon
    monkeypatch.setattr(
        host, "create_coupon", lambda spec: in_transaction.append(connection.in_atomic_block) or make(spec)
    )

    sent = delivery.dispatch(now=clock.now)

    assert (sent["accepted"], in_transaction) == (1, [False])
