"""What shoppers and staff wrote is text on every screen, whatever it looks like."""

from __future__ import annotations

import re

import pytest

from retarget_plugin.admin.facts import web_address
from retarget_plugin.models import Flow, FlowVersion

from . import rows
from .conftest import everything, page, pages, read

MARK = "<script>alert(1)</script>"
PAYLOADS = [MARK, '"><img src=x onerror=alert(1)>', "'><svg/onload=alert(1)>"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_page_has_live_markup_of_somebody_else(owner, payload):
    found = everything(payload)

    broken = [url for _model, url in pages(found) if not url.endswith(".csv") and payload in read(owner, url)]

    assert broken == []


def test_the_text_itself_is_there_escaped(owner):
    found = everything(MARK)
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;"

    for name in ("contact", "cart", "order", "message", "flow", "consentrecord"):
        assert shown in read(owner, page(f"{name}_change", getattr(found, name).pk)), name


def test_a_template_in_a_name_stays_a_name(owner):
    found = everything("{{ 7|add:7 }}")

    assert "{{ 7|add:7 }}" in read(owner, page("order_change", found.order.pk))


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,<script>1</script>", "//evil.example", "https://a b", " java\nscript:x"],
)
def test_only_web_addresses_become_links_and_images(owner, url):
    item = {"product_id": "1", "title": "Lens", "quantity": 1, "unit_price": "1.00", "url": url, "image_url": url}
    cart = rows.cart(rows.shop(), items=[item])

    text = read(owner, page("cart_change", cart.pk))

    assert web_address(url) == ""
    assert "<td>Lens</td>" in text
    assert 'width="48"' not in text


def test_a_products_page_and_picture_are_shown(owner):
    item = {
        "product_id": "1",
        "title": "Lens",
        "quantity": 2,
        "unit_price": "24.95",
        "url": "https://shop.example.com/1",
    }
    cart = rows.cart(rows.shop(), items=[item | {"image_url": "https://cdn.example.com/1.jpg"}])

    text = read(owner, page("cart_change", cart.pk))

    assert '<a href="https://shop.example.com/1" rel="noreferrer noopener" target="_blank">Lens</a>' in text
    assert '<img src="https://cdn.example.com/1.jpg" alt=""' in text
    assert "€24.95" in text
    assert "€49.90" in text


@pytest.mark.parametrize(
    "items",
    [
        ["no line"],
        [{}],
        [{"title": "Lens", "unit_price": "NaN", "quantity": "x"}],
        [{"title": "Lens", "unit_price": "1E+99999999"}],
        {"a": 1},
        "text",
    ],
)
def test_lines_that_make_no_sense_do_not_break_the_page(owner, items):
    cart = rows.cart(rows.shop(), items=items)

    read(owner, page("cart_change", cart.pk))


def test_a_subject_is_escaped_on_the_line_of_time(owner):
    flow = rows.flow(rows.shop())
    content = {**rows.CONTENT, "reminder": {"channel": "email", "languages": {"en": {"subject": MARK}}}}
    Flow.objects.filter(pk=flow.pk).update(
        version=FlowVersion.objects.create(
            flow=flow, number=2, definition=rows.STEPS, content=content, published_at=rows.NOW
        )
    )

    text = read(owner, page("flow_change", flow.pk))

    assert MARK not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_no_page_of_ours_holds_an_inline_script(owner):
    found = everything()

    inline = {
        url: scripts
        for _model, url in pages(found)
        if not url.endswith(".csv")
        and (scripts := re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=", read(owner, url)))
    }

    assert inline == {}


def test_no_page_of_ours_loads_anything_from_elsewhere(owner):
    found = everything()

    loaded = {
        address
        for _model, url in pages(found)
        if not url.endswith(".csv")
        for address in re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]+)"', read(owner, url))
    }

    assert {address for address in loaded if not address.startswith(("/static/", "/admin/"))} == set()
