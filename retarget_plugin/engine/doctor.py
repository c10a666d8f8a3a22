"""The doctor: ten invariants of the ledger, each looked for in the rows. It finds, names and advises; it changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from retarget_plugin import conf
from retarget_plugin.domain.delivery import SET_ASIDE
from retarget_plugin.domain.vocabulary import ConsentState, LegalBasis, MessageState, OutcomeKind, Purpose, Reason
from retarget_plugin.models import Attempt, ConsentRecord, Decision, Message, Order, Shop, Suppression

from . import consent, hours, installation

#: How many of the messages that break a rule are named.
NAMED = 20
#: Rules that need a person's own facts look at so many of the messages sent last.
SAMPLE = 1000
#: Hours are compared with those set today, so only what was sent lately is.
HOURS_HOLD = timedelta(days=2)
#: Two clocks, the shop's and the worker's, may be that far apart.
SKEW = timedelta(seconds=5)
#: How long after its deadline a message may wait for the next tick.
GRACE = timedelta(hours=1)

_S = MessageState
_HELD = (_S.CLAIMED, _S.ATTEMPTING)
_ENDED = (_S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN, *SET_ASIDE)
#: Attempts that reached the provider, or may have.
_LEFT = (OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN, "")

LOOK_UP = "Look the message up at the provider; keep the rows, and report it as a bug of this app."
WORKERS = "Start a worker (retarget_tick --loop, or Celery); it takes over what others left."
CONSTRAINT = "A constraint of the database is gone: run migrate, and REINDEX after an upgrade of the operating system."
HAND = "Somebody wrote to the table by hand, or it is a bug of this app: report it."
OBJECTION = "Apologize, keep the evidence, and report it as a bug of this app."


@dataclass(frozen=True)
class Finding:
    """`count` messages break `invariant` ("I1" to "I10"); `messages` are the ids of at most 20 of them."""

    invariant: str
    rule: str
    messages: tuple[int, ...]
    count: int
    text: str
    advice: str


@dataclass(frozen=True)
class Scope:
    """What is examined: `messages` made since `since`, for every shop."""

    messages: QuerySet[Message]
    since: datetime
    now: datetime


@dataclass(frozen=True)
class _Rule:
    invariant: str
    text: str
    advice: str
    offenders: Callable[[Scope], QuerySet[Message] | Iterable[int]]


RULES: list[_Rule] = []


def examine(*, now: datetime, days: int = 30) -> list[Finding]:
    """What is wrong with the messages of the last `days` days; empty when all is well. One query a rule, or two."""
    since = now - timedelta(days=days)
    shops = list(Shop.objects.values_list("pk", flat=True))
    scope = Scope(Message.objects.filter(shop__in=shops, created_at__gte=since).order_by(), since, now)
    findings = (_finding(rule, scope) for rule in RULES)
    return [finding for finding in findings if finding.count]


def _finding(rule: _Rule, scope: Scope) -> Finding:
    offenders = rule.offenders(scope)
    if isinstance(offenders, QuerySet):
        rows = offenders.annotate(together=Window(Count("*"))).order_by("pk").values_list("pk", "together")[:NAMED]
        found = list(rows)
        named, count = tuple(pk for pk, _together in found), found[0][1] if found else 0
    else:
        known = sorted(offenders)
        named, count = tuple(known[:NAMED]), len(known)
    return Finding(rule.invariant, rule.offenders.__name__, named, count, rule.text, rule.advice)


def _rule(invariant: str, text: str, advice: str) -> Callable[[Any], Any]:
    """The function below it tells which messages of a Scope break the rule; `text` goes on from "this message"."""

    def register(offenders: Callable[[Scope], QuerySet[Message] | Iterable[int]]) -> Any:
        RULES.append(_Rule(invariant, text, advice, offenders))
        return offenders

    return register


def _attempt(**facts: Any) -> QuerySet[Attempt]:
    return Attempt.objects.filter(message=OuterRef("pk"), **facts)


def _decision(*about: Q, **facts: Any) -> QuerySet[Decision]:
    """`led_to`: the state that the decision led to, where it tells."""
    told = Decision.objects.annotate(led_to=Cast(KT("facts__state"), CharField()))
    return told.filter(*about, message=OuterRef("pk"), **facts)


# -- I1: one intent per key -------------------------------------------------------------------------------------------


@_rule("I1", "says the same step of the same run as another one", CONSTRAINT)
def same_step(scope: Scope) -> QuerySet[Message]:
    twins = Message.objects.filter(run=OuterRef("run"), step=OuterRef("step")).exclude(pk=OuterRef("pk"))
    return scope.messages.filter(Exists(twins))


@_rule("I1", "has the same idempotency key as another one", CONSTRAINT)
def same_key(scope: Scope) -> QuerySet[Message]:
    return scope.messages.filter(Exists(Message.objects.filter(key=OuterRef("key")).exclude(pk=OuterRef("pk"))))


# -- I2: at most one live lease, and fences only rise -------------------------------------------------------------------


@_rule("I2", "is in a worker's hands without a lease, so nobody will take it over", HAND)
def held_without_lease(scope: Scope) -> QuerySet[Message]:
    return scope.messages.filter(state__in=_HELD, leased_until=None)


@_rule("I2", "has a lease though no worker holds it", HAND)
def lease_without_holder(scope: Scope) -> QuerySet[Message]:
    return scope.messages.exclude(state__in=_HELD).exclude(leased_until=None)


@_rule("I2", "was attempted under a fence above its own", HAND)
def fence_fell(scope: Scope) -> QuerySet[Message]:
    return scope.messages.filter(Exists(_attempt(fence__gt=OuterRef("fence"))))


@_rule("I2", "has an attempt that never ended though no worker makes it", LOOK_UP)
def attempt_left_open(scope: Scope) -> QuerySet[Message]:
    return scope.messages.exclude(state=_S.ATTEMPTING).filter(Exists(_attempt(ended_at=None)))


# -- I3: accepted, so exactly one id at the provider --------------------------------------------------------------------


@_rule("I3", "was accepted without an id, by a provider that gives ids", LOOK_UP)
def accepted_without_id(scope: Scope) -> QuerySet[Message]:
    with_ids = scope.messages.exclude(gateway_id="").values("gateway")
    accepted = scope.messages.filter(state=_S.ACCEPTED, gateway_id="", gateway__in=with_ids)
    # What was unknown and turned out well later has no id.
    return accepted.filter(Exists(_attempt(outcome=OutcomeKind.ACCEPTED)))


@_rule("I3", "has the id of another message at the same provider", LOOK_UP)
def shared_id(scope: Scope) -> QuerySet[Message]:
    others = Message.objects.filter(gateway_id=OuterRef("gateway_id"), gateway=OuterRef("gateway"))
    with_id = scope.messages.exclude(gateway_id="")
    return with_id.filter(Exists(others.exclude(gateway_id="").exclude(pk=OuterRef("pk"))))


@_rule("I3", "was accepted more than once", LOOK_UP)
def accepted_twice(scope: Scope) -> QuerySet[Message]:
    accepted = Attempt.objects.filter(outcome=OutcomeKind.ACCEPTED, message__in=scope.messages).order_by()
    twice = accepted.values("message").annotate(times=Count("pk")).filter(times__gt=1)
    return scope.messages.filter(pk__in=twice.values("message"))


# -- I4: no attempt without a row committed before it -------------------------------------------------------------------


@_rule("I4", "is being handed over, or was, and no attempt stands in its record", LOOK_UP)
def no_attempt(scope: Scope) -> QuerySet[Message]:
    left = scope.messages.filter(state__in=(_S.ATTEMPTING, _S.ACCEPTED, _S.UNKNOWN))
    # What a backup does not know of was attempted in another life, if at all.
    return left.exclude(Exists(_attempt())).exclude(Exists(_decision(code=Reason.RESTORED)))


@_rule("I4", "is being handed over under a fence that no attempt has", LOOK_UP)
def other_fence(scope: Scope) -> QuerySet[Message]:
    handed = scope.messages.filter(Exists(_attempt()), state=_S.ATTEMPTING)
    return handed.exclude(Exists(_attempt(fence=OuterRef("fence"))))


@_rule("I4", "counts other attempts than stand in its record", HAND)
def miscounted(scope: Scope) -> QuerySet[Message]:
    counted = _attempt().order_by().values("message").annotate(times=Count("pk")).values("times")
    return scope.messages.annotate(times=Coalesce(Subquery(counted), 0)).exclude(attempts_made=F("times"))


@_rule("I4", "left, and the moment is not recorded: caps do not count it", HAND)
def sent_without_moment(scope: Scope) -> QuerySet[Message]:
    left = scope.messages.filter(state__in=(_S.ATTEMPTING, _S.ACCEPTED, _S.UNKNOWN), sent_at=None)
    return left.filter(Exists(_attempt()))


# -- I5: nothing waits past its bound -----------------------------------------------------------------------------------


@_rule("I5", "has been in a worker's hands for more than twice the lease", WORKERS)
def held_too_long(scope: Scope) -> QuerySet[Message]:
    lease = timedelta(seconds=conf.settings.LEASE_SECONDS)
    return scope.messages.filter(state__in=_HELD, leased_until__lt=scope.now - lease)


@_rule("I5", "waits, more than an hour past its deadline", WORKERS)
def waits_too_long(scope: Scope) -> QuerySet[Message]:
    if installation.is_halted():
        return scope.messages.none()
    waiting = scope.messages.filter(state=_S.SCHEDULED, not_after__lt=scope.now - GRACE)
    return waiting.exclude(shop__is_paused=True)


# -- I6: nothing left that the gate refused -----------------------------------------------------------------------------


@_rule("I6", "left without evidence of what allowed it", OBJECTION)
def no_evidence(scope: Scope) -> QuerySet[Message]:
    left = _attempt(outcome__in=_LEFT, consent=None, order=None, override=None)
    # A cart that was left is the evidence itself, and who has asked for something needs none.
    bare = left.exclude(basis=LegalBasis.NEGOTIATION, message__run__cart__isnull=False).exclude(
        basis=LegalBasis.SERVICE
    )
    return scope.messages.filter(Exists(bare), contact__erased_at=None)


@_rule("I6", "left on evidence that is no earlier yes of this person to this channel", OBJECTION)
def wrong_consent(scope: Scope) -> QuerySet[Message]:
    left = _attempt(outcome__in=_LEFT).exclude(consent=None)
    wrong = (
        ~Q(consent__state=ConsentState.GRANTED)
        | ~Q(consent__channel=OuterRef("channel"))
        | ~Q(consent__contact=OuterRef("contact"))
        | Q(consent__at__gt=F("started_at") + SKEW)
    )
    return scope.messages.filter(Exists(left.filter(wrong)))


@_rule("I6", "left after the person had withdrawn", OBJECTION)
def withdrawn(scope: Scope) -> QuerySet[Message]:
    withdrawals = ConsentRecord.objects.filter(
        contact=OuterRef("message__contact"),
        channel=OuterRef("message__channel"),
        purpose=Purpose.MARKETING,
        state=ConsentState.WITHDRAWN,
        at__gt=OuterRef("consent__at"),
        at__lt=OuterRef("started_at") - SKEW,
    )
    return scope.messages.filter(Exists(_attempt(outcome__in=_LEFT).filter(Exists(withdrawals))))


@_rule("I6", "left after an order of the same person was known", OBJECTION)
def ordered(scope: Scope) -> QuerySet[Message]:
    orders = Order.objects.filter(
        contact=OuterRef("message__contact"),
        placed_at__gte=OuterRef("message__run__anchored_at"),
        read_at__lt=OuterRef("started_at") - SKEW,
        cancelled_at=None,
    )
    return scope.messages.filter(Exists(_attempt(outcome__in=_LEFT).filter(Exists(orders))))


@_rule("I6", "was accepted after a decision had ended it", LOOK_UP)
def ended_and_accepted(scope: Scope) -> QuerySet[Message]:
    ended = _decision(led_to__in=[_S.CANCELLED, _S.EXPIRED])
    return scope.messages.filter(Exists(ended), state=_S.ACCEPTED)


# -- I7: nothing left in quiet hours ------------------------------------------------------------------------------------


@_rule("I7", f"of the last {SAMPLE} sent left outside the allowed hours, as they are set today", OBJECTION)
def quiet_hours(scope: Scope) -> list[int]:
    return [message.pk for message in _sent_last(scope, scope.now - HOURS_HOLD) if not _was_allowed(message)]


def _was_allowed(message: Message) -> bool:
    sent_at: datetime = message.sent_at  # type: ignore[assignment]
    return hours.next_allowed(message.contact, message.shop, message.channel, now=sent_at).at == sent_at


def _sent_last(scope: Scope, since: datetime) -> QuerySet[Message]:
    sent = scope.messages.filter(state__in=(_S.ACCEPTED, _S.UNKNOWN), sent_at__gte=since)
    return sent.select_related("shop", "contact").order_by("-created_at")[:SAMPLE]


# -- I8: nothing after an erasure or a suppression ----------------------------------------------------------------------


@_rule("I8", "left after the person was erased", OBJECTION)
def erased(scope: Scope) -> QuerySet[Message]:
    later = _attempt(outcome__in=_LEFT, started_at__gt=OuterRef("contact__erased_at") + SKEW)
    return scope.messages.exclude(contact__erased_at=None).filter(Exists(later))


@_rule("I8", f"of the last {SAMPLE} sent went to an address that was suppressed before", OBJECTION)
def suppressed(scope: Scope) -> list[int]:
    sent = defaultdict(list)
    for message in _sent_last(scope, scope.since):
        for key in consent.suppression_keys(consent.address_of(message.contact, message.channel)):
            sent[message.shop_id, message.channel, key].append(message)
    rows = Suppression.objects.filter(key__in={key for _shop, _channel, key in sent})
    return [
        message.pk
        for row in rows
        for message in sent.get((row.shop_id, row.channel, row.key), [])
        if message.sent_at and message.sent_at > row.at + SKEW
    ]


# -- I9: every message is in one known state ----------------------------------------------------------------------------


@_rule("I9", "is in a state, or on a channel, that does not exist: no total counts it", HAND)
def unknown_word(scope: Scope) -> QuerySet[Message]:
    return scope.messages.exclude(state__in=list(MessageState), channel__in=("email", "sms"))


@_rule("I9", "ended without a known reason", HAND)
def no_reason(scope: Scope) -> QuerySet[Message]:
    return scope.messages.filter(state__in=_ENDED).exclude(reason__in=list(Reason))


# -- I10: every unknown is before somebody's eyes -----------------------------------------------------------------------


@_rule("I10", "has an unknown outcome, or is set aside, and no decision tells staff why", HAND)
def untold(scope: Scope) -> QuerySet[Message]:
    seen = _decision(Q(code=OuterRef("reason")) | Q(led_to=OuterRef("state")))
    return scope.messages.filter(state__in=(_S.UNKNOWN, *SET_ASIDE)).exclude(Exists(seen))


@_rule("I10", "has an unknown outcome that its last attempt does not know of", HAND)
def unfounded(scope: Scope) -> QuerySet[Message]:
    last = _attempt().order_by("-fence").values("outcome")[:1]
    unknown = scope.messages.filter(state=_S.UNKNOWN).annotate(last=Subquery(last))
    return unknown.filter(last__in=(OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.OPTED_OUT))
