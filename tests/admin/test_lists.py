"""Lists cost the same for one row as for fifty, and as much for fifty as for millions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from retarget_plugin.admin import facts
from retarget_plugin.models import Contact, Link, Message

from . import rows
from .conftest import MODELS, SETTINGS, everything, page, queries, read


@pytest.mark.parametrize("model", MODELS)
def test_fifty_rows_cost_no_more_queries_than_two(owner, model):
    everything("first")
    everything("second")
    url = page(f"{model}_changelist")
    read(owner, url)

    few = queries(owner, url)
    for number in range(50):
        everything(f"shop {number}")

    assert queries(owner, url) == few


@pytest.mark.parametrize("model", [name for name in MODELS if name not in SETTINGS])
def test_a_list_counts_no_further_than_its_bound(owner, monkeypatch, model):
    monkeypatch.setattr(facts.BoundedPaginator, "bound", 2)
    for number in range(3):
        everything(f"shop {number}")

    text = read(owner, page(f"{model}_changelist"))

    assert "Only the newest 2 are counted and listed; filters lead to the others." in text


def test_a_short_list_says_how_many_there_are(owner):
    everything()

    text = read(owner, page("message_changelist"))

    assert "1 message" in text
    assert "Only the newest" not in text


def test_one_shop_is_not_named_in_every_row(owner):
    everything("Only shop")
    assert "column-shop" not in read(owner, page("cart_changelist"))

    rows.shop(name="Another")

    assert "column-shop" in read(owner, page("cart_changelist"))


def test_messages_are_filtered_by_state_channel_and_reason(owner):
    run = everything().run
    wanted = rows.message(run, state="cancelled", reason="no_consent", channel="sms")
    rows.message(run, state="cancelled", reason="ordered", channel="sms")
    rows.message(run, state="cancelled", reason="no_consent", channel="email")
    rows.message(run, state="expired", reason="no_consent", channel="sms")

    response = owner.get(
        page("message_changelist"),
        {"state__exact": "cancelled", "channel__exact": "sms", "reason__exact": "no_consent"},
    )

    assert list(response.context["cl"].queryset) == [wanted]
    assert '<span class="rt-reason">No consent for this channel</span>' in response.content.decode()


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("ana@example.com", True),
        (" Ana@Example.com ", True),
        ("+33612345678", True),
        ("06 12 34 56 78", True),
        ("account-9", True),
        ("ana", False),
        ("@example.com", False),
        ("612345678", True),
        ("345678", False),
        ("account", False),
    ],
)
def test_a_person_is_found_by_whole_values_only(owner, typed, is_found):
    shop = rows.shop(country="FR")
    ana = rows.contact(shop, email="ana@example.com", phone="+33612345678")
    ana.identities.create(shop=shop, external_id="account-9", created_at=rows.NOW)
    rows.contact(shop, email="bob@example.com")

    response = owner.get(page("contact_changelist"), {"q": typed})

    assert list(response.context["cl"].queryset) == ([ana] if is_found else [])


def test_a_person_with_two_accounts_is_listed_once(owner):
    shop = rows.shop()
    ana = rows.contact(shop, email="ana@example.com")
    for number in range(2):
        ana.identities.create(shop=shop, external_id=f"account-{number}", created_at=rows.NOW)

    response = owner.get(page("contact_changelist"), {"q": "ana@example.com"})

    assert list(response.context["cl"].queryset) == [ana]
    assert Contact.objects.count() == 1


def test_orders_are_filtered_by_whether_a_message_recovered_them(owner):
    found = everything()
    plain = rows.order(found.shop, number="plain")

    recovered = owner.get(page("order_changelist"), {"recovered": "yes"}).context["cl"].queryset
    others = owner.get(page("order_changelist"), {"recovered": "no"}).context["cl"].queryset

    assert (list(recovered), list(others)) == ([found.order], [plain])


def test_a_link_shows_its_clicks_and_hides_its_token(owner):
    found = everything()
    token = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4"
    destination = f"https://shop.example.com/retarget/recover/{token}/?utm=1"
    row = Link.objects.create(
        shop=found.shop,
        code="xyz23456",
        message=found.message,
        purpose="test",
        destination=destination,
        created_at=rows.NOW,
    )
    for is_human, times in ((True, 2), (False, 3)):
        for number in range(times):
            row.clicks.create(at=rows.NOW + timedelta(minutes=number), is_human=is_human)

    listed, shown = read(owner, page("link_changelist")), read(owner, page("link_change", row.pk))

    assert token not in listed + shown
    assert "shop.example.com/retarget/recover/…/?…" in shown
    assert '<td class="field-humans">2</td><td class="field-machines">3</td>' in listed


def test_unknown_outcomes_and_parked_messages_are_pointed_out(owner):
    found = everything()
    for state, times in (("unknown", 2), ("parked", 1)):
        for _number in range(times):
            rows.message(found.run, state=state)
    Message.objects.update(created_at=timezone.now())

    text = read(owner, page("message_changelist"))

    assert "The outcome of 2 messages is unknown: they may have arrived, so they are not sent again." in text
    assert "1 message is parked because its text has an error." in text
    assert 'href="/admin/retarget_plugin/message/?state__exact=unknown"' in text


def test_without_trouble_nothing_is_pointed_out(owner):
    everything()

    assert "rt-notice" not in read(owner, page("message_changelist"))
