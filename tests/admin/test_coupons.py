"""Coupons as staff sees them, and lists of codes as an owner fills them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from retarget_plugin.domain import coupons as rules
from retarget_plugin.models import Coupon, CouponCode, CouponPool

from . import rows
from .conftest import everything, page, read


@pytest.fixture
def shop(db):
    return rows.shop(time_zone="Europe/Paris")


def upload(owner, shop, data, *, pool=None, name="codes.csv", **changes):
    terms = {
        "shop": shop.pk,
        "name": "November",
        "kind": "percent",
        "value": "5",
        "minimum": "0",
        "last_day": "2026-12-31",
    }
    url = page("couponpool_change", pool.pk) if pool else page("couponpool_add")
    return owner.post(url, {**terms, **changes, "file": SimpleUploadedFile(name, data)}, follow=True)


def told(response):
    return [str(message) for message in response.context["messages"]]


def test_an_owner_adds_a_list_and_is_told_what_was_taken_and_what_was_not(owner, shop):
    response = upload(owner, shop, b"\xef\xbb\xbfcode;value\r\nA-1;5\r\n=1+1;5\r\na-1;5\r\nB-2;5\r\n")

    pool = CouponPool.objects.get()
    assert (pool.kind, pool.value, pool.minimum) == ("percent", Decimal(5), Decimal(0))
    # Until midnight in Paris.
    assert pool.expires_at == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert sorted(pool.codes.values_list("code", flat=True)) == ["A-1", "B-2"]
    assert told(response)[:2] == [
        "2 codes were added.",
        "2 lines were left out. Line 3 (not letters and digits), 4 (twice in the file)",
    ]


def test_more_codes_come_later_and_the_terms_stay(owner, shop):
    upload(owner, shop, b"A-1\n")
    pool = CouponPool.objects.get()

    response = upload(owner, shop, b"A-1\nB-2\n", pool=pool, value="50", last_day="2027-01-31")

    assert told(response)[:2] == ["1 code was added.", "1 lines were left out. Line 1 (known already)"]
    pool.refresh_from_db()
    assert (pool.value, pool.codes.count(), pool.expires_at.year) == (Decimal(5), 2, 2026)
    CouponCode.objects.filter(code="A-1").update(given_at=rows.NOW)
    text = read(owner, page("couponpool_changelist"))
    assert '<td class="field-worth">5 %</td><td class="field-last_day_shown">Dec. 31, 2026</td>' in text
    assert '<td class="field-left">1</td><td class="field-given">1</td>' in text


@pytest.mark.parametrize(
    ("data", "name", "problem"),
    [
        (b"\x89PNG\r\n\x00", "codes.csv", "This is no text file. Save the list as CSV."),
        (b"A\n" * 100_001, "codes.csv", "The file has more than 100,000 lines or 8 MB."),
        (b"A-1\n", "codes.xlsx", "File extension “xlsx” is not allowed. Allowed extensions are: csv, txt."),
    ],
)
def test_a_file_that_is_no_list_is_refused_and_nothing_is_stored(owner, shop, data, name, problem):
    response = upload(owner, shop, data, name=name)

    assert response.context["adminform"].form.errors == {"file": [problem]}
    assert not CouponPool.objects.exists()


def test_a_file_of_too_many_bytes_is_refused(owner, shop, monkeypatch):
    monkeypatch.setattr(rules, "MOST_BYTES", 10)

    response = upload(owner, shop, b"A" * 11)

    assert response.context["adminform"].form.errors == {"file": ["The file has more than 100,000 lines or 8 MB."]}


@pytest.mark.parametrize("changes", [{"value": "0"}, {"value": "101"}, {"value": "-5", "kind": "amount"}], ids=str)
def test_terms_that_are_worth_nothing_are_refused(owner, shop, changes):
    response = upload(owner, shop, b"A-1\n", **changes)

    assert response.context["adminform"].form.errors == {
        "value": ["It must be more than 0, and a percentage at most 100."]
    }


def test_a_list_goes_with_its_codes_unless_somebody_holds_one(owner):
    found = everything()
    found.coupon.delete()
    answer = owner.post(page("couponpool_delete", found.couponpool.pk), {"post": "yes"})
    assert (answer.status_code, CouponPool.objects.exists(), CouponCode.objects.exists()) == (302, False, False)

    held = everything("Another")
    text = read(owner, page("couponpool_delete", held.couponpool.pk))
    owner.post(page("couponpool_delete", held.couponpool.pk), {"post": "yes"})

    assert "Another" in text
    assert Coupon.objects.filter(pool=held.couponpool).exists()


def test_a_code_is_masked_in_lists_and_whole_for_who_may_see_it(owner, staff):
    coupon = everything().coupon
    Coupon.objects.update(code="FSVF-T34P-MR5R")
    url = page("coupon_change", coupon.pk)

    looked = [read(staff("view_coupon"), page("coupon_changelist")), read(staff("view_coupon", "view_shop"), url)]
    assert [("FSVF" in text, "…MR5R" in text) for text in looked] == [(False, True), (False, True)]

    assert "FSVF-T34P-MR5R" in read(owner, url)
    assert LogEntry.objects.filter(action_flag=4, object_id=str(coupon.pk)).count() == 1


@pytest.mark.parametrize(("typed", "is_found"), [("fsvf-t34p-mr5r", True), (" FSVF-T34P-MR5R ", True), ("FSVF", False)])
def test_customer_service_finds_a_code_in_full(owner, typed, is_found):
    everything()
    Coupon.objects.update(code="FSVF-T34P-MR5R")

    response = owner.get(page("coupon_changelist"), {"q": typed})

    assert response.context["cl"].queryset.exists() is is_found


def test_before_the_first_list_the_page_says_who_needs_one(owner, staff):
    viewer = staff("view_couponpool")

    assert "You need one only where your shop system cannot make discount codes by itself" in read(
        owner, page("couponpool_changelist")
    )
    assert "No list of codes yet." not in read(viewer, page("couponpool_changelist"))
