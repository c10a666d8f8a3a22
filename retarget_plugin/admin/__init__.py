"""Floor 5: the shop owner's screens. Classes are importable; a shop that subclasses one unregisters ours first."""

from __future__ import annotations

from django.contrib import admin

from retarget_plugin import models

from .carts import CartAdmin
from .consent import ConsentRecordAdmin, SuppressionAdmin
from .contacts import ContactAdmin
from .flows import FlowAdmin
from .installations import InstallationAdmin
from .links import LinkAdmin
from .messages import MessageAdmin
from .orders import OrderAdmin
from .shops import ShopAdmin

__all__ = [
    "CartAdmin",
    "ConsentRecordAdmin",
    "ContactAdmin",
    "FlowAdmin",
    "InstallationAdmin",
    "LinkAdmin",
    "MessageAdmin",
    "OrderAdmin",
    "ShopAdmin",
    "SuppressionAdmin",
]

for model, screen in {
    models.Shop: ShopAdmin,
    models.Flow: FlowAdmin,
    models.Cart: CartAdmin,
    models.Contact: ContactAdmin,
    models.Message: MessageAdmin,
    models.ConsentRecord: ConsentRecordAdmin,
    models.Suppression: SuppressionAdmin,
    models.Order: OrderAdmin,
    models.Link: LinkAdmin,
    models.Installation: InstallationAdmin,
}.items():
    admin.site.register(model, screen)
