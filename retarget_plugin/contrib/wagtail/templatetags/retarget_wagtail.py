"""{% retarget_script %} for the head of every page, {% retarget_topic %} for the element that holds an article."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from retarget_plugin.contrib.wagtail import topics
from retarget_plugin.exceptions import Refusal
from retarget_plugin.web import clients

register = template.Library()


@register.simple_tag(takes_context=True)
def retarget_script(context: Context, wording: str = "", currency: str = "") -> SafeString:
    """The storefront script. `wording`: the version of what visitors agree to; `currency`: the shop's, unless given."""
    attributes = {"currency": currency or _currency(context.get("request")), "wording": wording}
    given = [format_html(' data-{}="{}"', name, value) for name, value in attributes.items() if value]
    return format_html(
        '<script src="{}"{} defer></script>', reverse("retarget_plugin:script"), SafeString("".join(given))
    )


@register.simple_tag(takes_context=True)
def retarget_topic(context: Context, page: Any = None) -> SafeString:
    """The attribute that names the topic of `page`, or of the page that is shown; nothing where it has none."""
    topic = topics.of(page or context.get("page"))
    return format_html(' data-retarget-topic="{}"', topic) if topic else SafeString("")


def _currency(request: Any) -> str:
    try:
        return clients.shop_of(request).currency if request else ""
    except Refusal:
        return ""
