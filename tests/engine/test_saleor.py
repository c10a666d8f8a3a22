"""What comes of Saleor's events: shops, consent, and an app that is switched off; and whose keys are believed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from retarget_plugin import hosts
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.engine import consent, contacts, orders, retention, saleor, vault
from retarget_plugin.exceptions import InputError, Refusal, SignatureError
from retarget_plugin.hosts.saleor import credentials
from retarget_plugin.models import Cart, Consent, ConsentRecord, Contact, Identity, Order, SaleorApp, SaleorEvent, Shop
from tests.fakes.saleor import SaleorServer
from tests.saleor_captures import API_URL, APP_ID, CHECKOUT, NOW, TOKEN, capture, configure, install, jwks

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
ANN = "ann@example.com"


@pytest.fixture
def app(settings):
    configure(settings)
    Shop.objects.all().delete()
    return install()


@pytest.fixture
def server(settings):
    with SaleorServer() as server:
        server.app_id, server.is_app_active = APP_ID, True
        configure(settings, api_url=server.api_url)
        yield server


def tell(number, change=None, *, seconds=0.0, now=NOW):
    """Take in captured event `number`, changed, as if it had happened `seconds` later. True when it was new."""
    data = capture(number).data
    happened = datetime.fromisoformat(data["issuedAt"]) + timedelta(seconds=seconds)
    data["issuedAt"] = happened.isoformat()
    if change:
        change(data)
    return saleor.note("saleor", json.dumps(data).encode(), now=now)


def ticked(word, channel="email"):
    def change(data):
        about = data.get("checkout") or data.get("user")
        about["metadata"] = [{"key": f"consent.{channel}", "value": word}]

    return change


def in_channel(slug, currency):
    def change(data):
        data["checkout"]["channel"] = {"id": "Q2hhbm5lbDoy", "slug": slug, "currencyCode": currency}
        data["checkout"]["id"] = f"checkout-in-{slug}"

    return change


def app_told(name, *, is_active=True, seconds=0.0):
    issued_at = (NOW + timedelta(seconds=seconds - 60)).isoformat()
    told = {"issuedAt": issued_at, "__typename": name, "app": {"id": APP_ID, "isActive": is_active}}
    return saleor.note("saleor", json.dumps(told).encode(), now=NOW)


def said():
    return list(ConsentRecord.objects.order_by("pk").values_list("contact__email", "state"))


# -- shops ------------------------------------------------------------------------------------------------------------


def test_each_channel_is_a_shop_of_the_storefront_with_its_own_currency_and_all_flows_off(app):
    tell("006")
    tell("006", in_channel("channel-pln", "PLN"))

    shops = Shop.objects.order_by("pk")
    assert [(shop.scope, shop.name, shop.currency, shop.base_url) for shop in shops] == [
        ("default-channel", "Default Channel", "USD", "https://shop.example"),
        ("channel-pln", "Channel Pln", "PLN", "https://shop.example"),
    ]
    assert [set(shop.flows.values_list("state", flat=True)) for shop in shops] == [{"off"}, {"off"}]


def test_a_further_channel_begins_with_what_the_owner_has_filled_in(app):
    tell("006")
    Shop.objects.update(sender_email="hello@shop.example", country="PL", is_paused=True)

    tell("006", in_channel("channel-pln", "PLN"))

    second = Shop.objects.get(scope="channel-pln")
    assert (second.sender_email, second.country, second.is_paused) == ("hello@shop.example", "PL", True)


def test_a_shop_that_was_met_keeps_what_its_owner_changed(app):
    tell("006")
    Shop.objects.update(name="Juices", currency="EUR")

    tell("007")

    assert Shop.objects.values_list("name", "currency").get() == ("Juices", "EUR")


# -- carts and orders -------------------------------------------------------------------------------------------------


def test_an_order_that_is_heard_of_first_still_ends_its_cart(app):
    tell("023")
    orders.read_new(now=NOW)
    tell("021")

    cart = Cart.objects.get()
    assert (cart.state, cart.total, Order.objects.get().cart) == ("ordered", Decimal("5.37"), cart)
    assert [line["title"] for line in cart.items] == ["Apple Juice"]


def test_an_older_event_never_overwrites_a_newer_one(app):
    tell("021")

    tell("006")

    cart = Cart.objects.get()
    assert (cart.email, len(cart.items), cart.items[0]["quantity"]) == ("ann2@example.com", 1, 3)


def test_an_order_is_read_from_the_event_while_saleor_does_not_answer(app):
    tell("023")

    read = orders.read_new(now=NOW)

    assert read == 1
    assert Order.objects.values_list("number", "told").get() == ("21", {})


def test_a_clock_that_runs_ahead_does_not_make_us_deaf(app):
    tell("006", seconds=3600)

    # The clock is put right; this happened a minute later.
    tell("021", seconds=150, now=NOW + timedelta(minutes=1))

    assert Cart.objects.values_list("email", "touched_at").get() == ("ann2@example.com", NOW + timedelta(minutes=1))


# -- who agreed to what -----------------------------------------------------------------------------------------------


def test_a_box_counts_once_however_often_it_is_repeated(app):
    for seconds in range(5):
        tell("006", seconds=seconds)

    assert said() == [(ANN, "granted")]


def test_who_unsubscribed_stays_so_while_the_box_is_still_ticked(app):
    tell("006")
    contact = Contact.objects.get(email=ANN)
    consent.unsubscribe(contact.pk, channel="email", message_id=None, source="link", now=NOW)

    tell("007", seconds=30)

    assert Consent.objects.get(contact=contact).state == "withdrawn"


def test_who_unsubscribed_stays_so_in_the_next_checkout_of_an_account_that_agreed_before(app):
    def of_account(reference):
        def change(data):
            words = [{"key": "consent.email", "value": "true"}]
            account = {"id": "VXNlcjox", "email": ANN, "metadata": words}
            data["checkout"] |= {"id": reference, "metadata": [], "user": account}

        return change

    tell("006", of_account("first"))
    contact = Contact.objects.get(email=ANN)
    agreed = Consent.objects.get(contact=contact).state
    consent.unsubscribe(contact.pk, channel="email", message_id=None, source="link", now=NOW)

    tell("006", of_account("second"), seconds=30)

    assert Cart.objects.count() == 2
    assert (agreed, Consent.objects.get(contact=contact).state) == ("granted", "withdrawn")


def test_a_box_that_is_unticked_takes_back_what_it_gave(app):
    tell("006")

    tell("006", ticked("false"), seconds=10)

    assert Consent.objects.get(contact__email=ANN, channel="email").state == "withdrawn"


def test_a_box_that_was_never_ticked_takes_nothing_back(app):
    tell("006", in_channel("default-channel", "USD"))

    tell("006", ticked("false"), seconds=10)

    assert Consent.objects.get(contact__email=ANN, channel="email").state != "withdrawn"


def test_a_yes_that_comes_after_the_later_no_is_too_late(app):
    tell("006")
    tell("006", ticked("false"), seconds=10)

    tell("006", ticked("true"), seconds=5)

    assert Consent.objects.get(contact__email=ANN, channel="email").state == "withdrawn"


def test_the_text_beside_the_box_is_kept_as_evidence(app):
    def with_wording(data):
        data["checkout"]["metadata"].append({"key": "consent.wording", "value": "Yes, write to me"})

    tell("006", with_wording)

    record = ConsentRecord.objects.get()
    assert (record.wording, record.source) == ("Yes, write to me", f"Saleor checkout {CHECKOUT}")


# -- accounts ---------------------------------------------------------------------------------------------------------


def test_an_account_is_known_in_the_only_channel_there_is(app):
    tell("006")

    tell("028")

    assert Identity.objects.values_list("shop__scope", "contact__email").get() == (
        "default-channel",
        "new.customer@example.com",
    )


def test_of_several_channels_an_account_counts_where_it_is_known(app):
    tell("006")
    tell("006", in_channel("channel-pln", "PLN"))
    there = Shop.objects.get(scope="channel-pln")
    contacts.resolve(there, HostIdentity(external_id="VXNlcjo0Ng==", email="new.customer@example.com"), now=NOW)

    tell("028")

    known = Consent.objects.filter(contact__email="new.customer@example.com")
    assert [(row.contact.shop, row.channel) for row in known] == [(there, "sms")]


def test_an_account_that_is_deleted_is_nobodys_any_more(app):
    tell("006")
    tell("028")

    def deleted(data):
        data["__typename"] = "CustomerDeleted"

    tell("028", deleted, seconds=5)

    assert Identity.objects.count() == 0
    assert Contact.objects.filter(email="new.customer@example.com").exists()


# -- on and off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "is_active"), [("AppDeleted", True), ("AppStatusChanged", False)])
def test_an_app_that_is_removed_or_switched_off_sends_nothing_more(app, name, is_active):
    tell("006")

    app_told(name, is_active=is_active)

    assert Shop.objects.get().is_paused is True
    assert credentials.find(API_URL) is None
    assert tell("007") is False


def test_switched_on_again_only_what_was_paused_by_it_goes_on(app):
    tell("006")
    tell("006", in_channel("channel-pln", "PLN"))
    Shop.objects.filter(scope="channel-pln").update(is_paused=True)

    app_told("AppStatusChanged", is_active=False)
    app_told("AppStatusChanged", is_active=True, seconds=5)

    assert dict(Shop.objects.values_list("scope", "is_paused")) == {"default-channel": False, "channel-pln": True}
    assert credentials.find(API_URL).token == TOKEN


def test_of_on_and_off_the_later_one_counts_whichever_comes_first(app):
    app_told("AppStatusChanged", is_active=True, seconds=5)
    app_told("AppStatusChanged", is_active=False)

    assert SaleorApp.objects.get().is_active is True


def test_what_is_told_of_another_app_is_nothing_to_us(app):
    SaleorApp.objects.update(app_id="QXBwOjI=")

    app_told("AppDeleted")

    assert SaleorApp.objects.get().is_active is True


def test_installed_anew_the_app_goes_on(server):
    install(api_url=server.api_url, is_active=False)

    saleor.install("saleor", api_url=server.api_url, token=server.token, now=NOW)

    assert credentials.find(server.api_url).token == server.token


# -- keys and tokens --------------------------------------------------------------------------------------------------


def take(server, told=None, *, now=NOW):
    told = told or capture("006")
    return saleor.take("saleor", api_url=server.api_url, signature=server.sign(told.body), body=told.body, now=now)


def asked_for_keys(server):
    return [call.path for call in server.calls].count("/.well-known/jwks.json")


def test_a_key_that_is_new_is_fetched_from_the_instance_itself(server):
    install(api_url=server.api_url, keys_asked_at=NOW - timedelta(minutes=2))

    take(server)

    assert asked_for_keys(server) == 1
    assert SaleorApp.objects.get().jwks == server.jwks()
    assert Cart.objects.count() == 1


def test_a_key_that_was_taken_out_of_use_is_believed_no_more(server):
    old = capture("006")
    install(api_url=server.api_url, keys_asked_at=NOW - timedelta(minutes=2))
    take(server)

    with pytest.raises(Refusal, match="not known yet"):
        saleor.take("saleor", api_url=server.api_url, signature=old.signature, body=old.body, now=NOW)
    with pytest.raises(SignatureError):
        later = NOW + timedelta(minutes=2)
        saleor.take("saleor", api_url=server.api_url, signature=old.signature, body=old.body, now=later)

    assert SaleorEvent.objects.count() == 1


def test_unknown_keys_are_looked_for_once_a_minute_however_many_come(server):
    install(api_url=server.api_url, keys_asked_at=NOW - timedelta(minutes=2), jwks=jwks())
    server.key_id = "published"
    forged = SaleorServer.sign(server, b"{}")
    server.key_id = "another"

    for second in range(50):
        with pytest.raises((Refusal, SignatureError)):
            at = NOW + timedelta(seconds=second)
            saleor.take("saleor", api_url=server.api_url, signature=forged, body=b"{}", now=at)

    assert asked_for_keys(server) == 1


def test_while_the_keys_cannot_be_fetched_saleor_is_asked_to_come_again(settings):
    configure(settings, api_url="http://127.0.0.1:1/graphql/")
    install(api_url="http://127.0.0.1:1/graphql/", jwks={"keys": []}, keys_asked_at=NOW - timedelta(minutes=2))
    told = capture("006")

    with pytest.raises(Refusal) as refused:
        saleor.take("saleor", api_url="http://127.0.0.1:1/graphql/", signature=told.signature, body=told.body, now=NOW)

    assert refused.value.reason == "unavailable"


def test_keys_are_looked_at_again_every_day_and_still_hold_while_that_fails(settings):
    address = "http://127.0.0.1:1/graphql/"
    configure(settings, api_url=address)
    install(api_url=address, keys_asked_at=NOW - timedelta(days=2))
    told = capture("006")

    saleor.take("saleor", api_url=address, signature=told.signature, body=told.body, now=NOW)

    assert SaleorApp.objects.get().keys_asked_at == NOW
    assert Cart.objects.count() == 1


def test_a_token_in_the_settings_installs_the_app_at_its_first_event(server, settings):
    configure(settings, api_url=server.api_url, token=server.token)

    take(server)

    assert vault.unlock(SaleorApp.objects.get().token) == server.token
    assert Cart.objects.count() == 1


def test_before_its_first_event_the_token_in_the_settings_is_used(server, settings):
    configure(settings, api_url=server.api_url, token="by-hand")

    assert credentials.find(server.api_url).token == "by-hand"
    assert credentials.find("https://other.example/graphql/") is None


def test_the_token_outlives_a_change_of_the_secret_key_that_names_the_old_one(app, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new one", [settings.SECRET_KEY]
    still = credentials.find(API_URL)
    settings.SECRET_KEY_FALLBACKS = []

    assert still.token == TOKEN
    assert credentials.find(API_URL) is None


def test_neither_token_nor_keys_are_shown_by_mistake(app):
    found = credentials.find(API_URL)

    assert TOKEN not in repr(found) and "laJNpTPf" not in repr(found)
    assert TOKEN not in app.token


# -- the host ---------------------------------------------------------------------------------------------------------


def test_nothing_is_asked_of_a_saleor_in_which_the_app_is_switched_off(app):
    SaleorApp.objects.update(is_active=False)

    with pytest.raises(Exception, match="not installed in this Saleor, or it is switched off"):
        hosts.get_host("saleor").get_cart(CHECKOUT)


# -- what is old ------------------------------------------------------------------------------------------------------


def test_the_mark_of_an_event_is_kept_for_as_long_as_the_event_may_come_again(app):
    tell("006")
    happened = SaleorEvent.objects.get().issued_at

    kept = retention.purge(happened + SaleorEvent.MEMORY)["saleor_events"]
    gone = retention.purge(happened + SaleorEvent.MEMORY + timedelta(seconds=1))["saleor_events"]

    assert (kept, gone) == (0, 1)


def test_an_event_of_long_ago_is_refused_also_from_saleors_own_archive(app):
    with pytest.raises(InputError):
        saleor.note("saleor", capture("006").body, now=NOW + timedelta(days=14))
