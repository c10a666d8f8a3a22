"""Coupons: minted for a message about to leave, applied by its link, redeemed by an order, withdrawn when they are over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Upper
from django.utils.translation import gettext as _

from retarget_plugin import failpoints, hosts
from retarget_plugin.domain import calendars
from retarget_plugin.domain import coupons as rules
from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.domain.coupons import Budget, CouponState, Offer
from retarget_plugin.domain.delivery import Held
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.vocabulary import MessageState, Reason
from retarget_plugin.models import Contact, Coupon, CouponCode, CouponPool, Flow, Message, Order, Shop
from retarget_plugin.models.claims import claim

from . import authored, limits

logger = logging.getLogger("retarget_plugin.coupons")

#: When a shop that makes no code just now is asked again.
RETRY = timedelta(minutes=5)
#: How long after its end a coupon counts as unused: the order may be read late.
GRACE = timedelta(days=2)
#: Codes that a shop is asked to remove in one go, and how often that is done.
AT_ONCE, PAUSE = 100, timedelta(minutes=10)
BATCH = 500
NAME = "coupons"
HOST_FAILED = "host_failed"

_UNSENT = (CouponState.RESERVED, CouponState.MINTED)
_FAILED = (MessageState.REJECTED, MessageState.CANCELLED, MessageState.EXPIRED)
_USABLE = (*_UNSENT, CouponState.SENT)
_OF_USE = Q(state__in=(CouponState.MINTED, CouponState.SENT))
#: As the indexes have it: a code that was taken back is nobody's.
_STANDING = ~Q(code="") & ~Q(state=CouponState.TAKEN_BACK)


# -- for a message ----------------------------------------------------------------------------------------------------


def mint_for(messages: Sequence[Message], *, now: datetime) -> dict[int, Coupon | Held]:
    """By message id, for each whose step gives a coupon: its coupon, or why there is none.

    Asked again, and by several workers at once, the same coupon with the same code: its terms and its key are committed
    before the shop is asked. The shop may be a network away, so never call this in a transaction. A message that comes
    with its run and version costs nothing when its step gives none.
    """
    offers = {message.pk: offer for message in messages if (offer := _offer(message))}
    if not offers:
        return {}
    known = {coupon.message_id: coupon for coupon in Coupon.objects.filter(message__in=offers)}
    found: dict[int, Coupon | Held] = {}
    # A shop that does not answer is not waited for a second time.
    silent: dict[int, Held] = {}
    for message in (message for message in messages if message.pk in offers):
        coupon = known.get(message.pk)
        is_asked = coupon is None or not coupon.code
        if is_asked and message.shop_id in silent:
            found[message.pk] = silent[message.shop_id]
            continue
        given = found[message.pk] = _mint(message, offers[message.pk], coupon, now=now)
        if isinstance(given, Held) and given.facts["because"] == HOST_FAILED:
            silent[message.shop_id] = given
    return found


def code_for(message: Message | None, *, now: datetime) -> str:
    """The code that following a link of `message` applies, as long as it is good; else ""."""
    if message is None:
        return ""
    coupon = Coupon.objects.filter(_OF_USE, message=message, expires_at__gt=now).first()
    return coupon.code if coupon else ""


def _offer(message: Message) -> Offer | None:
    written = authored.of(message)
    return written.step.coupon if written else None


def _mint(message: Message, offer: Offer, coupon: Coupon | None, *, now: datetime) -> Coupon | Held:
    try:
        coupon = coupon or _reserve(message, offer, now=now)
        if coupon.state not in _USABLE or coupon.expires_at <= now:
            raise _none("ended")
        if not coupon.code:
            coupon = _from_pool(coupon, message.shop, offer, now=now) or _ask_the_shop(coupon, message, now=now)
        return coupon
    except Held as held:
        return held


def _none(because: str, until: datetime | None = None, *, detail: str = "") -> Held:
    return Held(Reason.NO_COUPON, until, detail=detail, facts={"because": because})


def _ask_the_shop(coupon: Coupon, message: Message, *, now: datetime) -> Coupon:
    """Raises Held where the shop cannot make the code now: it may later, within the message's deadline."""
    shop, run = message.shop, message.run
    spec = CouponSpec(
        kind=coupon.kind,
        value=coupon.value,
        expires_at=coupon.expires_at,
        currency=coupon.currency,
        minimum_total=coupon.minimum,
        label=_label(run.flow) if run else "",
        idempotency_key=str(coupon.key),
        scope=shop.scope,
    )
    try:
        code = hosts.get_host(shop.host).create_coupon(spec)
    except Exception as error:
        logger.exception("host %s could not make a coupon; its message waits", shop.host)
        raise _none(HOST_FAILED, now + RETRY, detail=type(error).__name__) from error
    if not code:
        raise _none("host_refused", now + RETRY)
    failpoints.reach("after_mint")
    # Also where its message has ended meanwhile: what the shop has made is to be withdrawn.
    Coupon.objects.filter(pk=coupon.pk, code="").update(code=code[: rules.CODE_LENGTH])
    Coupon.objects.filter(pk=coupon.pk, state=CouponState.RESERVED).update(state=CouponState.MINTED)
    coupon.refresh_from_db(fields=["code", "state"])
    return coupon


