"""What a message may say: cleaned words, the reader's language, the cart's own money."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from markupsafe import Markup

from retarget_plugin.domain import contexts
from retarget_plugin.domain.carts import Cart, Item
from retarget_plugin.domain.sms import Encoding, measure, transliterate
from retarget_plugin.domain.templates import check_context
from retarget_plugin.exceptions import TemplateError

URL = "https://shop.example/r/Ab3dE9xZ"


def item(title="Wool scarf", **changes):
    return Item(**{"product_id": "1", "title": title, "quantity": 1, "unit_price": Decimal("39.90")} | changes)


def context_of(*items, currency="EUR", locale="en", **changes):
    cart = Cart(reference="17", currency=currency, items=items, **changes)
    return contexts.cart_context(cart, url=URL, currency="USD", locale=locale)


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("Wool scarf", "Wool scarf"),
        ("  Wool \t scarf\r\nBcc: all@example.com ", "Wool scarf Bcc: all@example.com"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u202egpj.exe\u202c", "gpj.exe"),
        ("a\u200b\u2066b\x00\x1b[31m", "ab[31m"),
        ("{{ shop.secret }}{% if x %}", "{ shop.secret }}% if x %}"),
        ("{{{{%", "%"),
        ("=?utf-8?q?x=0D=0ABcc:b@x.example?=", "?utf-8?q?x=0D=0ABcc:b@x.example?="),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("👩\u200d👧 tea", "👩\u200d👧 tea"),
        ("Écharpe d’été", "Écharpe d’été"),
        ("x" * 10_000, "x" * 119 + "…"),
        ("", None),
        (" \r\n", None),
        ("\u202e", None),
        (None, None),
        (Decimal("1.5"), "1.5"),
    ],
)
def test_words_are_one_line_that_holds_only_itself(given, clean):
    assert contexts.clean_text(given) == clean


def test_markup_that_calls_itself_safe_becomes_plain_text():
    class Safe(str):
        def __html__(self):
            return self

        def __str__(self):
            return self

    assert type(contexts.clean_text(Safe("<b>"))) is str
    assert type(contexts.clean_text(Markup("<b>"))) is str


@pytest.mark.parametrize("name", ["Ana", "Jean-Luc", "O’Brien", "María José", "李小龍", "Ana M."])
def test_a_name_is_greeted(name):
    assert contexts.clean_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "http://evil.example",
        "www.evil",
        "win at evil.com",
        "ana@example.com",
        "+33 6 12",
        "<b>Ana</b>",
        "???",
        "",
        None,
    ],
)
def test_what_is_no_name_is_not_mailed_for_its_sender(name):
    assert contexts.clean_name(name) is None


@pytest.mark.parametrize("url", ["https://shop.example/a.jpg?w=1&h=2", "http://shop.example:8000/é.png"])
def test_a_web_address_is_kept(url):
    assert contexts.clean_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT://shop.example/%0aalert(1)",
        "data:text/html,x",
        "/media/a.jpg",
        "//shop.example/a.jpg",
        "ftp://shop.example/a",
        "https://",
        "https://user:pass@shop.example/",
        'https://shop.example/"onerror="x',
        "https://shop.example/a b",
        "https://shop.example/\r\nx",
        "https://shop.example/{{ x }}",
        "https://[::1",
        "https://shop.example/" + "a" * 2_000,
        "",
        None,
    ],
)
def test_what_is_no_plain_web_address_is_dropped(url):
    assert contexts.clean_url(url) is None


@pytest.mark.parametrize(
    ("locales", "available", "language"),
    [
        (["fr", "en"], {"en", "fr", "es"}, "fr"),
        (["fr-CA", "en"], {"en", "fr"}, "fr"),
        (["fr_FR", "en"], {"en", "fr"}, "fr"),
        (["FR", "en"], {"en", "fr"}, "fr"),
        (["fr-CA", "en"], {"en", "fr", "fr-ca"}, "fr-ca"),
        (["de", "fr"], {"en", "fr"}, "en"),
        (["", "fr"], {"en", "fr"}, "fr"),
        (["de", "fr"], {"fr", "es"}, "fr"),
        (["de", "pt"], {"fr", "es"}, "es"),
        (["", ""], {"en", "fr"}, "en"),
    ],
)
def test_a_reader_gets_their_language_or_english(locales, available, language):
    assert contexts.choose_language(locales, available) == language


@pytest.mark.parametrize(
    ("locales", "language", "locale"),
    [
        (["fr-CA", "en"], "fr", "fr-CA"),
        (["de", "en-GB"], "en", "en-GB"),
        (["de", "fr"], "en", "en"),
        (["", "es_MX"], "es", "es_MX"),
    ],
)
def test_numbers_are_written_as_in_the_readers_region(locales, language, locale):
    assert contexts.choose_locale(locales, language) == locale


def test_the_direction_of_writing_follows_the_language():
    assert contexts.direction("fr-CA") == {"direction": "ltr", "start": "left", "end": "right"}
    assert contexts.direction("ar") == {"direction": "rtl", "start": "right", "end": "left"}


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "written"),
    [
        ("9.9", "EUR", "fr", {"amount": 9.9, "cents": 990, "text": "9,90\u00a0€"}),
        ("12345.9", "EUR", "fr", {"amount": 12345.9, "cents": 1234590, "text": "12\u202f345,90\u00a0€"}),
        ("9.9", "EUR", "en", {"amount": 9.9, "cents": 990, "text": "€9.90"}),
        ("9.9", "USD", "es", {"amount": 9.9, "cents": 990, "text": "9,90\u00a0US$"}),
        ("9.9", "CAD", "fr_CA", {"amount": 9.9, "cents": 990, "text": "9,90\u00a0$"}),
        ("1500", "JPY", "en", {"amount": 1500.0, "cents": 1500, "text": "¥1,500"}),
        ("1.234", "KWD", "en", {"amount": 1.234, "cents": 1234, "text": "KWD1.234"}),
        ("9.9", "EUR", "tlh", {"amount": 9.9, "cents": 990, "text": "€9.90"}),
        ("9.9", "XQX", "en", {"amount": 9.9, "cents": 990, "text": "XQX9.90"}),
        ("0", "EUR", "en", {"amount": 0.0, "cents": 0, "text": "€0.00"}),
    ],
)
def test_money_is_written_for_people_and_counted_for_templates(amount, currency, locale, written):
    assert contexts.money(Decimal(amount), currency, locale) == written


def test_no_price_is_no_money():
    assert contexts.money(None, "EUR", "en") is None


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e100000000", "1e12"])
def test_what_is_no_price_is_refused(amount):
    with pytest.raises(TemplateError, match="not a number that can be shown"):
        contexts.money(Decimal(amount), "EUR", "en")


@pytest.mark.parametrize("price", ["NaN", "1e999999", "-1e999999"])
def test_a_line_with_no_price_at_all_stops_the_message(price):
    with pytest.raises(TemplateError, match="not a number that can be shown"):
        context_of(item(unit_price=Decimal(price), quantity=3))


def test_a_coupon_is_told_in_the_readers_words():
    coupon = contexts.coupon_context(
        "MERCI-7K2P",
        percent=Decimal(5),
        expires_at=datetime(2026, 12, 1, 10, tzinfo=UTC),
        is_applied=False,
        locale="fr-FR",
    )

    assert coupon == {
        "code": "MERCI-7K2P",
        "text": "5\u00a0%",
        "amount": None,
        "expires": "1 décembre 2026",
        "is_applied": False,
    }


@pytest.mark.parametrize(
    ("worth", "locale", "text"),
    [
        ({"percent": Decimal("7.5")}, "fr", "7,5\u00a0%"),
        ({"percent": Decimal("12.00")}, "en", "12%"),
        ({"amount": Decimal(10), "currency": "EUR"}, "fr", "10,00\u00a0€"),
        ({"amount": Decimal("9.5"), "currency": "USD"}, "en", "$9.50"),
    ],
)
def test_a_coupon_promises_no_more_and_no_less_than_it_gives(worth, locale, text):
    coupon = contexts.coupon_context("A", **worth, expires_at=datetime(2026, 12, 1, 10, tzinfo=UTC), locale=locale)

    assert coupon["text"] == text
    assert (coupon["amount"] or {}).get("text") == (text if "amount" in worth else None)


def test_a_cart_is_told_line_by_line():
    context = context_of(
        item(quantity=2, image_url="https://shop.example/a.jpg"), item("Mug", unit_price=Decimal("12"))
    )

    check_context(context)
    assert [(line["quantity"], line["title"], line["total"]["text"]) for line in context["lines"]] == [
        (2, "Wool scarf", "€79.80"),
        (1, "Mug", "€12.00"),
    ]
    assert context["lines"][0]["image_url"] == "https://shop.example/a.jpg"
    assert context["total"]["text"] == "€91.80"
    assert (context["count"], context["others"], context["more"], context["url"]) == (2, 1, 0, URL)


def test_the_hosts_total_wins_over_the_sum():
    assert context_of(item(), total=Decimal("35"))["total"]["text"] == "€35.00"


def test_a_cart_without_currency_takes_the_shops():
    context = context_of(item(), currency="")

    assert (context["currency"], context["total"]["text"]) == ("USD", "$39.90")


def test_only_eight_lines_are_shown_and_the_rest_counted():
    context = context_of(*[item(f"Scarf {number}") for number in range(11)])

    assert [line["title"] for line in context["lines"]] == [f"Scarf {number}" for number in range(8)]
    assert (context["count"], context["more"], context["others"]) == (11, 3, 10)
    assert context["total"]["text"] == "€438.90"


def test_what_cannot_be_bought_is_neither_shown_nor_counted():
    gone = item("Gone", is_available=False, unit_price=Decimal("100"))

    context = context_of(gone, item("Mug"), item(" \u202e"), total=Decimal("1000"))

    assert [line["title"] for line in context["lines"]] == ["Mug"]
    assert (context["count"], context["total"]["text"]) == (1, "€39.90")


def test_an_empty_cart_has_no_title():
    context = context_of(item(is_available=False))

    assert (context["lines"], context["title"], context["short_title"]) == ([], None, None)


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("Wool scarf", "Wool scarf"),
        ("Linen shirt with a mandarin collar, size M", "Linen shirt with a..."),
        ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffahrtsgese..."),
        ("Chaussures, taille 42, noires, cuir", "Chaussures, taille 42..."),
        ("🔥 Scarf 🔥", "Scarf"),
        ("🔥", "🔥"),
        ("{{ shop }} mug", "{ shop }} mug"),
    ],
)
def test_a_text_message_names_the_first_title_shortly(title, short):
    assert context_of(item(title))["short_title"] == short


@pytest.mark.parametrize("title", ["Écharpe “Été” – laine", "Tee-shirt ♥ cœur ™", "Čaj 🍵 zelený"])
def test_a_short_title_costs_plain_letters_only(title):
    assert measure(transliterate(context_of(item(title))["short_title"])).encoding is Encoding.GSM7
