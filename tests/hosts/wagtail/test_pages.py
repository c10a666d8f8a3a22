"""Pages of a Wagtail site: the blocks in them, what they are about, and whose views are counted."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.utils import timezone
from wagtail.blocks import StreamBlock

from retarget_plugin import conf
from retarget_plugin.contrib.wagtail import blocks, topics
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import visitors
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.models import Contact, DailyCount, Event, Shop

from .conftest import read
from .models import ArticlePage, BarePage

FORM = ("lead_form", {"form": "guide"})
UPGRADE = ("upgrade", {"form": "booklet"})
PERSON = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
}


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_a_page_holds_the_place_of_its_form_and_a_link_for_browsers_without_scripts(client, add_form, add_article):
    add_form("guide")
    add_article(FORM)

    text = read(client, "/close-ups/")

    assert '<div data-retarget-form="guide"></div>' in text
    assert '<noscript><p><a href="/retarget/forms/guide/?language=en">Twelve close-ups</a></p></noscript>' in text
    assert "Send me the guide" in read(client, "/retarget/forms/guide/?language=en")


@pytest.mark.parametrize("values", [{"is_on": False}, {"slug": "another"}, {"texts": {}}])
def test_a_form_that_cannot_be_shown_leaves_no_trace(client, add_form, add_article, values):
    add_form(**values)
    add_article(FORM)

    assert "data-retarget-form" not in read(client, "/close-ups/")


def test_where_no_shop_is_meant_a_page_is_still_served(client, shop, add_form, add_article):
    add_form("guide")
    add_article(FORM)
    Shop.objects.create(name="Other", base_url="https://other.example.com", scope="other")

    text = read(client, "/close-ups/")

    assert "data-retarget-form" not in text
    assert '<script src="/retarget/retarget.js" data-wording="2026-01" defer>' in text


def test_each_block_offers_the_forms_of_its_own_kind(add_form):
    add_form("guide", name="Guide")
    add_form("booklet", name="Booklet", kind="upgrade", is_on=False)
    add_form("popup", kind="popup")

    assert blocks.inline_forms() == [("guide", "Guide")]
    assert blocks.upgrade_forms() == [("booklet", "Booklet (off)")]


def test_an_editor_cannot_choose_a_form_that_is_not_there(add_form):
    add_form("guide")
    stream = StreamBlock([("lead_form", blocks.LeadFormBlock())])

    stream.clean(stream.normalize([FORM]))
    with pytest.raises(ValidationError):
        stream.clean(stream.normalize([("lead_form", {"form": "booklet"})]))


def test_a_sites_migration_names_our_blocks_choices_and_never_holds_them(add_form):
    add_form("guide")

    held = str(ArticlePage._meta.get_field("body").deconstruct())

    assert "inline_forms" in held
    assert "'guide'" not in held


def test_the_editor_shows_both_blocks(owner, root, add_form):
    add_form("guide", name="Guide")

    text = read(owner, f"/cms/pages/add/site/articlepage/{root.pk}/")

    assert "Content upgrade" in text
    assert "Guide" in text


# -- topics and the script ---------------------------------------------------------------------------------------------


def test_a_page_says_what_it_is_about(client, shop, add_article):
    add_article(retarget_topic='mac"ro')

    assert '<article data-retarget-topic="mac&quot;ro">' in read(client, "/close-ups/")


def test_a_page_about_nothing_says_nothing(client, shop, add_article):
    add_article()

    text = read(client, "/close-ups/")

    assert "<article>" in text
    assert '<script src="/retarget/retarget.js" data-currency="EUR" data-wording="2026-01" defer></script>' in text


def test_a_type_of_page_may_know_its_topic_itself(root):
    assert topics.of(BarePage(title="Lenses")) == "lenses"
    assert topics.of(root) == ""


# -- views -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(root, shop):
    return root.add_child(instance=BarePage(title="Lenses", slug="lenses"))


@pytest.fixture
def reader(client, shop):
    """A client whose browser has allowed tracking."""
    visitor = visitors.meet(shop, grant=Grant(tracking=True, source="test"), now=timezone.now())
    client.cookies[conf.settings.VISITOR_COOKIE] = visitor.key
    client.visitor = visitor
    return client


def test_a_page_without_the_script_is_counted_for_who_allowed_it(reader, bare):
    reader.get("/lenses/?utm_source=mail", headers=PERSON)

    event = Event.objects.get()
    assert (event.name, event.path, event.topic) == ("page_view", "/lenses/", "lenses")
    assert (event.visitor, event.is_bot) == (reader.visitor, False)


def test_a_page_with_the_script_tells_by_itself(reader, shop, add_article):
    add_article()

    reader.get("/close-ups/", headers=PERSON)

    assert Event.objects.count() == 0


def test_a_view_of_who_is_known_is_theirs(reader, bare, shop):
    ana = Contact.objects.create(shop=shop, email="ana@example.com", created_at=timezone.now())
    visitors.become(reader.visitor, ana, source="test", now=timezone.now())

    reader.get("/lenses/", headers=PERSON)

    assert Event.objects.get().contact == ana


def test_nobody_is_counted_who_did_not_allow_it(client, shop, bare):
    answer = client.get("/lenses/", headers=PERSON)

    assert Event.objects.count() == DailyCount.objects.count() == 0
    assert not answer.cookies


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_a_browser_that_objects_is_not_counted(reader, bare, header):
    reader.get("/lenses/", headers={**PERSON, header: "1"})

    assert Event.objects.count() == 0


@pytest.mark.parametrize("method", ["head", "options"])
def test_only_looking_at_a_page_counts(reader, bare, method):
    getattr(reader, method)("/lenses/", headers=PERSON)
    reader.get("/nowhere/", headers=PERSON)

    assert Event.objects.count() == 0


def test_after_a_withdrawal_nothing_is_counted(reader, bare):
    visitors.leave(reader.visitor, now=timezone.now())

    reader.get("/lenses/", headers=PERSON)

    assert Event.objects.count() == 0


def test_a_visitor_of_another_shop_is_nobody_here(reader, bare, shop):
    Shop.objects.filter(pk=shop.pk).update(base_url="https://elsewhere.example.com")
    Shop.objects.create(name="Here", base_url="http://testserver", scope="here")

    reader.get("/lenses/", headers=PERSON)

    assert Event.objects.count() == 0


def test_a_topic_that_fails_breaks_no_page(reader, bare, monkeypatch, caplog):
    monkeypatch.setattr(BarePage, "retarget_topic", property(lambda page: 1 / 0))

    answer = reader.get("/lenses/", headers=PERSON)

    assert answer.status_code == 200
    assert f"a view of page {bare.pk} was not counted" in caplog.text


# -- installing --------------------------------------------------------------------------------------------------------


def test_a_site_without_djangos_admin_is_told_what_to_add(monkeypatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django.contrib.admin")

    with pytest.raises(ConfigurationError, match=r'add "django\.contrib\.admin" to INSTALLED_APPS'):
        apps.get_app_config("retarget_wagtail").ready()
