"""How much one document may ask for: the last that passes and the first that does not."""

import pytest
from graphql import build_schema, get_introspection_query, parse

from retarget_plugin.api import documents
from retarget_plugin.api.documents import InvalidDocument
from retarget_plugin.api.errors import ApiError
from retarget_plugin.api.limits import Limits, check
from tests.api.conftest import ask

SCHEMA = build_schema("""
    type Query { node: Node, leaf: Int, list: [Node!]!, page(first: Int): NodeConnection }
    type Mutation { act: Node, other: Node }
    type Node { node: Node, leaf: Int, list: [Node!]!, page(first: Int): NodeConnection }
    type NodeConnection { edges: [NodeEdge!]!, totalCount: Int }
    type NodeEdge { node: Node }
""")
LIMITS = Limits(max_bytes=20_000, max_tokens=1_000, max_depth=8, max_aliases=15, max_root_fields=10, max_cost=1_000)


def refusal(query, *, allows_introspection=False):
    """What the limits say about `query`; None when it is within them."""
    try:
        check(SCHEMA, parse(query), LIMITS, allows_introspection=allows_introspection)
    except ApiError as error:
        assert error.extensions["code"] in ("QUERY_TOO_COMPLEX", "INTROSPECTION_DISABLED")
        return error.message
    return None


def nested(depth):
    return "{ node " * (depth - 1) + "{ leaf }" + " }" * (depth - 1)


def fields(count, text="leaf"):
    return " ".join([text] * count)


def aliases(count):
    return " ".join(f"a{number}: leaf" for number in range(count))


TOO_DEEP = "At most 8 levels of fields."
TOO_MANY_ALIASES = "At most 15 aliases."
TOO_MANY_ROOTS = "At most 10 root fields."
TOO_MANY_MUTATIONS = "At most 1 mutation in one request."
TOO_MANY_SELECTIONS = "At most 150 selections in one document."
TOO_COSTLY = "The document costs more than 1000: ask for fewer rows or fields."
PAGES = "{ page(first: 20) { edges { node { ...P } } } }"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        # depth, also through fragments
        (nested(8), None),
        (nested(9), TOO_DEEP),
        ("{ node { ...A } } fragment A on Node { node { ...B } } fragment B on Node " + nested(6), None),
        ("{ node { ...A } } fragment A on Node { node { ...B } } fragment B on Node " + nested(7), TOO_DEEP),
        ("{ ... { ... { ... { ... { ... { ... { ... { ... { leaf } } } } } } } } }", None),
        # aliases, over all operations and each time a fragment is used
        (f"{{ node {{ {aliases(15)} }} }}", None),
        (f"{{ node {{ {aliases(16)} }} }}", TOO_MANY_ALIASES),
        (f"query A {{ node {{ {aliases(8)} }} }} query B {{ node {{ {aliases(8)} }} }}", TOO_MANY_ALIASES),
        (f"{{ node {{ ...F }} list {{ ...F }} }} fragment F on Node {{ {aliases(7)} }}", None),
        (f"{{ node {{ ...F }} list {{ ...F }} }} fragment F on Node {{ {aliases(8)} }}", TOO_MANY_ALIASES),
        # root fields: repeating one is no way around
        (f"{{ {fields(10)} }}", None),
        (f"{{ {fields(11)} }}", TOO_MANY_ROOTS),
        (f"{{ ...F ...F }} fragment F on Query {{ {fields(5)} }}", None),
        (f"{{ ...F ...F }} fragment F on Query {{ {fields(6)} }}", TOO_MANY_ROOTS),
        # mutations: one, whatever it is hidden in
        ("mutation { act { leaf } }", None),
        ("mutation { act { leaf } __typename }", None),
        ("mutation { act { leaf } other { leaf } }", TOO_MANY_MUTATIONS),
        ("mutation { act { leaf } act { leaf } }", TOO_MANY_MUTATIONS),
        ("mutation { ...F ...F } fragment F on Mutation { act { leaf } }", TOO_MANY_MUTATIONS),
        ("mutation { ... { act { leaf } } ... on Mutation { other { leaf } } }", TOO_MANY_MUTATIONS),
        ("mutation A { act { leaf } } mutation B { act { leaf } }", TOO_MANY_MUTATIONS),
        ("mutation { act { leaf } other @skip(if: true) { leaf } }", TOO_MANY_MUTATIONS),
        # selections as they are written, in use or not
        (f"{{ node {{ {fields(149)} }} }}", None),
        (f"{{ node {{ {fields(150)} }} }}", TOO_MANY_SELECTIONS),
        (f"{{ leaf }} fragment F on Node {{ {fields(150)} }}", TOO_MANY_SELECTIONS),
        # cost: objects once a row, leaves and spreads once
        ("{ page(first: 100) { edges { node { leaf node { node { node { node { leaf } } } } } } } }", None),
        ("{ page(first: 100) { edges { node { list { leaf } } } } }", TOO_COSTLY),
        ("{ page(first: 45) { edges { node { list { node { leaf } } } } } }", None),
        ("{ page(first: 50) { edges { node { list { node { leaf } } } } } }", TOO_COSTLY),
        ("{ page { edges { node { list { list { leaf } } } } } }", TOO_COSTLY),
        ("{ page(first: 1) { edges { node { list { list { leaf } } } } } }", None),
        ("query($n: Int) { page(first: $n) { edges { node { list { leaf } } } } }", TOO_COSTLY),
        ("{ page(first: 99999999999999999999) { edges { node { list { leaf } } } } }", TOO_COSTLY),
        ("{ page(first: -5) { edges { node { list { leaf } } } } }", None),
        ("{ page(first: 1.5) { edges { node { list { leaf } } } } }", TOO_COSTLY),
        ("{ list { list { list { leaf } } } }", TOO_COSTLY),
        (f"{PAGES} fragment P on Node {{ page(first: 9) {{ edges {{ node {{ leaf }} }} }} }}", None),
        (f"{PAGES} fragment P on Node {{ page(first: 50) {{ edges {{ node {{ leaf }} }} }} }}", TOO_COSTLY),
        # the spec's rules have the word on these
        ("{ ...Nope }", None),
        ("{ ...F } fragment F on Query { ...F }", None),
        ("{ nope { nope { nope } } }", None),
        ("fragment F on Query { leaf }", None),
        ("type Extra { leaf: Int }", None),
        # introspection
        ("{ __typename node { __typename } }", None),
        ("{ __schema { types { name } } }", "Introspection is off."),
        ("{ ...F } fragment F on Query { a: __type(name: \"Node\") { name } }", "Introspection is off."),
    ],
)  # fmt: skip
def test_limits(query, message):
    assert refusal(query) == message


