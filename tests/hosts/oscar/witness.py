"""A witness who saw the rows and nothing else: what has to be told of somebody, by plain queries and plain reckoning."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from retarget_plugin.models import (
    Attempt,
    Cart,
    Consent,
    ConsentRecord,
    Contact,
    Customer,
    Decision,
    Event,
    Flow,
    FlowRun,
    Message,
    Order,
    Visitor,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CART_FLOWS = {"abandoned-cart": ("cart", "product", "site"), "abandoned-checkout": ("checkout", "payment")}


class Witness:
    """What is on record of `contact` at `now`."""

    def __init__(self, contact: Contact, *, now: datetime) -> None:
        self.contact, self.now = contact, now

    # -- who entered --------------------------------------------------------------------------------------------------

    def passages(self, flow: Flow) -> list[dict[str, Any]]:
        runs = FlowRun.objects.filter(contact=self.contact, flow=flow).order_by("entered_at", "pk")
        return [
            {
                "entered_at": str(run.entered_at),
                "state": run.state,
                "reason": run.reason,
                "cart": run.cart_id,
                "steps": [self._step(message) for message in Message.objects.filter(run=run).order_by("due_at", "pk")],
            }
            for run in runs
        ]

    def _step(self, message: Message) -> dict[str, Any]:
        decision = Decision.objects.filter(message=message).latest("pk")
        attempt = Attempt.objects.filter(message=message).order_by("pk").last()
        relied_on = {"consent": attempt.consent_id, "order": attempt.order_id} if attempt else {}
        return {
            "at": str(decision.at),
            "step": message.step,
            "channel": message.channel,
            "state": message.state,
            "reason": message.reason or decision.code,
            "facts": decision.facts,
            "basis": attempt.basis if attempt else "",
            "evidence": {name: pk for name, pk in relied_on.items() if pk},
        }

    def counts(self) -> dict[str, int]:
        """So many lines of each kind are in the history."""
        orders = Order.objects.filter(contact=self.contact)
        return {
            "message": Message.objects.filter(contact=self.contact).count(),
            "consent": ConsentRecord.objects.filter(contact=self.contact).count(),
            "order": orders.count() + orders.filter(cancelled_at__isnull=False).count(),
        }

    # -- who did not ----------------------------------------------------------------------------------------------------

    def reasons(self, flow: Flow) -> set[str]:
        """The codes that have to be told of a flow that was never entered."""
        turned_away = self._turned_away(flow)
        if flow.slug in CART_FLOWS:
            return turned_away | self._of_carts(flow, is_told=bool(turned_away))
        if flow.slug == "visitor-sms":
            return turned_away | self._of_visits(is_told=bool(turned_away))
        came = {
            "browse-abandonment": self._looked,
            "cross-sell": lambda: self._ordered_before(5 * DAY),
            "win-back": self._stopped_buying,
        }
        if flow.slug in came and came[flow.slug]():
            # Nobody who came is passed over in silence.
            return turned_away or {"a decision"}
        silent = {"not-seen": self._of_absence, "sunset": self._of_silence}
        if flow.slug in silent:
            return turned_away | silent[flow.slug]()
        if flow.slug in ("back-in-stock", "price-drop"):
            return turned_away | {"not_kept" if self._wished() else "nothing_happened"}
        return turned_away | {"nothing_happened"}

    def not_before(self) -> str:
        """When the last order will be long ago, by this person's own rhythm."""
        placed = self._placed()
        return (placed[-1] + self._patience(placed)).isoformat()

    def left_at(self, flow: Flow) -> datetime:
        """When they last left a cart that pulls the trigger of `flow`."""
        return max(cart.abandoned_at for cart in self._left(flow) if cart.abandoned_at)

    def _turned_away(self, flow: Flow) -> set[str]:
        carts = Cart.objects.filter(contact=self.contact).values("pk")
        about = Decision.objects.filter(run=None, message=None)
        slugs = [flow.slug, ""] if flow.slug in CART_FLOWS else [flow.slug]
        own, of_carts = about.filter(contact=self.contact), about.filter(contact=None, cart__in=carts)
        return {row.code for rows in (own, of_carts) for row in rows if row.flow_slug in slugs}

    def _left(self, flow: Flow) -> list[Cart]:
        stages = CART_FLOWS[flow.slug]
        return list(Cart.objects.filter(contact=self.contact, abandoned_at__isnull=False, stage__in=stages))

    def _of_carts(self, flow: Flow, *, is_told: bool) -> set[str]:
        if not Cart.objects.filter(contact=self.contact, abandoned_at__isnull=False).exists():
            return {"nothing_happened"}
        if is_told:
            return set()
        return {"flow_off"} if self._left(flow) else {"other_trigger"}

    def _of_visits(self, *, is_told: bool) -> set[str]:
        """Half an hour after a product or two pages, without an order: whoever agreed to texts is in."""
        visits = self._visits(pause=HOUR)
        left = [visit for visit in visits if self._is_enough(visit)]
        if not left:
            return {"nothing_happened"}
        if is_told:
            return set()
        if any(at > left[-1][0].at for at in self._placed()):
            return {"ordered"}
        return {"no_consent" if self.contact.phone else "no_address"}

    @staticmethod
    def _is_enough(visit: list[Event]) -> bool:
        pages = sum(act.name in ("page_view", "view_item") for act in visit)
        return pages >= 2 or any(act.name == "view_item" for act in visit)

    def _looked(self) -> bool:
        """Twice at one product within a week, or at three of a kind in a visit."""
        views = [act for act in self._acts() if act.name == "view_item"]
        twice = any(
            one.product == other.product and abs(one.at - other.at) < 7 * DAY
            for number, one in enumerate(views)
            for other in views[:number]
        )
        return twice or any(
            len({act.product for act in visit if act.product and _kind(act) == kind}) >= 3
            for visit in self._visits(pause=HOUR / 2)
            for kind in {_kind(act) for act in visit if act.product}
        )

    def _ordered_before(self, ago: timedelta) -> bool:
        return any(at <= self.now - ago for at in self._placed())

    def _stopped_buying(self) -> bool:
        placed = self._placed()
        ends = [*placed[1:], self.now]
        return any(
            end - at >= self._patience(placed[: number + 1])
            for number, (at, end) in enumerate(zip(placed, ends, strict=False))
        )

    def _patience(self, placed: list[datetime]) -> timedelta:
        gaps = [(later - earlier) / DAY for earlier, later in pairwise(placed)]
        return max(60 * DAY, 1.5 * median(gaps) * DAY) if gaps and self._is_customer() else 60 * DAY

    def _of_absence(self) -> set[str]:
        browsers = Visitor.objects.filter(contact=self.contact).values("pk")
        granted = Consent.objects.filter(visitor__in=browsers, purpose="tracking", state="granted")
        return {"nothing_happened"} if granted.exists() else {"not_followed"}

    def _of_silence(self) -> set[str]:
        granted = Consent.objects.filter(contact=self.contact, purpose="measurement", state="granted")
        return {"nothing_happened"} if granted.exists() else {"not_measured"}

    def _wished(self) -> bool:
        carted = Cart.objects.filter(contact=self.contact).exclude(items=[]).exists()
        return carted or any(act.product for act in self._acts())

    def _is_customer(self) -> bool:
        return Customer.objects.filter(contact=self.contact).exists()

    def _placed(self) -> list[datetime]:
        rows = Order.objects.filter(contact=self.contact, cancelled_at=None)
        return sorted(rows.values_list("placed_at", flat=True))

    def _acts(self) -> list[Event]:
        return list(Event.objects.filter(contact=self.contact, is_bot=False).order_by("at", "pk"))

    def _visits(self, *, pause: timedelta) -> list[list[Event]]:
        """What they did, parted where they paused."""
        visits: list[list[Event]] = []
        for act in self._acts():
            if visits and act.at - visits[-1][-1].at < pause:
                visits[-1].append(act)
            else:
                visits.append([act])
        return visits


def _kind(act: Event) -> str:
    return act.data.get("items", [{}])[0].get("item_category", "")


def kinds(timeline: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["kind"] for event in timeline)
