"""What a shop may set in `RETARGET["HOSTS"][alias]["OPTIONS"]` for the django-oscar host."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from retarget_plugin.exceptions import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options:
    """One field is one option. All have a default that fits Oscar's sandbox."""

    #: Origin of the storefront, such as https://shop.example. Empty: OSCAR_URL_SCHEMA and the current Site's domain.
    base_url: str = ""
    #: Order statuses (of OSCAR_ORDER_STATUS_PIPELINE) that mean: cancelled.
    cancelled_statuses: tuple[str, ...] = ("Cancelled",)
    #: Order statuses in which the money has not arrived. Oscar itself does not know; by default every order is paid.
    unpaid_statuses: tuple[str, ...] = ()
    #: Page of the shop where its customer pays for such an order: /orders/{number}/pay/. Empty: there is none.
    payment_path: str = ""
    #: Order statuses that mean: all of it has left the shop.
    fulfilled_statuses: tuple[str, ...] = ("Complete", "Shipped")
    #: Codes of the shipping event types that mean the same, for the lines they name.
    fulfilled_events: tuple[str, ...] = ("shipped", "dispatched")
    #: Attribute of the user model that holds the customer's language code. Oscar's own user model has none.
    user_language_field: str = ""
    #: Priority of the offers behind our vouchers. High, or an exclusive site offer takes the items first.
    coupon_priority: int = 1000

    @classmethod
    def parse(cls, alias: str, given: dict[str, Any]) -> Options:
        """Raises ConfigurationError for a name that is no option."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigurationError(
                f'RETARGET["HOSTS"]["{alias}"]["OPTIONS"] has no {", ".join(unknown)}; known are {", ".join(known)}.'
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        return cls(**values)
