"""Capture: what a cart change costs the shop's own request."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models.signals import post_save
from django.utils import timezone

from benchmarks.frame import Pace, Row, benchmark, interleave
from retarget_plugin.models import Cart
from tests.shop.models import Basket, Line, Product

BASKETS = 1000
# A shopper changes a cart a few times in a row.
BURST = 5


@benchmark
def capture_in_the_request(pace: Pace) -> Iterator[Row]:
    """The shop saves a line and commits, with and without the plugin listening; both wait for the disk."""
    lines = fill_baskets()

    def save(numbers: range) -> None:
        for number in numbers:
            line = lines[number // BURST % BASKETS]
            line.quantity = number % 100 + 1
            with transaction.atomic():
                line.save()

    def save_alone(numbers: range) -> None:
        with nobody_listening():
            save(numbers)

    started = timezone.now()
    medians = interleave({"with": save, "alone": save_alone}, pace)
    if not Cart.objects.filter(touched_at__gte=started).exists():
        raise RuntimeError("the plugin captured nothing, so there is nothing to compare: is the test shop watched?")

    added = medians["with"] - medians["alone"]
    yield Row("capture: added to the shop's own save of a cart line", ours=added, other=medians["alone"], goal=0.6)


def fill_baskets() -> list[Line]:
    with nobody_listening():
        product = Product.objects.create(name="Mug", price=9)
        baskets = Basket.objects.bulk_create(Basket() for _ in range(BASKETS))
        Line.objects.bulk_create(Line(basket=basket, product=product) for basket in baskets)
    return list(Line.objects.order_by("pk"))


@contextmanager
def nobody_listening() -> Iterator[None]:
    """The shop as it is without the plugin: in this project nobody else listens to saved models."""
    receivers, post_save.receivers = post_save.receivers, []
    post_save.sender_receivers_cache.clear()
    try:
        yield
    finally:
        post_save.receivers = receivers
        post_save.sender_receivers_cache.clear()
