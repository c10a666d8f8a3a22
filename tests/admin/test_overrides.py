"""The owner's departures from the law as we read it: warned before, on record after."""

from __future__ import annotations

import pytest

from retarget_plugin.models import Override

from . import rows
from .conftest import page, read


@pytest.fixture
def shop():
    return rows.shop()


@pytest.fixture
def form(shop):
    return {
        "shop": shop.pk,
        "country": "de",
        "channel": "email",
        "waiver": "unconfirmed",
        "reason": "Counsel, letter of 3 May",
        "is_understood": "on",
    }


def test_an_override_is_made_under_a_warning_and_names_who_made_it(shop, owner, admin_user, form):
    warned = read(owner, page("override_add"))

    answer = owner.post(page("override_add"), form)

    assert "Ask a lawyer first." in warned
    assert answer.status_code == 302
    made = Override.objects.get()
    assert (made.country, made.waiver, made.reason, made.made_by) == (
        "DE",
        "unconfirmed",
        "Counsel, letter of 3 May",
        admin_user,
    )
    shown = read(owner, page("override_change", made.pk))
    assert "Counsel, letter of 3 May" in shown
    assert "Ask a lawyer first." in shown
    assert "In force" in read(owner, page("override_changelist"))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"is_understood": ""}, "This field is required."),
        ({"reason": " "}, "This field is required."),
        ({"country": "XX"}, "“XX” is not a country."),
    ],
)
def test_no_override_without_a_reason_a_country_and_a_word(owner, form, changes, problem):
    assert problem in owner.post(page("override_add"), form | changes).content.decode()
    assert not Override.objects.exists()


def test_the_same_override_is_made_once(owner, form):
    owner.post(page("override_add"), form)

    assert "in force already" in owner.post(page("override_add"), form).content.decode()
    assert Override.objects.count() == 1


def test_it_is_ended_by_a_button_and_stays(owner, admin_user, form):
    owner.post(page("override_add"), form)
    row = Override.objects.get()

    asked = read(owner, page("override_end", row.pk))
    owner.post(page("override_end", row.pk))
    again = owner.post(page("override_end", row.pk), follow=True).content.decode()

    row.refresh_from_db()
    assert "own rule counts again" in asked
    assert (row.ended_by, row.ended_at is not None) == (admin_user, True)
    assert "It had ended before." in again
    assert owner.post(page("override_delete", row.pk), {"post": "yes"}).status_code == 403
    assert owner.post(page("override_change", row.pk), form | {"reason": "Another"}).status_code == 403


def test_who_may_only_look_makes_and_ends_nothing(owner, staff, form):
    owner.post(page("override_add"), form)
    row, viewer = Override.objects.get(), staff("view_override")

    answers = [
        viewer.post(page("override_add"), form | {"country": "IT"}).status_code,
        viewer.post(page("override_end", row.pk)).status_code,
    ]

    assert answers == [403, 403]
    assert Override.objects.filter(ended_at=None).count() == 1


def test_blocked_countries_are_typed_with_commas(shop, owner):
    changed = read(owner, page("shop_change", shop.pk))
    fields = {"blocked_countries": "us, ca;US"}

    answer = rows_saved(owner, shop, fields)

    assert 'name="blocked_countries"' in changed
    assert answer.status_code == 302
    shop.refresh_from_db()
    assert shop.blocked_countries == ["US", "CA"]
    assert "US, CA" in read(owner, page("shop_change", shop.pk))


def rows_saved(client, shop, changes):
    """The settings form as the page shows it, with `changes`."""
    form = client.get(page("shop_change", shop.pk)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in values.items() if value not in (None, False)}
    return client.post(page("shop_change", shop.pk), data | changes)
