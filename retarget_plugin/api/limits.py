"""How much one document may ask for. Counted with fragments expanded, over all its operations, before validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from retarget_plugin import conf

from .errors import ApiError, RequestCode

MAX_MUTATIONS = 1
#: Selections written in a document, expanded or not: the spec's own merge rule compares each with each.
MAX_SELECTIONS = 150
#: Rows a connection answers at most, and those that count for a list whose length nobody asked for.
MAX_ROWS = 100
DEFAULT_ROWS = 20
LIST_ROWS = 10
#: Lists that are short by nature, and the rows that count for each.
SHORT_LISTS = {
    ("RetargetStory", "passages"): 2,
    ("RetargetStory", "neverEntered"): 3,
    ("RetargetStory", "unknown"): 2,
    ("RetargetPassage", "steps"): 5,
    ("RetargetBacktestFigures", "steps"): 5,
    ("RetargetBacktestStep", "blocked"): 4,
    ("RetargetBacktestStep", "putOff"): 2,
    ("RetargetBacktestStep", "skipped"): 2,
    ("RetargetQuery", "retargetLeadForms"): 3,
    ("RetargetLeadForm", "fields"): 6,
    ("RetargetLeadForm", "consents"): 2,
    ("RetargetFormField", "options"): 6,
}

INTROSPECTION = ("__schema", "__type")


@dataclass(frozen=True)
class Limits:
    """Bounds of one request. `max_bytes` of its body; the others of its document."""

    max_bytes: int
    max_tokens: int
    max_depth: int
    max_aliases: int
    max_root_fields: int
    max_cost: int

    @classmethod
    def configured(cls) -> Limits:
        return cls(
            max_bytes=conf.settings.GRAPHQL_MAX_BYTES,
            max_tokens=conf.settings.GRAPHQL_MAX_TOKENS,
            max_depth=conf.settings.GRAPHQL_MAX_DEPTH,
            max_aliases=conf.settings.GRAPHQL_MAX_ALIASES,
            max_root_fields=conf.settings.GRAPHQL_MAX_ROOT_FIELDS,
            max_cost=conf.settings.GRAPHQL_MAX_COST,
        )


@dataclass
class _Level:
    """A selection set of the walk. `rows`: how often it is answered. `spread`: the fragments it is in."""

    selections: SelectionSetNode
    parent: Any
    depth: int
    rows: int
    spread: frozenset[str]
    is_mutation: bool


def check(schema: GraphQLSchema, document: DocumentNode, limits: Limits, *, allows_introspection: bool) -> None:
    """Raises ApiError at the first excess. A fragment that is unknown or in itself is left to the spec's rules.

    Cost: an object counts once a row, a leaf and a spread once. Depth: a root field is 1.
    """
    if sum(1 for _ in _written(document)) > MAX_SELECTIONS:
        raise _excess(f"At most {MAX_SELECTIONS} selections in one document.", document)
    _Walk(schema, document, limits, allows_introspection).run()


class _Walk:
    """Without recursion, so that no nesting reaches the interpreter's limit; every step costs, so that it ends."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, limits: Limits, allows_introspection: bool
    ) -> None:
        self.schema = schema
        self.limits = limits
        self.allows_introspection = allows_introspection
        self.operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.cost = self.aliases = self.root_fields = self.mutations = 0
        self.waiting: list[_Level] = []

    def run(self) -> None:
        for operation in self.operations:
            root = self.schema.get_root_type(operation.operation)
            is_mutation = operation.operation is OperationType.MUTATION
            self.waiting.append(_Level(operation.selection_set, root, 1, 1, frozenset(), is_mutation))
            while self.waiting:
                self.enter(self.waiting.pop())

    def enter(self, level: _Level) -> None:
        for node in level.selections.selections:
            if isinstance(node, FieldNode):
                self.field(node, level)
            elif isinstance(node, FragmentSpreadNode):
                self.spread(node, level)
            else:
                self.count(1, node)
                self.follow(node, level, level.spread)

    def field(self, node: FieldNode, level: _Level) -> None:
        name = node.name.value
        if level.depth > self.limits.max_depth:
            raise _excess(f"At most {self.limits.max_depth} levels of fields.", node)
        if node.alias:
            self.aliases += 1
            if self.aliases > self.limits.max_aliases:
                raise _excess(f"At most {self.limits.max_aliases} aliases.", node)
        if level.depth == 1:
            self.root(node, level)
        if name in INTROSPECTION:
            if not self.allows_introspection:
                raise ApiError("Introspection is off.", RequestCode.INTROSPECTION_DISABLED.value, node)
            # A tool's introspection query is deeper and wider than ours may be, and bounded by the schema.
            return
        definition = getattr(level.parent, "fields", {}).get(name)
        if not node.selection_set:
            self.count(1, node)
            return
        objects, rows = _size(node, definition, level.parent)
        self.count(level.rows * objects, node)
        parent = get_named_type(definition.type) if definition else None
        rows *= level.rows
        below = _Level(node.selection_set, parent, level.depth + 1, rows, level.spread, level.is_mutation)
        self.waiting.append(below)

    def root(self, node: FieldNode, level: _Level) -> None:
        self.root_fields += 1
        if self.root_fields > self.limits.max_root_fields:
            raise _excess(f"At most {self.limits.max_root_fields} root fields.", node)
        if level.is_mutation and node.name.value != "__typename":
            self.mutations += 1
            if self.mutations > MAX_MUTATIONS:
                raise _excess(f"At most {MAX_MUTATIONS} mutation in one request.", node)

    def spread(self, node: FragmentSpreadNode, level: _Level) -> None:
        name = node.name.value
        self.count(1, node)
        if name in self.fragments and name not in level.spread:
            self.follow(self.fragments[name], level, level.spread | {name})

    def follow(self, fragment: Any, level: _Level, spread: frozenset[str]) -> None:
        condition = fragment.type_condition
        parent = self.schema.get_type(condition.name.value) if condition else level.parent
        self.waiting.append(_Level(fragment.selection_set, parent, level.depth, level.rows, spread, level.is_mutation))

    def count(self, cost: int, node: Any) -> None:
        self.cost += cost
        if self.cost > self.limits.max_cost:
            raise _excess(f"The document costs more than {self.limits.max_cost}: ask for fewer rows or fields.", node)