def test_spreads_that_double_end_early_even_without_a_field():
    fragments = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))

    assert refusal(f"{{ ...F0 }} {fragments} fragment F40 on Query {{ ...Nope }}") == TOO_COSTLY


def test_a_tools_introspection_passes_while_developing(client, settings):
    settings.DEBUG = True

    reply = ask(client, get_introspection_query(input_value_deprecation=True))

    assert reply["data"]["__schema"]["queryType"]["name"] == "RetargetQuery"


def test_tokens_are_counted_before_anything_else():
    def prepare(count):
        return documents.prepare(SCHEMA, f"{{ node {{ leaf{' @a' * count} }} }}", LIMITS, allows_introspection=False)

    with pytest.raises(InvalidDocument) as refused:
        prepare(500)

    assert [error.message for error in refused.value.errors] == [
        "Syntax Error: Document contains more than 1000 tokens. Parsing aborted."
    ]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("GRAPHQL_MAX_DEPTH", '{ __typename retargetCart(token: "") { total { amount } } }'),
        ("GRAPHQL_MAX_ALIASES", "{ a: __typename b: __typename c: __typename }"),
        ("GRAPHQL_MAX_ROOT_FIELDS", "{ __typename __typename __typename }"),
        ("GRAPHQL_MAX_COST", "{ __typename __typename __typename }"),
        ("GRAPHQL_MAX_TOKENS", "{ __typename }"),
    ],
)
def test_every_limit_is_a_setting_and_holds_for_remembered_documents_too(client, db, settings, name, query):
    ask(client, query)
    settings.RETARGET = {**settings.RETARGET, name: 2}

    reply = ask(client, query, status=400)

    assert reply["errors"][0]["extensions"]["code"] in ("QUERY_TOO_COMPLEX", "BAD_QUERY")


def test_a_short_valid_document_is_parsed_once_and_a_long_one_is_not_kept():
    def prepare(query):
        return documents.prepare(SCHEMA, query, LIMITS, allows_introspection=False)

    short, long = "{ leaf node { leaf } }", "{ leaf " + " " * 2_000 + "}"

    assert prepare(short) is prepare(short)
    assert prepare(long) is not prepare(long)
