"""F9: somebody who allowed to be recognized has not been seen for three months."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.vocabulary import Reason
from retarget_plugin.models import Coupon, FlowRun, Message

from .quiet import later
from .shelf import CAMERA, FLOWERS, INSECTS, SHELF, item

pytestmark = pytest.mark.delivery
ANA = {"email": "ana@example.com", "first_name": "Ana"}
BAG = item("bag", "Shoulder bag", "79.00", "Bags")
READING, ARRIVAL, OFFER = "Something to read from Lumen Camera", "New: Shoulder bag", "5% off at Lumen Camera"


@pytest.fixture
def ana(retarget, host):
    return visitor(retarget, host, **ANA)


def visitor(retarget, host, **identity):
    retarget.only("not-seen")
    host.posts += [INSECTS, FLOWERS]
    retarget.sells(*SHELF)
    shopper = retarget.shopper(**identity)
    shopper.opens("/")
    retarget.advance()
    return shopper


def absence(retarget):
    """Three months, near whose end something new comes into the shop."""
    later(retarget, days=87)
    retarget.sells(BAG)
    later(retarget, days=3)


def said(retarget):
    return [sent.subject for sent in retarget.outbox]


def test_something_to_read_then_something_new_then_a_small_discount(retarget, ana):
    later(retarget, days=87)
    retarget.sells(BAG)
    later(retarget, days=2, hours=23, minutes=59)
    assert retarget.outbox == []

    later(retarget, minutes=1)
    assert said(retarget) == [READING]
    assert INSECTS.title in retarget.outbox[0].html
    assert FLOWERS.title in retarget.outbox[0].html

    retarget.advance(days=7)
    assert said(retarget) == [READING, ARRIVAL]
    assert "€79.00" in retarget.outbox[1].html

    retarget.advance(days=6, hours=23, minutes=59)
    assert said(retarget) == [READING, ARRIVAL]
    retarget.advance(minutes=1)
    assert said(retarget) == [READING, ARRIVAL, OFFER]
    assert Coupon.objects.get().code in retarget.outbox[2].html


@pytest.mark.parametrize(
    ("comeback", "reason"),
    [
        (lambda shopper: shopper.opens("/new/"), Reason.EXITED_ON),
        (lambda shopper: shopper.orders(CAMERA), Reason.ORDERED),
    ],
    ids=["visit", "order"],
)
def test_whoever_comes_back_is_not_called_any_more(retarget, ana, comeback, reason):
    absence(retarget)
    assert said(retarget) == [READING]
    retarget.clock.advance(minutes=1)

    comeback(ana)
    retarget.advance(days=15)

    assert said(retarget) == [READING]
    assert FlowRun.objects.get().reason == reason


def test_a_shop_that_writes_nothing_sends_nothing_to_read(retarget, host, ana):
    host.posts.clear()
    absence(retarget)

    retarget.advance(days=7)

    assert said(retarget) == [ARRIVAL]
    assert Message.objects.get(step="reading").reason == Reason.NOT_RECOMMENDED


def test_who_does_not_want_to_be_recognized_is_not_missed(retarget, host):
    retarget.only("not-seen")
    host.posts.append(INSECTS)
    retarget.agree(**ANA)

    later(retarget, days=120)

    assert retarget.outbox == []
    assert not FlowRun.objects.exists()


def test_a_visit_within_the_three_months_counts_from_then_on(retarget, ana):
    later(retarget, days=60)
    ana.opens("/")
    retarget.advance()

    later(retarget, days=89, hours=23)
    assert retarget.outbox == []

    later(retarget, hours=1)
    assert said(retarget) == [READING]


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        (
            "fr",
            ["De la lecture, de la part de Lumen Camera", "Nouveau : Shoulder bag", "5 % de remise chez Lumen Camera"],
        ),
        ("es", ["Para leer con calma", "Novedad: Shoulder bag", "5 % de descuento en Lumen Camera"]),
    ],
)
def test_it_is_told_in_the_readers_language(retarget, host, locale, expected):
    visitor(retarget, host, **ANA, locale=locale)
    absence(retarget)

    retarget.advance(days=15)

    assert said(retarget) == expected
