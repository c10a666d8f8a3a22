"""What the camera shop sells, and everything else its database needs on the first day."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.contrib.sites.models import Site
from django.core.files.base import ContentFile
from django.db import transaction
from oscar.apps.catalogue.categories import create_from_breadcrumbs
from oscar.core.loading import get_model

from . import settings
from .pictures import Colour, picture

OWNER = PASSWORD = "owner"
OWNER_EMAIL = "owner@lumen.example"


@dataclass(frozen=True, kw_only=True)
class Article:
    """One product as the buyer of the shop would list it. `drawing`: kind, colour, label and size of its picture."""

    sku: str
    title: str
    shelf: str
    price: str
    stock: int
    text: str
    drawing: tuple[str, Colour, str, float]


BLACK, BROWN, SAND = (52, 50, 48), (120, 72, 44), (178, 132, 76)
GOLD, RED, BLUE = (196, 158, 62), (178, 44, 40), (52, 104, 168)
FOREST, SLATE, RUST, TEAL = (70, 92, 84), (70, 80, 96), (176, 84, 52), (38, 86, 92)

ARTICLES = (
    Article(
        sku="CAM-M5",
        title="Corvo M5 mirrorless body",
        shelf="Cameras",
        price="1299.00",
        stock=8,
        text="A quiet 33-megapixel body with a viewfinder that keeps up and dials you can feel with gloves on. "
        "Weather-sealed, two card slots, and one battery lasts a day of walking.",
        drawing=("camera", BLACK, "CORVO", 1.0),
    ),
    Article(
        sku="CAM-R2",
        title="Halden R2 rangefinder",
        shelf="Cameras",
        price="899.00",
        stock=4,
        text="Brass, leather and one dial for each thing that matters. The R2 focuses by hand and rewards patience.",
        drawing=("camera", BROWN, "HALDEN", 0.92),
    ),
    Article(
        sku="CAM-P1",
        title="Pocket P1 compact",
        shelf="Cameras",
        price="429.00",
        stock=15,
        text="A large sensor and a fixed 28 mm lens in a body that fits a coat pocket.",
        drawing=("camera", SLATE, "P1", 0.78),
    ),
    Article(
        sku="LEN-90M",
        title="Corvo 90 mm f/2.8 Macro",
        shelf="Macro lenses",
        price="549.00",
        stock=6,
        text="Life-size close-ups at a working distance that does not scare the bee. Stabilised, and sharp from "
        "corner to corner already at f/4.",
        drawing=("lens", GOLD, "90 / 2.8 MACRO", 1.0),
    ),
    Article(
        sku="LEN-60M",
        title="Corvo 60 mm f/4 Macro",
        shelf="Macro lenses",
        price="389.00",
        stock=9,
        text="The small macro for the bag you always carry: half life-size, 240 grams, no excuses.",
        drawing=("lens", GOLD, "60 / 4 MACRO", 0.82),
    ),
    Article(
        sku="LEN-35",
        title="Corvo 35 mm f/1.4",
        shelf="Lenses",
        price="729.00",
        stock=5,
        text="The lens for rooms at night: fast, even, and close to how you remember the scene.",
        drawing=("lens", RED, "35 / 1.4", 0.86),
    ),
    Article(
        sku="LEN-70200",
        title="Corvo 70-200 mm f/4",
        shelf="Lenses",
        price="1099.00",
        stock=3,
        text="Reach for the far side of the valley, at a weight you will carry there.",
        drawing=("lens", BLUE, "70 - 200 / 4", 1.16),
    ),
    Article(
        sku="BAG-20",
        title="Fjell backpack 20 l",
        shelf="Bags",
        price="159.00",
        stock=12,
        text="Waxed canvas outside, soft dividers inside, and a side door for the camera. Takes a body, three lenses "
        "and lunch.",
        drawing=("bag", FOREST, "FJELL", 1.1),
    ),
    Article(
        sku="BAG-06",
        title="Fjell sling 6 l",
        shelf="Bags",
        price="89.00",
        stock=20,
        text="One body, one lens, and a strap that swings to the front without a struggle.",
        drawing=("bag", SAND, "FJELL", 0.62),
    ),
    Article(
        sku="BAG-10",
        title="City messenger 10 l",
        shelf="Bags",
        price="129.00",
        stock=7,
        text="Looks like a work bag, opens like a camera bag. The inner cell lifts out for ordinary days.",
        drawing=("bag", SLATE, "CITY", 0.78),
    ),
    Article(
        sku="BOOK-CU",
        title="Close Up: a field guide to macro photography",
        shelf="Guides",
        price="24.90",
        stock=40,
        text="Light, depth and patience for small things: 30 subjects, from frost to dragonflies, with the settings "
        "that worked.",
        drawing=("book", TEAL, "CLOSE\nUP", 1.0),
    ),
    Article(
        sku="BOOK-LF",
        title="Light First: 52 lessons for a year",
        shelf="Guides",
        price="29.50",
        stock=25,
        text="One short walk with a camera a week, and one thing to look for on each.",
        drawing=("book", RUST, "LIGHT\nFIRST", 1.0),
    ),
)

COUNTRIES = (("FR", "France", 3), ("ES", "Spain", 2), ("DE", "Germany", 1), ("IE", "Ireland", 0))


@transaction.atomic
def create(base_url: str = "") -> dict[str, Any]:
    """Fill an empty shop and return its products by SKU; a filled one is left as it is, but for its address.

    `base_url` is where the shop is reached; it becomes the Site's domain.
    """
    domain = urlsplit(base_url or settings.URL).netloc
    Site.objects.update_or_create(pk=settings.SITE_ID, defaults={"domain": domain, "name": settings.OSCAR_SHOP_NAME})
    _create_owner()
    _create_countries()
    for shelf in dict.fromkeys(article.shelf for article in ARTICLES):
        create_from_breadcrumbs(shelf)
    return {article.sku: _create_product(article, priority) for priority, article in enumerate(reversed(ARTICLES))}


def _create_owner() -> None:
    """The person who runs the shop: may use the admin and Oscar's dashboard."""
    users = get_user_model()._default_manager
    if not users.filter(username=OWNER).exists():
        users.create_superuser(OWNER, OWNER_EMAIL, PASSWORD, first_name="Lena", last_name="Lumen")


