"""From the text of a query to a document that may be run: parsed, within the limits, valid; short ones remembered."""

from __future__ import annotations

from functools import lru_cache

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, specified_rules, validate

from .errors import RequestCode
from .limits import Limits, check

MAX_ERRORS = 10
#: A storefront sends the same few documents for ever. Longer ones are parsed each time, so that memory stays bounded.
REMEMBERED = 64
REMEMBERED_LENGTH = 2_000


class InvalidDocument(Exception):
    """The text cannot be run. `errors` is what its author is told; at most MAX_ERRORS and one."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(len(errors))
        self.errors = errors


def prepare(schema: GraphQLSchema, query: str, limits: Limits, *, allows_introspection: bool) -> DocumentNode:
    """The document of `query`. Raises InvalidDocument; nothing invalid is remembered."""
    ready = _ready if len(query) <= REMEMBERED_LENGTH else _ready.__wrapped__
    return ready(schema, query, limits, allows_introspection)


@lru_cache(maxsize=REMEMBERED)
def _ready(schema: GraphQLSchema, query: str, limits: Limits, allows_introspection: bool) -> DocumentNode:
    try:
        document = parse(query, max_tokens=limits.max_tokens)
        check(schema, document, limits, allows_introspection=allows_introspection)
        # All rules of the spec: giving some of our own would replace them.
        errors = validate(schema, document, specified_rules, max_errors=MAX_ERRORS)
    except GraphQLError as error:
        errors = [error]
    except RecursionError:
        code = RequestCode.QUERY_TOO_COMPLEX.value
        errors = [GraphQLError("The document is nested too deeply.", extensions={"code": code})]
    if errors:
        raise InvalidDocument(errors)
    return document
