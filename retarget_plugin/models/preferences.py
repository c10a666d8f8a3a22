"""Topic and Preference: what an owner lets people choose, beyond yes and no to a channel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Topic(models.Model):
    """What messages are about. A person may leave one and keep the rest; a flow names its topic by `slug`.

    `labels`: language -> what people read, such as {"en": "New books", "fr": "Nouveautés"}.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="topics", verbose_name=_("shop")
    )
    slug = models.SlugField(_("key"), max_length=60)
    labels = models.JSONField(_("name by language"), default=dict)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_topic_slug")]
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.slug


class Preference(models.Model):
    """A question about taste that the owner asks, on forms and in the preference centre: sport, pet, women or men.

    `labels`: language -> the question. `options`: [{"value": slug, "labels": {language: text}}], in the order shown.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="preferences", verbose_name=_("shop")
    )
    slug = models.SlugField(_("key"), max_length=60)
    labels = models.JSONField(_("question by language"), default=dict)
    options = models.JSONField(_("answers"), default=list)
    takes_several = models.BooleanField(_("several answers"), default=False)
    is_active = models.BooleanField(_("in use"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_preference_slug")]
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.slug
