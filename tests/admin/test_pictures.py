"""The screens of flows, reports, people and codes as staff sees them: at a desk and on a phone, with data and without.

The pictures are kept where RETARGET_TEST_PICTURES says, to be looked at.
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from retarget_plugin.engine import flows
from retarget_plugin.models import Flow, Message
from tests.promises import length

from . import rows
from .conftest import everything, page
from .test_report_page import experiment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LANGUAGES = {"en": "en-GB", "fr": "fr-FR", "es": "es-ES"}
WIDE = """() => [...document.querySelectorAll("body *")].filter((node) => {
  const box = node.getBoundingClientRect();
  return node.checkVisibility() && box.width > 1 && box.right > document.documentElement.clientWidth + 1
    && !node.closest(".rt-scroll, .results, pre, svg");
}).map((node) => node.outerHTML.slice(0, 120)).slice(0, 3)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    given = os.environ.get("RETARGET_TEST_PICTURES")
    path = Path(given) if given else tmp_path_factory.mktemp("pictures")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(params=length([("fr", 390)], [(language, width) for language in LANGUAGES for width in (390, 1280)]))
def screen(chromium, live_server, admin_user, request):
    """A tab in which the owner is logged in: (page, what its pictures are called after)."""
    language, width = request.param
    client = Client()
    client.force_login(admin_user)
    context = chromium.new_context(
        base_url=live_server.url, viewport={"width": width, "height": 900}, locale=LANGUAGES[language]
    )
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    yield context.new_page(), f"{language}-{width}"
    context.close()


def photograph(screen, folder, addresses):
    """What does not fit, by the name of its page."""
    tab, look = screen
    wide = {}
    for name, url in addresses.items():
        assert tab.goto(url).status == 200, url
        tab.wait_for_load_state("networkidle")
        tab.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        if found := tab.evaluate(WIDE):
            wide[name] = found
    return wide


def screens(shop, flow):
    return {
        "report": page("shop_report_of", shop.pk) + "?days=30",
        "flows": page("flow_changelist"),
        "flow": page("flow_change", flow.pk),
        "publish": page("flow_publish", flow.pk),
        "backtest": page("flow_backtest", flow.pk) + "?days=30",
        "version": page("flow_version", flow.pk, 1),
        "preview": page("flow_preview", flow.pk, 1, "reminder", "fr"),
        "preview-text": page("flow_preview", flow.pk, 1, "sms", "fr"),
        "pools": page("couponpool_changelist"),
        "coupons": page("coupon_changelist"),
        "pool-add": page("couponpool_add"),
    }


def test_every_screen_fits_where_there_is_nothing_yet(screen, folder):
    shop = rows.shop(name="Lumen Camera", time_zone="Europe/Paris", country="FR")
    flows.install(shop, now=timezone.now())
    flow = Flow.objects.get(shop=shop, slug="abandoned-checkout")

    found = photograph(screen, folder, {f"empty-{name}": url for name, url in screens(shop, flow).items()})

    assert found == {}


def test_every_screen_fits_after_a_month_of_trade(screen, folder):
    now = timezone.now()
    found = everything("Ana Martín", currency="EUR", country="FR", margin_percent=40)
    shop = found.shop
    shop.name = "Lumen Camera"
    shop.save()
    flows.install(shop, now=now)
    flow = Flow.objects.get(shop=shop, slug="abandoned-checkout")
    Flow.objects.filter(shop=shop, slug__in=["abandoned-checkout", "welcome"]).update(state="on")
    for day in range(30):
        at = now - timedelta(days=day, hours=1)
        for number in range(2 + day % 4):
            cart = rows.cart(shop, contact=rows.contact(shop), created_at=at, touched_at=at, abandoned_at=at)
            run = rows.run(flow, cart=cart, entered_at=at)
            sent = rows.message(run, step="reminder", due_at=at, created_at=at)
            rows.decision(shop, "no_consent", contact=cart.contact, cart=cart, flow_slug=flow.slug, at=at)
            if not number % 3:
                Message.objects.filter(pk=sent.pk).update(clicked_at=at + timedelta(minutes=5))
                rows.order(shop, total=Decimal("149.90"), placed_at=at, credited_message=sent, contact=cart.contact)
    experiment(flow, treated=(400, 160), held_out=(100, 6))
    addresses = screens(shop, flow) | {
        "contact": page("contact_change", found.contact.pk),
        "cart": page("cart_change", found.cart.pk),
        "message": page("message_change", found.message.pk),
        "pool": page("couponpool_change", found.couponpool.pk),
        "coupon": page("coupon_change", found.coupon.pk),
        "preview-contact": page("flow_preview", flow.pk, 1, "coupon", "es")
        + f"?contact={found.contact.pk}&phone=1&dark=1",
    }

    assert photograph(screen, folder, addresses) == {}
