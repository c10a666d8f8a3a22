"""The owner's screens in Wagtail's admin: what they show, to whom, and that their buttons act as the engine says."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.admin import people
from retarget_plugin.engine import installation
from retarget_plugin.models import Flow, Lead, LeadForm, Message, MessageBody, Shop
from tests.admin import rows

from .conftest import LISTS, address, pages, read

# -- who sees what -----------------------------------------------------------------------------------------------------


def test_every_screen_opens_for_the_owner_and_for_no_stranger(client, owner, editor, found):
    stranger = editor()

    for url in pages(found):
        read(owner, url)
        read(client, url, status=302)
        read(stranger, url, status=302)


def test_one_group_of_the_menu_has_every_screen(owner, found):
    text = read(owner, reverse("wagtailadmin_home"))

    assert '"Retargeting"' in text
    for name in (*(f"{name}:index" for name in LISTS), "report:report"):
        assert f'"{address(name)}"' in text


def test_the_menu_offers_only_what_may_be_seen(editor, found):
    text = read(editor("view_lead"), reverse("wagtailadmin_home"))

    assert address("leads:index") in text
    assert address("messages:index") not in text
    assert address("report:report") not in text


def test_wagtails_groups_can_grant_our_permissions(owner, found):
    text = read(owner, reverse("wagtailusers_groups:add"))

    assert "Can see addresses, numbers and message texts" in text
    for codename in ("change_flow", "view_lead", "view_message"):
        permission = Permission.objects.get(content_type__app_label="retarget_plugin", codename=codename)
        assert f'value="{permission.pk}"' in text, codename


@pytest.mark.parametrize("name", ["messages", "leads"])
def test_lists_are_masked_for_everybody(owner, found, name):
    text = read(owner, address(f"{name}:index"))

    assert "ana@example.com" not in text
    assert found["lead"].masked in text


def test_a_lead_shows_no_name_without_the_permission(editor, found):
    url = address("leads:inspect", found["lead"].pk)

    masked, open_ = read(editor("view_lead"), url), read(editor("view_lead", "view_personal_data"), url)

    assert "<dd>Ana</dd>" not in masked
    assert "<dd>Ana</dd>" in open_


def test_who_looked_at_personal_data_is_kept(editor, found):
    url = address("messages:inspect", found["message"].pk)

    assert "Dear Ana" not in read(editor("view_message"), url)
    assert LogEntry.objects.count() == 0
    assert "Dear Ana" in read(editor("view_message", "view_personal_data"), url)

    assert LogEntry.objects.get().action_flag == people.VIEWED


def test_the_mail_itself_needs_the_permission_too(editor, found):
    url = address("messages:frame", found["message"].pk)

    refused = editor("view_message").get(url)
    answer = editor("view_message", "view_personal_data").get(url)

    assert (refused.status_code, refused.content) == (302, b"")
    assert b"<p>Dear Ana</p>" in answer.content
    assert answer["Content-Security-Policy"].startswith("sandbox;")


def test_a_search_finds_whole_addresses_only(owner, found):
    whole = read(owner, address("leads:index") + "?q=ana@example.com")
    part = read(owner, address("leads:index") + "?q=ana")

    assert found["lead"].masked in whole
    assert found["lead"].masked not in part


def test_a_filter_narrows_the_list(owner, found):
    assert "Checkout reminder" in read(owner, address("flows:index") + "?state=off")
    assert "Checkout reminder" not in read(owner, address("flows:index") + "?state=on")


@pytest.mark.parametrize("name", ["flows", "messages", "leads"])
def test_facts_are_never_written_here(owner, found, name):
    for page in ("new", "edit/1", "delete/1", "copy/1"):
        read(owner, address(f"{name}:index") + f"{page}/", status=404)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_no_more_for_more_rows(owner, found, name, django_assert_num_queries):
    url = address(f"{name}:index")
    read(owner, url)
    with CaptureQueriesContext(connection) as few:
        read(owner, url)
    for number in range(3):
        flow = rows.flow(found["shop"], name=f"Flow {number}")
        rows.message(rows.run(flow))
        form = LeadForm.objects.create(shop=found["shop"], slug=f"f{number}", name="F", created_at=rows.NOW)
        form.leads.create(shop=found["shop"], email=f"{number}@example.com", created_at=rows.NOW)

    with django_assert_num_queries(len(few)):
        read(owner, url)


def test_what_people_write_is_never_markup(owner, found):
    hostile = "<script>document.hacked=1</script>"
    Shop.objects.update(name=hostile)
    Flow.objects.update(name=hostile)
    LeadForm.objects.update(name=hostile)
    Lead.objects.update(first_name=hostile, page=hostile)
    Message.objects.update(detail=hostile, step=hostile, state="unknown")
    MessageBody.objects.update(subject=hostile, text=hostile)

    for url in pages(found):
        assert hostile not in read(owner, url), url


# -- acting ------------------------------------------------------------------------------------------------------------


def test_turning_on_says_what_stands_in_the_way(owner, found):
    text = read(owner, address("flows:turn-on", found["flow"].pk))

    assert "Fill in the shop&#x27;s postal address" in text
    assert "<form" not in text.split('class="rt-wagtail"')[1]


def test_a_flow_that_is_on_is_paused(owner, found):
    flow = found["flow"]
    Flow.objects.filter(pk=flow.pk).update(state="on")
    url = address("flows:pause", flow.pk)

    assert "Nobody enters and nothing is sent while the flow is paused." in read(owner, url)
    answer = owner.post(url)

    assert answer.url == address("flows:inspect", flow.pk)
    assert Flow.objects.get(pk=flow.pk).state == "paused"
    assert "The flow is paused." in read(owner, answer.url)


def test_a_flow_is_published_anew(owner, found):
    flow = found["flow"]
    url = address("flows:publish", flow.pk)
    assert url in read(owner, address("flows:inspect", flow.pk))
    text = owner.get(url).context["form"]["text"].value()

    answer = owner.post(url, {"text": text.replace("after: 4h", "after: 5h"), "inside": "finish"})

    assert answer.url == address("flows:inspect", flow.pk)
    assert flow.versions.count() == 2
    assert "Published: step reminder changed." in read(owner, answer.url)


def test_who_may_only_look_presses_no_button(editor, found):
    flow, viewer = found["flow"], editor("view_flow")
    Flow.objects.filter(pk=flow.pk).update(state="on")

    assert address("flows:pause", flow.pk) not in read(viewer, address("flows:inspect", flow.pk))
    viewer.post(address("flows:pause", flow.pk))

    assert Flow.objects.get(pk=flow.pk).state == "on"


def test_a_message_whose_outcome_is_unknown_is_told_above_the_list_and_settled(owner, found):
    message = found["message"]
    Message.objects.filter(pk=message.pk).update(state="unknown")

    text = read(owner, address("messages:index"))
    assert "The outcome of 1 message is unknown" in text
    assert f'href="{address("messages:index")}?state=unknown"' in text
    owner.post(address("messages:sent", message.pk))

    assert Message.objects.get(pk=message.pk).state == "accepted"


def test_while_everything_stands_still_the_screens_say_so(owner, found):
    installation.beat(now=timezone.now())
    installation.stop(by="staff", now=timezone.now())

    for url in (address("messages:index"), address("shops:edit", found["shop"].pk)):
        assert "Nothing is sent since" in read(owner, url)


# -- writing -----------------------------------------------------------------------------------------------------------


def fields(client, url):
    """What a browser would send back, had nobody changed anything."""
    form = client.get(url).context["form"]
    values = {field.html_name: field.value() for field in form if field.value() not in (None, False)}
    return {name: form[name].field.prepare_value(value) for name, value in values.items()}


def test_the_settings_are_saved_and_the_change_is_kept(owner, found):
    url = address("shops:edit", found["shop"].pk)

    answer = owner.post(url, {**fields(owner, url), "postal_address": "1 rue du Port, 69002 Lyon", "country": "fr"})

    assert answer.status_code == 302, answer.context["form"].errors
    shop = Shop.objects.get()
    assert (shop.postal_address, shop.country) == ("1 rue du Port, 69002 Lyon", "FR")
    assert "Edited" in read(owner, address("shops:history", shop.pk))


def test_a_wrong_setting_is_refused_with_what_would_do(owner, found):
    url = address("shops:edit", found["shop"].pk)

    answer = owner.post(url, {**fields(owner, url), "time_zone": "Mars"})

    assert answer.context["form"].errors["time_zone"] == ["“Mars” is not a time zone. Write it like Europe/Paris."]


def test_a_shop_is_neither_added_nor_deleted_here(owner, found):
    for page in ("new", f"delete/{found['shop'].pk}"):
        read(owner, address("shops:index") + f"{page}/", status=404)


def test_a_lead_form_is_written_in_wagtail(owner, found):
    words = {"title_en": "Map", "button_en": "Send", "done_en": "Thanks", "consent_email_en": "Write to me."}
    asks = {"kind": "inline", "email": "required", "phone": "no", "first_name": "no", "devices": "all"}
    more = {"shop": found["shop"].pk, "name": "Map", "slug": "map", "is_on": "on", "consents": ["email"]}
    url = address("lead_forms:add")

    answer = owner.post(url, {**words, **asks, **more, "wording_version": "1", "every_days": "7"})

    assert answer.status_code == 302, answer.context["form"].errors
    form = LeadForm.objects.get(slug="map")
    assert form.texts["en"]["title"] == "Map"
    assert form.created_at is not None


def test_a_lead_form_keeps_its_short_name(owner, found):
    url = address("lead_forms:edit", found["form"].pk)

    owner.post(url, {**fields(owner, url), "slug": "other", "name": "Renamed"})

    assert LeadForm.objects.values_list("slug", "name").get() == ("guide", "Renamed")


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_counts_and_its_tables_are_files(owner, found):
    shop = found["shop"]
    rows.cart(shop, abandoned_at=timezone.now())

    text = read(owner, address("report:report"))
    file = owner.get(address("report:report_file", shop.pk, "days"))

    assert "<dt>Abandoned carts</dt><dd><strong>1</strong>" in text
    assert file["Content-Type"] == "text/csv; charset=utf-8"
    assert address("report:report_file", shop.pk, "days") in text


def test_the_report_needs_the_right_to_see_shops(editor, found):
    read(editor("view_lead"), address("report:report"), status=302)
    read(editor("view_shop"), address("report:report"))
