"""What is for sale in the camera shop of the stories, and what it has written."""

from __future__ import annotations

from decimal import Decimal

from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.subjects import Post

SITE = "https://shop.example.com"


def item(reference: str, title: str, price: str, category: str) -> Item:
    return Item(
        product_id=reference,
        title=title,
        quantity=1,
        unit_price=Decimal(price),
        url=f"{SITE}/products/{reference}/",
        image_url=f"{SITE}/media/{reference}.jpg",
        category=category,
    )


def post(slug: str, title: str, topic: str) -> Post:
    return Post(title=title, url=f"{SITE}/blog/{slug}/", summary="Read on our site.", topic=topic)


CAMERA = item("camera", "Mirrorless camera X2", "899.00", "Cameras")
MACRO_60 = item("macro-60", "Macro lens 60 mm", "349.00", "Macro lenses")
MACRO_90 = item("macro-90", "Macro lens 90 mm", "499.00", "Macro lenses")
MACRO_105 = item("macro-105", "Macro lens 105 mm", "649.00", "Macro lenses")
MACRO_180 = item("macro-180", "Macro lens 180 mm", "999.00", "Macro lenses")
TRIPOD = item("tripod", "Travel tripod", "129.00", "Tripods")
MACRO_LENSES = (MACRO_60, MACRO_90, MACRO_105, MACRO_180)
SHELF = (CAMERA, *MACRO_LENSES, TRIPOD)

INSECTS = post("insects", "Insects in your garden", "macro-lenses")
FLOWERS = post("flowers", "Flowers up close", "macro-lenses")
NIGHT = post("night", "The city at night", "tripods")
