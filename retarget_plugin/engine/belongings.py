"""Which rows are whose, as `domain.inventory` says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.apps import apps
from django.db.models import Field, Model, Q, QuerySet

from retarget_plugin.domain.entries import Table
from retarget_plugin.models import Contact, Identity


@dataclass(frozen=True)
class Person:
    """A contact with all that were merged into it, and every address, number and account by which they are known."""

    shop_id: int
    contacts: tuple[Contact, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    accounts: tuple[str, ...]

    @property
    def ids(self) -> list[int]:
        return [contact.pk for contact in self.contacts]

    def values(self, kind: str) -> list[str]:
        """What of this person a column of `kind` (see `Table.typed`) may hold."""
        known = {"email": self.emails, "phone": self.phones, "account": self.accounts}
        return list(known.get(kind, (*self.emails, *self.phones)))


def of(contact: Contact) -> Person:
    """The person a contact is: asked for one that was merged, the whole of it."""
    contact.refresh_from_db(fields=["merged_into"])
    root, seen = contact, {contact.pk}
    while root.merged_into is not None and root.merged_into_id not in seen:
        root = root.merged_into
        seen.add(root.pk)
    found = {root.pk: root}
    while more := Contact.objects.filter(merged_into__in=found).exclude(pk__in=found).in_bulk():
        found |= more
    return _person(list(found.values()))


def of_rows(contacts: list[Contact]) -> Person | None:
    """The person whom these rows stood for, as far as they still say so; None for no rows."""
    return _person(contacts) if contacts else None


def _person(contacts: list[Contact]) -> Person:
    accounts = Identity.objects.filter(contact__in=contacts).order_by("pk").values_list("external_id", flat=True)
    return Person(
        shop_id=contacts[0].shop_id,
        contacts=tuple(contacts),
        emails=tuple(dict.fromkeys(contact.email for contact in contacts if contact.email)),
        phones=tuple(dict.fromkeys(contact.phone for contact in contacts if contact.phone)),
        accounts=tuple(accounts),
    )


def model_of(table: Table) -> type[Model]:
    return model_named(table.model)


def model_named(name: str) -> type[Model]:
    return apps.get_model("retarget_plugin", name)


def rows(table: Table, ids: list[int]) -> Iterator[QuerySet[Any]]:
    """The rows of the contacts `ids`, one queryset for each way in which a row can be somebody's, so that each has its index."""
    above = Q()
    for path in table.whose:
        yield model_of(table)._base_manager.filter(Q((f"{path}__in", ids)) & above)
        above = above if table.jointly else above & Q((path, None))


def typed(table: Table, column: str, person: Person) -> QuerySet[Any]:
    """Rows of anybody in which `column` holds an address, a number or an account of this person."""
    values = person.values(table.typed[column])
    found = model_of(table)._base_manager.filter((f"{column}__in", values))
    return found.filter(shop=person.shop_id) if "shop" in table.columns else found.filter(visitor__shop=person.shop_id)


def empty(table: Table, columns: Iterable[str]) -> dict[str, Any]:
    """What each of `columns` holds when it says nothing."""
    fields = {column: model_of(table)._meta.get_field(column) for column in columns}
    return {
        name: None if field.null else field.get_default() for name, field in fields.items() if isinstance(field, Field)
    }


def says_more(nothing: Mapping[str, Any]) -> Q:
    """Rows in which any column holds something else than `nothing` has for it."""
    return reduce(or_, (~Q((column, value)) for column, value in nothing.items()))
