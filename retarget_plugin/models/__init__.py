"""Floor 2: rows and querysets. A method touches its own row only; what follows from it is the engine's.

A foreign key whose column leads another index of its table has none of its own: every index is paid at every write.
"""

from .allowances import Allowance
from .carts import Cart
from .consent import Consent, ConsentRecord, Suppression
from .contacts import Contact, Identity
from .coupons import Coupon, CouponCode, CouponPool
from .customers import Customer, Quintiles
from .erasures import Erasure, ErasureRequest
from .events import DailyCount, Event
from .experiments import Experiment
from .flows import Flow, FlowRun, FlowVersion
from .gateways import Breaker, Budget, Throttle
from .installations import Installation
from .leads import Lead, LeadForm, Magnet, MagnetCode, MagnetFile
from .links import Click, Link
from .merges import Merge
from .messages import Attempt, Decision, Message, MessageBody
from .orders import Order
from .overrides import Override
from .pairs import ProductPair
from .preferences import Preference, Topic
from .products import Product
from .saleor import SaleorApp, SaleorEvent
from .shops import Shop
from .stores import Store
from .subscriptions import ProductSubscription
from .visitors import Claim, Visitor
from .watches import Watch
from .webhooks import WebhookCall

__all__ = [
    "Allowance",
    "Attempt",
    "Breaker",
    "Budget",
    "Cart",
    "Claim",
    "Click",
    "Consent",
    "ConsentRecord",
    "Contact",
    "Coupon",
    "CouponCode",
    "CouponPool",
    "Customer",
    "DailyCount",
    "Decision",
    "Erasure",
    "ErasureRequest",
    "Event",
    "Experiment",
    "Flow",
    "FlowRun",
    "FlowVersion",
    "Identity",
    "Installation",
    "Lead",
    "LeadForm",
    "Link",
    "Magnet",
    "MagnetCode",
    "MagnetFile",
    "Merge",
    "Message",
    "MessageBody",
    "Order",
    "Override",
    "Preference",
    "Product",
    "ProductPair",
    "ProductSubscription",
    "Quintiles",
    "SaleorApp",
    "SaleorEvent",
    "Shop",
    "Store",
    "Suppression",
    "Throttle",
    "Topic",
    "Visitor",
    "Watch",
    "WebhookCall",
]
