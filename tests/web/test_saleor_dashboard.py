"""Our page in Saleor's dashboard: framed by that dashboard only, and open to whoever it vouches for."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from retarget_plugin.engine import flows
from retarget_plugin.engine import saleor as engine
from retarget_plugin.models import Flow, SaleorApp, Shop
from retarget_plugin.testing import build_shop
from tests.fakes.saleor import SaleorServer, signing_key
from tests.fakes.saleor_nodes import gid
from tests.promises import length

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PAGE = "/retarget/saleor/default/dashboard/"
REPORT = PAGE + "report/"
LETTERS = string.ascii_letters + string.digits + "-_."


@pytest.fixture
def saleor(db, settings):
    with SaleorServer() as server, time_machine.travel(NOW, tick=False):
        options = {"api_url": server.api_url, "storefront_url": "https://store.example.com"}
        host = {"BACKEND": "retarget_plugin.hosts.saleor.SaleorHost", "OPTIONS": options}
        settings.RETARGET = {
            **settings.RETARGET,
            "HOSTS": {"default": host, "tiny": settings.RETARGET["HOSTS"]["default"]},
        }
        server.app_id, server.is_app_active = gid("App", "1"), True
        engine.install("default", api_url=server.api_url, token=server.token, now=NOW)
        server.calls.clear()
        yield server


@pytest.fixture
def shop(saleor):
    return build_shop(scope="", currency="EUR")


def ask(token, path=REPORT, **query):
    return Client().get(path, query, headers={"authorization": f"Bearer {token}"})


def throw(token, flow, state, **query):
    path = f"{PAGE}flows/{flow.pk}/"
    headers = {"authorization": f"Bearer {token}"}
    return Client(enforce_csrf_checks=True).post(path, {"state": state}, headers=headers, query_params=query)


# -- the frame ----------------------------------------------------------------------------------------------------------


def test_the_page_may_be_framed_by_its_own_dashboard_and_sets_no_cookie(saleor):
    for path in (PAGE, PAGE.rstrip("/")):
        answer = Client().get(path, {"domain": "evil.example", "saleorApiUrl": "https://evil.example/graphql/"})

        policy = dict(rule.split(" ", 1) for rule in answer["Content-Security-Policy"].split("; "))
        assert (answer.status_code, policy["frame-ancestors"]) == (200, saleor.url)
        assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
        assert "X-Frame-Options" not in answer
        assert answer.cookies == {}
        assert "evil" not in answer.content.decode() + answer["Content-Security-Policy"]
        assert f'data-dashboard="{saleor.url}"' in answer.content.decode()


def test_a_dashboard_elsewhere_is_named_in_the_settings(saleor, settings):
    host = settings.RETARGET["HOSTS"]["default"]
    options = {**host["OPTIONS"], "dashboard_url": "https://desk.example.com/dashboard/"}
    settings.RETARGET = {**settings.RETARGET, "HOSTS": {"default": {**host, "OPTIONS": options}}}

    answer = Client().get(PAGE)

    assert answer["Content-Security-Policy"].endswith("frame-ancestors https://desk.example.com")


@pytest.mark.parametrize("alias", ["tiny", "unknown"])
def test_what_is_no_saleor_has_no_such_page(saleor, alias):
    assert Client().get(f"/retarget/saleor/{alias}/dashboard/").status_code == 404
    assert ask(saleor.dashboard_token(), f"/retarget/saleor/{alias}/dashboard/report/").status_code == 404


# -- the token ----------------------------------------------------------------------------------------------------------


def test_whoever_may_see_orders_sees_the_report_and_nothing_is_kept_in_caches(saleor, shop):
    answer = ask(saleor.dashboard_token(permissions=("MANAGE_ORDERS",)))

    assert answer.status_code == 200
    assert shop.name in answer.content.decode()
    assert "€0.00" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert 'role="switch"' not in answer.content.decode()


FORGED = {
    "of another app": {"app": gid("App", "2")},
    "of no app": {"app": None},
    "of another Saleor": {"iss": "https://other.example/graphql/"},
    "of a shopper": {"is_staff": False},
    "of staff in words": {"is_staff": "true"},
    "for logging in": {"type": "access"},
    "of five minutes ago": {"exp": NOW - timedelta(seconds=11)},
    "of no end": {"exp": None},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
def test_a_token_that_is_good_elsewhere_is_not_good_here(saleor, shop, claims):
    answer = ask(saleor.dashboard_token(**claims))

    assert (answer.status_code, answer.content) == (401, b"")


def test_only_saleors_own_key_makes_a_token(saleor, shop):
    good = saleor.dashboard_token()
    claims = jwt.decode(good, options={"verify_signature": False})
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    head, body, signature = good.split(".")
    public = signing_key().public_key().public_numbers().n.to_bytes(256, "big")
    forged = [
        jwt.encode(claims, other, algorithm="RS256", headers={"kid": saleor.key_id}),
        jwt.encode(claims, other, algorithm="RS256", headers={"kid": "mine", "jku": "http://127.0.0.1/keys"}),
        jwt.encode(claims, public, algorithm="HS256", headers={"kid": saleor.key_id}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": saleor.key_id}),
        f"{head}.{body}.",
        f"{head}.{body[:-2]}AA.{signature}",
        "",
        "x" * 9000,
        "..",
        "é",
    ]

    statuses = {token[:40]: ask(token).status_code for token in forged}

    assert Client().get(REPORT).status_code == 401
    assert ask(good).status_code == 200
    # 503: a key that we do not know may be a new one.
    assert set(statuses.values()) == {401, 503}


@pytest.mark.promise
def test_a_token_with_one_letter_changed_opens_nothing(saleor, shop, promise):
    good, dice = saleor.dashboard_token(), random.Random(7)
    places = [0, len(good) - 1, *dice.sample(range(len(good)), length(60, len(good) - 2))]
    changed = {good[:place] + dice.choice(LETTERS.replace(good[place], "")) + good[place + 1 :] for place in places}

    opened = sum(ask(token).status_code == 200 for token in changed)

    promise(
        "X9",
        run=f"Saleor dashboard: {len(changed)} tokens with a letter changed",
        figure=f"accepted {opened}",
        bar="accepted 0",
        holds=opened == 0 and ask(good).status_code == 200,
    )


def test_a_key_that_was_changed_is_fetched_once_and_then_known(saleor, shop):
    saleor.key_id = "the-next-one"
    SaleorApp.objects.update(keys_asked_at=NOW - timedelta(hours=1))

    statuses = [ask(saleor.dashboard_token()).status_code for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert [call.path for call in saleor.calls] == ["/.well-known/jwks.json"]


@pytest.mark.parametrize("permissions", [(), ("MANAGE_PRODUCTS",), ("manage_orders",)])
def test_whoever_may_not_see_orders_sees_nothing(saleor, shop, permissions):
    answer = ask(saleor.dashboard_token(permissions=permissions))

    assert (answer.status_code, answer.content) == (403, b"")


def test_an_app_that_is_switched_off_shows_nothing(saleor, shop):
    SaleorApp.objects.update(is_active=False)

    assert ask(saleor.dashboard_token()).status_code == 404


# -- the switches -------------------------------------------------------------------------------------------------------


def test_a_flow_is_turned_on_and_held_again(saleor, shop):
    flow, token = Flow.objects.filter(shop=shop).first(), saleor.dashboard_token()

    on = throw(token, flow, "on")
    flow.refresh_from_db()
    assert (on.status_code, flow.state) == (200, "on")
    assert 'aria-checked="true"' in on.content.decode()

    held = throw(token, flow, "paused")
    flow.refresh_from_db()
    assert (held.status_code, flow.state) == (200, "paused")


def test_a_flow_that_is_not_ready_says_why_and_stays_off(saleor, shop):
    Shop.objects.update(postal_address="")
    flow = Flow.objects.filter(shop=shop).first()

    answer = throw(saleor.dashboard_token(), flow, "on")

    flow.refresh_from_db()
    assert (answer.status_code, flow.state) == (409, "off")
    assert "postal address" in answer.content.decode()


def test_switching_takes_more_than_seeing(saleor, shop):
    flow = Flow.objects.filter(shop=shop).first()
    flows.turn_on(flow, now=NOW)

    answers = [
        throw(saleor.dashboard_token(permissions=("MANAGE_ORDERS",)), flow, "paused"),
        throw("", flow, "paused"),
        ask(saleor.dashboard_token(), f"{PAGE}flows/{flow.pk}/"),
    ]

    flow.refresh_from_db()
    assert ([answer.status_code for answer in answers], flow.state) == ([403, 401, 405], "on")


def test_another_hosts_flows_and_shops_are_out_of_reach(saleor, shop):
    theirs = build_shop(host="tiny", name="Theirs")
    (flow, *_) = flows.install(theirs, now=NOW)
    token = saleor.dashboard_token()

    assert throw(token, flow, "on").status_code == 404
    assert "Theirs" not in ask(token, shop=str(theirs.pk)).content.decode()
    flow.refresh_from_db()
    assert flow.state == "off"


def test_each_channel_has_its_figures_and_strange_choices_are_the_usual_ones(saleor, shop):
    france = build_shop(scope="france", name="Lumen France", currency="EUR")
    flows.install(france, now=NOW)
    token = saleor.dashboard_token()

    assert "<h1>Lumen France</h1>" in ask(token, shop=str(france.pk), days="7").content.decode()
    for strange in ({"shop": "x", "days": "1000000"}, {"shop": "-1", "days": "٣٠"}, {"shop": "0" * 5000}):
        answer = ask(token, **strange)
        assert f"<h1>{shop.name}</h1>" in answer.content.decode()
        assert '<option value="30" selected>' in answer.content.decode()


def test_a_name_is_shown_as_it_is_written(saleor, shop):
    Shop.objects.update(name="<img src=x onerror=alert(1)>")

    assert "<img" not in ask(saleor.dashboard_token()).content.decode()


def test_the_report_reads_in_the_readers_language(saleor, shop):
    headers = {"authorization": f"Bearer {saleor.dashboard_token()}", "accept-language": "fr"}

    answer = Client().get(REPORT, headers=headers)

    assert (answer["Content-Language"], answer["Vary"]) == ("fr", "Accept-Language, Authorization")
