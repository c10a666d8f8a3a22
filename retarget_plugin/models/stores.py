"""Store: a place with a door, where a message may send people."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db import models
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Store(models.Model):
    """One of a shop's stores. `hours`: seven texts, Monday first, such as "09:30-12:30, 14:00-19:00"; "" means closed."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="stores", verbose_name=_("shop")
    )
    slug = models.SlugField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    street = models.CharField(_("street"), max_length=200)
    postcode = models.CharField(_("postcode"), max_length=16, blank=True)
    city = models.CharField(_("town"), max_length=120)
    country = models.CharField(_("country"), max_length=2)
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    hours = models.JSONField(_("opening hours"), default=list, blank=True)
    note = models.CharField(_("note"), max_length=250, blank=True)
    is_open_to_public = models.BooleanField(_("shown"), default=True)

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_store_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_placed(self) -> bool:
        return self.latitude is not None and self.longitude is not None

    @property
    def directions_url(self) -> str:
        """The reader's own map program with the way to the store: Google Maps URLs, "Directions", api=1."""
        words = (self.name, self.street, f"{self.postcode} {self.city}".strip(), self.country)
        place = f"{self.latitude},{self.longitude}" if self.is_placed else ", ".join(filter(None, words))
        return f"https://www.google.com/maps/dir/?{urlencode({'api': 1, 'destination': place})}"