def _label(flow: Flow) -> str:
    """What the owner reads among the vouchers of the shop system."""
    return f"Retarget {flow.slug}"


# -- reserving --------------------------------------------------------------------------------------------------------


def _reserve(message: Message, offer: Offer, *, now: datetime) -> Coupon:
    """Fix what `message` gives, within every budget. Raises Held."""
    with transaction.atomic():
        # One coupon at a time per person: two messages may not both find that they had none.
        contact = Contact.objects.select_for_update(no_key=True).get(pk=message.contact_id)
        if known := Coupon.objects.filter(message=message).first():
            return known
        coupon = _draft(message, offer, contact, now=now)
        _check(coupon, offer, message, now=now)
        coupon.save(force_insert=True)
    return coupon


def _draft(message: Message, offer: Offer, contact: Contact, *, now: datetime) -> Coupon:
    shop, run = message.shop, message.run
    if run is None:
        raise _none("no_flow")
    cart = run.cart if run.cart and run.cart.currency == shop.currency else None
    zone = calendars.zone(contact.time_zone or shop.time_zone)
    return Coupon(
        shop=shop,
        contact=contact,
        message=message,
        flow=run.flow,
        key=message.key,
        kind=offer.kind,
        value=offer.value,
        currency=shop.currency,
        minimum=offer.minimum,
        cost=offer.worth(cart.total if cart else None),
        created_at=now,
        expires_at=rules.ends_at(now, offer.valid, zone),
    )


def _check(coupon: Coupon, offer: Offer, message: Message, *, now: datetime) -> None:
    """Raises Held where the person or the flow has had enough. A month's budget may begin anew before the deadline."""
    given = Coupon.objects.exclude(state=CouponState.TAKEN_BACK)
    if offer.once_per and given.filter(contact=coupon.contact, created_at__gt=now - offer.once_per).exists():
        raise _none("recently")
    shop, month = message.shop, rules.month_of(now)
    renewed = limits.next_month(now)
    again = renewed if renewed <= message.not_after else None
    own = Budget(coupons=shop.coupons_per_contact, amount=shop.discount_per_contact)
    if not _fits(own, given.filter(contact=coupon.contact, created_at__gte=month), coupon.cost):
        raise _none("contact_budget", again)
    if offer.budget:
        # One at a time per flow: two workers may not both find room for the last one.
        Flow.objects.select_for_update(no_key=True).get(pk=coupon.flow_id)
        if not _fits(offer.budget, given.filter(flow=coupon.flow_id, created_at__gte=month), coupon.cost):
            raise _none("flow_budget", again)


