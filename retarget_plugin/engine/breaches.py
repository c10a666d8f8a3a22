"""After a leak: whom it concerns, and what of theirs (GDPR Art. 33 and 34)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from retarget_plugin.domain.entries import Table
from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.models import Contact, Erasure, Shop

from . import belongings


@dataclass(frozen=True)
class Breach:
    """`people`: primary key of a contact -> its fields that held something ("Contact.email").

    `erased` were there then and have been erased since: nobody can be told any more.
    """

    people: Mapping[int, list[str]]
    erased: int

    @property
    def fields(self) -> list[tuple[str, int]]:
        """(field, how many people it concerns), in the order of the inventory."""
        counts = Counter(name for fields in self.people.values() for name in fields)
        return [(name, counts[name]) for table in TABLES for name in _names(table) if counts[name]]


def affected(shop: Shop, *, since: datetime, until: datetime) -> Breach:
    """Whose data lay in the tables of `shop` at any time from `since` to `until`, as far as it lies there still."""
    known = set(Contact.objects.filter(shop=shop, erased_at=None, created_at__lte=until).values_list("pk", flat=True))
    people: dict[int, list[str]] = defaultdict(list)
    for table in TABLES:
        for name, column in zip(_names(table), table.person.split(), strict=False):
            for key in _holders(table, column, shop=shop, until=until) & known:
                people[key].append(name)
    gone = Erasure.objects.filter(shop=shop, at__gte=since)
    return Breach(people={key: people[key] for key in sorted(people)}, erased=gone.count())


def _names(table: Table) -> list[str]:
    return [f"{table.model}.{column}" for column in table.person.split()] if table.whose else []


def _holders(table: Table, column: str, *, shop: Shop, until: datetime) -> set[int]:
    """Contacts of whom `column` holds anything in a row that was there by `until`."""
    rows = belongings.model_of(table)._base_manager.filter((f"{table.arrived}__lte", until))
    rows = rows.filter(belongings.says_more(belongings.empty(table, [column])))
    found: set[int] = set()
    above = Q()
    for path in table.whose:
        scope = "shop" if path == "id" else f"{path}__shop"
        found |= set(rows.filter(above, (scope, shop)).order_by().values_list(path, flat=True).distinct())
        above = above if table.jointly else above & Q((path, None))
    return found