def _create_countries() -> None:
    for code, name, order in COUNTRIES:
        get_model("address", "Country").objects.get_or_create(
            iso_3166_1_a2=code,
            defaults={"printable_name": name, "name": name, "is_shipping_country": True, "display_order": order},
        )


def _create_product(article: Article, priority: int) -> Any:
    products = get_model("catalogue", "Product").objects
    product = products.filter(upc=article.sku).first()
    if product is not None:
        return product

    kind, _ = get_model("catalogue", "ProductClass").objects.get_or_create(name=article.shelf)
    product = products.create(
        title=article.title, upc=article.sku, description=article.text, product_class=kind, priority=priority
    )
    get_model("catalogue", "ProductCategory").objects.create(
        product=product, category=create_from_breadcrumbs(article.shelf)
    )
    partner, _ = get_model("partner", "Partner").objects.get_or_create(name="Lumen warehouse")
    get_model("partner", "StockRecord").objects.create(
        product=product,
        partner=partner,
        partner_sku=article.sku,
        price=Decimal(article.price),
        price_currency=settings.OSCAR_DEFAULT_CURRENCY,
        num_in_stock=article.stock,
    )
    what, colour, label, size = article.drawing
    image = ContentFile(picture(what, colour=colour, label=label, size=size), name=f"{article.sku.lower()}.jpg")
    get_model("catalogue", "ProductImage").objects.create(product=product, original=image, caption=article.title)
    return product
