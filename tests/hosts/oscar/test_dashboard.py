"""The report and the settings in Oscar's dashboard: who sees them, that they say what the admin says, and what is stored."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from examples.oscar_shop import settings as example
from retarget_plugin.contrib.oscar_dashboard.forms import SettingsForm
from retarget_plugin.models import Flow, Installation, Shop
from retarget_plugin.testing import build_item
from tests.admin import rows


@pytest.fixture
def shop(db: None) -> Shop:
    """The only one, with three carts left yesterday, one of them messaged, and an order of 1,234.50 that came of it."""
    Flow.objects.update(version=None)
    Shop.objects.all().delete()
    shop = rows.shop(name="Lumen Camera", time_zone="UTC")
    yesterday = timezone.now() - timedelta(days=1)
    flow = rows.flow(shop, name="Checkout", state="on")
    run = rows.run(flow, cart=rows.cart(shop, abandoned_at=yesterday), entered_at=yesterday)
    sent = rows.message(run, clicked_at=yesterday)
    rows.cart(shop, abandoned_at=yesterday)
    rows.cart(shop, abandoned_at=yesterday)
    rows.order(shop, total=Decimal("1234.50"), placed_at=yesterday, credited_message=sent)
    return shop


@pytest.fixture
def person(django_user_model: Any) -> Any:
    """person(is_staff=True, may=["change_shop"]) is the browser of somebody who is logged in."""

    def build(*, may: tuple[str, ...] | list[str] = (), **facts: Any) -> Client:
        user = django_user_model.objects.create_user("-".join(["who", *may]), password="pw", **facts)
        user.user_permissions.set(Permission.objects.filter(codename__in=may))
        client = Client()
        client.force_login(user)
        return client

    return build


def address(page: str, *args: Any) -> str:
    return reverse(f"retarget_dashboard:{page}", args=args)


def menu(client: Client) -> list[str]:
    """Addresses of ours in the menu of the dashboard's first page."""
    answer = client.get(reverse("dashboard:index"))
    assert answer.status_code == 200
    return re.findall(r'href="(/dashboard/retarget/[^"]*)"', answer.content.decode())


def sent_form(shop: Shop, **changes: Any) -> dict[str, Any]:
    """The settings page as a browser would send it, with some fields typed anew."""
    form = SettingsForm(instance=shop)
    shown = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in {**shown, **changes}.items() if value not in (None, False)}


def test_staff_finds_both_pages_in_the_menu(person, shop):
    owner = person(is_staff=True, is_superuser=True)

    assert menu(owner) == ["/dashboard/retarget/report/", "/dashboard/retarget/settings/"]
    assert owner.get(address("report")).status_code == 200
    assert owner.get(address("settings")).status_code == 200


def test_staff_who_may_only_look_finds_the_report_alone(person, shop):
    reader = person(is_staff=True, may=["view_shop"])

    assert menu(reader) == ["/dashboard/retarget/report/"]
    assert reader.get(address("report")).status_code == 200
    assert reader.get(address("settings")).status_code == 403
    assert reader.post(address("settings", shop.pk), sent_form(shop, is_paused="on")).status_code == 403
    shop.refresh_from_db()
    assert shop.is_paused is False


@pytest.mark.parametrize("page", ["report", "settings"])
def test_a_partners_people_see_nothing_of_ours(person, shop, page):
    partner = person(may=["dashboard_access", "view_shop", "change_shop"])

    assert menu(partner) == []
    assert partner.get(address(page)).status_code == 403
    assert partner.get(address(page, shop.pk)).status_code == 403


@pytest.mark.parametrize("page", ["report", "settings"])
def test_staff_without_a_permission_is_refused(person, shop, page):
    assert person(is_staff=True).get(address(page)).status_code == 403


@pytest.mark.parametrize("page", ["report", "settings"])
def test_a_stranger_is_asked_to_log_in(client, shop, page):
    answer = client.get(address(page))

    assert (answer.status_code, answer["Location"]) == (302, f"/dashboard/login/?next=/dashboard/retarget/{page}/")


def test_the_report_has_the_numbers_of_the_admins(admin_client, shop):
    ours = admin_client.get(address("report", shop.pk), {"days": 7})
    admins = admin_client.get(reverse("admin:retarget_plugin_shop_report_of", args=[shop.pk]), {"days": 7})

    for name in ("headlines", "chart", "days", "foreign", "period"):
        assert ours.context[name] == admins.context[name], name
    text = " ".join(ours.content.decode().split())
    assert re.findall(r"<dt>([^<]+)</dt> <dd> <strong>([^<]+)</strong>", text) == [
        ("Orders caused", "Not yet known"),
        ("Revenue caused", "Not yet known"),
        ("Abandoned carts", "3"),
        ("Messaged", "1"),
        ("Recovered orders", "1"),
        ("Recovered revenue", "€1,234.50"),
    ]
    assert text.count('<rect class="rt-bar-abandoned"') == 7
    assert re.search(r"<th scope=\"row\"> Checkout </th>(.*?)</tr>", text)[1].count("€1,234.50") == 1


