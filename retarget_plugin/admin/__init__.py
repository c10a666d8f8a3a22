"""Floor 5: the shop owner's screens. Classes are importable; a shop that subclasses one unregisters ours first."""

from __future__ import annotations

from django.contrib import admin

from retarget_plugin import models

from .carts import CartAdmin
from .consent import ConsentRecordAdmin, SuppressionAdmin
from .contacts import ContactAdmin
from .coupons import CouponAdmin, CouponPoolAdmin
from .erasures import ErasureAdmin
from .flows import FlowAdmin
from .installations import InstallationAdmin
from .lead_forms import LeadFormAdmin
from .leads import LeadAdmin
from .links import LinkAdmin
from .magnets import MagnetAdmin
from .messages import MessageAdmin
from .orders import OrderAdmin
from .overrides import OverrideAdmin
from .preferences import PreferenceAdmin, TopicAdmin
from .saleor import SaleorAppAdmin
from .shops import ShopAdmin
from .stores import StoreAdmin
from .webhooks import WebhookCallAdmin

__all__ = [
    "CartAdmin",
    "ConsentRecordAdmin",
    "ContactAdmin",
    "CouponAdmin",
    "CouponPoolAdmin",
    "ErasureAdmin",
    "FlowAdmin",
    "InstallationAdmin",
    "LeadAdmin",
    "LeadFormAdmin",
    "LinkAdmin",
    "MagnetAdmin",
    "MessageAdmin",
    "OrderAdmin",
    "OverrideAdmin",
    "PreferenceAdmin",
    "SaleorAppAdmin",
    "ShopAdmin",
    "StoreAdmin",
    "SuppressionAdmin",
    "TopicAdmin",
    "WebhookCallAdmin",
]

for model, screen in {
    models.Shop: ShopAdmin,
    models.Flow: FlowAdmin,
    models.Cart: CartAdmin,
    models.Contact: ContactAdmin,
    models.LeadForm: LeadFormAdmin,
    models.Magnet: MagnetAdmin,
    models.Lead: LeadAdmin,
    models.Coupon: CouponAdmin,
    models.CouponPool: CouponPoolAdmin,
    models.Message: MessageAdmin,
    models.ConsentRecord: ConsentRecordAdmin,
    models.Suppression: SuppressionAdmin,
    models.Override: OverrideAdmin,
    models.Erasure: ErasureAdmin,
    models.Order: OrderAdmin,
    models.Link: LinkAdmin,
    models.WebhookCall: WebhookCallAdmin,
    models.Topic: TopicAdmin,
    models.Preference: PreferenceAdmin,
    models.Store: StoreAdmin,
    models.SaleorApp: SaleorAppAdmin,
    models.Installation: InstallationAdmin,
}.items():
    admin.site.register(model, screen)
