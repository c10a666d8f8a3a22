"""A person's own data: handed over, erased, and looked up after a leak. What is whose stands in `domain.inventory`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import transaction

from retarget_plugin import conf
from retarget_plugin.domain.entries import PERIODS, Fate, Table
from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.domain.vocabulary import Reason, RunState
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Erasure, ErasureRequest, FlowRun, Message, Suppression

from . import belongings, journal, ledger, runs, suppressions, tokens
from .belongings import Person

FORMAT = "retarget_plugin personal data, version 1"
#: Rows changed in one statement.
AT_ONCE = 1000


# -- handing over -----------------------------------------------------------------------------------------------------


def export(contact: Contact, *, now: datetime) -> dict[str, Any]:
    """Everything kept about the person that `contact` is, ready for JSON; nothing that is somebody else's.

    By table: why it is kept, for how long, who receives it, and the rows. An address that somebody else typed, or that
    is somebody else's, is null. What was said of addresses that must not be used again stands under "suppressed".
    """
    person = belongings.of(contact)
    shop = contact.shop
    return {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "shop": {"name": shop.name, "address": shop.postal_address, "e-mail": shop.support_email},
        "suppressed": _suppressed(person),
        "data": {table.model: _chapter(table, person) for table in TABLES if table.whose},
    }


def written(contact: Contact, *, now: datetime) -> bytes:
    """The export as a file: UTF-8, indented, for people and programs."""
    return json.dumps(export(contact, now=now), ensure_ascii=False, indent=2).encode()


def proven(token: str) -> Contact:
    """Who has got the message that `token` came in, at the address on file.

    Raises Refusal("bad_token") for whatever is wrong with it, and for somebody who was erased since.
    """
    found = tokens.read_export(token)
    message = Message.objects.filter(pk=found.message_id, contact=found.contact_id, template="export")
    contact = Contact.objects.select_related("shop").filter(pk=found.contact_id, erased_at=None).first()
    if contact is None or not message.exists():
        raise Refusal("bad_token")
    return contact


def _chapter(table: Table, person: Person) -> dict[str, Any]:
    shown = [column for column in table.columns if column not in table.hidden.split()]
    rows = {row["id"]: row for found in belongings.rows(table, person.ids) for row in found.values(*shown).iterator()}
    for column, kind in table.typed.items():
        own = set(person.values(kind))
        for row in rows.values():
            row[column] = row[column] if row[column] in own else None
    return {
        "why": table.why,
        "kept": kept(table),
        "received_by": [receiver.value for receiver in table.receivers],
        "rows": [{name: _plain(value) for name, value in rows[key].items()} for key in sorted(rows)],
    }


def kept(table: Table) -> str:
    """How long rows of `table` are kept here, in words."""
    days = table.days(conf.settings.RETENTION)
    return table.kept if days is None else f"{days} days after {PERIODS[table.kept].since}"


def _suppressed(person: Person) -> list[dict[str, str]]:
    keys = {key: text for text in person.values("any") for key in suppressions.keys(text)}
    found = Suppression.objects.filter(shop_id=person.shop_id, key__in=keys).order_by("pk")
    return [
        {"address": keys[row.key], "channel": row.channel, "reason": row.reason, "at": row.at.isoformat()}
        for row in found
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else value


# -- erasing ----------------------------------------------------------------------------------------------------------


def erase(contact: Contact, *, by: str, now: datetime) -> Erasure:
    """Erase the person that `contact` is, with all that were merged into it, for good. Twice is as good as once.

    From the first commit nothing is sent any more; then everything goes. A process that ends in between leaves the rest
    to `engine.erasures`. What stays is an empty contact, sums that name nobody, keyed hashes, and who asked for it (`by`).
    """
    person = belongings.of(contact)
    erasure = _begin(person, by=by, now=now)
    carry_out(erasure, now=now)
    return erasure


def _begin(person: Person, *, by: str, now: datetime) -> Erasure:
    """The gate is shut before anything is looked for: whoever sends meanwhile holds the contact, and is waited for."""
    with transaction.atomic():
        locked = Contact.objects.select_for_update().filter(pk__in=person.ids).order_by("pk")
        if all(contact.erased_at for contact in locked) and (earlier := _earlier(person)):
            return earlier
        erasure = Erasure.objects.create(
            shop_id=person.shop_id,
            contacts={str(contact.pk): contact.created_at.isoformat() for contact in person.contacts},
            marks=marks(person),
            by=by[:150],
            at=now,
        )
        shut(erasure)
        suppressions.mark_erased(person.shop_id, erasure.marks, now=now)
        told = {"emails": person.emails, "phones": person.phones, "accounts": person.accounts}
        ErasureRequest.objects.bulk_create(
            ErasureRequest(erasure=erasure, processor=alias[:60], person=told, due_at=now)
            for alias in conf.settings.PROCESSORS
        )
        transaction.on_commit(lambda: journal.append([entry_of(erasure)]))
    return erasure


def shut(erasure: Erasure) -> None:
    """From the commit of this on, nobody in `erasure` is sent anything."""
    keys = [contact.pk for contact in _left_behind(erasure)]
    Contact.objects.filter(pk__in=keys, erased_at=None).update(erased_at=erasure.at)


def _earlier(person: Person) -> Erasure | None:
    ours = Erasure.objects.filter(shop=person.shop_id, contacts__has_key=str(person.ids[0]))
    return ours.order_by("-pk").first()


def marks(person: Person) -> dict[str, list[str]]:
    """The keyed hashes by which somebody is known who is no longer known."""
    known = {"email": person.emails, "phone": person.phones, "account": person.accounts}
    return {kind: [suppressions.keys(text)[0] for text in texts] for kind, texts in known.items() if texts}


def entry_of(erasure: Erasure) -> journal.Entry:
    return journal.Entry(
        uuid=str(erasure.uuid),
        shop=erasure.shop_id,
        contacts=erasure.contacts,
        marks=erasure.marks,
        by=erasure.by,
        at=erasure.at.isoformat(),
    )


def carry_out(erasure: Erasure, *, now: datetime) -> None:
    """Remove what there is of the person; what is gone already is no trouble. Small transactions, a table at a time."""
    person = belongings.of_rows(_left_behind(erasure))
    removed: Counter[str] = Counter(erasure.removed)
    if person is not None:
        _stop(person, now=now)
        # From the leaves to the root: whoever takes over in between still finds whom it is about.
        for table in reversed(TABLES):
            removed[table.model] += _remove(table, person) + _typed_away(table, person)
        _rename_in_staff_log(person)
    erasure.removed, erasure.done_at = dict(+removed), now
    erasure.save(update_fields=["removed", "done_at"])


def _left_behind(erasure: Erasure) -> list[Contact]:
    """The erasure's contacts. After a restore a number may be given again: the time of making tells whether it was."""
    found = Contact.objects.filter(pk__in=[int(key) for key in erasure.contacts]).order_by("pk")
    return [row for row in found if row.created_at == datetime.fromisoformat(erasure.contacts[str(row.pk)])]


