"""Saleor's requests at their real addresses: what was captured is believed, and nothing that differs from it."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from retarget_plugin.engine import orders, vault
from retarget_plugin.models import Cart, Consent, Contact, Order, SaleorApp, SaleorEvent, Shop
from tests import inside
from tests.fakes.saleor import SaleorServer
from tests.fakes.web import Reply
from tests.promises import length
from tests.saleor_captures import (
    API_URL,
    APP_ID,
    CHECKOUT,
    NOW,
    ORDER,
    TOKEN,
    capture,
    captures,
    configure,
    install,
    send,
)

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture(autouse=True)
def _a_minute_later():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def app(settings):
    configure(settings)
    return install()


@pytest.fixture
def server():
    with SaleorServer() as server:
        server.app_id, server.is_app_active = APP_ID, True
        yield server


def final_rows():
    """Carts and orders as they stand once every order was read, without the numbers of the rows."""
    orders.read_new(now=NOW)
    carts = [
        {**row, "id": None, "shop_id": None, "contact_id": None} for row in Cart.objects.order_by("reference").values()
    ]
    bought = Order.objects.order_by("reference").values(
        "reference", "number", "email", "phone", "currency", "total", "items", "coupon_codes", "is_paid", "told",
        "told_at", "placed_at", "cancelled_at", "cart__reference", "contact__email",
    )  # fmt: skip
    return carts, list(bought)


# -- what was captured ------------------------------------------------------------------------------------------------


def test_what_was_captured_gives_the_cart_that_the_last_body_says(client, app):
    answers = [send(client, told) for told in captures() if told.event.startswith("checkout")]

    cart = Cart.objects.get()
    assert answers == [202] * 14
    assert (cart.reference, cart.state, cart.stage) == (CHECKOUT, "active", "payment")
    assert (cart.email, cart.phone, cart.currency, cart.total) == (
        "ann2@example.com", "+12125550123", "USD", Decimal("5.37"),
    )  # fmt: skip
    assert [(line["title"], line["quantity"], line["unit_price"]) for line in cart.items] == [
        ("Apple Juice", 3, "1.79")
    ]
    assert cart.told_at.isoformat() == capture("022").data["issuedAt"]


def test_each_body_on_its_way_is_what_the_cart_says(client, app):
    said = []
    for told in captures():
        if told.event.startswith("checkout"):
            send(client, told)
            checkout = told.data["checkout"]
            # What our own app has caused is left out; it changed nothing that a cart has.
            cart = Cart.objects.get()
            said.append((cart.total, sum(line["quantity"] for line in cart.items), cart.email))
            assert said[-1] == (
                Decimal(str(checkout["totalPrice"]["gross"]["amount"])), checkout["quantity"], checkout["email"],
            )  # fmt: skip

    assert len(said) == 14


def test_the_order_ends_the_cart_it_came_from(client, app):
    for told in captures():
        if told.event != "order_cancelled" and not told.name.startswith("030"):
            send(client, told)
    orders.read_new(now=NOW)

    order = Order.objects.get()
    assert (order.reference, order.number, order.email) == (ORDER, "21", "ann2@example.com")
    assert (order.currency, order.total, order.is_paid) == ("USD", Decimal("5.37"), True)
    assert order.coupon_codes == ["RT-D6C65D99"]
    assert order.placed_at.isoformat() == "2026-11-22T02:28:24.385600+00:00"
    assert (order.cart.reference, order.cart.state) == (CHECKOUT, "ordered")
    assert (order.cancelled_at, order.told) == (None, {})


def test_a_cancelled_order_counts_as_none(client, app):
    for told in captures():
        send(client, told)
    orders.read_new(now=NOW)

    assert Order.objects.get().cancelled_at == NOW


def test_what_was_ticked_is_written_down_once_for_each_who_ticked_it(client, app):
    for told in captures():
        send(client, told)

    given = Consent.objects.filter(state__in=("granted", "pending")).values_list("contact__email", "channel")
    assert sorted(given) == [
        ("ann2@example.com", "email"),
        ("ann@example.com", "email"),
        ("new.customer@example.com", "sms"),
    ]
    assert Contact.objects.get(email="ann2@example.com").consent_records.count() == 1


@pytest.mark.parametrize("seed", range(length(4, 40)))
def test_in_any_order_and_each_three_times_the_final_rows_are_the_same(client, app, seed):
    for told in captures():
        send(client, told)
    expected = final_rows()
    for model in (Order, Cart, SaleorEvent, Contact):
        model.objects.all().delete()

    shuffled = list(captures()) * 3
    random.Random(seed).shuffle(shuffled)
    answers = Counter(send(client, told) for told in shuffled)

    assert answers == {202: 3 * len(captures())}
    assert final_rows() == expected
    assert SaleorEvent.objects.count() == len(captures()) - 2


def test_what_our_own_app_has_caused_is_no_news(client, app):
    send(client, capture("012"))

    send(client, capture("013"))
    send(client, capture("014"))

    assert Cart.objects.get().told_at.isoformat() == capture("012").data["issuedAt"]
    assert SaleorEvent.objects.count() == 1


def test_an_event_costs_a_fixed_number_of_statements(client, app):
    for told in captures()[:3]:
        send(client, told)

    with CaptureQueriesContext(connection) as first:
        send(client, capture("009"))
    with CaptureQueriesContext(connection) as again:
        send(client, capture("009"))

    # The app; a transaction and a savepoint for the mark (5); the shop, the upsert; and who has ticked what (2).
    assert (len(first), len(again)) == (10, 7), [query["sql"][:90] for query in first]


# -- what nobody signed -----------------------------------------------------------------------------------------------


@pytest.fixture
def unlogged():
    """What is logged is kept to the end of the test: of half a million refusals that is gigabytes."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.promise
