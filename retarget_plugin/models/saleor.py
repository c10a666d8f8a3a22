"""SaleorApp: our app in one Saleor. SaleorEvent: which of its webhooks were taken in, so that each counts once."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _


class SaleorApp(models.Model):
    """The installation behind one host alias. `token` is encrypted (`engine.vault`); `jwks` are the instance's public keys.

    `changed_at`: Saleor's own time of the last word on whether it is active. `paused`: ids of the shops that were paused
    because it is not. `caught_up_at`: up to when the API was asked for what the webhooks did not bring.
    """

    host = models.CharField(_("host"), max_length=40, unique=True)
    api_url = models.URLField(_("API address"), max_length=300)
    app_id = models.CharField(_("app id"), max_length=120)
    token = models.TextField(_("token"), editable=False)
    jwks = models.JSONField(_("public keys"), default=dict, editable=False)
    keys_asked_at = models.DateTimeField(_("keys asked for"))
    is_active = models.BooleanField(_("active"), default=True)
    changed_at = models.DateTimeField(_("changed"))
    paused = models.JSONField(_("shops paused"), default=list, editable=False)
    caught_up_at = models.DateTimeField(_("caught up"), null=True, blank=True)

    class Meta:
        verbose_name = _("Saleor app")
        verbose_name_plural = _("Saleor apps")

    def __str__(self) -> str:
        return self.api_url


class SaleorEvent(models.Model):
    """One webhook that was taken in, by the SHA-256 of its body. Saleor gives it no number, and repeats it byte for byte.

    What it could not deliver Saleor keeps for 14 days; an event of longer ago (`MEMORY`) is no news, whoever brings it.
    """

    MEMORY = timedelta(days=14)

    app = models.ForeignKey(
        SaleorApp, on_delete=models.CASCADE, db_index=False, related_name="events", verbose_name=_("Saleor app")
    )
    digest = models.CharField(_("digest"), max_length=64)
    issued_at = models.DateTimeField(_("happened"), db_index=True)

    class Meta:
        verbose_name = _("Saleor event")
        verbose_name_plural = _("Saleor events")
        constraints = [models.UniqueConstraint(fields=["app", "digest"], name="retarget_saleor_event")]

    def __str__(self) -> str:
        return self.digest[:12]
