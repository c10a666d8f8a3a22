"""Products as a channel sells them this moment."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence

from retarget_plugin.domain.carts import Item

from . import payloads
from .client import Client
from .options import Options

#: Saleor answers no more at once.
AT_ONCE = 100

_PRODUCTS = """query ($ids: [ID!], $channel: String!, $first: Int!) {
  products(filter: {ids: $ids}, channel: $channel, first: $first) { edges { node {
    id name slug isAvailable category { name } thumbnail(size: 256) { url }
    pricing { priceRange { start { gross { amount currency } } } } } } } }"""


def read(product_ids: Sequence[str], *, channel: str, options: Options) -> Iterator[Item]:
    """Those of `product_ids` that `channel` shows to its visitors, whatever their stock; one query for each hundred.

    Asked without our token, as the storefront would: what its visitors cannot see is not there. Raises client.SaleorError.
    """
    storefront = Client(options.api_url)
    asked = [product_id for product_id in product_ids if _is_product(product_id)]
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        answer = storefront.query(_PRODUCTS, {"ids": some, "channel": channel, "first": len(some)})["products"]
        for edge in answer["edges"] if answer else ():
            yield payloads.product(edge["node"], options, channel=channel)


def _is_product(reference: str) -> bool:
    """Whether it is a product's id: for one that is something else's Saleor answers of none at all."""
    try:
        return b64decode(reference, validate=True).startswith(b"Product:")
    except ValueError:
        return False