@pytest.mark.timeout(length(120, 0))
@pytest.mark.usefixtures("unlogged")
def test_every_change_of_a_single_byte_is_refused(client, app, promise):
    """The short form changes each byte in one way, the full one in all 255."""
    told, answers = capture("006"), Counter()

    for at, byte in enumerate(told.body):
        for other in _others(byte):
            answers[send(client, told.with_(body=told.body[:at] + bytes([other]) + told.body[at + 1 :]))] += 1
    for at, letter in enumerate(told.signature):
        for other in _others(ord(letter)):
            signature = told.signature[:at] + chr(other) + told.signature[at + 1 :]
            answers[send(client, told.with_(signature=signature))] += 1

    kept = Cart.objects.count() + Order.objects.count() + SaleorEvent.objects.count() + Contact.objects.count()
    promise(
        "X9",
        run=f"a captured Saleor request, {len(told.body)} bytes and {len(told.signature)} of signature, in {answers.total():,}"
        " ways of one byte each",
        figure=f"accepted {answers[202]}, rows {kept}",
        bar="accepted 0, rows 0",
        holds=answers.keys() <= {403, 503} and answers[403] > 1_500 and kept == 0,
    )


def _others(byte):
    return [other for other in range(256) if other != byte] if length(False, True) else [byte ^ 1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Saleor_Signature": ""}, 403),
        ({"Saleor_Api_Url": ""}, 403),
        ({"Saleor_Api_Url": "https://evil.example/graphql/"}, 403),
        ({"Saleor_Api_Url": API_URL.rstrip("/")}, 403),
        ({"Saleor_Api_Url": API_URL.upper()}, 403),
        ({"Saleor_Signature": "e30..AA"}, 403),
    ],
)
def test_a_call_with_another_header_is_refused(client, app, headers, status):
    assert send(client, capture("006"), **headers) == status
    assert Cart.objects.count() == 0


def test_the_name_of_the_event_is_not_signed_and_not_believed(client, app):
    answers = [send(client, capture("006"), Saleor_Event=event) for event in ("", "order_cancelled", "app_deleted")]

    assert answers == [202, 202, 202]
    assert Cart.objects.count() == 1
    assert SaleorApp.objects.get().is_active is True


