"""What the shop has written lately: from the source that RETARGET["POSTS"] names, else from the shop's host."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.utils import translation
from django.utils.module_loading import import_string

from retarget_plugin import conf, hosts
from retarget_plugin.domain.contexts import clean_text, clean_url
from retarget_plugin.domain.subjects import Post
from retarget_plugin.models import Shop

logger = logging.getLogger("retarget_plugin.posts")


def latest(shop: Shop, *, limit: int, language: str) -> tuple[Post, ...]:
    """At most `limit` articles with a title and an address, newest first; none where nobody can say."""
    try:
        with translation.override(language):
            found = _asked(shop, limit, language)
    except Exception:
        logger.exception("the latest posts of shop %s could not be read; messages go without", shop.pk)
        return ()
    return tuple(post for post in found if clean_text(post.title) and clean_url(post.url))[:limit]


def _asked(shop: Shop, limit: int, language: str) -> Sequence[Post]:
    found: Sequence[Post]
    if conf.settings.POSTS:
        found = import_string(conf.settings.POSTS)(shop, limit=limit, language=language)
    else:
        found = hosts.get_host(shop.host).latest_posts(limit, language)
    return list(found)