def _size(node: FieldNode, definition: GraphQLField | None, parent: Any) -> tuple[int, int]:
    """For each parent: how many objects the field is, and how many times what is below it is answered."""
    if definition is None:
        return 1, 1
    if "first" in definition.args:
        return 1, _page(node)
    output: Any = definition.type
    if not is_list_type(get_nullable_type(output)):
        return 1, 1
    if node.name.value in ("edges", "nodes") and getattr(parent, "name", "").endswith("Connection"):
        # These rows were counted where they were asked for.
        return 1, 1
    rows = SHORT_LISTS.get((getattr(parent, "name", ""), node.name.value), LIST_ROWS)
    return rows, rows


def _page(node: FieldNode) -> int:
    """The rows that a connection is asked for; what will be refused later counts as the nearest number allowed."""
    given = next((argument.value for argument in node.arguments if argument.name.value == "first"), None)
    if given is None:
        return DEFAULT_ROWS
    # A variable may be anything; a number longer than four digits need not be read.
    if not isinstance(given, IntValueNode) or len(given.value) > 4:
        return MAX_ROWS
    return max(1, min(int(given.value), MAX_ROWS))


def _written(document: DocumentNode) -> Iterator[Any]:
    waiting = [node.selection_set for node in document.definitions if hasattr(node, "selection_set")]
    while waiting:
        for node in waiting.pop().selections:
            yield node
            if getattr(node, "selection_set", None):
                waiting.append(node.selection_set)


def _excess(message: str, node: Any) -> ApiError:
    return ApiError(message, RequestCode.QUERY_TOO_COMPLEX.value, node)