def test_the_report_asks_as_many_questions_for_many_carts_as_for_few(
    admin_client, shop, django_assert_num_queries, django_assert_max_num_queries
):
    def leave(product):
        left = [build_item(product_id=product).to_data()]
        rows.cart(shop, abandoned_at=timezone.now() - timedelta(hours=1), items=left)

    leave("1")
    admin_client.get(address("report", shop.pk))
    # The three about rates and products are part of them.
    with django_assert_max_num_queries(18) as few:
        admin_client.get(address("report", shop.pk))
    for number in range(20):
        leave(str(number))

    with django_assert_num_queries(len(few)):
        admin_client.get(address("report", shop.pk))


def test_settings_are_stored_as_the_admin_would(admin_client, shop):
    form = sent_form(shop, is_paused="on", sms_from="09:30", email_per_week="2", sender_email="hi@shop.example.com")

    answer = admin_client.post(address("settings", shop.pk), form)

    assert (answer.status_code, answer["Location"]) == (302, f"/dashboard/retarget/settings/{shop.pk}/")
    shop.refresh_from_db()
    assert (shop.is_paused, shop.sms_from.hour, shop.email_per_week) == (True, 9, 2)
    assert (shop.sender_email, shop.host, shop.sms_gateway) == ("hi@shop.example.com", "default", "default")


def test_a_wrong_setting_is_shown_beside_its_field_and_nothing_is_stored(admin_client, shop):
    form = sent_form(shop, is_paused="on", time_zone="Mars/<b>Olympus</b>")

    answer = admin_client.post(address("settings", shop.pk), form)

    assert answer.status_code == 200
    text = answer.content.decode()
    assert "Please correct the errors below." in text
    assert "“Mars/&lt;b&gt;Olympus&lt;/b&gt;” is not a time zone. Write it like Europe/Paris." in text
    shop.refresh_from_db()
    assert (shop.is_paused, shop.time_zone) == (False, "UTC")


def test_technical_settings_cannot_be_sent_along(admin_client, shop):
    form = sent_form(shop) | {"host": "other", "scope": "other", "sms_gateway": "other"}

    admin_client.post(address("settings", shop.pk), form)

    before = (shop.host, shop.scope, shop.sms_gateway)
    shop.refresh_from_db()
    assert (shop.host, shop.scope, shop.sms_gateway) == before


def test_what_is_sent_to_no_shop_in_particular_changes_none(admin_client, shop):
    admin_client.post(address("settings"), sent_form(shop, is_paused="on"))

    shop.refresh_from_db()
    assert shop.is_paused is False
    assert admin_client.post(address("settings", shop.pk + 999), sent_form(shop)).status_code == 404


def test_each_of_several_shops_has_its_tab(admin_client, shop):
    other = rows.shop(name="Zweite")

    text = admin_client.get(address("report", other.pk)).content.decode()

    assert re.findall(r'href="/dashboard/retarget/report/(\d+)/">([^<]+)<', text) == [
        (str(shop.pk), "Lumen Camera"),
        (str(other.pk), "Zweite"),
    ]
    assert "Nothing happened in this period yet." in text


@pytest.mark.parametrize("page", ["report", "settings"])
def test_without_a_shop_the_page_says_so(admin_client, db, page):
    Flow.objects.update(version=None)
    Shop.objects.all().delete()

    assert "There is no shop yet." in admin_client.get(address(page)).content.decode()


def test_the_example_shops_dashboard_has_it(admin_client, shop, settings):
    settings.ROOT_URLCONF = "examples.oscar_shop.urls"
    settings.TEMPLATES = example.TEMPLATES

    assert menu(admin_client) == ["/dashboard/retarget/report/", "/dashboard/retarget/settings/"]
    assert "€1,234.50" in admin_client.get(address("report")).content.decode()


def test_a_stop_of_all_sending_stands_on_top(admin_client, shop):
    Installation.objects.update_or_create(
        pk=1, defaults={"halted_because": "stopped", "halted_at": timezone.now(), "heartbeat_at": timezone.now()}
    )

    assert "Nothing is sent since" in admin_client.get(address("report")).content.decode()
