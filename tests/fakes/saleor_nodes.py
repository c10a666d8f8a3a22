"""Small things that the fake Saleor's API is made of."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Node = dict[str, Any]


def gid(kind: str, key: str) -> str:
    return base64.b64encode(f"{kind}:{key}".encode()).decode()


def cursor(node: Mapping[str, Any]) -> str:
    return base64.b64encode(node["id"].encode()).decode()


def money(amount: Decimal, currency: str) -> Node:
    return {"amount": float(amount), "currency": currency}


def taxed(amount: Decimal, currency: str) -> Node:
    return {"gross": money(amount, currency), "net": money(amount, currency), "currency": currency}


def refused(code: str, place: str, **more: Any) -> Node:
    return {"errors": [{"field": place, "message": code.replace("_", " ").capitalize(), "code": code, **more}]}
