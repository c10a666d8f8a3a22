"""Floor 2: rows and querysets. A method touches its own row only; what follows from it is the engine's.

A foreign key whose column leads another index of its table has none of its own: every index is paid at every write.
"""

from .carts import Cart
from .consent import Consent, ConsentRecord, Suppression
from .contacts import Contact, Identity
from .flows import Flow, FlowRun, FlowVersion
from .gateways import Breaker, Budget, Throttle
from .installations import Installation
from .links import Click, Link
from .messages import Attempt, Decision, Message, MessageBody
from .orders import Order
from .products import Product
from .shops import Shop
from .visitors import Visitor

__all__ = [
    "Attempt",
    "Breaker",
    "Budget",
    "Cart",
    "Click",
    "Consent",
    "ConsentRecord",
    "Contact",
    "Decision",
    "Flow",
    "FlowRun",
    "FlowVersion",
    "Identity",
    "Installation",
    "Link",
    "Message",
    "MessageBody",
    "Order",
    "Product",
    "Shop",
    "Suppression",
    "Throttle",
    "Visitor",
]
