"""The dashboard's token: which member of staff looks at our page in its frame, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retarget_plugin.exceptions import SignatureError

from . import signatures

LONGEST = 8192
#: Seconds that two clocks may differ.
LEEWAY = 10


@dataclass(frozen=True)
class Staff:
    """A member of staff of one Saleor. `permissions` are their own, such as MANAGE_ORDERS."""

    user_id: str
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        return permission in self.permissions


def key_id(token: str) -> str:
    """Which of the instance's keys is said to have signed. Nothing else in the header is looked at. Raises SignatureError."""
    import jwt

    try:
        is_one = len(token) <= LONGEST and all(map(signatures.is_canonical, token.split(".")))
        header = jwt.get_unverified_header(token) if is_one else {}
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("is no token") from error
    kid = header.get("kid")
    if header.get("alg") != signatures.ALGORITHM or not isinstance(kid, str) or not kid:
        raise _refused("is of another kind than Saleor's")
    return kid


def read(token: str, *, jwks: Mapping[str, Any], api_url: str, app_id: str, now: datetime) -> Staff:
    """Who the token was made for, by the Saleor at `api_url`, for our app and for no other. Raises SignatureError."""
    import jwt

    entry = signatures.find(jwks, key_id(token))
    if entry is None:
        raise _refused("is by an unknown key")
    try:
        key = jwt.PyJWK.from_dict(entry, algorithm=signatures.ALGORITHM)
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[signatures.ALGORITHM],
            issuer=api_url,
            # Of the times, our own clock says whether they have come.
            options={"require": ["exp", "iss"], "verify_exp": False, "verify_iat": False, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("is wrong") from error
    until = claims["exp"]
    if isinstance(until, bool) or not isinstance(until, int | float) or until + LEEWAY < now.timestamp():
        raise _refused("has run out")
    if not app_id or claims.get("app") != app_id or claims.get("type") != "thirdparty":
        raise _refused("is for another app")
    if claims.get("is_staff") is not True:
        raise _refused("is of nobody on the staff")
    permissions = claims.get("user_permissions")
    named = permissions if isinstance(permissions, list) else []
    return Staff(str(claims.get("user_id") or ""), frozenset(name for name in named if isinstance(name, str)))


def _refused(what: str) -> SignatureError:
    return SignatureError(f"The dashboard's token {what}.", gateway="saleor")
