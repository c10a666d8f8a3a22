"""Lead forms, magnets and leads: how an owner writes them, and what is refused in which field."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from retarget_plugin.models import DailyCount, Lead, LeadForm, Magnet, MagnetCode, MagnetFile
from tests.lead_forms import TEXTS, make_form, make_lead, make_magnet

from . import rows
from .conftest import page, read

WORDS = {f"{word}_{language}": text for language, said in TEXTS.items() for word, text in said.items()}


@pytest.fixture
def shop():
    return rows.shop(time_zone="Europe/Paris")


def typed(**changes):
    """What an owner sends who fills in a pop-up in English and French."""
    return {
        "name": "Soups",
        "slug": "soups",
        "kind": "popup",
        "is_on": "on",
        "email": "required",
        "phone": "no",
        "first_name": "no",
        "consents": ["email"],
        "wording_version": "1",
        "devices": "all",
        "after_seconds": "5",
        "every_days": "7",
        **WORDS,
        **changes,
    }


def errors(response):
    return dict(response.context["adminform"].form.errors)


def test_an_owner_writes_a_form_in_two_languages(owner, shop):
    response = owner.post(page("leadform_add"), typed(shop=shop.pk, paths="/blog/*"))

    assert response.status_code == 302, errors(response)
    form = LeadForm.objects.get()
    assert form.texts == TEXTS
    assert (form.slug, form.consents, form.paths, form.after_seconds) == ("soups", ["email"], "/blog/*", 5)


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"title_fr": ""}, "title_fr", "This language is not complete without it."),
        ({"consent_email_fr": ""}, "consent_email_fr", "This language is not complete without it."),
        (dict.fromkeys(WORDS, ""), "title_en", "Write the form in at least one language."),
        ({"email": "no"}, "email", "Ask for an e-mail address, a mobile number, or both."),
        ({"consents": ["sms"]}, "phone", "Its box is shown, so it must be asked for too."),
        (
            {"after_seconds": ""},
            "after_seconds",
            "Say when it is shown: after seconds, after scrolling, or on leaving.",
        ),
        ({"scroll_percent": "101"}, "scroll_percent", "Ensure this value is less than or equal to 100."),
    ],
)
def test_what_is_missing_is_said_at_its_field(owner, shop, changes, field, text):
    response = owner.post(page("leadform_add"), typed(shop=shop.pk, **changes))

    assert errors(response).get(field) == [text]
    assert not LeadForm.objects.exists()


def test_another_wording_needs_another_version_once_somebody_has_ticked_it(owner, shop):
    form = make_form(shop, after_seconds=5, wording_version="1", now=rows.NOW)
    address = page("leadform_change", form.pk)
    changed = {"consent_email_en": "Write to me about everything."}

    free = owner.post(address, typed(**changed))
    make_lead(shop, form=form, now=rows.NOW)
    refused = owner.post(address, typed(**{**changed, "consent_email_en": "And now about more."}))
    renewed = owner.post(address, typed(consent_email_en="And now about more.", wording_version="2"))

    assert (free.status_code, renewed.status_code) == (302, 302)
    assert errors(refused) == {"wording_version": ["A box says something else now: give it another version."]}
    form.refresh_from_db()
    assert (form.texts["en"]["consent_email"], form.wording_version) == ("And now about more.", "2")


def test_a_forms_page_shows_its_figures_and_its_looks(owner, shop):
    now = timezone.now()
    form = make_form(shop, now=now)
    for number in range(3):
        make_lead(shop, form=form, email=f"a{number}@example.com", is_confirmed=number == 0, now=now)
    DailyCount.objects.add(shop, {form.showings: 40}, by_machine=False, now=now)
    DailyCount.objects.add(shop, {form.showings: 9}, by_machine=True, now=now)

    change = read(owner, page("leadform_change", form.pk))
    listed = read(owner, page("leadform_changelist"))
    frame = owner.get(page("leadform_frame", form.pk, "fr"))

    assert "<dt>Shown</dt><dd>40</dd>" in change
    assert "<dt>Submitted</dt><dd>3</dd>" in change
    assert "<dt>Confirmed</dt><dd>1</dd>" in change
    assert change.count("<iframe") == 2
    assert 'class="field-shown">40<' in listed
    assert "Douze soupes" in frame.content.decode()
    assert frame["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_an_empty_list_says_what_forms_are_for(owner, shop):
    text = read(owner, page("leadform_changelist"))

    assert "No form yet." in text
    assert page("magnet_add") in text


# -- magnets ----------------------------------------------------------------------------------------------------------


def test_adding_a_magnet_asks_what_kind_it_is_and_then_what_that_needs(owner, shop):
    response = owner.post(
        page("magnet_add"), {"shop": shop.pk, "name": "Soups", "slug": "soups", "topic": "", "kind": "files"}
    )

    magnet = Magnet.objects.get()
    assert response.status_code == 302
    assert response["Location"] == page("magnet_change", magnet.pk)
    assert "There is no file yet" in read(owner, page("magnet_change", magnet.pk))


def upload(owner, magnet, name, content, **changes):
    data = {
        "name": "Soups",
        "topic": "",
        "title_en": "Soups",
        "files-TOTAL_FORMS": "1",
        "files-INITIAL_FORMS": "0",
        "files-0-file": SimpleUploadedFile(name, content, content_type="text/html"),
        "files-0-position": "0",
        **changes,
    }
    return owner.post(page("magnet_change", magnet.pk), data)


def test_a_file_is_uploaded_under_a_clean_name(owner, shop):
    magnet = make_magnet(shop, now=rows.NOW)

    response = upload(
        owner, magnet, "soups.html", b"<b>x</b>", **{"files-0-name": "..\\..//.secret/So\u202eups <1>.html"}
    )

    assert response.status_code == 302, errors(response)
    file = MagnetFile.objects.get()
    assert (file.name, file.size) == ("Soups 1.html", 8)
    assert file.file.name.endswith(".bin")


def test_a_file_that_is_too_large_is_refused(owner, shop, settings):
    settings.RETARGET = {**settings.RETARGET, "MAGNET_MAX_MB": 1}
    magnet = make_magnet(shop, now=rows.NOW)

    response = upload(owner, magnet, "soups.pdf", b"x" * 1_000_001)

    assert response.status_code == 200
    assert "The file has more than 1 MB." in response.content.decode()
    assert not MagnetFile.objects.exists()


def test_no_page_links_to_where_a_file_lies(owner, shop):
    magnet = make_magnet(shop, files=(("soups.pdf", b"x"),), now=rows.NOW)

    text = read(owner, page("magnet_change", magnet.pk))

    assert "soups.pdf" in text
    assert magnet.files.get().file.name not in text


@pytest.mark.django_db(transaction=True)
def test_a_deleted_file_leaves_the_storage_too(owner, shop):
    magnet = make_magnet(shop, files=(("soups.pdf", b"x"),), now=rows.NOW)
    file = magnet.files.get().file

    owner.post(page("magnet_delete", magnet.pk), {"post": "yes"})

    assert not Magnet.objects.exists()
    assert not file.storage.exists(file.name)


def test_a_course_is_written_in_the_shops_own_time(owner, shop):
    magnet = make_magnet(shop, kind="event", now=rows.NOW)
    sent = {
        "name": "Course",
        "title_en": "Course",
        "option_starts_at": "2026-12-12T18:00",
        "option_minutes": "90",
        "option_url": "https://meet.example/soup",
    }

    response = owner.post(page("magnet_change", magnet.pk), sent)

    assert response.status_code == 302, errors(response)
    magnet.refresh_from_db()
    assert magnet.options["starts_at"] == "2026-12-12T18:00:00+01:00"
    assert 'value="2026-12-12T18:00"' in read(owner, page("magnet_change", magnet.pk))


@pytest.mark.parametrize(
    ("kind", "changes", "field", "text"),
    [
        ("event", {"option_minutes": "0"}, "option_minutes", "From 1 minute to 14 days."),
        ("event", {"option_url": "javascript:alert(1)"}, "option_url", None),
        ("discount", {"option_value": "101"}, "option_value", None),
        ("discount", {"option_days": "0"}, "option_days", "From 1 to 365."),
        ("discount", {"option_unit": "gold"}, "option_unit", None),
        ("discount", {"title_en": ""}, "title_en", "Write its title in at least one language."),
        ("discount", {"new_codes": "x" * 61}, "new_codes", "A code is one line of at most 60 characters."),
    ],
)
def test_what_a_kind_cannot_take_is_said_at_its_field(owner, shop, kind, changes, field, text):
    magnet = make_magnet(shop, kind=kind, now=rows.NOW)
    right = {
        "event": {
            "option_starts_at": "2026-12-12T18:00",
            "option_minutes": "90",
            "option_url": "https://meet.example/x",
        },
        "discount": {"option_unit": "percent", "option_value": "10", "option_days": "30"},
    }[kind]

    response = owner.post(page("magnet_change", magnet.pk), {"name": "M", "title_en": "M", **right, **changes})

    assert list(errors(response)) == [field]
    assert text is None or errors(response)[field] == [text]


def test_codes_of_ones_own_are_added_once(owner, shop):
    magnet = make_magnet(shop, kind="discount", now=rows.NOW)
    sent = {"name": "M", "title_en": "M", "option_unit": "percent", "option_value": "10", "option_days": "30"}

    for codes in ("A-1\nA-2\n\n", "A-2\r\nA-3"):
        owner.post(page("magnet_change", magnet.pk), {**sent, "new_codes": codes})

    assert list(MagnetCode.objects.order_by("code").values_list("code", flat=True)) == ["A-1", "A-2", "A-3"]
    assert "<dt>Left</dt><dd>3</dd>" in read(owner, page("magnet_change", magnet.pk))


# -- leads ------------------------------------------------------------------------------------------------------------


def test_staff_end_a_download_link(owner, shop):
    lead = make_lead(shop, magnet=make_magnet(shop, now=rows.NOW), now=rows.NOW)

    asked = read(owner, page("lead_revoke", lead.pk))
    assert Lead.objects.get().revoked_at is None
    owner.post(page("lead_revoke", lead.pk))

    assert "stops working at once" in asked
    assert Lead.objects.get().revoked_at is not None
    assert "Link ended" in read(owner, page("lead_changelist"))


def test_what_somebody_typed_is_for_who_may_see_personal_data(owner, staff, shop):
    lead = make_lead(shop, first_name="Anastasia", now=rows.NOW)

    assert "Anastasia" in read(owner, page("lead_change", lead.pk))
    assert "Anastasia" not in read(staff("view_lead"), page("lead_change", lead.pk))