def test_a_body_of_fifty_megabytes_is_not_even_read(client, app):
    told = capture("006")

    answer = client.generic(
        "POST",
        reverse("retarget_plugin:saleor_webhooks", args=["saleor"]),
        b"x" * 50_000_000,
        headers={"Saleor-Api-Url": API_URL, "Saleor-Signature": told.signature},
    )

    assert answer.status_code == 413


def test_a_shop_that_takes_only_short_bodies_says_so(client, app, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    assert send(client, capture("006")) == 413


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not JSON", b"\xff\xfe", b'{"__typename": "CheckoutCreated"}', b"{" * 9000]
)
def test_what_is_no_event_under_a_right_signature_is_refused_for_good(client, settings, server, body):
    configure(settings, api_url=server.api_url)
    install(api_url=server.api_url, jwks=server.jwks())
    told = capture("006").with_(body=body, signature=server.sign(body))

    assert send(client, told, Saleor_Api_Url=server.api_url) == 400
    assert SaleorEvent.objects.count() == 0


def test_what_happened_long_ago_is_no_news_however_well_signed(client, app):
    with time_machine.travel(NOW + timedelta(days=14), tick=False):
        status = send(client, capture("006"))

    assert status == 400
    assert Cart.objects.count() == 0


@pytest.mark.parametrize("alias", ["default", "other", "saleor'--", "x" * 300])
def test_a_host_that_is_no_saleor_has_no_such_addresses(client, app, alias):
    assert send(client, capture("006"), alias=alias) == 404
    assert client.get(reverse("retarget_plugin:saleor_manifest", args=[alias])).status_code == 404


def test_nobody_is_believed_before_the_app_is_installed(client, settings):
    configure(settings)

    assert send(client, capture("006")) == 404


# -- what is only for now ---------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_down_saleor_is_asked_to_come_again(client, app, promise):
    def gone(*_arguments):
        raise OperationalError("server closed the connection unexpectedly")

    answers = Counter()
    for calls_before in range(6):
        with ExitStack() as stack:
            left = [calls_before]

            def later(execute, *arguments, left=left):
                left[0] -= 1
                return gone() if left[0] < 0 else execute(*arguments)

            stack.enter_context(connection.execute_wrapper(later))
            answers[send(client, capture("006"))] += 1
    kept = Cart.objects.count() + SaleorEvent.objects.count()

    after = send(client, capture("006"))

    promise(
        "X11",
        run=f"a Saleor event while the database fails at its first to sixth statement: {dict(answers)}",
        figure=f"answers of 503 {answers[503]} of 6, rows {kept}, taken afterwards {after}",
        bar="6 of 6, rows 0, taken afterwards 202",
        holds=answers == {503: 6} and kept == 0 and after == 202,
    )


# -- installing -------------------------------------------------------------------------------------------------------


def register(client, api_url, body=None, *, alias="saleor"):
    return client.post(
        reverse("retarget_plugin:saleor_register", args=[alias]),
        data=json.dumps({"auth_token": TOKEN}) if body is None else body,
        content_type="application/json",
        headers={"Saleor-Api-Url": api_url, "Saleor-Domain": "127.0.0.1"},
    )


def test_the_manifest_names_our_own_addresses_whatever_the_host_header_says(client, settings):
    configure(settings)

    found = client.get(
        reverse("retarget_plugin:saleor_manifest", args=["saleor"]), headers={"host": "evil.example"}
    ).json()

    assert found["tokenTargetUrl"].startswith("https://shop.example.com/")
    assert found["tokenTargetUrl"].endswith("/saleor/saleor/register/")
    assert {hook["targetUrl"] for hook in found["webhooks"]} == {
        "https://shop.example.com" + reverse("retarget_plugin:saleor_webhooks", args=["saleor"])
    }
    # What Saleor appends to it begins with a slash.
    assert found["appUrl"] + "/" == "https://shop.example.com" + reverse(
        "retarget_plugin:saleor_dashboard", args=["saleor"]
    )
    assert "evil" not in json.dumps(found)


def test_the_token_is_kept_encrypted_once_saleor_has_vouched_for_it(client, settings, server):
    configure(settings, api_url=server.api_url)

    answer = register(client, server.api_url, json.dumps({"auth_token": server.token}))

    app = SaleorApp.objects.get()
    assert (answer.status_code, app.host, app.app_id, app.is_active) == (200, "saleor", APP_ID, True)
    assert app.jwks == server.jwks()
    assert server.token not in app.token
    assert vault.unlock(app.token) == server.token
    assert [call.path for call in server.calls] == ["/graphql/", "/.well-known/jwks.json"]


def test_a_token_that_saleor_does_not_know_is_not_taken(client, settings, server):
    configure(settings, api_url=server.api_url)

    answer = register(client, server.api_url)

    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == "This Saleor does not know the token."
    assert SaleorApp.objects.count() == 0


def test_a_forged_registration_leaves_the_installation_as_it_was(client, settings, server):
    configure(settings, api_url=server.api_url)
    before = install(api_url=server.api_url)

    register(client, server.api_url)

    assert vault.unlock(SaleorApp.objects.get().token) == vault.unlock(before.token) == TOKEN


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        ("{}", 400),
        ('{"auth_token": 1}', 400),
        ('{"auth_token": ""}', 400),
        ('{"auth_token": "with\\r\\nInjected: header"}', 400),
        ('{"auth_token": "' + "x" * 3000 + '"}', 413),
    ],
)
def test_what_is_no_token_is_refused_before_anybody_is_asked(client, settings, server, body, status):
    configure(settings, api_url=server.api_url)

    assert register(client, server.api_url, body).status_code == status
    assert server.calls == []


