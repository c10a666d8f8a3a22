"""Vouchers in Saleor: one for a campaign and day, a code for each person, asked for as often as one likes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.hosts.saleor import vouchers
from retarget_plugin.hosts.saleor.client import Client, Denied, Unavailable
from retarget_plugin.hosts.saleor.host import SaleorHost
from tests.contracts.coupons import CouponContract
from tests.fakes.saleor import SaleorServer
from tests.fakes.saleor_nodes import gid
from tests.fakes.web import Fault, Reply

SPEC = CouponSpec(
    kind="percent",
    value=Decimal("10.00"),
    expires_at=datetime(2026, 12, 1, 15, 31, tzinfo=UTC),
    currency="USD",
    label="Come back",
    idempotency_key="run-1",
    scope="default-channel",
)


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        server.app_id, server.is_app_active = gid("App", "1"), True
        yield server


def mint(saleor, **changes):
    return vouchers.mint(Client(saleor.api_url, saleor.token), replace(SPEC, **changes))


class TestSaleor(CouponContract):
    scope, currency = "default-channel", "USD"

    @pytest.fixture
    def host(self, saleor, monkeypatch):
        host = SaleorHost(api_url=saleor.api_url)
        host.server = saleor
        monkeypatch.setattr(SaleorHost, "client", Client(saleor.api_url, saleor.token))
        return host

    def codes(self, host):
        return [code for voucher in host.server.shop.vouchers.values() for code in voucher["codes"]]

    def use(self, host, code):
        (voucher,) = (voucher for voucher in host.server.shop.vouchers.values() if code in voucher["codes"])
        voucher["codes"][code]["isActive"] = False


@pytest.mark.parametrize(
    ("expires_at", "end", "told"),
    [
        # Midnight in Paris, in Kathmandu and in London.
        ("2026-12-01T23:00+00:00", "2026-12-01T23:00:00+00:00", "2026-12-01 23:00"),
        ("2026-12-01T18:15+00:00", "2026-12-01T18:15:00+00:00", "2026-12-01 18:15"),
        ("2026-12-02T00:00+00:00", "2026-12-02T00:00:00+00:00", "2026-12-01"),
    ],
)
def test_the_end_of_somebodys_day_is_the_end_of_the_voucher(saleor, expires_at, end, told):
    mint(saleor, expires_at=datetime.fromisoformat(expires_at))

    (voucher,) = saleor.shop.vouchers.values()
    assert voucher["endDate"] == end
    assert voucher["name"] == f"Come back: 10 percent, default-channel, until {told}"


def test_a_voucher_without_codes_goes_and_one_of_many_pages_is_leafed_through(saleor):
    mint(saleor)
    (voucher,) = saleor.shop.vouchers.values()
    saleor.shop._add_codes(voucher, [f"CODE-{number}" for number in range(130)])
    client, codes = Client(saleor.api_url, saleor.token), list(voucher["codes"])

    vouchers.withdraw(client, codes[-1:])
    assert list(voucher["codes"]) == codes[:-1]
    vouchers.withdraw(client, codes)

    assert saleor.shop.vouchers == {}


def test_what_saleor_lacks_is_said_in_words(saleor):
    client = Client(saleor.api_url, saleor.token)
    assert vouchers.problems(client, replace(SPEC, scope="nowhere")) == ["Saleor has no open channel nowhere."]

    saleor.permissions = ("MANAGE_ORDERS",)

    assert vouchers.problems(client, SPEC) == [
        "The app may not make vouchers in this Saleor: it needs the permission MANAGE_DISCOUNTS."
    ]


def test_what_cannot_be_removed_now_is_an_error_and_stays(saleor):
    code = mint(saleor)
    saleor.next_answers = [None, None, Reply(500)]

    with pytest.raises(Unavailable):
        vouchers.withdraw(Client(saleor.api_url, saleor.token), [code])

    assert [list(voucher["codes"]) for voucher in saleor.shop.vouchers.values()] == [[code]]


def test_a_code_is_good_once_in_its_channel_until_the_day_is_over(saleor):
    code = mint(saleor)

    (voucher,) = saleor.shop.vouchers.values()
    assert re.fullmatch(r"([A-HJ-NP-Z2-9]{4}-){2}[A-HJ-NP-Z2-9]{4}", code)
    assert (list(voucher["codes"]), voucher["singleUse"], voucher.get("usageLimit")) == ([code], True, None)
    assert (voucher["type"], voucher["discountValueType"]) == ("ENTIRE_ORDER", "PERCENTAGE")
    assert voucher["endDate"] == "2026-12-02T00:00:00+00:00"
    assert voucher["name"] == "Come back: 10 percent, default-channel, until 2026-12-01"
    (listing,) = voucher["channelListings"]
    assert (listing["channel"]["slug"], listing["discountValue"], listing["minSpent"]) == (
        "default-channel",
        10.0,
        None,
    )


def test_everybody_has_a_code_of_their_own_of_one_voucher(saleor):
    codes = {mint(saleor, idempotency_key=f"run-{number}") for number in range(5)}

    (voucher,) = saleor.shop.vouchers.values()
    assert len(codes) == 5
    assert set(voucher["codes"]) == codes


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": datetime(2026, 12, 2, 15, 31, tzinfo=UTC)},
        {"label": "Another"},
        {"value": Decimal(15)},
        {"kind": "amount"},
        {"minimum_total": Decimal(50)},
        {"scope": "france", "currency": "EUR"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_day_campaign_discount_or_shop_is_another_voucher(saleor, changes):
    saleor.shop.add_channel("france", "EUR")
    mint(saleor)

    mint(saleor, idempotency_key="run-2", **changes)

    assert [len(voucher["codes"]) for voucher in saleor.shop.vouchers.values()] == [1, 1]


def test_the_same_key_gives_the_same_code_and_changes_nothing(saleor):
    first = mint(saleor)
    before = repr(saleor.shop.vouchers)

    # A retry the next day would say another end: what was given stays as it was given.
    assert {mint(saleor), mint(saleor, expires_at=datetime(2026, 12, 2, 9, tzinfo=UTC))} == {first}

    assert repr(saleor.shop.vouchers) == before


def test_eight_workers_with_one_key_make_one_code(saleor):
    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(lambda _number: mint(saleor), range(8)))

    assert len(codes) == 1
    assert [code for voucher in saleor.shop.vouchers.values() for code in voucher["codes"]] == list(codes)


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("trouble", [Reply(500), Fault.RESET_AFTER_BODY])
def test_what_broke_off_half_way_is_finished_by_the_next_call(saleor, step, trouble):
    """channel, code, name, create, listing: at each the connection breaks, before or after Saleor has done it."""
    usual = mint(saleor, idempotency_key="elsewhere", label="Elsewhere")
    assert usual
    answers = [None] * step + [trouble]
    take = saleor.take

    def take_or_fail(call):
        told = answers.pop(0) if answers else None
        if told is not None:
            saleor.next_answers = [told]
        return take(call)

    saleor.take = take_or_fail
    with pytest.raises(Unavailable):
        mint(saleor)

    code = mint(saleor)

    holding = [voucher for voucher in saleor.shop.vouchers.values() if code in voucher["codes"]]
    assert [len(voucher["channelListings"]) for voucher in holding] == [1]
    assert len(saleor.shop.vouchers) == 2


def test_an_amount_and_a_minimum_are_listed_in_the_channels_currency(saleor):
    mint(saleor, kind="amount", value=Decimal("7.50"), minimum_total=Decimal("50.00"))

    (voucher,) = saleor.shop.vouchers.values()
    (listing,) = voucher["channelListings"]
    assert (voucher["discountValueType"], listing["discountValue"]) == ("FIXED", 7.5)
    assert listing["minSpent"] == {"amount": 50.0, "currency": "USD"}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "points"},
        {"value": Decimal(0)},
        {"value": Decimal(101)},
        {"kind": "amount", "currency": "EUR"},
        {"minimum_total": Decimal(50), "currency": "EUR"},
        {"scope": "nowhere"},
    ],
    ids=repr,
)
def test_what_saleor_cannot_do_is_nothing_and_leaves_nothing(saleor, changes):
    assert mint(saleor, **changes) is None
    assert saleor.shop.vouchers == {}


def test_without_the_permission_it_is_denied(saleor):
    saleor.permissions = ("MANAGE_ORDERS",)

    with pytest.raises(Denied):
        mint(saleor)
    assert saleor.shop.vouchers == {}
