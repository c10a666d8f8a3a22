"""What people agree to outside the shop's own forms, in words: shown beside the box, and kept as evidence."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from retarget_plugin.domain.vocabulary import Channel, Purpose

#: Goes into the evidence beside the words themselves. A new text is a new version.
VERSION = "2025-12"


def of(name: str) -> str:
    """The words for marketing on a channel, or for a purpose, in the language that is active. KeyError for any other."""
    return {
        Channel.EMAIL: _("Reminders, offers and news by e-mail"),
        Channel.SMS: _("Reminders and offers by text message"),
        Purpose.ADS: _(
            "Show me this shop's products on social networks and search engines. "
            "For this, my address is passed on to them in scrambled form."
        ),
        Purpose.MEASUREMENT: _(
            "Note whether I open messages and follow their links, so that fewer and better ones come."
        ),
        Purpose.ALERTS: _("Tell me by e-mail when this product is back in stock or its price drops."),
    }[name]  # type: ignore[index]


def evidence(name: str) -> dict[str, Any]:
    """`wording` and `wording_version`, as a grant takes them."""
    return {"wording": of(name), "wording_version": VERSION}
