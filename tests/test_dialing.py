"""Whatever address a setting names: nobody inside is called, unless the shop has listed the machine."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from retarget_plugin.channels.sms.http import HttpGateway
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.hosts.saleor import client as saleor
from retarget_plugin.hosts.saleor.options import Options
from tests import inside
from tests.channels import mailers
from tests.channels import test_sms_brevo as brevo
from tests.channels import test_sms_http as http
from tests.channels import test_sms_ovh as ovh
from tests.channels import test_sms_smsmode as smsmode
from tests.channels import test_sms_twilio as twilio
from tests.channels import test_sms_vonage as vonage
from tests.contracts.gateway_calls import TEXT
from tests.fakes.web import Call, Reply, WebFake

pytestmark = pytest.mark.delivery

PROXIES = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")]


class Listener(WebFake):
    """Takes every call and answers nothing of use."""

    def answer(self, call: Call) -> Reply:
        return Reply(400, {})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def net(monkeypatch):
    return inside.Net(monkeypatch)


@pytest.fixture
def listener():
    with Listener() as running:
        yield running


@pytest.fixture
def listed(settings):
    """`listed("10.0.0.1")`: from now on these are listed, and no others."""

    def say(*hosts):
        settings.RETARGET = {**settings.RETARGET, "PRIVATE_HOSTS": hosts}

    say()
    return say


def port_of(server):
    return int(server.url.rpartition(":")[2])


def text_by(gateway_for, _settings, url):
    gateway = gateway_for(url)
    try:
        return gateway.send(TEXT)
    finally:
        gateway.close()


def mail_by_postmark(settings, url):
    return mailers.over_postmark(settings, SimpleNamespace(token="token", url=url)).send(mailers.EMAIL)


def asked_of_saleor(ask, _settings, url):
    """What the host's options, a Client or `fetch_keys` raise, in the words of an Outcome."""
    with pytest.raises((ConfigurationError, saleor.SaleorError)) as raised:
        ask(Options.parse("saleor", {"api_url": url}).api_url)
    return Outcome(kind=OutcomeKind.TRANSIENT, detail=str(raised.value))


#: Every setting that holds an address which is called -> a call of it, and what came of that.
SETTINGS = {
    "twilio base_url": partial(text_by, lambda url: twilio.gateway_for("", base_url=url)),
    "vonage base_url": partial(text_by, lambda url: vonage.gateway_for("", base_url=url)),
    "ovh base_url": partial(text_by, lambda url: ovh.gateway_for("", base_url=url)),
    "brevo base_url": partial(text_by, lambda url: brevo.gateway_for("", base_url=url)),
    "smsmode base_url": partial(text_by, lambda url: smsmode.gateway_for("", base_url=url)),
    "http url": partial(text_by, lambda url: HttpGateway(**{**http.OPTIONS, "url": url})),
    "mail api_url": mail_by_postmark,
    "saleor api_url": partial(asked_of_saleor, lambda url: saleor.Client(url, "token").query("{ shop { name } }")),
    "saleor keys": partial(asked_of_saleor, saleor.fetch_keys),
}
every_setting = pytest.mark.parametrize("call", SETTINGS.values(), ids=SETTINGS)


@pytest.mark.promise
def test_nobody_inside_is_called_whatever_a_setting_says(settings, listed, listener, net, promise):
    urls, lost = inside.urls(port_of(listener)), []

    for name, call in SETTINGS.items():
        for url in urls:
            net.forget()
            outcome = call(settings, url)
            if not outcome.is_retryable:
                lost.append((name, url, outcome))

    stray = [address for address in net.attempts if address != inside.PUBLIC]
    promise(
        "X12",
        run=f"{len(urls)} addresses in each of {len(SETTINGS)} settings",
        figure=f"connections inside: {len(stray)} tried, {listener.connections} made; messages lost: {len(lost)}",
        bar="connections inside: 0 tried, 0 made; messages lost: 0",
        holds=len(urls) >= 100 and (stray, listener.connections, lost) == ([], 0, []),
    )


@every_setting
@pytest.mark.parametrize("entry", ["loopback.example", "LOOPBACK.example.", "127.0.0.1", "127.0.0.0/8"])
def test_what_is_listed_is_called(settings, listed, listener, net, call, entry):
    listed("10.0.0.1", entry)

    call(settings, f"http://loopback.example:{port_of(listener)}/")

    assert (net.attempts, len(listener.calls)) == (["127.0.0.1"], 1)


@every_setting
def test_a_name_that_is_listed_says_nothing_for_others(settings, listed, listener, net, call):
    listed("loopback.example", "10.0.0.0/8")

    outcome = call(settings, f"http://127.0.0.1:{port_of(listener)}/")

    assert 'add it to RETARGET["PRIVATE_HOSTS"]' in outcome.detail
    assert net.attempts == []


@every_setting
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(settings, listed, listener, call, status):
    listed("127.0.0.1")
    with Listener() as elsewhere:
        listener.every_answer = Reply(status, headers={"Location": f"{elsewhere.url}/"})

        call(settings, f"{listener.url}/")

        assert (len(listener.calls), elsewhere.connections) == (1, 0)


def test_the_refusal_says_which_setting_allows_it_and_keeps_the_text(settings, listed, net):
    outcome = SETTINGS["twilio base_url"](settings, "http://neighbor.example")

    assert outcome == Outcome(
        kind=OutcomeKind.MISCONFIGURED,
        code="private_address",
        detail='neighbor.example is at no public address. If it is yours, add it to RETARGET["PRIVATE_HOSTS"].',
    )
    assert outcome.is_retryable


def test_saleor_is_unavailable_for_a_reason(listed, net):
    with pytest.raises(saleor.Unavailable, match=r"^Saleor is not called: neighbor\.example is at no public address"):
        saleor.Client("https://neighbor.example/graphql/", "token").query("{ shop { name } }")


def test_where_one_address_does_not_answer_the_next_is_called(settings, listed, listener, net):
    listed("127.0.0.1")

    SETTINGS["http url"](settings, f"http://either.example:{port_of(listener)}/")

    assert (net.attempts, len(listener.calls)) == ([inside.PUBLIC, "127.0.0.1"], 1)


# -- through a proxy of the environment ---------------------------------------------------------------------------------


@every_setting
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_the_operators_and_resolves_names_itself(settings, listed, listener, net, monkeypatch, call, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", listener.url)

    call(settings, f"{scheme}://neighbor.example/")

    assert set(net.attempts) == {"127.0.0.1"}
    assert listener.connections >= 1


@every_setting
@pytest.mark.parametrize("host", ["10.0.0.1", "0x7f000001", "[::1]", "localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_proxy_is_asked_for_an_address_inside(settings, listed, listener, net, monkeypatch, call, scheme, host):
    monkeypatch.setenv(f"{scheme}_proxy", listener.url)

    outcome = call(settings, f"{scheme}://{host}/")

    assert 'add it to RETARGET["PRIVATE_HOSTS"]' in outcome.detail
    assert (net.attempts, listener.connections) == ([], 0)
