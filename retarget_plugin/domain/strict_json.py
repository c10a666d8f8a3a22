"""JSON from strangers: one object, bounded in every direction, that a database can store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

from retarget_plugin.exceptions import InputError

#: Digits and signs of a number. A longer one is an attack, not a price.
MAX_DIGITS = 20


def read(body: bytes, *, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """The object that `body` is, fractions as Decimal. Raises InputError: "too_large", else "bad_json".

    Refused are text that is not UTF-8, duplicate keys, NaN and Infinity, half surrogate pairs, numbers of more than
    MAX_DIGITS characters, and more than `max_depth` objects and lists in each other.
    """
    if len(body) > max_bytes:
        raise InputError("too_large", f"At most {max_bytes} bytes.")
    try:
        data = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_int,
            parse_float=_fraction,
            parse_constant=_no_constant,
        )
        # Half a pair can be written in JSON and stored nowhere.
        json.dumps(data, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise InputError("bad_json", "The body is not one plain JSON object in UTF-8.") from error
    if not isinstance(data, dict) or _is_deep(data, max_depth):
        raise InputError("bad_json", f"The body must be a JSON object of at most {max_depth} levels.")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _int(text: str) -> int:
    return int(_short(text))


def _fraction(text: str) -> Decimal:
    return Decimal(_short(text))


def _short(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise ValueError("long number")
    return text


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_deep(data: dict[str, Any], max_depth: int) -> bool:
    level: list[Any] = [data]
    for _ in range(max_depth):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(value, dict | list) for value in level)


def _inside(data: Any) -> Iterable[Any]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list) else ()
