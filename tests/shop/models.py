"""The smallest shop that can host the plugin: products, baskets and purchases, without a signal of its own."""

from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=10, decimal_places=2)

    def get_absolute_url(self):
        return f"/products/{self.pk}/"


class Basket(models.Model):
    email = models.CharField(max_length=254, blank=True)
    open = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True)

    @classmethod
    def of(cls, request):
        """The visitor's own basket, made at the first need."""
        basket = cls.objects.filter(pk=request.session.get("basket"), open=True).first() or cls.objects.create()
        request.session["basket"] = basket.pk
        return basket


class Line(models.Model):
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(auto_now=True)

    def facts(self):
        product = self.product
        return {
            "product_id": str(product.pk),
            "title": product.name,
            "quantity": self.quantity,
            "unit_price": product.price,
            "url": f"https://shop.example.com{product.get_absolute_url()}",
        }


class Purchase(models.Model):
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE)
    email = models.CharField(max_length=254)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    is_cancelled = models.BooleanField(default=False)
    placed_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
