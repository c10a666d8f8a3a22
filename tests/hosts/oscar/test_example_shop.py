"""The example shop behind a real port, used by its scripted shopper."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import translation
from oscar.core.loading import get_model

from examples.oscar_shop import catalogue, forms, journal
from examples.oscar_shop import settings as example
from examples.oscar_shop.owner import Owner
from examples.oscar_shop.server import serve
from examples.oscar_shop.shopper import Address, Shopper, ShopperError
from retarget_plugin import signals
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.models import Shop

LENS, GUIDE = "Corvo 90 mm f/2.8 Macro", "Close Up"


@pytest.fixture
def shop(live_server: Any, settings: Any, tmp_path: Path) -> str:
    """Its pages, templates and goods, in the database of this suite."""
    settings.ROOT_URLCONF = "examples.oscar_shop.urls"
    settings.TEMPLATES = example.TEMPLATES
    settings.STATICFILES_DIRS = example.STATICFILES_DIRS
    settings.OSCAR_SHOP_NAME = example.OSCAR_SHOP_NAME
    settings.LANGUAGES = example.LANGUAGES
    settings.LOCALE_PATHS = example.LOCALE_PATHS
    settings.OSCAR_HOMEPAGE = example.OSCAR_HOMEPAGE
    catalogue.create(live_server.url)
    return live_server.url


@pytest.fixture
def consents() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def hear(sender: object, signal: object, **arguments: Any) -> None:
        heard.append(arguments)

    signals.consent_changed.connect(hear)
    yield heard
    signals.consent_changed.disconnect(hear)


def test_a_guest_shops_from_the_front_page_to_the_confirmation(shop: str) -> None:
    ana = Shopper(shop)
    assert len(ana.products()) == len(catalogue.ARTICLES)
    ana.view(LENS)
    ana.add_to_basket(LENS)
    ana.add_to_basket(GUIDE, 2)
    ana.change_quantity(GUIDE, 1)
    assert [(line.title, line.quantity) for line in ana.basket()] == [
        (LENS, 1),
        ("Close Up: a field guide to macro photography", 1),
    ]
    assert ana.basket_total() == Decimal("573.90")

    number = ana.complete_checkout("ana@example.com", Address(phone_number="+33612345678"))

    order = get_model("order", "Order").objects.get()
    assert (order.number, order.guest_email, order.total_incl_tax) == (number, "ana@example.com", Decimal("573.90"))
    assert ana.basket() == []


def test_two_shoppers_share_nothing(shop: str) -> None:
    ana, luc = Shopper(shop), Shopper(shop, language="fr")
    ana.add_to_basket(LENS)

    luc.add_to_basket("Fjell sling", 3)

    assert [line.title for line in ana.basket()] == [LENS]
    assert [line.quantity for line in luc.basket()] == [3]
    assert luc.url == f"{shop}/fr/basket/"
    assert luc.start_checkout("luc@example.com") and luc.url == f"{shop}/fr/checkout/shipping-address/"


def test_removing_the_last_line_empties_the_basket(shop: str) -> None:
    ana = Shopper(shop)
    ana.add_to_basket(GUIDE)

    ana.change_quantity(GUIDE, 0)

    assert ana.basket() == []
    assert ana.basket_total() is None


def test_each_ticked_box_is_handed_over_with_its_wording(shop: str, consents: list[dict[str, Any]]) -> None:
    Shopper(shop).sign_up(email="ana@example.com", phone="+33 6 12 34 56 78", by_sms=True)

    (consent,) = consents
    identity = consent["identity"]
    assert (identity.email, identity.phone, identity.locale) == ("ana@example.com", "+33612345678", "en")
    assert (consent["channel"], consent["granted"], consent["source"]) == ("sms", True, "/stay-in-touch/")
    assert consent["wording"].startswith("Yes, Lumen may text me") and "STOP" in consent["wording"]


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "Oui, Lumen peut m'écrire"), ("es", "Sí, Lumen puede enviarme")]
)
def test_consent_is_asked_and_recorded_in_the_visitors_language(
    shop: str, consents: list[dict[str, Any]], language: str, words: str
) -> None:
    Shopper(shop, language=language).sign_up(email="ana@example.com", by_email=True)

    (consent,) = consents
    assert consent["identity"].locale == language
    assert consent["wording"].startswith(words)
    assert consent["source"] == f"/{language}/stay-in-touch/"


def test_no_box_is_ticked_beforehand(shop: str) -> None:
    form = Shopper(shop).visit("/stay-in-touch/").form(id="stay_in_touch")

    assert form is not None
    assert {"by_email", "by_sms"} <= set(form.names)
    assert not {"by_email", "by_sms"} & set(form.values)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"by_sms": True}, "We need a mobile number to text to."),
        ({"by_email": True}, "We need an e-mail address to write to."),
        ({"email": "ana@example.com"}, "Please tick how we may write to you."),
        ({"phone": "12", "by_sms": True}, "Enter a valid phone number"),
    ],
)
def test_an_incomplete_choice_is_refused_by_name(
    shop: str, consents: list[dict[str, Any]], choice: dict[str, Any], said: str
) -> None:
    with pytest.raises(ShopperError, match="/stay-in-touch/ came where .*" + said):
        Shopper(shop).sign_up(**choice)

    assert consents == []


def test_errors_name_the_page_and_the_answer(shop: str) -> None:
    ana = Shopper(shop)

    with pytest.raises(ShopperError, match=f"{shop}/no-such-page/ answered 404"):
        ana.visit("/no-such-page/")
    with pytest.raises(ShopperError, match="No product 'Bicycle' on the front page, only: Corvo"):
        ana.view("Bicycle")
    with pytest.raises(ShopperError, match="No 'Bicycle' in the basket, only: nothing"):
        ana.change_quantity("Bicycle", 2)
    with pytest.raises(ShopperError, match=f"{shop}/basket/ has no form with a field 'username'"):
        ana.start_checkout("ana@example.com")


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "Light before everything"), ("fr", "La lumière avant tout"), ("es", "La luz ante todo")],
)
def test_the_journal_tells_of_its_newest_articles_and_each_has_its_page(shop: str, language: str, title: str) -> None:
    ours = Shop.objects.get()
    ours.base_url = shop

    with translation.override(language):
        posts = journal.posts(ours, limit=2, language=language)

    assert [post.topic for post in posts] == ["macro-lenses", "macro-lenses"]
    assert posts[1].title == title
    page = Shopper(shop, language=language).visit(posts[1].url)
    assert title in page.text
    assert posts[1].summary in page.text


def test_what_is_read_about_is_called_as_what_is_sold(shop: str) -> None:
    sold = {topic_of(article.shelf) for article in catalogue.ARTICLES}

    assert {article.topic for article in journal.ARTICLES} <= sold


def test_the_owner_completes_an_order_in_the_dashboard(shop: str) -> None:
    ana, owner = Shopper(shop), Owner(shop)
    ana.add_to_basket(GUIDE)
    number = ana.complete_checkout("ana@example.com")
    owner.log_in()

    owner.set_status(number, "Being processed")
    owner.set_status(number, "Complete")

    assert get_model("order", "Order").objects.get().status == "Complete"


def test_the_shop_asks_no_other_host_for_anything(shop: str) -> None:
    ana = Shopper(shop)
    ana.add_to_basket(LENS)
    for page in ("/", "/catalogue/", "/basket/", "/checkout/", "/accounts/login/", "/stay-in-touch/"):
        html = requests.get(shop + page, cookies=ana.cookies, timeout=20).text
        loaded = forms.read(html).loads
        assert loaded and not [url for url in loaded if url.startswith(("http", "//"))], (page, loaded)


def test_filling_a_filled_shop_changes_nothing(shop: str) -> None:
    first = {name: product.pk for name, product in catalogue.create(shop).items()}

    assert {name: product.pk for name, product in catalogue.create(shop).items()} == first
    assert get_model("catalogue", "Product").objects.count() == len(catalogue.ARTICLES) == len(first)
    assert get_model("catalogue", "ProductImage").objects.count() == len(catalogue.ARTICLES)


def test_the_server_stops_when_told(shop: str) -> None:
    with serve() as server:
        assert requests.get(f"{server.url}/static/shop/shop.css", timeout=20).status_code == 200

    assert "shop" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=2)


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    page = forms.read(
        """<form id="f" action="/go/" method="POST"><input name="a" value="1"><input type="checkbox" name="b">
        <input type="checkbox" name="c" checked><input type="radio" name="d" value="x" checked>
        <select name="e"><option value="1">One</option><option value="2" selected>Two</option></select>
        <select name="g"><option value="7">Seven</option></select><textarea name="h">some text</textarea>
        <button name="i" value="9">Go</button></form><p class="error-block">No good</p>"""
    )

    form = page.form(id="f")
    assert form is not None
    assert (form.action, form.method) == ("/go/", "post")
    assert form.values == {"a": "1", "c": "on", "d": "x", "e": "2", "g": "7", "h": "some text"}
    assert page.errors == ["No good"]
