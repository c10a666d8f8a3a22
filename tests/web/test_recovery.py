"""recover/<token>/: what the page shows, and whose cart the button fills."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from retarget_plugin.domain.carts import Item
from retarget_plugin.models import Cart, Contact
from tests.shop.models import Basket, Line
from tests.web.conftest import answer, kept_rows, make_cart, make_message, recovery_url

BROKEN = {"HOSTS": {"default": {"BACKEND": "tests.web.hosts.BrokenShop"}}, "PUBLIC_URL": "https://shop.example.com"}


def lines_of(basket):
    return sorted(basket.lines.values_list("product__name", "quantity"))


def test_the_page_shows_lines_prices_and_the_total(client, recover_url):
    response = client.get(recover_url)

    page = response.content.decode()
    assert response.status_code == 200
    assert "Your cart is waiting" in page
    assert "Chez Léa" in page
    assert "Linen shirt" in page
    assert "Quantity: 2 × €49.90" in page
    assert "€99.80" in page
    assert "Canvas bag" in page
    assert "€1,334.30" in page
    assert 'src="https://shop.example.com/media/shirt.jpg"' in page
    assert "Bring my cart back" in page
    assert response.headers["Cache-Control"] == "no-store, private"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert response.headers["X-Frame-Options"] == "DENY"


def test_the_page_says_nothing_about_the_person(client, recover_url, contact):
    page = client.get(recover_url).content.decode()

    secrets = [contact.email, "camille", contact.phone, "612345678", contact.first_name, "Durand", "Lefèvre", "69003"]
    assert [secret for secret in secrets if secret.lower() in page.lower()] == []


def test_the_button_fills_the_cart_of_whoever_presses_it(client, recover_url, products):
    response = client.post(recover_url)

    assert response.status_code == 303
    assert response.headers["Location"] == "/basket/"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store, private"
    assert lines_of(Basket.objects.get()) == [("Canvas bag", 1), ("Linen shirt", 2)]


def test_pressing_twice_is_as_good_as_once(client, recover_url, products):
    client.post(recover_url)
    client.post(recover_url)

    assert lines_of(Basket.objects.get()) == [("Canvas bag", 1), ("Linen shirt", 2)]


def test_two_readers_of_one_message_get_two_carts(recover_url, products):
    first, second = Client(), Client()

    first.post(recover_url)
    second.post(recover_url)

    assert Basket.objects.count() == 2
    assert Line.objects.count() == 4


@pytest.mark.parametrize("who", ["anonymous", "victim", "attacker", "staff"])
def test_nobody_is_logged_in_or_out_by_a_recovered_cart(client, recover_url, products, contact, who):
    users = get_user_model().objects
    if who != "anonymous":
        email = contact.email if who == "victim" else f"{who}@mail.example"
        client.force_login(users.create_user(who, email=email, is_staff=who == "staff"))
    logged_in_as = client.session.get("_auth_user_id")
    before = list(users.values()), list(Contact.objects.values())

    client.get(recover_url)
    client.post(recover_url)

    assert client.session.get("_auth_user_id") == logged_in_as
    assert (list(users.values()), list(Contact.objects.values())) == before


def test_a_forged_form_on_another_site_fills_no_cart(recover_url, products):
    client = Client(enforce_csrf_checks=True)
    client.get(recover_url)

    response = client.post(recover_url, headers={"origin": "https://evil.example"})

    assert response.status_code == 403
    assert Basket.objects.count() == 0


def test_the_pages_own_form_is_accepted(recover_url, products):
    client = Client(enforce_csrf_checks=True)
    page = client.get(recover_url).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page).group(1)

    response = client.post(recover_url, {"csrfmiddlewaretoken": token}, headers={"origin": "http://testserver"})

    assert response.status_code == 303
    assert Basket.objects.count() == 1


def test_the_form_is_protected_in_a_shop_without_the_middleware(settings, recover_url, products):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]
    client = Client(enforce_csrf_checks=True)

    response = client.post(recover_url)

    assert response.status_code == 403
    assert Basket.objects.count() == 0


def test_looking_at_the_page_gives_no_cookie_but_the_forms(client, recover_url):
    client.get(recover_url)

    assert list(client.cookies) == ["csrftoken"]


def test_unavailable_lines_are_shown_and_not_counted(client, contact, message):
    gone = Item(product_id="1", title="Linen shirt", quantity=1, unit_price=Decimal(40), is_available=False)
    kept = Item(product_id="2", title="Canvas bag", quantity=1, unit_price=Decimal("12.5"))
    cart = make_cart(contact, items=[gone, kept])

    page = client.get(recovery_url(cart, message)).content.decode()

    assert "No longer available" in page
    assert "€40.00" not in page
    assert page.count("€12.50") == 2


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_cart_of_which_nothing_is_left_leads_to_the_shop(client, contact, message, is_listed):
    gone = Item(product_id="1", title="Linen shirt", quantity=1, unit_price=Decimal(40), is_available=False)
    cart = make_cart(contact, items=[gone] if is_listed else [])

    response = client.get(recovery_url(cart, message))

    page = response.content.decode()
    assert response.status_code == 200
    assert "These items have gone" in page
    assert 'href="https://shop.example.com"' in page
    assert "<button" not in page


def test_a_shop_in_trouble_says_so_and_keeps_the_button(client, settings, recover_url, contact):
    settings.RETARGET = BROKEN

    response = client.post(recover_url)

    page = response.content.decode()
    assert response.status_code == 503
    assert "That did not work just now. Please try again in a moment." in page
    assert "Bring my cart back" in page
    assert Cart.objects.get().restored_by is None


def test_a_link_works_for_thirty_days_and_then_says_what_any_dead_link_says(client, recover_url):
    dead = answer(client.get("/retarget/recover/nonsense/"))

    with time_machine.travel(timezone.now() + timedelta(days=29, hours=23)):
        alive = client.get(recover_url)
    with time_machine.travel(timezone.now() + timedelta(days=30, minutes=1)):
        expired = answer(client.get(recover_url))
        refused = answer(client.post(recover_url))

    assert alive.status_code == 200
    assert expired == refused == dead
    assert Basket.objects.count() == 0


def test_a_token_is_for_one_persons_one_cart(client, cart, message, shop):
    other = Contact.objects.create(shop=shop, email="other@mail.example", created_at=timezone.now())
    theirs = make_message(other)
    nobody = answer(client.get("/retarget/recover/nonsense/"))

    mixed = answer(client.get(recovery_url(cart, theirs)))

    assert mixed == nobody
    assert mixed[0] == 404


def test_an_erased_persons_cart_is_not_shown(client, recover_url, contact):
    nobody = answer(client.get("/retarget/recover/nonsense/"))
    contact.erased_at = timezone.now()
    contact.save()

    assert answer(client.get(recover_url)) == nobody


@pytest.mark.parametrize(
    "title",
    [
        "<script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "</span></li></ul><svg/onload=alert(1)>",
        "{{ shop.sender_email }}{% load x %}",
        "<!--",
        "]]><script>alert(1)</script>",
    ],
)
def test_hostile_titles_stay_text(client, contact, message, title):
    cart = make_cart(contact, items=[Item(product_id="1", title=title, quantity=1, unit_price=Decimal(1))])

    page = client.get(recovery_url(cart, message)).content.decode()

    shown = re.search(r'<span class="title">(.*?)</span>\s*<span class="figures">', page, re.DOTALL).group(1)
    assert not set(shown) & set("<>\"'")
    assert "<script" not in page
    assert " onerror" not in page.replace(shown, "")


def test_a_hostile_shop_name_stays_text(client, shop, recover_url):
    shop.name = "</title><script>alert(1)</script>"
    shop.save()

    page = client.get(recover_url).content.decode()

    assert "<script" not in page
    assert page.count("&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;") == 2


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:image/svg+xml,<svg onload=alert(1)>", "//evil.example/x.png", "x.png", ""]
)
def test_only_web_addresses_become_pictures(client, contact, message, address):
    item = Item(product_id="1", title="Shirt", quantity=1, unit_price=Decimal(1), image_url=address)
    cart = make_cart(contact, items=[item])

    page = client.get(recovery_url(cart, message)).content.decode()

    assert "<img" not in page
    assert "<svg" in page


def test_no_address_on_the_page_comes_from_the_host_header(client, recover_url):
    page = client.get(recover_url, headers={"host": "evil.example", "x-forwarded-host": "evil.example"}).content

    assert b"evil.example" not in page


def test_showing_the_page_changes_nothing(client, recover_url, products):
    before = kept_rows()

    client.get(recover_url)
    client.head(recover_url)
    client.options(recover_url)

    assert kept_rows() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_other_methods_are_refused(client, recover_url, method):
    response = getattr(client, method)(recover_url)

    assert response.status_code == 405


def test_the_page_needs_no_script_no_inline_style_and_nothing_from_elsewhere(client, recover_url):
    page = client.get(recover_url).content.decode()

    assert re.findall(r"<script|<style|\sstyle=|\son\w+=|javascript:", page) == []
    assert re.findall(r'<link [^>]*href="([^"]+)"', page) == ["/static/retarget_plugin/pages.css"]
