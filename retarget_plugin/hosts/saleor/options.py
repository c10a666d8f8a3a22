"""What a shop may set in `RETARGET["HOSTS"][alias]["OPTIONS"]` for the Saleor host."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote, urlsplit

from retarget_plugin.domain import networks
from retarget_plugin.exceptions import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options:
    """One field is one option. Only `api_url` must be given."""

    #: The GraphQL address of this Saleor, letter by letter as Saleor itself names it: https://shop.saleor.cloud/graphql/.
    #: No other Saleor can install the app, and nothing is fetched from anywhere else.
    api_url: str
    #: A token of the app, where it was made by hand (`create_app`) and not by installing it from its manifest.
    token: str = field(default="", repr=False)
    #: Origin of the storefront, such as https://shop.example. Saleor knows no addresses of its own.
    storefront_url: str = ""
    #: Where the storefront shows a product.
    product_path: str = "/{channel}/products/{slug}"
    #: Where the storefront shows a checkout.
    checkout_path: str = "/checkout?checkout={checkout}"
    #: Where the storefront lets a customer pay for an order that waits for it: /orders/{order}/pay. Empty: nowhere.
    payment_path: str = ""
    #: Channel in which a cart is put back together when nobody says which shop it is of.
    channel: str = "default-channel"
    #: Origin of the dashboard that shows our page; empty: that of `api_url`.
    dashboard_url: str = ""

    @classmethod
    def parse(cls, alias: str, given: dict[str, Any]) -> Options:
        """Raises ConfigurationError for a name that is no option, and for an address that is none."""
        where = f'RETARGET["HOSTS"]["{alias}"]["OPTIONS"]'
        known = [each.name for each in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigurationError(f"{where} has no {', '.join(unknown)}; known are {', '.join(known)}.")
        if not _is_address(given.get("api_url")):
            raise ConfigurationError(f'{where}: set "api_url" to the GraphQL address of your Saleor.')
        for name in ("storefront_url", "dashboard_url"):
            if given.get(name) and not _is_address(given[name]):
                raise ConfigurationError(f'{where}: "{name}" must be an origin such as https://shop.example.')
        if find_spec("jwt") is None or find_spec("cryptography") is None:
            raise ConfigurationError("Saleor signs its calls: pip install retarget-plugin[saleor]")
        return cls(**given)

    def product_url(self, *, channel: str, slug: str) -> str:
        """A product's page in the storefront; empty where no storefront is set."""
        if not self.storefront_url or not slug:
            return ""
        return self.storefront_url.rstrip("/") + self.product_path.format(channel=channel, slug=slug)

    def checkout_url(self, *, channel: str, checkout: str) -> str:
        """A checkout in the storefront; its front page without one. Raises ConfigurationError where no storefront is set."""
        if not self.storefront_url:
            raise ConfigurationError(
                'Set "storefront_url" in the OPTIONS of this Saleor: carts are brought back there.'
            )
        path = self.checkout_path.format(channel=channel, checkout=quote(checkout, safe="")) if checkout else "/"
        return self.storefront_url.rstrip("/") + path

    def payment_url(self, order: str) -> str:
        """Where an order is paid in the storefront; empty where that has no such page."""
        if not self.storefront_url or not self.payment_path:
            return ""
        return self.storefront_url.rstrip("/") + self.payment_path.format(order=quote(order, safe=""))

    @property
    def dashboard_origin(self) -> str:
        """Scheme, host and port of the dashboard, as a browser names an origin."""
        parts = urlsplit(self.dashboard_url or self.api_url)
        return f"{parts.scheme}://{parts.netloc}"


def _is_address(value: object) -> bool:
    return not networks.url_problem(value) and not any(char.isspace() for char in str(value))
