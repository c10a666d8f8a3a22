"""An operator asks why: a French visitor with an account, a left cart and no purchase, in the command's own words."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import consent
from retarget_plugin.models import Contact, Message
from retarget_plugin.testing import build_shop

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

EMAIL = "camille.martin@example.fr"
ACCOUNT = Identity(external_id="account-7", email=EMAIL, first_name="Camille", country="FR")
CNIL = "https://cnil.fr/la-prospection-commerciale-par-sms-mms"


@pytest.fixture
def refused(shopping):
    """She has an account and left a cart four hours ago; she never bought and was never asked."""
    shopping.leave_cart(identity=ACCOUNT, stage="checkout")
    shopping.wait(hours=1, minutes=1)
    shopping.wait(hours=4)
    return shopping


def explain(*arguments):
    out = StringIO()
    call_command("retarget_explain", *arguments, stdout=out)
    return out.getvalue()


def test_no_mail_for_want_of_consent_and_the_rule_with_its_source(refused):
    text = explain(EMAIL, "abandoned-checkout")

    states = set(Message.objects.filter(channel="email").values_list("state", "reason"))
    assert states == {("cancelled", "no_consent")}
    lines = [line.strip() for line in text.splitlines()]
    assert "email: not written to. No consent for this channel" in lines
    assert "flow abandoned-checkout (on): entered" in lines
    # As things stand for the channel, and at the step that was refused.
    assert lines.count("country FR, rule customer; consent: never asked") == 2
    told = next(line for line in lines if line.startswith("source: "))
    assert CNIL in told and "SAN-2021-008" in told and "even if the person created an account" in told
    assert "read on 2026-11-22 (told by somebody else)" in lines
    assert any(line.endswith("email reminder: cancelled. No consent for this channel") for line in lines)


def test_no_personal_data_unless_asked(refused):
    contact = Contact.objects.get()

    silent = explain(f"#{contact.pk}") + explain(f"#{contact.pk}", "--json")
    open_hearted = explain(f"#{contact.pk}", "--show-personal-data")

    assert not [word for word in (EMAIL, "camille.martin", "Camille", "account-7") if word in silent]
    assert EMAIL in open_hearted and "Camille" in open_hearted


def test_as_json_for_machines(refused):
    told = json.loads(explain(EMAIL, "abandoned-checkout", "--json"))

    email, sms = told["channels"]
    assert (email["reason"], email["facts"]["rule"], email["facts"]["country"]) == ("no_consent", "customer", "FR")
    assert sms["reason"] == "no_address"
    (flow,) = told["flows"]
    steps = flow["passages"][0]["steps"]
    assert (steps[0]["state"], steps[0]["reason"]) == ("cancelled", "no_consent")
    assert CNIL in steps[0]["facts"]["source"]
    assert flow["never_entered"] == []


def test_a_send_names_its_basis_and_evidence(shopping):
    contact = shopping.consent("email", email=EMAIL)
    shopping.leave_cart(identity=ACCOUNT, stage="checkout")
    shopping.wait(hours=1, minutes=1)
    shopping.wait(hours=4)

    text = explain(EMAIL, "abandoned-checkout")

    record = contact.consent_records.get(purpose="marketing")
    assert "email: may be written to; legal basis: consent" in text
    assert f"email reminder: accepted; legal basis: consent (consent #{record.pk})" in text


def test_why_a_flow_was_never_entered(shopping):
    consent.grant(shopping.consent("email"), channel="email", source="form", now=shopping.clock.now)

    text = explain("ana@example.com", "abandoned-checkout")

    assert "flow abandoned-checkout (on): never entered" in text
    assert "because: what starts it (checkout_abandoned) never happened (carts: 0)" in text
    assert "not known:" not in text
    assert "    not known: When a product was sold out" in explain("ana@example.com", "back-in-stock")


def test_an_off_flow_and_another_trigger_are_told(shopping):
    shopping.shop.flows.filter(slug="abandoned-cart").update(state="off")
    shopping.consent("email")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=1, minutes=1)

    assert "because: The flow is off or paused (flow: off)" in explain("ana@example.com", "abandoned-cart")
    shopping.shop.flows.filter(slug="abandoned-cart").update(state="on")
    assert "because: it starts on something else (cart_abandoned)" in explain("ana@example.com", "abandoned-cart")


def test_nobody_several_and_no_such_flow(shopping):
    shopping.consent("email")
    with pytest.raises(CommandError, match="Nobody is known by that"):
        explain("nobody@example.com")
    with pytest.raises(CommandError, match="has no flow 'x'"):
        explain("ana@example.com", "x")

    sister = build_shop(scope="outlet", name="Lumen Outlet")
    Contact.objects.create(shop=sister, email="ana@example.com", created_at=shopping.clock.now)

    with pytest.raises(CommandError, match="Several shops know somebody by that"):
        explain("ana@example.com")
    assert "Lumen Outlet" in explain("ana@example.com", "--shop", str(sister.pk))
