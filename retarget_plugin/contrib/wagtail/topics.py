"""What a page is about: forms are chosen by it, and whoever reads is known to care."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import FieldPanel

LIMIT = 60


class TopicMixin(models.Model):
    """For page types whose editors choose a topic; add `TopicMixin.topic_panels` to the type's panels.

    A type that knows better needs no field: `retarget_topic` may be any attribute or property, of a tag for example.
    """

    retarget_topic = models.CharField(
        _("topic"), max_length=LIMIT, blank=True, help_text=_("What the page is about, in one word, such as macro.")
    )
    topic_panels = [FieldPanel("retarget_topic")]

    class Meta:
        abstract = True


def of(page: Any) -> str:
    """The topic of `page` (of its specific type), or "" where it has none."""
    return str(getattr(page, "retarget_topic", "") or "")[:LIMIT]
