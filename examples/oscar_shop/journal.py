"""The shop's journal: its articles, their page, and how the plugin learns of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.subjects import Post
from retarget_plugin.models import Shop, Topic

Text = str | Promise

#: As the category of the products is called: who reads about macro lenses and who buys one share an interest.
MACRO = "macro-lenses"
LABELS = {"en": "macro lenses", "fr": "objectifs macro", "es": "objetivos macro"}


@dataclass(frozen=True, kw_only=True)
class Article:
    """One page of the journal. `topic`: what whoever reads it is taken to be interested in."""

    slug: str
    topic: str
    title: Text
    lead: Text
    paragraphs: tuple[Text, ...]


#: The newest first.
ARTICLES = (
    Article(
        slug="how-close-is-close",
        topic=MACRO,
        title=_("How close is close?"),
        lead=_("The first surprise of macro photography is how little is sharp."),
        paragraphs=(
            _(
                "At life size and f/4 the depth of field is thinner than a coin, and the wind moves a blade of grass by "
                "ten coins at once. So the first thing to buy is not a lens but a quiet morning."
            ),
            _(
                "Then choose a distance. A 60 mm macro brings you within a hand of the subject, and your shadow with "
                "you. A 90 mm leaves room for light, and for the bee to stay."
            ),
        ),
    ),
    Article(
        slug="light-before-everything",
        topic=MACRO,
        title=_("Light before everything"),
        lead=_("What small things need most is not another lamp but a piece of paper."),
        paragraphs=(
            _(
                "A sheet of white paper on the shaded side does more than any setting. Move it until the dark half of "
                "the petal shows its veins, and only then look at the meter."
            ),
            _(
                "Last, patience: take ten pictures of one thing rather than one of ten. The seventh is the one you keep."
            ),
        ),
    ),
    Article(
        slug="one-lens-for-a-month",
        topic="lenses",
        title=_("One lens for a month"),
        lead=_("Leave the other lenses at home, and your feet learn to zoom."),
        paragraphs=(
            _(
                "In the first week you miss what does not fit into the frame. In the second you walk up to it. In the "
                "third you know, before you raise the camera, what will be in the picture."
            ),
        ),
    ),
)


def open_for(shop: Shop) -> None:
    """What readers and the owner read where a message or a form names the journal's topic."""
    Topic.objects.get_or_create(shop=shop, slug=MACRO, defaults={"labels": LABELS})


def page(request: HttpRequest, slug: str) -> HttpResponse:
    for article in ARTICLES:
        if article.slug == slug:
            return render(request, "shop/article.html", {"article": article})
    raise Http404


def posts(shop: Shop, *, limit: int, language: str) -> Sequence[Post]:
    """RETARGET["POSTS"]: the newest articles. The plugin has activated `language` when it asks."""
    return [
        Post(
            title=str(article.title),
            url=shop.base_url + reverse("article", args=[article.slug]),
            summary=str(article.lead),
            topic=article.topic,
        )
        for article in ARTICLES[:limit]
    ]
