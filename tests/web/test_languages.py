"""Pages speak the shopper's language: the one we know, else the one the browser asks for, else English."""

from decimal import Decimal

import pytest
from django.utils import translation

from retarget_plugin.domain.carts import Item
from retarget_plugin.web.recovery import recover
from tests.web.conftest import make_cart, make_message, recovery_url, stop_url

WAITING = {
    "en": "Your cart is waiting",
    "fr": "Votre panier vous attend",
    "es": "Tu carrito te espera",
}
DEAD = {
    "en": "This link no longer works",
    "fr": "Ce lien ne fonctionne plus",
    "es": "Este enlace ya no funciona",
}


@pytest.mark.parametrize(
    ("locale", "asked", "language"),
    [
        ("", "", "en"),
        ("", "fr-CA,fr;q=0.9,en;q=0.5", "fr"),
        ("", "es", "es"),
        # German is asked for first, and Django speaks it; the pages do not.
        ("", "de,fr;q=0.3", "en"),
        ("fr", "es", "fr"),
        ("fr_FR", "", "fr"),
        ("es-MX", "fr", "es"),
        ("FR-be", "en", "fr"),
        ("de-DE", "es", "es"),
        ("de-DE", "de", "en"),
        ("x" * 12, "fr", "fr"),
        ("", "é;q=\x7f,,,", "en"),
    ],
)
def test_the_contacts_language_wins_then_the_browsers(client, contact, recover_url, locale, asked, language):
    contact.locale = locale
    contact.save()

    response = client.get(recover_url, headers={"accept-language": asked})

    page = response.content.decode()
    assert f'<html lang="{language}">' in page
    assert WAITING[language] in page
    assert response.headers["Content-Language"] == language


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_a_dead_link_is_explained_in_the_browsers_language(client, db, language):
    page = client.get("/retarget/recover/nonsense/", headers={"accept-language": language}).content.decode()

    assert f'<html lang="{language}">' in page
    assert DEAD[language] in page


@pytest.mark.parametrize(
    ("language", "question", "done"),
    [
        ("fr", "Ne plus recevoir ces e-mails\u202f?", "Vous êtes désabonné"),
        ("es", "¿Dejar de recibir estos correos?", "Te has dado de baja"),
    ],
)
def test_unsubscribing_in_french_and_spanish(client, contact, language, question, done):
    contact.locale = language
    contact.save()
    url = stop_url(make_message(contact))

    asked = client.get(url).content.decode()
    stopped = client.post(f"{url}?from=page").content.decode()

    assert question in asked
    assert done in stopped


def test_a_page_leaves_the_shops_own_language_alone(rf, contact, recover_url):
    contact.locale = "es"
    contact.save()

    with translation.override("fr"):
        response = recover(rf.get(recover_url), recover_url.split("/")[-2])
        afterwards = translation.get_language()

    assert WAITING["es"] in response.content.decode()
    assert afterwards == "fr"


@pytest.mark.parametrize(
    ("currency", "locale", "written"),
    [
        ("EUR", "en", "€1,234.50"),
        ("EUR", "fr", "1\u202f234,50\u00a0€"),
        ("EUR", "es-MX", "EUR1,234.50"),
        ("EUR", "es", "1.234,50\u00a0€"),
        ("USD", "en", "$1,234.50"),
        ("CHF", "fr-CH", "1\u202f234,50\u00a0CHF"),
        ("JPY", "en", "¥1,234"),
        ("", "en", "€1,234.50"),
    ],
)
def test_prices_are_written_as_the_reader_writes_them(client, contact, message, currency, locale, written):
    contact.locale = locale
    contact.save()
    item = Item(product_id="1", title="Canvas bag", quantity=1, unit_price=Decimal("1234.50"))
    cart = make_cart(contact, items=[item], currency=currency)

    page = client.get(recovery_url(cart, message)).content.decode()

    assert f"<strong>{written}</strong>" in page


def test_a_price_beyond_reason_is_left_out(client, contact, message):
    item = Item(product_id="1", title="Canvas bag", quantity=1, unit_price=Decimal("NaN"))
    other = Item(product_id="2", title="Linen shirt", quantity=1, unit_price=Decimal("1e300"))

    page = client.get(recovery_url(make_cart(contact, items=[other, item], total=0), message)).content.decode()

    # The form below the items holds a token, in which any letters may stand.
    items = page.partition("<main>")[2].partition("<form")[0]
    assert "Canvas bag" in items
    assert "NaN" not in items
    assert "000" not in items
