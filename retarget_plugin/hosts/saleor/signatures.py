"""Saleor's signature over the raw body: a detached JSON Web Signature (RFC 7515, appendix F; RFC 7797)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from retarget_plugin.domain import strict_json
from retarget_plugin.exceptions import InputError, SignatureError

#: Neither "none" nor a shared secret: only who holds Saleor's private key can sign.
ALGORITHM = "RS256"
LONGEST = 4096

_DETACHED = re.compile(r"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")


def key_id(signature: str) -> str:
    """Which of the instance's keys is said to have signed. Raises SignatureError for what is no signature of Saleor's form.

    Of the header nothing else is believed: a key or an address of one (jwk, jku, x5c, x5u) is not even looked at.
    """
    found = _DETACHED.fullmatch(signature) if len(signature) <= LONGEST else None
    if found is None or not all(is_canonical(part) for part in found.groups()):
        raise _refused("is missing or no detached signature")
    try:
        header = strict_json.read(_decode(found[1]), max_bytes=LONGEST, max_depth=3)
    except InputError as error:
        raise _refused("has no readable header") from error
    kid = header.get("kid")
    is_ours = header.get("alg") == ALGORITHM and header.get("b64") is False and header.get("crit") == ["b64"]
    if not is_ours or not isinstance(kid, str) or not kid:
        raise _refused("is of another kind than Saleor's")
    return kid


def knows(jwks: Mapping[str, Any], kid: str) -> bool:
    """Whether `kid` is among the keys that the instance publishes."""
    return find(jwks, kid) is not None


def verify(signature: str, body: bytes, *, jwks: Mapping[str, Any]) -> None:
    """Raises SignatureError unless a key of `jwks` has signed exactly this body."""
    import jwt

    entry = find(jwks, key_id(signature))
    if entry is None:
        raise _refused("is by an unknown key")
    try:
        key = jwt.PyJWK.from_dict(entry, algorithm=ALGORITHM)
        jwt.PyJWS().decode(signature, key.key, algorithms=[ALGORITHM], detached_payload=body)
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("is wrong") from error


def find(jwks: Mapping[str, Any], kid: str) -> dict[str, Any] | None:
    """The key called `kid`, where it is one that can sign as Saleor does."""
    keys = [key for key in jwks.get("keys", ()) if isinstance(key, dict)]
    return next((key for key in keys if key.get("kid") == kid and key.get("kty") == "RSA"), None)


def is_canonical(part: str) -> bool:
    """Several spellings decode to the same bytes; only one is what was signed and sent."""
    try:
        return urlsafe_b64encode(_decode(part)).rstrip(b"=").decode() == part
    except ValueError:
        return False


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _refused(what: str) -> SignatureError:
    return SignatureError(f"The signature {what}.", gateway="saleor")
