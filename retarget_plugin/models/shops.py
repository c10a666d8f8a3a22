"""Shop: the tenant. Every other row hangs on one."""

from __future__ import annotations

from datetime import time, timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import Channel


class Shop(models.Model):
    """One storefront and what its owner decides. `host` and `scope` say which shop of which host it is."""

    name = models.CharField(_("name"), max_length=120)
    host = models.CharField(_("host"), max_length=40, default="default", help_text=_("Alias in RETARGET['HOSTS']."))
    scope = models.CharField(
        _("scope"),
        max_length=120,
        blank=True,
        help_text=_("The shop's key within the host; empty when the host is one shop."),
    )
    base_url = models.URLField(_("storefront address"), help_text=_("Such as https://shop.example"))
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    locale = models.CharField(_("language"), max_length=12, default="en")
    time_zone = models.CharField(_("time zone"), max_length=60, default="Europe/Paris")
    country = models.CharField(_("country"), max_length=2, default="FR")

    sender_name = models.CharField(_("sender name"), max_length=120, blank=True)
    sender_email = models.EmailField(_("sender address"), blank=True)
    reply_to = models.EmailField(_("reply-to address"), blank=True)
    sms_gateway = models.CharField(_("SMS gateway"), max_length=40, default="default")
    sms_sender = models.CharField(_("SMS sender"), max_length=16, blank=True)
    postal_address = models.CharField(_("postal address"), max_length=250, blank=True)
    support_email = models.EmailField(_("customer service address"), blank=True)
    support_phone = models.CharField(_("customer service phone"), max_length=40, blank=True)
    logo_url = models.URLField(_("logo address"), blank=True)

    free_shipping_from = models.DecimalField(
        _("free shipping from"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    delivery_days = models.PositiveSmallIntegerField(_("days to delivery"), null=True, blank=True)

    abandoned_after_minutes = models.PositiveIntegerField(
        _("abandoned after (minutes)"), default=60, validators=[MinValueValidator(1), MaxValueValidator(10080)]
    )
    email_gap_hours = models.PositiveSmallIntegerField(_("hours between e-mails"), default=16)
    email_per_week = models.PositiveSmallIntegerField(_("e-mails a week"), default=3)
    sms_gap_hours = models.PositiveSmallIntegerField(_("hours between texts"), default=24)
    sms_per_week = models.PositiveSmallIntegerField(_("texts a week"), default=2)
    gap_minutes = models.PositiveSmallIntegerField(
        _("minutes between two messages of any kind"), default=60, help_text=_("For each person.")
    )
    catch_up_per_minute = models.PositiveIntegerField(
        _("late messages a minute"),
        default=600,
        validators=[MinValueValidator(1)],
        help_text=_("How fast messages go out that waited for more than a quarter of an hour, after an outage."),
    )
    sms_segments_per_month = models.PositiveIntegerField(
        _("SMS segments a month"), null=True, blank=True, help_text=_("Empty: no limit.")
    )
    coupons_per_contact = models.PositiveSmallIntegerField(
        _("coupons a month for one person"), null=True, blank=True, default=1, help_text=_("Empty: no limit.")
    )
    discount_per_contact = models.DecimalField(
        _("discount a month for one person"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    email_from = models.TimeField(_("e-mail from"), default=time(0, 0))
    email_until = models.TimeField(_("e-mail until"), default=time(0, 0), help_text=_("Same as the start: all day."))
    sms_from = models.TimeField(_("SMS from"), default=time(8, 0))
    sms_until = models.TimeField(_("SMS until"), default=time(20, 0))
    sms_on_sundays = models.BooleanField(_("SMS on Sundays"), default=False)
    sms_on_holidays = models.BooleanField(_("SMS on public holidays"), default=False)
    blocked_countries = models.JSONField(
        _("countries it does not write to"), default=list, blank=True, help_text=_('Two-letter codes: ["US", "CA"].')
    )
    minimum_age = models.PositiveSmallIntegerField(
        _("minimum age"),
        null=True,
        blank=True,
        help_text=_("Only people who are known to be old enough are written to. Empty: no limit."),
    )
    products_read_until = models.DateTimeField(_("products read until"), null=True, blank=True, editable=False)
    customers_told_since = models.DateField(
        _("customers are told since"),
        null=True,
        blank=True,
        help_text=_(
            "Since when the checkout says that customers are written to about similar goods, and lets them refuse there. "
            "Empty: it does not, and only people who agreed are written to."
        ),
    )
    attribution_days = models.PositiveSmallIntegerField(_("attribution window (days)"), default=5)
    margin_percent = models.PositiveSmallIntegerField(
        _("margin (%)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )

    is_paused = models.BooleanField(_("paused"), default=False, help_text=_("Nothing is sent while this is on."))
    email_is_paused = models.BooleanField(_("e-mail paused"), default=False)
    sms_is_paused = models.BooleanField(_("SMS paused"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")
        constraints = [models.UniqueConstraint(fields=["host", "scope"], name="retarget_shop_host_scope")]

    def __str__(self) -> str:
        return self.name

    @property
    def abandoned_after(self) -> timedelta:
        return timedelta(minutes=self.abandoned_after_minutes)

    @property
    def states_shipping(self) -> bool:
        """True when the owner filled in what a message may promise about shipping."""
        return self.free_shipping_from is not None and self.delivery_days is not None

    def caps(self, channel: str) -> tuple[tuple[int, timedelta], ...]:
        """(messages, period) pairs none of which may be exceeded for one contact."""
        if channel == Channel.SMS:
            return (1, timedelta(hours=self.sms_gap_hours)), (self.sms_per_week, timedelta(days=7))
        return (1, timedelta(hours=self.email_gap_hours)), (self.email_per_week, timedelta(days=7))
