"""The tiny shop with the optional half of its host: it tells when things moved, so that lost events can be found."""

from dataclasses import replace

from django.db.models import Max
from django.db.models.functions import Coalesce, Greatest

from .models import Basket, Purchase
from .retarget import Shop


def with_changes():
    """Baskets with `moved_at`: when they or a line of theirs last changed."""
    return Basket.objects.annotate(moved_at=Greatest("changed_at", Coalesce(Max("lines__changed_at"), "changed_at")))


class ShopWithNet(Shop):
    def get_cart(self, reference):
        if cart := super().get_cart(reference):
            return replace(cart, updated_at=with_changes().get(pk=reference).moved_at)

    def get_order(self, reference):
        if order := super().get_order(reference):
            purchase = Purchase.objects.get(pk=reference)
            return replace(order, is_cancelled=purchase.is_cancelled, placed_at=purchase.placed_at)

    def stale_carts(self, since, until):
        moved = with_changes().filter(open=True, moved_at__gte=since, moved_at__lt=until)
        return [str(key) for key in moved.order_by("moved_at").values_list("pk", flat=True)]

    def orders_since(self, since):
        keys = Purchase.objects.filter(changed_at__gte=since).order_by("changed_at").values_list("pk", flat=True)
        return [str(key) for key in keys]
