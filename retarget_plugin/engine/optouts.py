"""STOPs that only a provider has heard, since people answer it and not us: its list becomes ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from retarget_plugin import signals
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose, SuppressionReason
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Consent, Contact, Shop, Suppression

from . import consent, gateways

AT_ONCE = 500
#: Reasons that already keep a number from being texted until its owner says START, or for longer.
AS_STRONG = (SuppressionReason.STOPPED, SuppressionReason.COMPLAINED, SuppressionReason.ERASED)


def take_over(numbers: Sequence[str], *, gateway: str, now: datetime) -> Counter[str]:
    """No shop that `gateway` carries for texts `numbers` (E.164) any more. Answers how many were `new`, to any of these
    shops, and how many `known`.

    Nobody is taken up by it: of a number that is no contact's, only the mark is kept. Twice is as good as once; START opens
    again what was closed. Raises Refusal("no_shop").
    """
    shops = _shops(gateway)
    if not shops:
        raise Refusal("no_shop", f"No shop sends its texts by gateway {gateway!r}.")
    tally: Counter[str] = Counter(new=0, known=0)
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        with transaction.atomic():
            new = set().union(*(_close(shop, some, gateway=gateway, now=now) for shop in shops))
        tally.update(new=len(new), known=len(some) - len(new))
    return tally


def _shops(gateway: str) -> list[Shop]:
    """Those it texts for, or would while another one fails."""
    ways = [(shop, gateways.Way(Channel.SMS, shop.sms_gateway)) for shop in Shop.objects.order_by("pk")]
    return [shop for shop, way in ways if gateway in (way.alias, way.fallback)]


def _close(shop: Shop, numbers: Sequence[str], *, gateway: str, now: datetime) -> set[str]:
    """Those of `numbers` that `shop` did not know to have said no."""
    keys = {key: number for number in numbers for key in consent.suppression_keys(number)}
    marks = Suppression.objects.filter(shop=shop, channel=Channel.SMS, key__in=keys, reason__in=AS_STRONG)
    new = set(numbers) - {keys[key] for key in marks.values_list("key", flat=True)}
    for number in sorted(new):
        consent.suppress(shop, channel=Channel.SMS, address=number, reason=SuppressionReason.STOPPED, now=now)
    said_no = Consent.objects.filter(
        contact=OuterRef("pk"), channel=Channel.SMS, purpose=Purpose.MARKETING, state=ConsentState.WITHDRAWN
    )
    people = Contact.objects.filter(~Exists(said_no), shop=shop, phone__in=numbers, erased_at=None)
    for contact in people.exclude(phone="").order_by("pk"):
        consent.withdraw(contact, channel=Channel.SMS, source=f"gateway {gateway}", now=now)
        signals.emit(signals.contact_unsubscribed, sender=Contact, contact=contact.pk, channel=Channel.SMS.value)
    return new
