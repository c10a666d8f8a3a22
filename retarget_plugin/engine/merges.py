"""Two contacts that are one person, put together by staff and parted again. No browser and no shop event ever does this."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import (
    Cart,
    Consent,
    Contact,
    Event,
    Experiment,
    FlowRun,
    Identity,
    Lead,
    Merge,
    Order,
    ProductSubscription,
    Visitor,
)

from . import customers

#: What changes hands row by row. Messages and runs stay with the contact they were made for: they are history, and the
#: gate stops what was still to come; only in an experiment one person counts once, where the first of the two was. Events
#: follow their visitor, and consents the address they were given for.
MOVED: tuple[type[models.Model], ...] = (Identity, Cart, Order, Visitor, Lead, ProductSubscription)

ADDRESSES = {Channel.EMAIL: "email", Channel.SMS: "phone"}
DETAILS = ("first_name", "last_name", "locale", "time_zone", "country", "postcode")


def merge(source: Contact, target: Contact, *, by: str, reason: str = "", now: datetime) -> Merge:
    """From now on `source` is `target`: what it did is the target's, and its addresses and accounts lead there.

    An address that the target lacks is taken over with its consents; any other stays where it is. Raises
    Refusal("not_mergeable") for one and the same, for two shops, and for whoever was erased or merged before.
    """
    with transaction.atomic():
        source, target = _locked(source, target)
        values = _take_over(source, target)
        channels = [channel for channel, name in ADDRESSES.items() if name in values]
        moved: dict[str, list[Any]] = {model.__name__: _move(model, source, target) for model in MOVED}
        moved["Consent"] = _hand_over(Consent.objects.filter(contact=source, channel__in=channels), target)
        moved["Event"] = _move_events(source, target, visitors=moved["Visitor"])
        moved["Contact"] = list(source.merged.values_list("pk", flat=True))
        Contact.objects.filter(pk__in=[source.pk, *moved["Contact"]]).update(merged_into=target)
        moved["FlowRun"] = _count_once(target)
        _count_orders(source, target, now=now)
        return Merge.objects.create(
            shop_id=source.shop_id,
            source=source,
            target=target,
            moved={name: keys for name, keys in moved.items() if keys},
            values=values,
            by=by[:150],
            reason=reason[:200],
            at=now,
        )


def latest(source: Contact) -> Merge:
    """The merge by which `source` became somebody else. Raises Refusal("not_merged")."""
    merge = Merge.objects.filter(source=source, undone_at=None).order_by("-pk").first()
    if merge is None:
        raise Refusal("not_merged", _("This contact was merged into no other."))
    return merge


def undo(merge: Merge, *, by: str, now: datetime) -> None:
    """Part the two again: each has what it had. Carts and orders that came while they were one go to whom they name.

    What was seen meanwhile, and every visitor that was recognised, could be either's, and so is nobody's. Twice is as good
    as once. Raises Refusal("merged_since") where one of the two has been merged further: that is undone first.
    """
    with transaction.atomic():
        merge = Merge.objects.select_for_update(of=("self",)).select_related("source", "target").get(pk=merge.pk)
        if merge.undone_at:
            return
        source, target = merge.source, merge.target
        if source.erased_at or target.erased_at or target.merged_into_id or source.merged_into_id != target.pk:
            raise Refusal("merged_since", _("One of the two was merged or erased since."))
        Contact.objects.filter(pk=source.pk).update(merged_into=None)
        Contact.objects.filter(pk__in=_keys(merge, "Contact"), merged_into=target).update(merged_into=source)
        _give_back(merge, source, target)
        handed_over: tuple[type[models.Model], ...] = (*MOVED, Consent)
        for model in handed_over:
            rows = model._default_manager.filter(pk__in=_keys(merge, model.__name__), contact=target)
            rows.update(contact=source)
        _part_carts(merge, source, target)
        _part_visits(merge, source, target, now=now)
        _count_again(merge)
        _count_orders(source, target, now=now)
        Merge.objects.filter(pk=merge.pk).update(undone_at=now, undone_by=by[:150])


def _locked(source: Contact, target: Contact) -> tuple[Contact, Contact]:
    """Both as they are now, in the order of their keys, so that two merges never wait for each other."""
    rows = Contact.objects.select_for_update().filter(pk__in=[source.pk, target.pk]).order_by("pk")
    found = {row.pk: row for row in rows}
    is_gone = any(row.erased_at or row.merged_into_id for row in found.values())
    if len(found) != 2 or is_gone or source.shop_id != target.shop_id:
        raise Refusal("not_mergeable", _("Two contacts of one shop, neither erased nor merged before."))
    return found[source.pk], found[target.pk]


def _take_over(source: Contact, target: Contact) -> dict[str, str]:
    """Fill what `target` lacks. An address leaves `source`, for one address is one contact's.

    Where the target has already said something about a channel, it keeps its word: no address comes with another's.
    """
    answered = set(Consent.objects.filter(contact=target).values_list("channel", flat=True))
    addresses = [name for channel, name in ADDRESSES.items() if channel not in answered]
    offered = {name: getattr(source, name) for name in (*addresses, *DETAILS)}
    taken = {name: value for name, value in offered.items() if value and not getattr(target, name)}
    Contact.objects.filter(pk=source.pk).update(**{name: "" for name in taken if name in ADDRESSES.values()})
    Contact.objects.filter(pk=target.pk).update(**taken)
    return taken


def _give_back(merge: Merge, source: Contact, target: Contact) -> None:
    """What the target took over and still has."""
    held = {name: value for name, value in merge.values.items() if getattr(target, name) == value}
    Contact.objects.filter(pk=target.pk).update(**dict.fromkeys(held, ""))
    for name in set(held) & set(ADDRESSES.values()):
        setattr(source, name, held[name])
    source.save(update_fields=list(ADDRESSES.values()))


def _move(model: type[models.Model], source: Contact, target: Contact) -> list[int]:
    rows = model._default_manager.filter(contact=source)
    if model is ProductSubscription:
        # The target has asked for the same news itself.
        asked = ProductSubscription.objects.filter(
            contact=target, product=models.OuterRef("product"), kind=models.OuterRef("kind")
        )
        rows = rows.exclude(models.Exists(asked))
    return _hand_over(rows, target)


def _hand_over(rows: models.QuerySet[Any], target: Contact) -> list[int]:
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    rows.model._default_manager.filter(pk__in=keys).update(contact=target)
    return keys


def _move_events(source: Contact, target: Contact, *, visitors: list[int]) -> list[int]:
    """Those of a moved visitor are found by it again; the keys of all others are answered."""
    Event.objects.filter(contact=source, visitor__in=visitors).update(contact=target)
    return _hand_over(Event.objects.filter(contact=source), target)


def _count_once(person: Contact) -> list[tuple[int, int]]:
    """Only the first entry into each experiment of `person`, and of who became it, counts: where it was drawn is what was
    done to them. Answers (run, experiment) of the others."""
    own = Contact.objects.filter(models.Q(pk=person.pk) | models.Q(merged_into=person)).values("pk")
    counted = FlowRun.objects.filter(contact__in=own, experiment__isnull=False).order_by("entered_at", "pk")
    first: dict[int, int] = {}
    pairs = list(counted.values_list("pk", "experiment_id"))
    later = [(run, experiment) for run, experiment in pairs if first.setdefault(experiment, run) != run]
    FlowRun.objects.filter(pk__in=[run for run, _experiment in later]).update(experiment=None)
    return later


def _count_again(merge: Merge) -> None:
    for run, experiment in merge.moved.get("FlowRun", []):
        kept = Experiment.objects.filter(pk=experiment)
        FlowRun.objects.filter(models.Exists(kept), pk=run).update(experiment=experiment)


def _part_carts(merge: Merge, source: Contact, target: Contact) -> None:
    """Carts and orders that came since and name the source, or whoever had become it before. Accounts that came since tell
    at their next log-in."""
    Identity.objects.filter(contact=target, created_at__gte=merge.at).delete()
    ours = list(source.identities.values_list("external_id", flat=True))
    theirs = list(target.identities.values_list("external_id", flat=True))
    addresses = {contact.email.lower() for contact in (source, *source.merged.all())} - {""}
    carts = [
        cart.pk
        for cart in Cart.objects.filter(contact=target).only("email", "external_id")
        if cart.external_id in ours or (cart.email.lower() in addresses and cart.external_id not in theirs)
    ]
    Cart.objects.filter(pk__in=carts).update(contact=source)
    named = models.Q(cart__in=carts) | models.Q(email__in=addresses)
    Order.objects.filter(named, contact=target).update(contact=source)


def _part_visits(merge: Merge, source: Contact, target: Contact, *, now: datetime) -> None:
    """Either may have logged in in the other's browser meanwhile: what was seen since is nobody's, and all browsers are met
    anew."""
    Event.objects.filter(visitor__in=_keys(merge, "Visitor"), contact=target).update(contact=source)
    Event.objects.filter(pk__in=_keys(merge, "Event"), contact=target).update(contact=source)
    doubtful = Visitor.objects.filter(contact=target, known_since__gte=merge.at)
    keys = list(doubtful.values_list("pk", flat=True))
    Event.objects.filter(visitor__in=keys, contact=target).update(contact=None)
    Event.objects.filter(contact__in=(source, target), at__gte=merge.at).update(contact=None)
    Visitor.objects.filter(pk__in=keys).update(contact=None, known_since=None, known_by="", ended_at=now)
    Visitor.objects.filter(contact__in=(source, target), ended_at=None).update(ended_at=now)


def _count_orders(*people: Contact, now: datetime) -> None:
    customers.touch(people[0].shop_id, [contact.pk for contact in people], now=now)
    for contact in people:
        placed = Order.objects.filter(contact=contact, cancelled_at=None)
        latest = placed.aggregate(latest=models.Max("placed_at"))["latest"]
        Contact.objects.filter(pk=contact.pk).update(last_order_at=latest)


def _keys(merge: Merge, name: str) -> list[int]:
    keys: list[int] = merge.moved.get(name, [])
    return keys
