"""Pages a shopper uses, as plain as can be."""

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from .models import Basket, Product, Purchase


@csrf_exempt
def add(request, product_id):
    product = get_object_or_404(Product, pk=product_id)
    line, is_new = Basket.of(request).lines.get_or_create(product=product)
    if not is_new:
        line.quantity += 1
        line.save()
    return HttpResponseRedirect("/basket/")


def basket(request):
    lines = Basket.of(request).lines.select_related("product").order_by("pk")
    return HttpResponse(
        "\n".join(f"{line.quantity} x {line.product.name}" for line in lines), content_type="text/plain"
    )


@csrf_exempt
def checkout(request):
    """First the address, then the purchase: what every shop does over several pages."""
    basket = Basket.of(request)
    if "email" in request.POST:
        basket.email = request.POST["email"]
        basket.save()
    if "buy" in request.POST:
        basket.open = False
        basket.save()
        total = sum(line.quantity * line.product.price for line in basket.lines.select_related("product"))
        purchase = Purchase.objects.create(basket=basket, email=basket.email, total=total)
        return HttpResponse(f"order {purchase.pk}")
    return HttpResponse("checkout")
