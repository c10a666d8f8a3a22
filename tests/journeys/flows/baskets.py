"""What shoppers do with their cart in the shop of the stories."""

from __future__ import annotations

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.vocabulary import Stage
from retarget_plugin.engine import carts
from retarget_plugin.testing import build_cart

REFERENCE = "17"


def leave(host, retarget, shopper, *items, checkout=False, reference=REFERENCE):
    """`shopper` puts `items` into a cart, begins the checkout or not, and goes."""
    identity = Identity(email=shopper.contact.email, phone=shopper.contact.phone, locale=shopper.contact.locale)
    host.carts[reference] = build_cart(reference, identity=identity, items=items)
    touch(retarget, checkout=checkout, reference=reference)


def touch(retarget, *, checkout=False, reference=REFERENCE):
    """Something has happened to the cart."""
    stage = Stage.CHECKOUT if checkout else ""
    carts.touch(host="default", reference=reference, stage=stage, now=retarget.now)


def buy(host, shopper, *items, reference=REFERENCE):
    """The cart becomes an order."""
    host.carts.pop(reference, None)
    return shopper.orders(*items, cart_reference=reference)
