"""The settings screen: what it takes, what it refuses and how it says so, and what it tells about the connections."""

from __future__ import annotations

import copy

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry

from retarget_plugin.channels import Gateway
from retarget_plugin.engine import flows
from retarget_plugin.hosts import Host
from retarget_plugin.models import Shop
from tests.channels.mailers import POSTMARK, channel_over

from . import rows
from .conftest import page, read

CANARY = "sk_live_canary"


class Ready(Gateway):
    """A gateway with a key, and nothing wrong."""


class Unready(Gateway):
    """A gateway that misses something."""

    def check(self):
        return ["Set OPTIONS['ACCOUNT'] to your account's number."]


class Broken(Host):
    """A host that fails as soon as it is made, with its key on its lips."""

    def __init__(self, alias="default", **options):
        raise RuntimeError(f"no connection with {CANARY}")


@pytest.fixture
def shop():
    return rows.shop(scope="", sms_gateway="default")


@pytest.fixture
def retarget(settings):
    """retarget(SMS=...) changes keys of the RETARGET setting."""

    def change(**keys):
        changed = copy.deepcopy(django_settings.RETARGET)
        settings.RETARGET = {**changed, **keys}

    change()
    return change


def form_data(client, url):
    """What a browser would send if nobody touched anything."""
    form = client.get(url).context["adminform"].form
    return {name: value for name in form.fields if (value := form[name].value()) not in (None, False)}


def save(client, shop, **changes):
    url = page("shop_change", shop.pk)
    data = {**form_data(client, url), **changes}
    return client.post(url, {name: value for name, value in data.items() if value is not None})


def errors(response):
    return {name: list(messages) for name, messages in response.context["adminform"].form.errors.items()}


def test_what_is_saved_untouched_stays_as_it_was(owner, shop):
    before = Shop.objects.values().get(pk=shop.pk)

    response = save(owner, shop)

    assert response.status_code == 302, errors(response)
    assert Shop.objects.values().get(pk=shop.pk) == before


def test_settings_are_stored_as_standards_write_them(owner, shop):
    response = save(
        owner,
        shop,
        country="ch",
        currency=" chf ",
        locale="fr_ch",
        time_zone="Europe/Zurich",
        sms_from="09:30",
        is_paused="on",
    )

    shop.refresh_from_db()
    assert response.status_code == 302
    assert (shop.country, shop.currency, shop.locale, shop.time_zone) == ("CH", "CHF", "fr-CH", "Europe/Zurich")
    assert (shop.sms_from.isoformat(), shop.is_paused) == ("09:30:00", True)


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("time_zone", "Paris", "“Paris” is not a time zone. Write it like Europe/Paris."),
        ("time_zone", "../etc/passwd", "“../etc/passwd” is not a time zone. Write it like Europe/Paris."),
        ("country", "XX", "“XX” is not a country. Write its two-letter code, such as FR."),
        ("country", "EU", "“EU” is not a country. Write its two-letter code, such as FR."),
        ("currency", "EUX", "“EUX” is not a currency. Write its three-letter code, such as EUR."),
        ("locale", "francais", "“francais” is not a language. Write a code such as en, fr or fr-CH."),
        ("locale", "xx", "“xx” is not a language. Write a code such as en, fr or fr-CH."),
        ("host", "elsewhere", '“elsewhere” is not in RETARGET["HOSTS"]. Known are: default.'),
        ("sms_gateway", "fast", '“fast” is not in RETARGET["SMS"]. Known are: default.'),
        (
            "sms_sender",
            "MY GREAT SHOP",
            "“MY GREAT SHOP” cannot be shown as a sender. Use up to 11 letters and digits, such as MYSHOP, "
            "or a number such as +33755530000.",
        ),
        ("abandoned_after_minutes", "0", "Ensure this value is greater than or equal to 1."),
    ],
)
def test_a_wrong_value_is_refused_with_an_example(owner, shop, field, typed, message):
    before = getattr(shop, field)

    response = save(owner, shop, **{field: typed})

    shop.refresh_from_db()
    assert errors(response) == {field: [message]}
    assert getattr(shop, field) == before