def test_a_saleor_that_does_not_answer_is_asked_again_later(client, settings):
    configure(settings, api_url="http://127.0.0.1:1/graphql/")

    answer = register(client, "http://127.0.0.1:1/graphql/")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"


@pytest.mark.promise
def test_no_address_of_a_stranger_is_ever_called(client, settings, server, promise):
    """A registration names the address that is to be called back; only the one in the settings ever is."""
    configure(settings)
    port = server.url.rsplit(":", 1)[1]
    addresses = inside.urls(int(port))
    twins = [
        f"{API_URL}@127.0.0.1:{port}/",
        f"{server.api_url}#{API_URL}",
        f"{API_URL}../x",
        f"{API_URL}?x",
        API_URL.replace("http", "https"),
        API_URL.upper(),
    ]

    answers = Counter(register(client, address).status_code for address in [*addresses, *twins])

    promise(
        "X12",
        run=f"{len(addresses) + len(twins)} addresses in the registration of a Saleor app",
        figure=f"called {len(server.calls)}, installed {SaleorApp.objects.count()}",
        bar="called 0, installed 0",
        holds=answers == {403: len(addresses) + len(twins)} and server.calls == [] and not SaleorApp.objects.exists(),
    )


def test_a_redirect_leads_nowhere(client, settings, server, monkeypatch):
    with SaleorServer() as inner:
        inner.app_id, inner.is_app_active = APP_ID, True
        monkeypatch.setattr(server, "answer", lambda call: Reply(307, headers={"Location": f"{inner.url}{call.path}"}))
        configure(settings, api_url=server.api_url)

        answer = register(client, server.api_url, json.dumps({"auth_token": inner.token}))

    assert answer.status_code == 503
    assert inner.calls == []


def test_the_first_channel_takes_the_shop_that_was_there(client, app):
    Shop.objects.all().delete()
    Shop.objects.create(host="saleor", name="Saleor", base_url="https://shop.example", sender_name="Ann's")

    send(client, capture("006"))

    shop = Shop.objects.get()
    assert (shop.name, shop.scope, shop.currency, shop.sender_name) == (
        "Default Channel", "default-channel", "USD", "Ann's",
    )  # fmt: skip
