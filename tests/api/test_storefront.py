"""A storefront shows and rebuilds a cart by the token of its recovery link, and by nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import tokens
from retarget_plugin.models import Contact
from tests.api.conftest import CART, RESTORE, ask, make_cart, make_gone_cart, make_item, post
from tests.shop.models import Basket, Line

PERSONAL = ("camille", "durand", "33612345678", "lefèvre", "69003", "@")
BROKEN_SHOP = {"HOSTS": {"default": {"BACKEND": "tests.api.broken_shop.BrokenShop"}}}


def token_for(cart, **ids):
    return tokens.recovery(**{"cart_id": cart.pk, "contact_id": cart.contact_id, "message_id": 0, **ids})


def test_a_token_shows_the_cart_as_the_shop_has_it(client, token, cart):
    shirt, bag = Line.objects.order_by("pk")

    reply = ask(client, CART, {"token": token})

    assert reply == {
        "data": {
            "retargetCart": {
                "currency": "EUR",
                "quantity": 3,
                "total": {"amount": "1334.30", "currency": "EUR"},
                "lines": [
                    {
                        "productId": str(shirt.product_id),
                        "variantId": None,
                        "sku": None,
                        "title": "Linen shirt",
                        "quantity": 2,
                        "url": f"https://shop.example.com/products/{shirt.product_id}/",
                        "imageUrl": None,
                        "isAvailable": True,
                        "unitPrice": {"amount": "49.90", "currency": "EUR"},
                        "total": {"amount": "99.80", "currency": "EUR"},
                    },
                    {
                        "productId": str(bag.product_id),
                        "variantId": None,
                        "sku": None,
                        "title": "Canvas bag",
                        "quantity": 1,
                        "url": f"https://shop.example.com/products/{bag.product_id}/",
                        "imageUrl": None,
                        "isAvailable": True,
                        "unitPrice": {"amount": "1234.50", "currency": "EUR"},
                        "total": {"amount": "1234.50", "currency": "EUR"},
                    },
                ],
            }
        }
    }


def test_a_cart_that_the_shop_lost_is_shown_as_it_was_last_read(client, contact):
    image = "https://shop.example.com/media/scarf.jpg"
    item = make_item(image_url=image, sku="SC-1", variant_id="red", unit_price=Decimal("20.5"), is_available=False)
    cart = make_gone_cart(contact, [item], currency="CHF")

    reply = ask(client, CART, {"token": token_for(cart)})

    assert reply["data"]["retargetCart"]["lines"] == [
        {
            "productId": "7",
            "variantId": "red",
            "sku": "SC-1",
            "title": "Scarf",
            "quantity": 1,
            "url": None,
            "imageUrl": image,
            "isAvailable": False,
            "unitPrice": {"amount": "20.50", "currency": "CHF"},
            "total": {"amount": "20.50", "currency": "CHF"},
        }
    ]


@pytest.mark.parametrize(
    ("price", "quantity", "shown"),
    [("5", 1, "5.00"), ("0.1", 3, "0.30"), ("9.905", 1, "9.905"), ("1E+3", 1, "1000.00"), ("0", 2, "0.00")],
)
def test_money_is_written_with_at_least_two_decimals(client, contact, price, quantity, shown):
    cart = make_gone_cart(contact, [make_item(unit_price=Decimal(price), quantity=quantity)])

    reply = ask(client, CART, {"token": token_for(cart)})

    assert reply["data"]["retargetCart"]["total"]["amount"] == shown


def test_an_absurd_price_is_an_error_and_not_a_megabyte_of_zeros(client, contact):
    cart = make_gone_cart(contact, [make_item(unit_price=Decimal("1E+999999"))])

    response = post(client, CART, {"token": token_for(cart)})

    assert response.status_code == 200
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert len(response.content) < 300


def test_a_cart_never_read_has_the_currency_of_its_shop(client, contact):
    cart = make_gone_cart(contact, [], currency="")

    reply = ask(client, CART, {"token": token_for(cart)})

    assert reply["data"]["retargetCart"]["total"] == {"amount": "0.00", "currency": "EUR"}


def test_no_reply_holds_personal_data(client, token):
    replies = [post(client, query, {"token": token}).content.decode().lower() for query in (CART, RESTORE)]

    assert [word for word in PERSONAL for reply in replies if word in reply] == []


@pytest.mark.parametrize("lines", [1, 100])
def test_a_cart_costs_four_queries_however_many_lines(client, contact, lines, django_assert_num_queries):
    cart = make_cart(contact, [(f"Product {number}", "9.90", 1) for number in range(lines)])
    token = token_for(cart)

    # Cart, message; basket and lines are the shop's own reading.
    with django_assert_num_queries(4):
        reply = ask(client, CART, {"token": token})

    assert len(reply["data"]["retargetCart"]["lines"]) == lines


def test_a_reply_beyond_reason_is_refused(client, contact):
    items = [make_item(product_id=str(number), title="x" * 400) for number in range(300)]
    token = token_for(make_gone_cart(contact, items))

    full = ask(client, CART, {"token": token}, status=400)
    lean = ask(client, "query C($token: String!) { retargetCart(token: $token) { quantity } }", {"token": token})

    assert full["errors"][0]["extensions"] == {"code": "REPLY_TOO_LARGE"}
    assert lean["data"]["retargetCart"]["quantity"] == 300


# --- bad tokens -------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_tokens(token, cart, message, contact):
    """Everything that is no valid token for a cart, by the reason."""
    value, stamp, signature = token.split(":")
    stranger = Contact.objects.create(shop=contact.shop, email="lou@mail.example", created_at=timezone.now())
    erased = Contact.objects.create(shop=contact.shop, created_at=timezone.now(), erased_at=timezone.now())
    with time_machine.travel(timezone.now() - timedelta(days=31), tick=False):
        expired = tokens.recovery(cart_id=cart.pk, contact_id=contact.pk, message_id=message.pk)
    return {
        "empty": "",
        "blank": " ",
        "word": "token",
        "number": str(cart.pk),
        "unsigned": value,
        "value changed": f"{int(value.split('.')[0]) + 1}.{value.split('.', 1)[1]}:{stamp}:{signature}",
        "stamp changed": f"{value}:{stamp[::-1]}:{signature}",
        "signature changed": f"{value}:{stamp}:{signature[::-1]}",
        "signature cut": token[:-1],
        "signature case": f"{value}:{stamp}:{signature.swapcase()}",
        "more behind it": f"{token}A",
        "white space": f"{token}\n",
        "no text": f"{token}\x00",
        "accents": f"{token}é",
        "very long": token * 40,
        "expired": expired,
        "another purpose": tokens.unsubscribe(contact_id=contact.pk, channel="email", message_id=message.pk),
        "another person": token_for(cart, contact_id=stranger.pk),
        "no such cart": token_for(cart, cart_id=cart.pk + 1000),
        "erased": token_for(make_gone_cart(erased, [make_item()])),
        "beyond the database's integers": token_for(cart, cart_id=2**70),
    }


def test_a_bad_token_reads_nothing_and_is_always_the_same_error(client, bad_tokens):
    replies = {reason: post(client, CART, {"token": token}) for reason, token in bad_tokens.items()}

    assert {response.status_code for response in replies.values()} == {200}
    assert {response.content for response in replies.values()} == {replies["expired"].content}
    assert replies["expired"].json() == {
        "errors": [
            {
                "message": "This link is not valid, or no longer.",
                "locations": [{"line": 2, "column": 3}],
                "path": ["retargetCart"],
                "extensions": {"code": "BAD_TOKEN"},
            }
        ],
        "data": {"retargetCart": None},
    }


def test_a_bad_token_restores_nothing_and_is_always_the_same_error(client, bad_tokens):
    replies = {reason: post(client, RESTORE, {"token": token}) for reason, token in bad_tokens.items()}

    assert {response.content for response in replies.values()} == {replies["expired"].content}
    assert replies["expired"].json() == {
        "data": {
            "retargetRestoreCart": {
                "url": None,
                "errors": [{"field": "token", "message": "This link is not valid, or no longer.", "code": "BAD_TOKEN"}],
            }
        }
    }
    assert Basket.objects.count() == 1
    assert client.cookies == {}


@pytest.mark.parametrize("token", [None, 1, 1.5, True, [], {}, ["a"], {"token": "a"}])
def test_a_token_that_is_no_text_is_refused(client, db, token):
    reply = ask(client, CART, {"token": token}, status=400)

    assert reply["errors"][0]["extensions"]["code"] == "BAD_QUERY"
    assert "data" not in reply


# --- restore ----------------------------------------------------------------------------------------------------


def test_restoring_fills_the_cart_of_whoever_asks(token, cart):
    browser = Client()

    reply = ask(browser, RESTORE, {"token": token})

    assert reply["data"]["retargetRestoreCart"] == {"url": "https://shop.example.com/basket/", "errors": []}
    basket = Basket.objects.get(pk=browser.session["basket"])
    assert str(basket.pk) != cart.reference
    assert sorted(basket.lines.values_list("product__name", "quantity")) == [("Canvas bag", 1), ("Linen shirt", 2)]


def test_restoring_twice_equals_once(token):
    browser = Client()

    for _ in range(2):
        ask(browser, RESTORE, {"token": token})

    basket = Basket.objects.get(pk=browser.session["basket"])
    assert sorted(basket.lines.values_list("product__name", "quantity")) == [("Canvas bag", 1), ("Linen shirt", 2)]


def test_restoring_logs_nobody_in(token):
    browser = Client()

    ask(browser, RESTORE, {"token": token})

    assert "_auth_user_id" not in browser.session


def test_a_shop_that_is_down_is_named_as_such_and_nothing_else(client, token, settings, contact, caplog):
    settings.RETARGET = {**settings.RETARGET, **BROKEN_SHOP}

    reply = ask(client, RESTORE, {"token": token})

    assert reply["data"]["retargetRestoreCart"] == {
        "url": None,
        "errors": [
            {
                "field": None,
                "message": "This is not possible right now. Please try again later.",
                "code": "UNAVAILABLE",
            }
        ],
    }


def test_two_restores_in_one_request_are_refused_before_either_runs(client, token):
    query = """mutation($token: String!) {
      a: retargetRestoreCart(input: {token: $token}) { url }
      b: retargetRestoreCart(input: {token: $token}) { url }
    }"""

    reply = ask(client, query, {"token": token}, status=400)

    assert reply["errors"][0]["message"] == "At most 1 mutation in one request."
    assert Basket.objects.count() == 1
