"""The schemas as they are published: written down, well named, light to route, and fit to live in a shop's own."""

import subprocess
import sys
from pathlib import Path

import pytest
from graphql import is_specified_scalar_type

from retarget_plugin.api.permissions import StaffField
from retarget_plugin.api.schema import RetargetStaffQuery, schema, staff_schema
from tests.api import host_schema
from tests.api.conftest import CART, RESTORE
from tests.api.print_schema import printed


def test_committed_schemas_are_the_ones_in_use():
    stale = [path.name for path, text in printed().items() if not path.exists() or path.read_text() != text]

    assert stale == [], "a public schema changed; if that is meant: python -m tests.api.print_schema"


@pytest.mark.parametrize("ours", [schema, staff_schema])
def test_every_type_is_named_after_the_plugin(ours):
    types = ours.graphql_schema.type_map.values()

    foreign = {
        type_.name
        for type_ in types
        if not type_.name.startswith(("Retarget", "__")) and not is_specified_scalar_type(type_)
    }

    # Graphene's own scalars are one object for everybody.
    assert foreign <= {"Date", "DateTime"}


@pytest.mark.parametrize("ours", [schema, staff_schema])
def test_every_root_field_is_named_after_the_plugin(ours):
    graphql_schema = ours.graphql_schema
    roots = [root for root in (graphql_schema.query_type, graphql_schema.mutation_type) if root]

    assert [name for root in roots for name in root.fields if not name.startswith("retarget")] == []


def test_a_cart_has_no_field_for_a_person():
    types = schema.graphql_schema.type_map

    assert set(types["RetargetCart"].fields) == {"lines", "quantity", "total", "currency"}
    assert set(types["RetargetCartLine"].fields) == {
        "productId",
        "variantId",
        "sku",
        "title",
        "quantity",
        "unitPrice",
        "total",
        "url",
        "imageUrl",
        "isAvailable",
    }


def test_every_staff_field_names_its_permissions():
    bare = [
        name
        for name, field in RetargetStaffQuery._meta.fields.items()
        if not (isinstance(field, StaffField) and field.permissions)
    ]

    assert bare == []


def test_the_mixins_live_in_a_shops_own_schema(client, token, cart):
    names = host_schema.schema.graphql_schema.type_map

    reply = host_schema.schema.execute(CART, variables={"token": token})

    assert {"Money", "PageInfo", "Cart", "RetargetMoney", "RetargetCart"} <= set(names)
    assert reply.errors is None
    assert reply.data["retargetCart"]["total"] == {"amount": "1334.30", "currency": "EUR"}


def test_the_mutation_works_in_a_shops_own_schema(client, token, rf):
    request = rf.post("/")
    request.session = {}

    reply = host_schema.schema.execute(RESTORE, variables={"token": token}, context_value=request)

    assert reply.errors is None
    assert reply.data["retargetRestoreCart"] == {"url": "https://shop.example.com/basket/", "errors": []}


def test_routing_the_endpoints_loads_no_graphql_library():
    code = "import sys, retarget_plugin.api.endpoints; print(sorted({'graphene', 'graphql'} & set(sys.modules)))"
    root = Path(__file__).parent.parent.parent

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)

    assert result.stdout.strip() == "[]"
