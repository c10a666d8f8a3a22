"""Who may open what, and that facts can only be read."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from retarget_plugin.admin import people
from retarget_plugin.models import Message

from .conftest import MODELS, SETTINGS, everything, page, pages, read

FACTS = [name for name in MODELS if name not in SETTINGS]


@pytest.fixture
def found():
    return everything()


def test_everything_opens_for_the_owner(found, owner):
    statuses = {url: owner.get(url).status_code for _model, url in pages(found)}

    assert set(statuses.values()) == {200}, statuses


def test_the_anonymous_are_sent_to_the_login(found):
    answers = [Client().get(url) for _model, url in pages(found)]

    assert {(answer.status_code, answer["Location"].split("?")[0]) for answer in answers} == {(302, "/admin/login/")}


def test_staff_without_a_permission_see_nothing(found, staff):
    nobody = staff()

    statuses = {url: nobody.get(url).status_code for _model, url in pages(found)}

    assert set(statuses.values()) == {403}, statuses


@pytest.mark.parametrize("model", MODELS)
def test_a_view_permission_opens_its_own_pages_only(found, staff, model):
    client = staff(f"view_{model}")

    opened = {url for _model, url in pages(found) if client.get(url).status_code == 200}

    assert opened == {url for needed, url in pages(found) if needed == model}


@pytest.mark.parametrize("model", [*FACTS, "flow"])
def test_not_even_the_owner_adds_changes_or_deletes_a_fact(found, owner, model):
    row = getattr(found, model)

    answers = [
        owner.get(page(f"{model}_add")),
        owner.post(page(f"{model}_add"), {}),
        owner.post(page(f"{model}_change", row.pk), {}),
        owner.get(page(f"{model}_delete", row.pk)),
        owner.post(page(f"{model}_delete", row.pk), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert type(row).objects.filter(pk=row.pk).exists()


def test_a_shop_cannot_be_deleted_with_its_evidence(found, owner):
    answer = owner.post(page("shop_delete", found.shop.pk), {"post": "yes"})

    assert answer.status_code == 403
    assert type(found.shop).objects.filter(pk=found.shop.pk).exists()


@pytest.mark.parametrize(
    ("model", "button", "changes"),
    [
        ("flow", "turn-on", {}),
        ("flow", "pause", {"state": "on"}),
        ("flow", "turn-off", {"state": "on"}),
        ("message", "release", {"state": "parked"}),
        ("message", "cancel", {"state": "scheduled"}),
    ],
)
def test_a_button_needs_the_change_permission(found, staff, model, button, changes):
    row = getattr(found, model)
    type(row).objects.filter(pk=row.pk).update(**changes)
    row.refresh_from_db()
    before, viewer = row.state, staff(f"view_{model}")

    answers = [viewer.get(page(f"{model}_{button}", row.pk)), viewer.post(page(f"{model}_{button}", row.pk))]

    row.refresh_from_db()
    assert [answer.status_code for answer in answers] == [403, 403]
    assert row.state == before
    assert f"/{button}/" not in read(viewer, page(f"{model}_change", row.pk))


def test_a_button_asks_before_it_acts(found, staff):
    Message.objects.filter(pk=found.message.pk).update(state="scheduled")

    asked = read(staff("view_message", "change_message"), page("message_cancel", found.message.pk))

    found.message.refresh_from_db()
    assert found.message.state == "scheduled"
    assert "This cannot be undone." in asked
    assert 'method="post"' in asked
    assert "csrfmiddlewaretoken" in asked


def test_a_post_without_the_token_does_nothing(found, admin_user):
    Message.objects.filter(pk=found.message.pk).update(state="scheduled")
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    answer = client.post(page("message_cancel", found.message.pk))

    found.message.refresh_from_db()
    assert (answer.status_code, found.message.state) == (403, "scheduled")


# -- personal data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_lists_show_no_whole_address_to_anybody(found, owner, model):
    text = read(owner, page(f"{model}_changelist"))

    assert "ana@example.com" not in text
    assert "claimed@example.com" not in text
    assert "+33612345678" not in text


@pytest.mark.parametrize("model", [name for name in MODELS if name != "contact"])
def test_only_the_contacts_own_page_shows_a_whole_address(found, owner, model):
    text = read(owner, page(f"{model}_change", getattr(found, model).pk))

    assert "ana@example.com" not in text
    assert "claimed@example.com" not in text


def test_the_contacts_page_shows_it(found, owner):
    text = read(owner, page("contact_change", found.contact.pk))

    assert "ana@example.com" in text
    assert "+33612345678" in text


def test_a_message_text_is_for_those_who_may_see_people(found, staff):
    viewer, reader = staff("view_message"), staff("view_message", "view_personal_data")
    frame = page("message_frame", found.message.pk)

    assert viewer.get(frame).status_code == 403
    assert frame not in read(viewer, page("message_change", found.message.pk))
    assert reader.get(frame).status_code == 200
    assert frame in read(reader, page("message_change", found.message.pk))


def test_the_proof_of_consent_is_for_those_who_may_see_people(staff):
    found = everything("canary")

    assert "&quot;canary&quot;: &quot;canary&quot;" not in read(
        staff("view_consentrecord"), page("consentrecord_change", found.consentrecord.pk)
    )
    assert "&quot;canary&quot;: &quot;canary&quot;" in read(
        staff("view_consentrecord", "view_personal_data"), page("consentrecord_change", found.consentrecord.pk)
    )


@pytest.mark.parametrize(
    ("name", "model"),
    [("contact_change", "contact"), ("message_frame", "message"), ("consentrecord_change", "consentrecord")],
)
def test_every_look_at_personal_data_is_recorded(found, owner, admin_user, caplog, name, model):
    row = getattr(found, model)

    with caplog.at_level("INFO", logger="retarget_plugin.access"):
        read(owner, page(name, row.pk))

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.action_flag) == (admin_user, str(row.pk), people.VIEWED)
    assert entry.get_change_message() == "Personal data viewed."
    assert "ana@example.com" not in entry.object_repr
    assert [(record.rp_staff_id, record.rp_model, record.rp_id) for record in caplog.records] == [
        (admin_user.pk, model, row.pk)
    ]


def test_a_look_stands_in_the_rows_history(found, owner):
    read(owner, page("contact_change", found.contact.pk))

    assert "Personal data viewed." in read(owner, page("contact_history", found.contact.pk))


def test_a_look_at_a_masked_list_is_not_recorded(found, owner):
    read(owner, page("contact_changelist"))

    assert not LogEntry.objects.exists()
