"""A person with a mark in every column that may say anything about somebody, and where such marks are looked for."""

from __future__ import annotations

import json
import uuid
from datetime import date, timedelta

from django.apps import apps
from django.db import connection
from django.db.models import CharField, JSONField, TextField

from retarget_plugin.domain.inventory import TABLES
from retarget_plugin.models import Contact, Flow, FlowVersion, LeadForm, Magnet, Merge, Shop

#: The shortest column that a mark fits into.
MARK_LENGTH = 8


class Person:
    """One contact of `shop` with a row in every table that knows people. `letter` tells one person's marks from another's.

    `marks`: column ("Contact.email") -> the text that stands there and nowhere else.
    """

    def __init__(self, shop: Shop, letter: str, *, now, contact: Contact | None = None) -> None:
        self.shop, self.letter, self.now = shop, letter, now
        self.marks: dict[str, str] = {}
        number = ord(letter)
        self.email, self.phone = f"{letter}-email@{letter}.example", f"+3361234{number:04d}"
        self.account = f"{letter}-account"
        self.contact = contact or self._contact(number)
        if contact:
            self.email, self.phone = contact.email, contact.phone
        self._plant()

    def _contact(self, number: int) -> Contact:
        contact = self._row(
            "Contact",
            email=self.email,
            phone=self.phone,
            latitude=48.0 + number / 1e6,
            longitude=2.0 + number / 1e6,
            born_on=date(1950, 1, 1) + timedelta(days=number),
            country="FR",
            locale="fr-FR",
            merged_into=None,
            last_order_at=self.now,
        )
        self.marks["Contact.email"], self.marks["Contact.phone"] = self.email, self.phone
        return contact

    def _plant(self) -> None:
        shop, contact = self.shop, self.contact
        own = {"contact": contact}
        self.identity = self._row("Identity", **own, external_id=self.account)
        self.marks["Identity.external_id"] = self.account
        self.visitor = self._row("Visitor", **own)
        self.claim = self._row("Claim", visitor=self.visitor, channel="email", address=self.email)
        self.event = self._row("Event", **own, visitor=self.visitor)
        self._row("Event", visitor=self.visitor, contact=None)
        form = LeadForm.objects.create(shop=shop, slug=f"form-{self.letter}", created_at=self.now)
        magnet = Magnet.objects.create(shop=shop, slug=f"m-{self.letter}", kind="files", created_at=self.now)
        addresses = {"email": self.email, "phone": self.phone}
        ticked = {"channel": "email", "purpose": "marketing", "wording": self._mark("Lead.consents"), "version": "1"}
        asked = {"form": form, "magnet": magnet, "visitor": self.visitor, "consents": [ticked]}
        self.lead = self._row("Lead", **own, **asked, **addresses)
        self._row("MagnetCode", magnet=magnet, lead=self.lead, code=f"POOL-{self.letter}")
        self._row("ProductSubscription", **own, email=self.email, kind="back_in_stock", price=None, is_proven=True)
        self.record = self._row(
            "ConsentRecord", **own, visitor=None, channel="email", purpose="marketing", state="granted"
        )
        self._row(
            "Consent",
            contact=contact,
            visitor=None,
            channel="email",
            purpose="marketing",
            state="granted",
            record=self.record,
        )
        item = {"product_id": "1", "title": self._mark("Cart.items"), "quantity": 1, "unit_price": "9.90"}
        typed = {**addresses, "external_id": self.account}
        self.cart = self._row("Cart", **own, reference=f"c-{self.letter}", items=[item], **typed, restored_by=None)
        counted = {
            "contact": contact.pk,
            "at": self.now.isoformat(),
            "products": [self._mark("Order.counted")],
            "topics": [],
        }
        sold = {"reference": f"o-{self.letter}", "cart": self.cart, "counted": counted}
        self.order = self._row("Order", **own, **sold, **addresses)
        self._row("Customer", **own, orders=1, spent=9, last_order_at=self.now)
        flow, _is_new = Flow.objects.get_or_create(shop=shop, slug="canaries", defaults={"name": "Canaries"})
        version, _is_new = FlowVersion.objects.get_or_create(
            flow=flow, number=1, defaults={"definition": {}, "published_at": self.now}
        )
        self.run = self._row(
            "FlowRun", **own, flow=flow, version=version, cart=self.cart, subject=self.cart.subject, state="finished"
        )
        self._row("Watch", **own, flow=flow)
        self._row("WebhookCall", **own, run=self.run, step="tell")
        self.message = self._row(
            "Message", **own, run=self.run, step="reminder", channel="email", state="accepted", key=uuid.uuid4()
        )
        terms = {"kind": "percent", "value": 5, "currency": "EUR", "state": "redeemed", "key": self.message.key}
        self._row("Coupon", **own, message=self.message, flow=flow, order=self.order, **terms)
        self._row("MessageBody", message=self.message)
        self._row("Attempt", message=self.message, fence=1, consent=self.record, order=None, gateway="email")
        self._row("Decision", **own, cart=self.cart, run=self.run, message=self.message, code="sent")
        self.link = self._row("Link", message=self.message, code=f"link{self.letter}")
        self._row("Click", link=self.link, is_human=True)

    def merge(self, source: Contact) -> Merge:
        """A record of how `source` became this person, which names both."""
        Contact.objects.filter(pk=source.pk).update(merged_into=self.contact)
        return self._row("Merge", source=source, target=self.contact, by="staff #1")

    def _mark(self, column: str) -> str:
        return self.marks.setdefault(column, f"{self.letter}{len(self.marks):03d}kanari")

    def _row(self, model: str, **given):
        """A row of `model`: what is given, a mark in every other column that is somebody's, and the time everywhere else."""
        kind = apps.get_model("retarget_plugin", model)
        entry = next(table for table in TABLES if table.model == model)
        for column in entry.person.split():
            field = kind._meta.get_field(column)
            if column in given:
                continue
            if isinstance(field, JSONField):
                mark = {"note": [self._mark(f"{model}.{column}")]}
                given[column] = [mark] if field.get_default() == [] else mark
            elif isinstance(field, CharField | TextField) and (field.max_length or 99) >= MARK_LENGTH:
                given[column] = self._mark(f"{model}.{column}")[: field.max_length]
                self.marks[f"{model}.{column}"] = given[column]
        for field in kind._meta.concrete_fields:
            is_time = field.get_internal_type() == "DateTimeField"
            if is_time and field.name not in given and not (field.null or field.has_default()):
                given[field.name] = self.now
        if "shop" in entry.columns:
            given["shop"] = self.shop
        return kind._base_manager.create(**given)


def dump() -> str:
    """Every value of every table of the database, as text."""
    with connection.cursor() as cursor:
        rows = []
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name of our own
            rows += [f"{table}: {row!r}" for row in cursor.fetchall()]
    return "\n".join(rows)


def found(marks: dict[str, str], *texts: str) -> list[str]:
    """Columns whose marks stand in any of `texts`, as they are or as JSON and URLs would write them."""
    spellings = {
        name: {mark, json.dumps(mark)[1:-1], mark.replace("@", "%40").replace("+", "%2B")}
        for name, mark in marks.items()
    }
    return sorted(name for name, ways in spellings.items() if any(way in text for way in ways for text in texts))
