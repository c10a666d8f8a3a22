"""Views of pages, for pages without the script: on those that carry it, it tells by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from retarget_plugin import conf, signals
from retarget_plugin.domain.events import Event, EventName, clean_path
from retarget_plugin.engine import tracking
from retarget_plugin.exceptions import Refusal
from retarget_plugin.web import clients, visitors

from . import topics

Serve = Callable[[Any, HttpRequest, list[Any], dict[str, Any]], HttpResponse]


def counted(serve: Serve) -> Serve:
    """`serve` of Wagtail's on_serve_page, after which the view is counted.

    before_serve_page would come before it is known whether the page carries the script, and each view count twice.
    """

    def serve_and_count(page: Any, request: HttpRequest, args: list[Any], kwargs: dict[str, Any]) -> HttpResponse:
        def count(rendered: HttpResponse) -> None:
            with signals.shielded("a view of page %s was not counted", page.pk), suppress(Refusal):
                _count(page, request, rendered, now=timezone.now())

        response = serve(page, request, args, kwargs)
        if hasattr(response, "add_post_render_callback"):
            response.add_post_render_callback(count)
        else:
            count(response)
        return response

    return serve_and_count


def _count(page: Any, request: HttpRequest, response: HttpResponse, *, now: datetime) -> None:
    """Raises Refusal where no shop is meant."""
    if not _is_counted_here(request, response):
        return
    # A query that fails must not take the page's own transaction with it.
    with transaction.atomic():
        visitor = visitors.of(request)
        if visitor and visitor.shop_id == clients.shop_of(request).pk:
            view = Event(name=EventName.PAGE_VIEW, topic=topics.of(page), path=clean_path(request.path))
            tracking.record(visitor.shop, [view], visitor=visitor, is_bot=clients.is_machine(request), now=now)


def _is_counted_here(request: HttpRequest, response: HttpResponse) -> bool:
    """True for a page without the script that was shown to a browser with our cookie, and without an objection.

    Global Privacy Control and its forerunner are obeyed by the script too.
    """
    return (
        request.method == "GET"
        and conf.settings.VISITOR_COOKIE in request.COOKIES
        and "1" not in (request.headers.get("Sec-GPC"), request.headers.get("DNT"))
        and response.status_code == 200
        and not response.streaming
        and reverse("retarget_plugin:script").encode() not in response.content
    )