def _fits(budget: Budget, given: QuerySet[Coupon], more: Decimal) -> bool:
    if budget == Budget():
        return True
    spent = given.aggregate(coupons=Count("pk"), amount=Sum("cost"))
    return budget.allows(coupons=spent["coupons"], amount=spent["amount"] or Decimal(), more=more)


# -- an owner's own codes ---------------------------------------------------------------------------------------------


def _from_pool(coupon: Coupon, shop: Shop, offer: Offer, *, now: datetime) -> Coupon | None:
    """`coupon` with a free code of the pool that ends first; it then ends with its pool. None where there is none."""
    pools = list(_pools(shop, offer, now=now))
    if not pools:
        return None
    with transaction.atomic():
        coupon = Coupon.objects.select_for_update(no_key=True).get(pk=coupon.pk)
        if coupon.code or coupon.state != CouponState.RESERVED:
            return coupon
        for pool in pools:
            free = CouponCode.objects.filter(pool=pool, given_at=None).order_by("pk")
            for taken in claim(free, limit=1, stamp="given_at", given_at=now):
                coupon.pool, coupon.code, coupon.expires_at = pool, taken.code, pool.expires_at
                coupon.state = CouponState.MINTED
                coupon.save(update_fields=["pool", "code", "expires_at", "state"])
                return coupon
    return None


def _pools(shop: Shop, offer: Offer, *, now: datetime) -> QuerySet[CouponPool]:
    """Pools that have codes worth just what `offer` is, and for as long; the one that ends first comes first."""
    free = CouponCode.objects.filter(pool=OuterRef("pk"), given_at=None)
    same = CouponPool.objects.filter(shop=shop, kind=offer.kind, value=offer.value, minimum=offer.minimum)
    return same.filter(Exists(free), expires_at__gte=now + offer.valid).order_by("expires_at", "pk")


# -- for an owner -----------------------------------------------------------------------------------------------------


def problems(flow: Flow, definition: Definition, *, now: datetime) -> list[str]:
    """What keeps the shop of `flow` from honoring the coupons of `definition`, in plain words that name the step."""
    found = []
    for step in definition.sends:
        if step.is_enabled and step.coupon:
            said = _problems(flow.shop, _label(flow), step.coupon, now=now)
            found += [_("Step '%(step)s': %(problem)s") % {"step": step.key, "problem": problem} for problem in said]
    return found


def _problems(shop: Shop, label: str, offer: Offer, *, now: datetime) -> list[str]:
    if _pools(shop, offer, now=now).exists():
        return []
    spec = CouponSpec(
        kind=offer.kind,
        value=offer.value,
        expires_at=rules.ends_at(now, offer.valid, calendars.zone(shop.time_zone)),
        currency=shop.currency,
        minimum_total=offer.minimum,
        label=label,
        scope=shop.scope,
    )
    try:
        return hosts.get_host(shop.host).coupon_problems(spec)
    except Exception as error:
        logger.exception("host %s could not say whether it makes coupons", shop.host)
        return [_("The shop system could not be asked about coupons (%(error)s).") % {"error": type(error).__name__}]


def cost(flows: Iterable[Flow], *, since: datetime, until: datetime) -> dict[int, dict[str, Decimal]]:
    """Flow id -> currency -> what its coupons took off orders placed in `since` <= t < `until`. One query."""
    redeemed = Coupon.objects.filter(
        flow__in=[flow.pk for flow in flows],
        state=CouponState.REDEEMED,
        redeemed_at__gte=since,
        redeemed_at__lt=until,
    )
    costs: dict[int, dict[str, Decimal]] = {}
    for flow_id, currency, taken_off in redeemed.values_list("flow", "currency").annotate(Sum("cost")).order_by():
        costs.setdefault(flow_id, {})[currency] = taken_off
    return costs


# -- afterwards -------------------------------------------------------------------------------------------------------


