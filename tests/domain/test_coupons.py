"""What a coupon is worth, when it ends, what a budget allows, and which lines of an owner's file are codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from retarget_plugin.domain import coupons
from retarget_plugin.domain.coupons import Budget, Fault, Offer

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "ends", "last_day"),
    [
        ("Europe/Paris", "2026-11-27T23:00", "2026-11-27"),
        ("America/New_York", "2026-11-28T05:00", "2026-11-27"),
        ("Asia/Kathmandu", "2026-11-27T18:15", "2026-11-27"),
        ("Pacific/Auckland", "2026-11-27T11:00", "2026-11-27"),
    ],
)
def test_it_ends_with_a_whole_day_of_its_owner_and_never_before_it_was_promised(place, ends, last_day):
    zone = ZoneInfo(place)

    found = coupons.ends_at(TUESDAY, timedelta(hours=72), zone)

    assert found == datetime.fromisoformat(ends).replace(tzinfo=UTC)
    assert TUESDAY + timedelta(hours=72) <= found < TUESDAY + timedelta(hours=96)
    assert coupons.last_day(found, zone, given_at=TUESDAY).date().isoformat() == last_day


def test_a_midnight_is_kept_and_a_day_of_25_hours_is_one_day():
    zone = ZoneInfo("Europe/Paris")
    midnight = datetime(2026, 10, 25, 0, 0, tzinfo=zone)

    assert coupons.ends_at(midnight, timedelta(), zone) == midnight
    assert coupons.ends_at(midnight, timedelta(hours=1), zone) == midnight + timedelta(days=1)
    assert coupons.ends_at(midnight, timedelta(hours=1), zone).isoformat() == "2026-10-25T23:00:00+00:00"


@pytest.mark.parametrize(
    ("place", "day"), [("Europe/Paris", "2026-12-12"), ("America/New_York", "2026-12-11"), ("Asia/Tokyo", "2026-12-12")]
)
def test_a_message_promises_no_day_that_is_not_whole_where_its_reader_lives(place, day):
    in_paris = datetime(2026, 12, 13, tzinfo=ZoneInfo("Europe/Paris"))

    assert coupons.last_day(in_paris, ZoneInfo(place), given_at=TUESDAY).date().isoformat() == day


def test_the_last_day_is_never_before_the_first():
    tonight = TUESDAY + timedelta(hours=3)

    assert coupons.last_day(tonight, ZoneInfo("Europe/Paris"), given_at=TUESDAY).date().isoformat() == "2026-11-24"


@pytest.mark.parametrize(
    ("terms", "total", "worth"),
    [
        ({"percent": 5}, "499.00", "24.95"),
        ({"percent": 5}, "0.10", "0.01"),
        ({"percent": 5}, None, "0.00"),
        ({"percent": 5, "minimum": Decimal(50)}, None, "2.50"),
        ({"amount": Decimal("10.00")}, "499.00", "10.00"),
    ],
)
def test_what_it_is_expected_to_take_off(terms, total, worth):
    offer = Offer(valid=timedelta(days=3), **terms)

    assert offer.worth(Decimal(total) if total else None) == Decimal(worth)


@pytest.mark.parametrize(
    ("kind", "value", "paid", "off"),
    [
        ("percent", "5", "95.00", "5.00"),
        ("percent", "10", "449.10", "49.90"),
        ("percent", "100", "0", "0"),
        ("amount", "7.5", "3.00", "7.5"),
    ],
)
def test_what_it_took_off_where_the_shop_does_not_say(kind, value, paid, off):
    assert coupons.taken_off(kind, Decimal(value), paid=Decimal(paid)) == Decimal(off)


@pytest.mark.parametrize(
    ("budget", "coupons_given", "amount_given", "is_allowed"),
    [
        (Budget(), 10_000, "1e6", True),
        (Budget(coupons=3), 2, "0", True),
        (Budget(coupons=3), 3, "0", False),
        (Budget(coupons=0), 0, "0", False),
        (Budget(amount=Decimal(50)), 9, "40.00", True),
        (Budget(amount=Decimal(50)), 9, "40.01", False),
    ],
)
def test_a_budget_counts_coupons_and_money(budget, coupons_given, amount_given, is_allowed):
    more = Decimal("10.00")

    assert budget.allows(coupons=coupons_given, amount=Decimal(amount_given), more=more) is is_allowed


# -- files ------------------------------------------------------------------------------------------------------------


def codes(data: bytes) -> list[str]:
    return [code for _line, code, fault in coupons.read_list(data) if fault is None]


@pytest.mark.parametrize(
    "data",
    [
        b"A-1\nB-2\n",
        b"\xef\xbb\xbfA-1\r\nB-2",
        b"code\nA-1\n\n  B-2  \n",
        b"Code;Value\r\nA-1;5\r\nB-2;5\r\n",
        b'"A-1","5 %"\n"B-2","5 %"\n',
        b"A-1\tfirst\nB-2\tsecond",
        b"A-1\rB-2",
        "﻿code\nA-1\nB-2".encode("utf-16"),
    ],
)
def test_a_list_is_read_however_the_spreadsheet_wrote_it(data):
    assert codes(data) == ["A-1", "B-2"]


def test_what_is_no_code_is_named_with_its_line():
    lines = [
        "GOOD-1",
        "=HYPERLINK(1)",
        "+33",
        "-1",
        "@SUM(A1)",
        "good-1",
        "",
        "X" * 61,
        "two words",
        "zero\u200bwidth",
        "ÉTÉ2026",
        '"QUOTED',
    ]

    found = list(coupons.read_list("\n".join(lines).encode()))

    assert [(line, fault) for line, _code, fault in found if fault] == [
        (2, Fault.NOT_A_CODE),
        (3, Fault.NOT_A_CODE),
        (4, Fault.NOT_A_CODE),
        (5, Fault.NOT_A_CODE),
        (6, Fault.TWICE),
        (8, Fault.TOO_LONG),
        (9, Fault.NOT_A_CODE),
        (10, Fault.NOT_A_CODE),
    ]
    assert [code for _line, code, fault in found if fault is None] == ["GOOD-1", "ÉTÉ2026", "QUOTED"]


def test_a_list_in_windows_letters_is_read_as_such():
    assert codes("ÉTÉ2026\n".encode("cp1252")) == ["ÉTÉ2026"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not_a_text"),
        (b"\xff\xfe\x00", "not_a_text"),
        (b"A\n" * 100_001, "too_long"),
        (b"A" * 8_000_001, "too_long"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(data, problem):
    with pytest.raises(ValueError, match=problem):
        list(coupons.read_list(data))


def test_a_hundred_thousand_lines_are_taken():
    data = "".join(f"C{number}\n" for number in range(100_000)).encode()

    assert len(codes(data)) == 100_000