def _stop(person: Person, *, now: datetime) -> None:
    inside = FlowRun.objects.filter(contact__in=person.ids, state=RunState.ACTIVE)
    runs.leave_all(inside.select_related("flow"), Reason.ERASED, now=now)
    ledger.cancel(Message.objects.filter(contact__in=person.ids), Reason.ERASED)


def _remove(table: Table, person: Person) -> int:
    """Delete or empty the person's own rows of `table`; answers how many there were."""
    if table.erased is Fate.KEPT:
        return 0
    own = belongings.rows(table, person.ids)
    if table.erased is Fate.EMPTIED:
        said = belongings.empty(table, table.person.split()) | dict.fromkeys(table.ties.split())
        own = (found.filter(belongings.says_more(said)) for found in own)
    keys = {key for found in own for key in found.values_list("pk", flat=True)}
    for some in _portions(sorted(keys)):
        rows = belongings.model_of(table)._base_manager.filter(pk__in=some)
        if table.erased is Fate.DELETED:
            rows.delete()
        else:
            rows.update(**said)
    return len(keys)


def _typed_away(table: Table, person: Person) -> int:
    """The person's addresses where somebody else's rows hold them: only those go, or the row that is nothing else."""
    count = 0
    for column, kind in table.typed.items():
        keys = list(belongings.typed(table, column, person).values_list("pk", flat=True))
        for some in _portions(keys):
            rows = belongings.model_of(table)._base_manager.filter(pk__in=some)
            if kind == "any":
                rows.delete()
            else:
                rows.update(**belongings.empty(table, [column]))
        count += len(keys)
    return count


def _portions(keys: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]


def _rename_in_staff_log(person: Person) -> None:
    """The admin's history names what it is about as it was called then; it goes on saying who did what to which row."""
    if not apps.is_installed("django.contrib.admin"):
        return
    kind = apps.get_model("contenttypes", "ContentType").objects.get_for_model(Contact)
    for key in map(str, person.ids):
        entries = apps.get_model("admin", "LogEntry").objects.filter(content_type=kind, object_id=key)
        entries.update(object_repr=f"#{key}")