@pytest.mark.parametrize("sender", ["MYSHOP", "Shop 24", "+33755530000", "36180", ""])
def test_senders_that_networks_carry_are_taken(owner, shop, sender):
    response = save(owner, shop, sms_sender=sender)

    shop.refresh_from_db()
    assert (response.status_code, shop.sms_sender) == (302, sender)


def test_a_gateway_that_left_the_settings_does_not_hold_up_the_rest(owner, shop, retarget):
    retarget(SMS={"other": {"BACKEND": f"{__name__}.Ready"}})

    response = save(owner, shop, is_paused="on")

    shop.refresh_from_db()
    assert (response.status_code, shop.is_paused, shop.sms_gateway) == (302, True, "default")


def test_a_new_shop_gets_the_shipped_flows_turned_off(owner):
    url = page("shop_add")
    data = {**form_data(owner, url), "name": "Second", "base_url": "https://second.example.com", "scope": "second"}

    response = owner.post(url, data)

    assert response.status_code == 302, errors(response)
    second = Shop.objects.get(scope="second")
    shipped = [name.replace("_", "-") for name in flows.SHIPPED]
    assert dict(second.flows.values_list("slug", "state")) == dict.fromkeys(shipped, "off")


def test_a_change_stands_in_the_history_without_its_values(owner, shop, admin_user):
    save(owner, shop, postal_address="1 rue de la Paix, Paris")

    entry = LogEntry.objects.get()
    assert (entry.user, entry.get_change_message()) == (admin_user, "Changed Postal address.")


def test_known_values_are_proposed_without_a_script(owner, shop):
    text = read(owner, page("shop_change", shop.pk))

    assert '<datalist id="id_time_zone_suggestions">' in text
    assert 'list="id_time_zone_suggestions"' in text
    assert '<option value="Europe/Paris">' in text


# -- connections ------------------------------------------------------------------------------------------------------


def connections(client, shop):
    found = client.get(page("shop_change", shop.pk)).context["connections"]
    return {connection.name: (connection.is_ready, connection.is_for_development) for connection in found}


def panel(client, shop):
    text = read(client, page("shop_change", shop.pk))
    return text[text.index('id="connections"') :]


def test_what_is_configured_is_ready(owner, shop, retarget, settings):
    retarget(SMS={"default": {"BACKEND": f"{__name__}.Ready", "OPTIONS": {"API_KEY": CANARY}}})
    channel_over(settings, POSTMARK, server_token=CANARY)

    assert connections(owner, shop) == {
        "Shop system": (True, False),
        "E-mail": (True, False),
        "SMS gateway": (True, False),
        "Public address of this site": (True, False),
    }


def test_what_is_missing_is_told_in_words(owner, shop, retarget, settings):
    retarget(HOSTS={}, SMS={"default": {"BACKEND": f"{__name__}.Unready"}}, PUBLIC_URL="")
    settings.DEFAULT_FROM_EMAIL = "webmaster@localhost"

    text = panel(owner, shop)

    assert {ready for ready, _development in connections(owner, shop).values()} == {False}
    assert "No host &#x27;default&#x27;." in text
    assert "Set OPTIONS[&#x27;ACCOUNT&#x27;] to your account&#x27;s number." in text
    assert "Set RETARGET[&quot;PUBLIC_URL&quot;] in the settings" in text
    assert "Fill in the sender address above" in text


def test_gateways_that_keep_messages_to_themselves_are_marked(owner, shop, settings):
    channel_over(settings, "django.core.mail.backends.locmem.EmailBackend")

    found = connections(owner, shop)

    assert (found["E-mail"], found["SMS gateway"]) == ((True, True), (True, True))
    assert "Nothing reaches anybody: messages stay on this machine." in panel(owner, shop)


@pytest.mark.parametrize(
    "entry", [{"BACKEND": f"{__name__}.Broken", "OPTIONS": {"TOKEN": CANARY}}, {"BACKEND": "no.such.Host"}, {}]
)
def test_a_broken_connection_shows_no_secret_and_breaks_no_page(owner, shop, retarget, entry):
    retarget(
        HOSTS={"default": entry}, SMS={"default": {"BACKEND": f"{__name__}.Ready", "OPTIONS": {"API_KEY": CANARY}}}
    )

    text = panel(owner, shop)

    assert connections(owner, shop)["Shop system"] == (False, False)
    assert CANARY not in text
    assert "OPTIONS" not in text
