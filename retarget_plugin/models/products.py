"""Product: the shop's catalogue as far as messages and reports need it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Product(models.Model):
    """Last known facts about a product the plugin has met in a cart, an order or a view.

    `topic`: the category in the form by which interests are kept (`domain.interests.topic_of`). `bought` is the sum of what
    the orders with it weigh (`domain.recommend.weight`).
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="products", verbose_name=_("shop")
    )
    reference = models.CharField(_("id in the shop"), max_length=120)
    title = models.CharField(_("title"), max_length=250)
    url = models.URLField(_("address"), max_length=500, blank=True)
    image_url = models.URLField(_("image"), max_length=500, blank=True)
    category = models.CharField(_("category"), max_length=200, blank=True)
    topic = models.CharField(_("topic"), max_length=60, blank=True)
    price = models.DecimalField(_("price"), max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    is_available = models.BooleanField(_("available"), default=True)
    bought = models.FloatField(_("weight of its orders"), default=0.0, editable=False)
    first_seen_at = models.DateTimeField(_("first seen"), null=True, blank=True)
    updated_at = models.DateTimeField(_("updated"))

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [models.UniqueConstraint(fields=["shop", "reference"], name="retarget_product_reference")]
        indexes = [
            models.Index(fields=["shop", "topic", "-bought"], name="retarget_product_topic"),
            models.Index(fields=["shop", "-bought"], name="retarget_product_bought"),
            models.Index(fields=["shop", "-first_seen_at"], name="retarget_product_new"),
        ]

    def __str__(self) -> str:
        return self.title
