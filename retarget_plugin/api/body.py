"""The body of a request: bytes in, the text of a query with its variables out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from .errors import RequestCode, RequestRefused

#: Objects and lists in each other. How many json.loads would take depends on the interpreter.
MAX_LEVELS = 100

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Body:
    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


def read(raw: bytes) -> Body:
    """The one operation that `raw` asks for. Raises RequestRefused (400) for anything but one plain JSON object.

    See https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters
    """
    data = _parsed(raw)
    if isinstance(data, list):
        raise _refused("Batches are not taken: send one operation.")
    if not isinstance(data, dict):
        raise _refused("The body must be a JSON object.")
    query, variables, name = data.get("query"), data.get("variables"), data.get("operationName")
    if query is None and _is_persisted(data):
        raise RequestRefused(400, RequestCode.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
    if not isinstance(query, str) or not query.strip():
        raise _refused('"query" must be the text of a document.')
    if variables is not None and not isinstance(variables, dict):
        raise _refused('"variables" must be an object.')
    if name is not None and not isinstance(name, str):
        raise _refused('"operationName" must be a string.')
    return Body(query=query, variables=variables, operation_name=name or None)


def _parsed(raw: bytes) -> Any:
    try:
        text = raw.decode()
        data = json.loads(text, parse_constant=_not_json)
        if _SURROGATE.search(text):
            # Half a pair can be written in JSON and stored nowhere.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _refused("The body is not valid JSON in UTF-8.") from error
    if _is_deep(data):
        raise _refused(f"At most {MAX_LEVELS} levels of objects and lists.")
    return data


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(MAX_LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(value, dict | list) for value in level)


def _inside(data: Any) -> Iterable[Any]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list) else ()


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_persisted(data: dict[str, Any]) -> bool:
    extensions = data.get("extensions")
    return bool(data.get("documentId") or (isinstance(extensions, dict) and extensions.get("persistedQuery")))


def _refused(message: str) -> RequestRefused:
    return RequestRefused(400, RequestCode.BAD_REQUEST, message)
