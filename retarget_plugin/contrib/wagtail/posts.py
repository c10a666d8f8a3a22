"""The latest posts of a Wagtail site, for RETARGET["POSTS"]: what messages offer to read."""

from __future__ import annotations

from html import unescape
from typing import Any

from django.utils.html import strip_tags
from wagtail.models import Locale, Page, Site

from retarget_plugin.domain.contexts import choose_language
from retarget_plugin.domain.subjects import Post
from retarget_plugin.models import Shop

from . import topics

#: Pages that are looked at for each post that is shown: not every page has a topic.
PAGES = 5


def latest(shop: Shop, *, limit: int, language: str) -> list[Post]:
    """The newest public pages that have a topic, in `language` or the nearest the site has: those are what it writes about.

    A page type says more of itself with `retarget_summary` (text) and `retarget_image_url`; else its search description
    is the summary, and there is no picture.
    """
    pages = Page.objects.live().public().in_site(_site(shop)).filter(locale=_locale(shop, language))
    newest = pages.filter(first_published_at__isnull=False).order_by("-first_published_at", "-pk")
    found = [page for page in newest.specific()[: limit * PAGES] if topics.of(page)]
    return [_post(page) for page in found[:limit]]


def _site(shop: Shop) -> Any:
    """The site at the shop's own address, else the default one."""
    sites = list(Site.objects.select_related("root_page"))
    own = (site for site in sites if site.root_url == shop.base_url.rstrip("/"))
    return next(own, None) or next((site for site in sites if site.is_default_site), None) or sites[0]


def _locale(shop: Shop, language: str) -> Any:
    """The site's own locale that comes nearest to `language`, else to the shop's."""
    locales = {locale.language_code: locale for locale in Locale.objects.all()}
    return locales[choose_language([language, shop.locale], locales)]


def _post(page: Any) -> Post:
    summary = getattr(page, "retarget_summary", "") or page.search_description
    return Post(
        title=page.title,
        url=page.full_url or "",
        image_url=str(getattr(page, "retarget_image_url", "") or ""),
        summary=unescape(strip_tags(str(summary))),
    )
