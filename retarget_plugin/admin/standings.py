"""What a contact is to the shop, as their page shows it: orders, fifths and interests, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from retarget_plugin.domain import interests as tastes
from retarget_plugin.domain.rfm import FEWEST_CUSTOMERS, Group
from retarget_plugin.engine import consent, customers
from retarget_plugin.models import Contact

from .money import amount

#: Interests shown, the strongest first.
INTERESTS = 10
GROUPS = {
    Group.CHAMPION: gettext_lazy("Champion: buys lately, often and for much"),
    Group.LOYAL: gettext_lazy("Loyal: keeps coming back"),
    Group.PROMISING: gettext_lazy("Promising: bought lately, not yet often"),
    Group.NEW: gettext_lazy("New: has just begun to buy"),
    Group.SLIPPING: gettext_lazy("Slipping: the last order is a while ago"),
    Group.AT_RISK: gettext_lazy("At risk: bought a good deal, and has not come back"),
    Group.LOST: gettext_lazy("Lost: bought little, long ago"),
}


def of(contact: Contact, *, now: datetime) -> list[tuple[Any, Any]]:
    """(label, value) of what is known; empty for who has neither bought nor shown an interest, or objects to profiles."""
    if not consent.profiled(Contact.objects.filter(pk=contact.pk)).exists():
        return []
    standing = customers.standing(contact)
    found = list(_bought(standing, contact.shop.currency)) if standing else []
    liked = tastes.strongest(contact.interests, most=INTERESTS, now=now)
    if liked:
        topics = ", ".join(f"{topic} ({number_format(round(score, 1), 1)})" for topic, score in liked.items())
        found.append((_("Interests"), topics))
    return found


def _bought(standing: customers.Standing, currency: str) -> Iterator[tuple[Any, Any]]:
    history, scores = standing.history, standing.scores
    yield _("Orders"), history.orders
    yield _("Spent"), amount(history.spent, currency)
    yield _("Last order"), date_format(localtime(history.last_order_at), "SHORT_DATE_FORMAT")
    if history.median_gap_days is not None:
        gap = round(history.median_gap_days)
        yield _("Between two orders"), ngettext("%(days)s day", "%(days)s days", gap) % {"days": gap}
    if scores is None:
        needed = _("The shop has %(customers)s customers; from %(needed)s on they are compared.")
        yield _("Group"), needed % {"customers": standing.customers, "needed": FEWEST_CUSTOMERS}
        return
    yield _("Group"), GROUPS[scores.group]
    fifths = _("recency %(recency)s, frequency %(frequency)s, money %(monetary)s, of 5 each")
    yield _("Compared with others"), fifths % vars(scores)
