"""Lives: what one person has done, as far as it is kept; each kind is read once, and only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Exists, OuterRef

from retarget_plugin.domain.occasions import Act
from retarget_plugin.domain.vocabulary import Channel, ConsentState, MessageKind, Purpose
from retarget_plugin.models import (
    Cart,
    Click,
    Consent,
    ConsentRecord,
    Contact,
    Customer,
    Event,
    FlowRun,
    Lead,
    Message,
    Order,
    ProductSubscription,
    Visitor,
)

from . import visits


@dataclass(frozen=True)
class Seen:
    """A browser of theirs. `is_followed`: whether what is done in it may be kept."""

    at: datetime
    is_followed: bool


class Life:
    """One person's. Everything is in the order of time; what a machine did is left out. One query for each kind, but two
    for what was done in the shop."""

    def __init__(self, contact: Contact) -> None:
        self.contact = contact

    @cached_property
    def carts(self) -> list[Cart]:
        return list(Cart.objects.filter(contact=self.contact).order_by("pk"))

    @cached_property
    def orders(self) -> list[Order]:
        """Those that were cancelled too."""
        return list(Order.objects.filter(contact=self.contact).order_by("placed_at", "pk"))

    @cached_property
    def runs(self) -> list[FlowRun]:
        """Through any flow."""
        return list(FlowRun.objects.filter(contact=self.contact).select_related("flow").order_by("entered_at", "pk"))

    @cached_property
    def visits(self) -> dict[int, list[Act]]:
        """Browser -> what was done in it; under None what is known of no browser."""
        found = visits.acts(
            self.contact.shop_id, Event.objects.filter(contact=self.contact).order_by("at"), by="visitor_id"
        )
        return dict(found)

    @cached_property
    def acts(self) -> list[Act]:
        return sorted((act for acts in self.visits.values() for act in acts), key=lambda act: act.at)

    @cached_property
    def browsers(self) -> list[Seen]:
        granted = Consent.objects.filter(visitor=OuterRef("pk"), purpose=Purpose.TRACKING, state=ConsentState.GRANTED)
        rows = Visitor.objects.filter(contact=self.contact).annotate(is_followed=Exists(granted))
        return [Seen(*row) for row in rows.order_by("last_seen_at").values_list("last_seen_at", "is_followed")]

    @cached_property
    def clicks(self) -> list[tuple[datetime, str]]:
        """When a link in a message was followed, and what was behind it; as long as links are kept."""
        rows = Click.objects.filter(link__message__contact=self.contact, is_human=True)
        return sorted(rows.values_list("at", "link__topic"))

    @cached_property
    def received(self) -> list[datetime]:
        """When advertising was taken for them by a provider that did not return it."""
        return sorted(sent for sent, _clicked in self._messages if sent)

    @cached_property
    def signs(self) -> list[datetime]:
        """Of life: that they became known, and whenever they clicked, looked round or bought."""
        clicked = [at for _sent, at in self._messages if at]
        bought = [order.placed_at for order in self.orders if order.cancelled_at is None]
        seen = [act.at for act in self.acts] + [browser.at for browser in self.browsers]
        return sorted({self.contact.created_at, *clicked, *bought, *seen, *(at for at, _topic in self.clicks)})

    @cached_property
    def leads(self) -> list[Lead]:
        """Forms whose address was proven."""
        rows = Lead.objects.select_related("form", "magnet").filter(contact=self.contact, revoked_at=None)
        return list(rows.filter(confirmed_at__isnull=False).order_by("confirmed_at", "pk"))

    @cached_property
    def is_measured(self) -> bool:
        """Whether it is kept what they click."""
        granted = Consent.objects.filter(purpose=Purpose.MEASUREMENT, state=ConsentState.GRANTED)
        return granted.filter(contact=self.contact).exists()

    @cached_property
    def has_rhythm(self) -> bool:
        """Whether it is reckoned how much time is between two of their orders: not of who objects."""
        return Customer.objects.filter(contact=self.contact, median_gap_days__isnull=False).exists()

    @cached_property
    def wishes(self) -> set[str]:
        """Products that they looked at, left in a cart, or wait for."""
        asked = ProductSubscription.objects.filter(contact=self.contact).values_list("product", flat=True)
        carted = (item.get("product_id") for cart in self.carts for item in cart.items)
        return {product for product in (*asked, *carted, *(act.product for act in self.acts)) if product}

    def agreed_to_texts(self, *, at: datetime) -> bool:
        """By their last word before `at`; being asked again changes nothing of a yes or a no."""
        words = [state for said_at, state in self._said_of_texts if said_at <= at]
        return bool(words) and words[-1] == ConsentState.GRANTED

    @cached_property
    def _messages(self) -> Iterable[tuple[datetime | None, datetime | None]]:
        """(sent, clicked) of advertising; one that came back counts only where it was clicked."""
        rows = Message.objects.filter(contact=self.contact)
        told = rows.values_list("sent_at", "clicked_at", "bounced_at", "kind")
        return [
            (sent if bounced is None and kind == MessageKind.MARKETING else None, clicked)
            for sent, clicked, bounced, kind in told
        ]

    @cached_property
    def _said_of_texts(self) -> list[tuple[datetime, str]]:
        rows = ConsentRecord.objects.filter(contact=self.contact, purpose=Purpose.MARKETING, channel=Channel.SMS)
        return list(rows.exclude(state=ConsentState.PENDING).order_by("pk").values_list("at", "state"))
