"""Link: a short code and where it leads. Click: somebody, or something, followed one."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .messages import Message
from .shops import Shop


class Link(models.Model):
    """A short code whose destination was fixed when the message was composed. One per message and purpose.

    `is_measured`: the person agreed that it is kept who follows it. `topic`: what is behind it, as interests are called.
    """

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="links", verbose_name=_("shop"))
    code = models.CharField(_("code"), max_length=12, unique=True)
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, null=True, blank=True, related_name="links", verbose_name=_("message")
    )
    purpose = models.CharField(_("purpose"), max_length=20, default="cart")
    destination = models.TextField(_("destination"))
    topic = models.CharField(_("topic"), max_length=60, blank=True)
    is_measured = models.BooleanField(_("clicks are kept"), default=True)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = [models.UniqueConstraint(fields=["message", "purpose"], name="retarget_link_purpose")]

    def __str__(self) -> str:
        return self.code


class Click(models.Model):
    """One request for a link. Machines are kept and marked, and counted nowhere."""

    link = models.ForeignKey(
        Link, on_delete=models.CASCADE, db_index=False, related_name="clicks", verbose_name=_("link")
    )
    at = models.DateTimeField(_("date"))
    is_human = models.BooleanField(_("human"))

    class Meta:
        verbose_name = _("click")
        verbose_name_plural = _("clicks")
        indexes = [models.Index(fields=["link", "at"], name="retarget_click_link")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.at:%Y-%m-%d %H:%M}"
