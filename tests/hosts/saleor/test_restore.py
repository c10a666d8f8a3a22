"""A cart comes back in the storefront: for everybody with the link, and without a word about whose it was."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

import pytest

from retarget_plugin.domain.carts import Item
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.hosts.saleor import SaleorHost, restore
from retarget_plugin.hosts.saleor.client import Client, Unavailable
from tests.fakes.saleor import PERMISSIONS, SaleorServer
from tests.fakes.saleor_nodes import gid
from tests.fakes.web import Fault, Reply

CHANNEL = "default-channel"


class Browser:
    """A request of a browser that keeps a session."""

    def __init__(self):
        self.session = {}


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        server.app_id, server.is_app_active = gid("App", "1"), True
        server.permissions = PERMISSIONS
        yield server


@pytest.fixture
def lens(saleor):
    return saleor.shop.add_variant("Macro lens", "499.00")


@pytest.fixture
def cap(saleor):
    return saleor.shop.add_variant("Lens cap", "9.90")


def item(variant, quantity=1):
    return Item(
        product_id=variant["product"]["id"],
        variant_id=variant["id"],
        title=variant["product"]["name"],
        quantity=quantity,
        unit_price=Decimal(1),
    )


def rebuild(saleor, browser, *items, channel=CHANNEL):
    return restore.rebuild(browser, items, api_url=saleor.api_url, alias="default", channel=channel)


def lines(saleor, checkout):
    return {line["variant"]["sku"]: line["quantity"] for line in saleor.shop.checkouts[checkout]["lines"]}


def create(saleor, variant, **more):
    answer = saleor.shop.roots()["checkoutCreate"](
        input={"channel": CHANNEL, "lines": [{"variantId": variant["id"], "quantity": 1}], **more}
    )
    return answer["checkout"]


OWNED = [
    {"email": "ana@example.com"},
    {"user": {"id": "VXNlcjox"}},
    {"billingAddress": {"phone": "", "country": {"code": "FR"}}},
    {"shippingAddress": {"phone": "+33612345678", "country": {"code": "FR"}}},
]


@pytest.mark.parametrize("owned", OWNED, ids=lambda owned: next(iter(owned)))
def test_a_checkout_that_says_whose_it_is_goes_to_its_owners_browser_only(saleor, lens, owned):
    checkout = create(saleor, lens)
    client = Client(saleor.api_url, saleor.token)
    assert restore.is_open(client, checkout["id"], is_own=False)

    checkout.update(owned)

    assert not restore.is_open(client, checkout["id"], is_own=False)
    assert restore.is_open(client, checkout["id"], is_own=True)


def test_what_is_paid_for_empty_or_gone_is_not_open_to_anybody(saleor, lens):
    client, checkout = Client(saleor.api_url, saleor.token), create(saleor, lens)
    checkout["chargeStatus"] = "FULL"
    empty = create(saleor, lens)
    empty["lines"] = []

    for reference in (checkout["id"], empty["id"], gid("Checkout", "gone"), ""):
        assert not restore.is_open(client, reference, is_own=True)


def test_a_new_checkout_carries_the_lines_and_nobodys_name(saleor, lens, cap):
    found = rebuild(saleor, Browser(), item(lens, 2), item(cap), item(lens, 1))

    checkout = saleor.shop.checkouts[found]
    assert lines(saleor, found) == {"SKU-1": 3, "SKU-2": 1}
    assert (checkout["email"], checkout["user"], checkout["metadata"]) == (None, None, [])
    assert all("Authorization" not in call.headers for call in saleor.calls)


def test_twice_is_once_in_one_browser_and_two_browsers_share_nothing(saleor, lens):
    ana, ben = Browser(), Browser()

    first, second, other = (
        rebuild(saleor, ana, item(lens)),
        rebuild(saleor, ana, item(lens)),
        rebuild(saleor, ben, item(lens)),
    )

    assert first == second != other
    assert lines(saleor, first) == lines(saleor, other) == {"SKU-1": 1}


def test_a_checkout_at_hand_is_raised_and_never_lowered(saleor, lens, cap):
    browser = Browser()
    found = rebuild(saleor, browser, item(lens, 3))

    assert rebuild(saleor, browser, item(lens, 2), item(cap, 2)) == found

    assert lines(saleor, found) == {"SKU-1": 3, "SKU-2": 2}


def test_after_the_order_the_next_click_begins_a_new_checkout(saleor, lens):
    browser = Browser()
    first = rebuild(saleor, browser, item(lens))
    del saleor.shop.checkouts[first]

    second = rebuild(saleor, browser, item(lens))

    assert second != first
    assert lines(saleor, second) == {"SKU-1": 1}


def test_another_channel_is_another_checkout(saleor):
    saleor.shop.add_channel("france", "EUR")
    lens, browser = saleor.shop.add_variant("Macro lens", "499.00"), Browser()

    here, there = rebuild(saleor, browser, item(lens)), rebuild(saleor, browser, item(lens), channel="france")

    assert here != there
    assert saleor.shop.checkouts[there]["channel"]["currencyCode"] == "EUR"


def test_what_is_gone_elsewhere_short_or_too_much_is_left_out_or_cut(saleor, lens, cap):
    hood = saleor.shop.add_variant("Hood", "20.00", stock=2)
    strap = saleor.shop.add_variant("Strap", "15.00")
    cap["sold_in"], gone = set(), {**lens, "id": gid("ProductVariant", "0")}

    found = rebuild(saleor, Browser(), item(lens, 70), item(cap), item(gone), item(hood, 5), item(strap))

    assert lines(saleor, found) == {"SKU-1": 50, "SKU-3": 2, "SKU-4": 1}


def test_with_nothing_left_to_sell_no_checkout_is_made(saleor, lens):
    lens["stock"] = 0

    assert (
        rebuild(saleor, Browser(), item(lens), Item(product_id="1", title="No variant", quantity=1, unit_price=1)) == ""
    )
    assert saleor.shop.checkouts == {}


def test_what_sells_out_between_the_look_and_the_cart_is_left_out(saleor, lens, cap, monkeypatch):
    look = saleor.shop._variants

    def look_and_sell_out(**asked):
        page = look(**asked)
        edges = [{**edge, "node": {**edge["node"], "quantityAvailable": 5}} for edge in page["edges"]]
        cap["stock"] = 0
        return {**page, "edges": edges}

    monkeypatch.setattr(saleor.shop, "_variants", look_and_sell_out)

    assert lines(saleor, rebuild(saleor, Browser(), item(lens), item(cap))) == {"SKU-1": 1}


def test_a_hundred_lines_at_most_are_asked_for(saleor):
    variants = [saleor.shop.add_variant(f"Filter {number}", "5.00") for number in range(120)]

    found = rebuild(saleor, Browser(), *map(item, variants))

    assert len(saleor.shop.checkouts[found]["lines"]) == 100


@pytest.mark.parametrize("trouble", [Reply(500), Fault.RESET_AFTER_BODY, Reply(429)])
def test_trouble_in_saleor_is_told_and_leaves_no_half_cart_behind(saleor, lens, trouble):
    browser = Browser()
    saleor.next_answers = [trouble]

    with pytest.raises(Unavailable):
        rebuild(saleor, browser, item(lens))

    assert (browser.session, saleor.shop.checkouts) == ({}, {})


def test_a_closed_channel_is_trouble_not_an_empty_cart(saleor, lens):
    lens["sold_in"] = {"closed"}

    with pytest.raises(Unavailable, match="MISSING_CHANNEL_SLUG"):
        rebuild(saleor, Browser(), item(lens), channel="closed")


def test_an_app_that_was_removed_still_brings_carts_back_and_reads_nobodys(db, saleor, lens):
    host = SaleorHost("default", api_url=saleor.api_url, storefront_url="https://store.example.com/")
    checkout = create(saleor, lens)

    url = host.recover_cart(browser := Browser(), [item(lens)], reference=checkout["id"], scope=CHANNEL, is_own=True)

    found = host.current_cart(browser)
    assert url == f"https://store.example.com/checkout?checkout={quote(found, safe='')}"
    assert found in saleor.shop.checkouts.keys() - {checkout["id"]}


def test_a_code_goes_into_the_checkout_and_a_bad_one_is_no_reason_to_fail(db, saleor, lens):
    host = SaleorHost("default", api_url=saleor.api_url, storefront_url="https://store.example.com")
    create_voucher = saleor.shop.roots()["voucherCreate"]
    voucher = create_voucher(input={"name": "Ten", "discountValueType": "FIXED", "addCodes": ["TEN"]})["voucher"]
    listing = {"channelId": saleor.shop.channels[CHANNEL]["id"], "discountValue": "10"}
    saleor.shop.roots()["voucherChannelListingUpdate"](id=voucher["id"], input={"addChannels": [listing]})

    for code, total in (("TEN", 489.0), ("USED", 499.0)):
        host.restore_cart(browser := Browser(), [item(lens)], code)
        assert saleor.shop.checkouts[host.current_cart(browser)]["totalPrice"]["gross"]["amount"] == total


def test_without_a_storefront_it_says_which_line_to_add(db, saleor, lens):
    with pytest.raises(ConfigurationError, match="storefront_url"):
        SaleorHost("default", api_url=saleor.api_url).restore_cart(Browser(), [item(lens)])
    assert saleor.shop.checkouts == {}
