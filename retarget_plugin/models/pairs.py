"""ProductPair: how often one product was bought together with another. Sums that name nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import models
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext_lazy as _

from . import tallies
from .shops import Shop


class ProductPairQuerySet(models.QuerySet["ProductPair"]):
    def add(self, shop_id: int, weights: Mapping[tuple[str, str], float]) -> None:
        """Add `weights`, (product, other) -> weight, negative to take it back, in one statement."""
        rows = [
            {"shop": shop_id, "product": product, "other": other, "weight": weight}
            for (product, other), weight in weights.items()
        ]
        tallies.add(self.model, rows, unique=("shop", "product", "other"), column="weight")

    def prune(self, shop_id: int, products: Collection[str], *, keep: int, least: float) -> int:
        """Of each of `products` only the `keep` strongest stay, and none of `least` or less. Answers how many went."""
        rank = Window(RowNumber(), partition_by=F("product"), order_by=[F("weight").desc(), F("other").asc()])
        ranked = self.filter(shop=shop_id, product__in=products).annotate(rank=rank)
        weak = list(ranked.filter(Q(rank__gt=keep) | Q(weight__lte=least)).values_list("pk", flat=True))
        return self.filter(pk__in=weak).delete()[0] if weak else 0


class ProductPair(models.Model):
    """`product` and `other` stand in the same orders. Each pair is there from both sides, so that one index finds it.

    `weight` is the sum of what the orders weigh (`domain.recommend.weight`): fresh ones more than old ones.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="product_pairs", verbose_name=_("shop")
    )
    product = models.CharField(_("product"), max_length=120)
    other = models.CharField(_("bought with it"), max_length=120)
    weight = models.FloatField(_("weight"))

    objects = ProductPairQuerySet.as_manager()

    class Meta:
        verbose_name = _("product pair")
        verbose_name_plural = _("product pairs")
        constraints = [models.UniqueConstraint(fields=["shop", "product", "other"], name="retarget_product_pair")]

    def __str__(self) -> str:
        return f"{self.product} + {self.other}"
