"""What an erasure still needs after its own commit: to be finished, kept in the journal, told to processors, and repeated."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import F, Q

from retarget_plugin.channels import processors
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.models import Cart, Erasure, ErasureRequest, Shop
from retarget_plugin.models.claims import claim

from . import batches, contacts, journal, privacy, suppressions

logger = logging.getLogger("retarget_plugin.erasures")

#: For how long a processor that fails is asked again, and so for how long it is kept whom it must forget.
PATIENCE = timedelta(days=30)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
#: How long something may be on its way that was begun before an erasure: an answer of a provider, an event of a shop.
ON_ITS_WAY = timedelta(days=2)
REQUESTS_AT_ONCE = 20

#: (newest erasure, bytes of the journal) when this process last compared the two.
_compared: tuple[str, int] | None = None


def catch_up(*, now: datetime) -> Counter[str]:
    """Everything that is left to do about erasures; called before anything is sent. Answers how much of what was done."""
    tally = Counter({"remembered": remember(now=now), "finished": _finish(now=now)})
    return tally + tell(now=now)


# -- the journal ------------------------------------------------------------------------------------------------------


def remember(*, now: datetime) -> int:
    """Make the journal and the database say the same. What a restored backup has forgotten is erased again, before it can
    be written to; answers how many people that were. Two small questions where nothing has changed."""
    global _compared
    if journal.path() is None:
        return 0
    seen = _standing()
    if seen == _compared:
        return 0
    written = {entry.uuid: entry for entry in journal.read()}
    known = {str(erasure.uuid): erasure for erasure in Erasure.objects.order_by("pk")}
    journal.append(privacy.entry_of(known[key]) for key in known if key not in written)
    forgotten = [entry for key, entry in written.items() if key not in known]
    done = sum(_repeat(entry, now=now) for entry in forgotten)
    _compared = _standing()
    return done


def _standing() -> tuple[str, int]:
    newest = Erasure.objects.order_by("-pk").values_list("uuid", flat=True).first()
    return str(newest or ""), journal.size()


def _repeat(entry: journal.Entry, *, now: datetime) -> bool:
    """Erase once more whom the database knows again. False when the shop itself is gone."""
    if not Shop.objects.filter(pk=entry.shop).exists():
        return False
    suppressions.mark_erased(entry.shop, entry.marks, now=now)
    facts = {"shop_id": entry.shop, "contacts": dict(entry.contacts), "marks": dict(entry.marks), "by": entry.by}
    at = datetime.fromisoformat(entry.at)
    erasure, _is_new = Erasure.objects.get_or_create(uuid=entry.uuid, defaults={**facts, "at": at})
    privacy.shut(erasure)
    privacy.carry_out(erasure, now=now)
    logger.warning("erasure %s was missing in this database and is carried out again", erasure.pk)
    return True


# -- what was cut short, and what was on its way ----------------------------------------------------------------------


def _finish(*, now: datetime) -> int:
    """Erasures whose process ended in the middle, or which failed."""
    count = 0

    def finish(erasure: Erasure) -> None:
        nonlocal count
        privacy.carry_out(erasure, now=now)
        count += 1

    batches.each(
        # Somebody may be at it this moment.
        Erasure.objects.filter(done_at=None, at__lt=now - timedelta(minutes=5)).order_by("at")[:10],
        finish,
        otherwise=lambda erasure: logger.exception("erasure %s could not be finished; it is tried again", erasure.pk),
    )
    return count


def sweep(*, now: datetime) -> int:
    """Once a day: what was on its way when somebody was erased, and was written down since. Answers how many rows that were."""
    count = 0
    for erasure in Erasure.objects.filter(at__gte=now - ON_ITS_WAY).order_by("pk"):
        before = sum(erasure.removed.values())
        privacy.carry_out(erasure, now=now)
        count += sum(erasure.removed.values()) - before
    return count + _forget_claims(since=now - ON_ITS_WAY)


def _forget_claims(*, since: datetime) -> int:
    """What a shop still tells of people who were erased here, beside carts that are nobody's."""
    told = Q(email="") & Q(phone="") & Q(external_id="")
    count = 0
    for cart in Cart.objects.filter(~told, contact=None, touched_at__gte=since).select_related("shop").iterator():
        said = HostIdentity(email=cart.email, phone=cart.phone, external_id=cart.external_id)
        if contacts.is_erased(cart.shop, said):
            count += Cart.objects.filter(pk=cart.pk).update(email="", phone="", external_id="")
    return count


# -- processors -------------------------------------------------------------------------------------------------------


def tell(*, now: datetime) -> Counter[str]:
    """Have processors forget whom the shop has forgotten: `told`, `refused` (asked again later) and `given_up`."""
    tally: Counter[str] = Counter()
    due = ErasureRequest.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    lease = now + LONGEST_WAIT
    taken = claim(
        due, limit=REQUESTS_AT_ONCE, stamp="attempts_made", attempts_made=F("attempts_made") + 1, due_at=lease
    )
    for request in ErasureRequest.objects.filter(pk__in=[row.pk for row in taken]).select_related("erasure__shop"):
        tally[_ask(request, now=now)] += 1
    return tally


def _ask(request: ErasureRequest, *, now: datetime) -> str:
    told = {kind: tuple(request.person.get(kind, ())) for kind in ("emails", "phones", "accounts")}
    person = processors.Person(shop=request.erasure.shop.name, **told)
    try:
        processors.get_processor(request.processor).forget(person)
    except Exception as error:
        # Only what kind of trouble: what an error says may name the person.
        trouble = type(error).__name__
        logger.warning("processor %s could not forget erasure %s: %s", request.processor, request.erasure_id, trouble)
        if now - request.erasure.at >= PATIENCE:
            _end(request, detail=f"given up: {trouble}", due_at=None, person={})
            return "given_up"
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(request.attempts_made - 1, 12))
        _end(request, detail=trouble, due_at=now + wait)
        return "refused"
    _end(request, detail="", due_at=None, done_at=now, person={})
    return "told"


def _end(request: ErasureRequest, *, detail: str, **changes: object) -> None:
    ErasureRequest.objects.filter(pk=request.pk).update(detail=detail[:200], **changes)
