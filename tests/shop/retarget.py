from retarget_plugin.hosts import Cart, Host, Identity, Item, Order, watch

from .models import Basket, Line, Purchase


class Shop(Host):
    def get_cart(self, reference):
        if basket := Basket.objects.filter(pk=reference, open=True).first():
            items = [Item(**line.facts()) for line in basket.lines.select_related("product")]
            return Cart(reference=reference, currency="EUR", identity=Identity(email=basket.email), items=items)

    def get_order(self, reference):
        if purchase := Purchase.objects.filter(pk=reference).first():
            facts = {"currency": "EUR", "total": purchase.total, "cart_reference": str(purchase.basket_id)}
            return Order(reference=reference, identity=Identity(email=purchase.email), **facts)

    def restore_cart(self, request, items, coupon=""):
        for item in items:
            Basket.of(request).lines.update_or_create(product_id=item.product_id, defaults={"quantity": item.quantity})
        return "/basket/"

    def current_cart(self, request):
        return str(Basket.of(request).pk)


watch("cart", Line, lambda line: line.basket_id)
watch("cart", Basket, lambda basket: basket.pk)
watch("order", Purchase, lambda purchase: purchase.pk)
