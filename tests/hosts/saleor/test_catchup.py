"""What the webhooks did not bring is asked for: page by page, no further back than wanted, in the form of a webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from retarget_plugin.hosts.saleor import catchup
from retarget_plugin.hosts.saleor.client import Client, Denied, Unavailable
from retarget_plugin.hosts.saleor.options import Options
from retarget_plugin.hosts.saleor.payloads import read
from tests.fakes.saleor import Delivery, SaleorServer
from tests.fakes.saleor_nodes import gid
from tests.fakes.web import Reply

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def saleor():
    with SaleorServer() as server:
        server.app_id, server.is_app_active = gid("App", "1"), True
        server.shop.now = lambda: NOON
        server.shop.add_variant("Macro lens", "499.00")
        yield server


def leave(saleor, count, *, at=NOON):
    (variant,) = saleor.shop.variants
    saleor.shop.now = lambda: at
    create = saleor.shop.roots()["checkoutCreate"]
    asked = {"channel": "default-channel", "email": "ana@example.com", "lines": [{"variantId": variant, "quantity": 1}]}
    return [create(input=asked)["checkout"]["id"] for _ in range(count)]


def buy(saleor, count, *, at=NOON):
    complete = saleor.shop.roots()["checkoutComplete"]
    return [complete(id=checkout)["order"]["id"] for checkout in leave(saleor, count, at=at)]


def missed(saleor, since=NOON - timedelta(hours=1)):
    return list(catchup.missed(Client(saleor.api_url, saleor.token), since=since))


def test_every_page_is_read_and_each_order_and_checkout_told_once(saleor, monkeypatch):
    monkeypatch.setattr(catchup, "PAGE", 3)
    orders, left = buy(saleor, 7), leave(saleor, 4)

    events = [read(body, Options(api_url=saleor.api_url)) for body in missed(saleor)]

    assert sorted(event.order.reference for event in events if event.order) == sorted(orders)
    assert sorted(event.cart.reference for event in events if event.cart) == sorted(left)
    assert {(event.name, event.issued_at) for event in events} == {("OrderUpdated", NOON), ("CheckoutUpdated", NOON)}
    assert len(saleor.calls) == 1 + 3 + 2


def test_what_moved_before_is_left_alone_also_where_saleor_knows_only_days(saleor):
    leave(saleor, 2, at=NOON - timedelta(hours=3))
    buy(saleor, 1, at=NOON - timedelta(hours=3))
    (recent,) = leave(saleor, 1)

    (body,) = missed(saleor)

    assert json.loads(body)["checkout"]["id"] == recent


def test_a_failed_webhook_comes_back_byte_for_byte(saleor):
    saleor.manifest = {"webhooks": [{"name": "retarget-order", "targetUrl": "http://127.0.0.1/", "query": ""}]}
    bodies = {status: f'{{"a":  "{status}"}}'.encode() for status in ("FAILED", "SUCCESS", "PENDING")}
    for status, body in bodies.items():
        saleor.deliveries.append(Delivery("retarget-order", "order_paid", body, NOON, status=status))
    old = NOON - timedelta(hours=2)
    saleor.deliveries.append(Delivery("retarget-order", "order_paid", b'{"old": 1}', old, status="FAILED"))

    assert missed(saleor) == [bodies["FAILED"]]


def test_pages_without_end_come_to_an_end(saleor, monkeypatch):
    monkeypatch.setattr(catchup, "PAGE", 1)
    monkeypatch.setattr(catchup, "MOST_PAGES", 3)
    leave(saleor, 10)

    assert len(missed(saleor)) == 3


def test_trouble_and_refusal_are_told(saleor):
    saleor.next_answers = [Reply(503)]
    with pytest.raises(Unavailable):
        missed(saleor)

    saleor.permissions = ("MANAGE_CHECKOUTS",)
    with pytest.raises(Denied):
        missed(saleor)
