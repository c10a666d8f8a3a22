"""Our page inside Saleor's dashboard, in a real browser: it introduces itself, shows the figures, and switches a flow."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from retarget_plugin.engine import flows
from retarget_plugin.engine import saleor as engine
from retarget_plugin.models import Cart, Flow
from retarget_plugin.testing import build_shop
from tests.fakes.saleor import SaleorServer
from tests.fakes.saleor_nodes import gid

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def saleor(db, settings, live_server):
    with SaleorServer() as server:
        options = {"api_url": server.api_url, "storefront_url": "https://store.example.com"}
        host = {"BACKEND": "retarget_plugin.hosts.saleor.SaleorHost", "OPTIONS": options}
        settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": host}}
        server.app_id, server.is_app_active = gid("App", "1"), True
        engine.install("default", api_url=server.api_url, token=server.token, now=timezone.now())
        yield server


@pytest.fixture
def desk(saleor, shop):
    """A shop with a month behind it."""
    now, shop = timezone.now(), build_shop(currency="EUR")
    flows.install(shop, now=now)
    for day in range(1, 29):
        for number in range(day * 7 % 5):
            at = now - timedelta(days=day)
            Cart.objects.create(
                shop=shop,
                reference=f"{day}-{number}",
                total=Decimal(50),
                touched_at=at,
                created_at=at,
                abandoned_at=at,
                state="abandoned",
            )
    return shop


@pytest.fixture
def frame(open_tab, saleor, live_server):
    """`frame(width, theme)`: (tab, our page in it)."""

    def open_one(width, theme):
        tab = open_tab(width=width)
        ours = f"{live_server.url}/retarget/saleor/default/dashboard?theme={theme}"
        tab.goto(f"{saleor.url}/dashboard/?app={ours}")
        return tab, tab.frame_locator("iframe")

    return open_one


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1280, "dark")])
def test_the_figures_come_and_a_flow_is_switched_without_any_cookie(desk, frame, width, theme):
    tab, page = frame(width, theme)
    page.get_by_role("heading", name=desk.name).wait_for()
    switch = page.get_by_role("switch").first

    switch.click()
    page.get_by_role("switch", checked=True).wait_for()

    assert Flow.objects.filter(shop=desk, state="on").count() == 1
    inner = tab.frames[1]
    assert inner.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert inner.evaluate("document.activeElement.getAttribute('role')") == "switch"
    assert tab.context.cookies() == []
    assert tab.complaints == []


def test_another_site_cannot_frame_it(desk, frame, live_server, saleor, open_tab):
    with SaleorServer() as stranger:
        stranger.app_id = saleor.app_id
        tab = open_tab()

        tab.goto(f"{stranger.url}/dashboard/?app={live_server.url}/retarget/saleor/default/dashboard/")
        tab.wait_for_timeout(300)

        assert tab.frame_locator("iframe").locator("main").count() == 0
    assert not [call for call in saleor.calls if "report" in call.path]
