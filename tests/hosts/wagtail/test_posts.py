"""What a Wagtail site has written lately is what messages offer to read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from retarget_plugin.contrib.wagtail import posts as source
from retarget_plugin.engine import posts

NOW = timezone.now()


@pytest.fixture
def publish(root):
    """publish("Light", days_ago=3): an article with a topic, published then."""
    from .models import ArticlePage

    def add(title, *, days_ago=0, topic="macro", **values):
        page = ArticlePage(title=title, retarget_topic=topic, **values)
        root.add_child(instance=page)
        page.first_published_at = NOW - timedelta(days=days_ago)
        page.save()
        return page

    return add


def titles(shop, *, limit=3, language="en"):
    return [post.title for post in source.latest(shop, limit=limit, language=language)]


def test_the_newest_articles_come_first_and_no_more_than_asked_for(shop, publish):
    for title, days_ago in (("Old", 9), ("New", 1), ("Newer", 0), ("Middle", 5)):
        publish(title, days_ago=days_ago)

    assert titles(shop) == ["Newer", "New", "Middle"]
    assert titles(shop, limit=1) == ["Newer"]


def test_a_page_without_a_topic_and_one_that_is_no_longer_shown_are_no_posts(shop, publish):
    publish("Imprint", topic="")
    publish("Draft").unpublish()
    publish("Article", days_ago=2)

    assert titles(shop) == ["Article"]


def test_a_page_behind_a_password_is_offered_to_nobody(shop, publish):
    from wagtail.models import PageViewRestriction

    page = publish("Members only")
    PageViewRestriction.objects.create(page=page, restriction_type="password", password="secret")

    assert titles(shop) == []


def test_a_post_says_where_it_is_and_what_it_is_about(shop, publish, settings):
    settings.RETARGET = {**settings.RETARGET, "POSTS": "retarget_plugin.contrib.wagtail.posts.latest"}
    page = publish("Light &amp; shade", search_description="Soft <b>light</b> &amp; hard light.")

    [post] = posts.latest(shop, limit=3, language="fr")

    assert (post.title, post.url) == ("Light &amp; shade", page.full_url)
    assert (post.summary, post.image_url) == ("Soft light & hard light.", "")


def test_a_site_in_several_languages_offers_what_the_reader_reads(shop, root, publish, settings):
    from wagtail.models import Locale

    settings.WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("fr", "French")]
    french = Locale.objects.create(language_code="fr")
    publish("Light")
    publish("Lumière", locale=french)

    assert (titles(shop), titles(shop, language="fr-CA"), titles(shop, language="es")) == (
        ["Light"],
        ["Lumière"],
        ["Light"],
    )