def redeem(order: Order) -> int:
    """Note which of our coupons `order` has used, and what each took off; a canceled order costs nothing. Answers how many."""
    codes = {str(code).upper(): str(code) for code in order.coupon_codes}
    if not codes:
        return 0
    ours = Coupon.objects.annotate(capitals=Upper("code")).filter(_STANDING, shop=order.shop_id, capitals__in=codes)
    # A code is used once: a second order that names it changes nothing.
    coupons = list(ours.filter(Q(order=None) | Q(order=order)))
    for coupon in coupons:
        told = order.discounts.get(codes[coupon.code.upper()])
        taken_off = Decimal(told) if told is not None else rules.taken_off(coupon.kind, coupon.value, paid=order.total)
        Coupon.objects.filter(pk=coupon.pk).update(
            state=CouponState.REDEEMED,
            order=order,
            redeemed_at=order.placed_at,
            currency=order.currency,
            cost=Decimal() if order.cancelled_at else taken_off,
        )
    return len(coupons)


def settle(*, now: datetime) -> Counter[str]:
    """What has become of coupons since: sent with their messages, taken back where those did not leave, over unused.

    Now and then the shops are asked to remove what nobody can use any more: never call this in a transaction.
    """
    tally: Counter[str] = Counter()
    unsent = Coupon.objects.filter(state__in=_UNSENT)
    left = _ids(unsent.filter(state=CouponState.MINTED, message__state=MessageState.ACCEPTED).order_by("created_at"))
    tally["sent"] = Coupon.objects.filter(pk__in=left, state=CouponState.MINTED).update(state=CouponState.SENT)
    tally["taken_back"] = _take_back(unsent.filter(message__state__in=_FAILED))
    over = _ids(Coupon.objects.filter(_OF_USE, expires_at__lt=now - GRACE).order_by("expires_at"))
    tally["ended"] = Coupon.objects.filter(_OF_USE, pk__in=over).update(state=CouponState.EXPIRED, cost=0)
    tally["withdrawn"] = _withdraw(now=now)
    return +tally


def _take_back(coupons: QuerySet[Coupon]) -> int:
    """Nobody has seen these codes: an owner's go back into their pool, the others are removed from the shop."""
    with transaction.atomic():
        going = list(coupons.select_for_update(of=("self",), skip_locked=True).order_by("pk")[:BATCH])
        for coupon in (coupon for coupon in going if coupon.pool_id):
            CouponCode.objects.filter(pool=coupon.pool_id, code=coupon.code).update(given_at=None)
        gone = Coupon.objects.filter(pk__in=[coupon.pk for coupon in going], state__in=_UNSENT)
        return gone.update(state=CouponState.TAKEN_BACK, cost=0)


def _withdraw(*, now: datetime) -> int:
    """Ask each shop to remove a batch of its dead codes, every PAUSE by one worker. What fails is tried the next time."""
    dead = Coupon.objects.filter(state__in=(CouponState.TAKEN_BACK, CouponState.EXPIRED), withdrawn_at=None, pool=None)
    dead = dead.exclude(code="")
    rate = 1 / PAUSE.total_seconds()
    shops = list(dead.values_list("shop", flat=True).distinct())
    if not shops or not limits.allow(NAME, rate=rate, wanted=1, saved=PAUSE, now=now):
        return 0
    count = 0
    for shop in Shop.objects.filter(pk__in=shops):
        codes: Mapping[int, str] = dict(
            dead.filter(shop=shop).order_by("expires_at").values_list("pk", "code")[:AT_ONCE]
        )
        try:
            hosts.get_host(shop.host).withdraw_coupons(list(codes.values()))
        except Exception:
            logger.exception("host %s could not remove coupons; it is asked again", shop.host)
            continue
        count += Coupon.objects.filter(pk__in=list(codes)).update(withdrawn_at=now)
    return count


def _ids(coupons: QuerySet[Coupon]) -> list[int]:
    return list(coupons.values_list("pk", flat=True)[:BATCH])
