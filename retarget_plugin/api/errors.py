"""What a caller is told when something is refused or fails, and what is kept from them."""

from __future__ import annotations

import logging
import re
from enum import StrEnum
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext
from graphql import GraphQLError

from retarget_plugin.exceptions import Refusal

logger = logging.getLogger("retarget_plugin.api")

#: Characters of a message and places in a document that one error may show: errors echo what was sent.
MAX_MESSAGE = 300
MAX_LOCATIONS = 5

_SUGGESTION = re.compile(r"\s*Did you mean .*", re.DOTALL)


class ErrorCode(StrEnum):
    """Why the engine said no: `code` of every payload error, and in `extensions` of a refused read."""

    BAD_TOKEN = "bad_token"  # noqa: S105 - a code, no secret
    FOREIGN = "foreign"
    INVALID = "invalid"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


#: Reasons of the engine that are one to a caller.
_SAME = {"limited": ErrorCode.TOO_MANY}


class RequestCode(StrEnum):
    """Why a request or a field was not carried out, in `extensions.code`."""

    BAD_REQUEST = "BAD_REQUEST"
    BAD_QUERY = "BAD_QUERY"
    BAD_ARGUMENT = "BAD_ARGUMENT"
    FORBIDDEN_ORIGIN = "FORBIDDEN_ORIGIN"
    INTERNAL = "INTERNAL"
    INTROSPECTION_DISABLED = "INTROSPECTION_DISABLED"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    REPLY_TOO_LARGE = "REPLY_TOO_LARGE"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"


class RequestRefused(Exception):
    """The request is answered with `status` before, or instead of, any result."""

    def __init__(self, status: int, code: RequestCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def formatted(self) -> dict[str, Any]:
        return {"message": str(self), "extensions": {"code": self.code.value}}


class ApiError(GraphQLError):
    """An error that its field may show to the caller, word for word."""

    def __init__(self, message: str, code: str, nodes: Any = None) -> None:
        super().__init__(message, nodes, extensions={"code": code})


def code_of(refusal: Refusal) -> ErrorCode:
    """The public code of a refusal. A reason that callers are not meant to tell apart is UNAVAILABLE."""
    try:
        return _SAME.get(refusal.reason) or ErrorCode(refusal.reason)
    except ValueError:
        return ErrorCode.UNAVAILABLE


def message_of(code: ErrorCode) -> str:
    """What a shopper may read, in the language of the request."""
    if code is ErrorCode.BAD_TOKEN:
        return gettext("This link is not valid, or no longer.")
    if code is ErrorCode.TOO_MANY:
        return gettext("That is too many at once. Please try again in an hour.")
    if code is ErrorCode.FOREIGN:
        return gettext("This works on the shop's own pages only.")
    return gettext("This is not possible right now. Please try again later.")


def refused(refusal: Refusal) -> ApiError:
    """`refusal` as the error of a query's field; a mutation puts it into its payload instead."""
    code = code_of(refusal)
    return ApiError(message_of(code), code.name)


def format_error(error: Exception) -> dict[str, Any]:
    """One entry of a reply's `errors`. What a resolver raised by accident is logged and never shown."""
    if not isinstance(error, GraphQLError):
        logger.error("a GraphQL request failed", exc_info=error)
        return _internal()
    cause = _accident(error)
    if cause is not None:
        logger.error("a GraphQL resolver failed at %s", error.path, exc_info=cause)
        return _internal(error.path)
    entry: dict[str, Any] = {"message": _shown(error.message)}
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations[:MAX_LOCATIONS]]
    if error.path is not None:
        entry["path"] = error.path
    extensions = dict(error.extensions or {})
    if error.path is None:
        extensions.setdefault("code", RequestCode.BAD_QUERY.value)
    if extensions:
        entry["extensions"] = extensions
    return entry


def _accident(error: GraphQLError) -> Exception | None:
    """The exception behind `error` that was no GraphQLError, if there is one."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _internal(path: list[str | int] | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"message": "Internal error.", "extensions": {"code": RequestCode.INTERNAL.value}}
    return entry if path is None else {**entry, "path": path}


def _shown(message: str) -> str:
    """Without the names that the library suggests: with introspection off they would spell the schema out."""
    if not django_settings.DEBUG:
        message = _SUGGESTION.sub("", message)
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"
