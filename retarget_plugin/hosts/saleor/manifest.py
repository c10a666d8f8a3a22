"""The app's manifest: what Saleor reads before it installs the app (saleor/app/manifest_schema.py)."""

from __future__ import annotations

import re
from typing import Any

from . import subscriptions

IDENTIFIER = "retarget.plugin"
PERMISSIONS = ("MANAGE_CHECKOUTS", "MANAGE_ORDERS", "MANAGE_USERS", "MANAGE_DISCOUNTS", "MANAGE_PRODUCTS")
#: The first version that tells of lowered prices. To an older one a manifest that names the event is invalid.
REQUIRED_SALEOR = ">=3.22 <4"

_TYPE = re.compile(
    r"\.\.\. on ([A-Z]\w+) \{ (?:checkout|order|user|voucherCodes|voucher|productVariant|variant|product|app)\b"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def build(*, version: str, app_url: str, register_url: str, webhook_url: str, home_url: str) -> dict[str, Any]:
    """The manifest as JSON-safe data. All addresses are absolute; `app_url` is the page that the dashboard shows."""
    return {
        "id": IDENTIFIER,
        "name": "Retarget",
        "version": version,
        "about": "Brings abandoned carts back by e-mail and SMS, to people who agreed to it.",
        "author": "retarget_plugin contributors",
        "permissions": list(PERMISSIONS),
        "requiredSaleorVersion": REQUIRED_SALEOR,
        "appUrl": app_url,
        "tokenTargetUrl": register_url,
        "dataPrivacyUrl": home_url,
        "homepageUrl": home_url,
        "supportUrl": home_url,
        "extensions": [
            {
                "label": "Retargeting",
                "mount": "NAVIGATION_ORDERS",
                "target": "APP_PAGE",
                "permissions": [],
                # Saleor takes only a path below appUrl here.
                "url": "/",
            }
        ],
        "webhooks": [
            {
                "name": f"retarget-{name}",
                "identifier": f"retarget-{name}",
                "asyncEvents": events(query),
                "query": query,
                "targetUrl": webhook_url,
                "isActive": True,
            }
            for name, query in subscriptions.SUBSCRIPTIONS.items()
        ],
    }


def events(query: str) -> list[str]:
    """The events that a subscription names, as WebhookEventTypeAsyncEnum spells them: CheckoutFullyPaid, CHECKOUT_FULLY_PAID."""
    return [_HUMP.sub("_", name).upper() for name in _TYPE.findall(query)]
