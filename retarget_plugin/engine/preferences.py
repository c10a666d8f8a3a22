"""What a person wants to hear, through which channel, about what: shown, changed, and stopped altogether."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from retarget_plugin.domain import contexts
from retarget_plugin.domain.preferences import LANGUAGES, Changes, chosen, said
from retarget_plugin.domain.vocabulary import Channel, ConsentState, Purpose, SuppressionReason
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models import (
    Cart,
    Consent,
    Contact,
    Order,
    Preference,
    Product,
    Shop,
    Suppression,
    Topic,
    Visitor,
)

from . import allowances, bases, consent, notices, optin, sunset, tokens, wordings

#: Grants that a person gives or takes back here; tracking belongs to a browser, and is asked for there.
GRANTS = (Purpose.ADS, Purpose.MEASUREMENT)
#: Products shown at once.
MOST_PRODUCTS = 50
#: Links to one's own data in a day, and how long such a message is of use.
MOST_LINKS = 3
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ChannelView:
    """`state` of marketing: "on", "off", "waiting" for a confirmation, or "barred": a STOP or a bounce, which no tick lifts."""

    name: str
    label: str
    address: str
    state: str

    @property
    def is_on(self) -> bool:
        return self.state == "on"

    @property
    def is_waiting(self) -> bool:
        return self.state == "waiting"


@dataclass(frozen=True, kw_only=True)
class Choice:
    name: str
    label: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class Question:
    """One of the owner's questions and its answers."""

    name: str
    label: str
    takes_several: bool
    options: tuple[Choice, ...]

    @property
    def is_answered(self) -> bool:
        return any(option.is_on for option in self.options)


@dataclass(frozen=True, kw_only=True)
class ProductView:
    """`name`: the id of the subscription. `label`: the product's title. `news`: what is waited for."""

    name: str
    label: str
    news: str


@dataclass(frozen=True, kw_only=True)
class PreferenceView:
    """Everything the preference centre shows, in the reader's language; addresses are masked, names are left out."""

    shop: Shop
    language: str
    channels: tuple[ChannelView, ...]
    topics: tuple[Choice, ...]
    questions: tuple[Question, ...]
    grants: tuple[Choice, ...]
    products: tuple[ProductView, ...]


@dataclass(frozen=True, kw_only=True)
class Updated:
    """`waiting`: the channels that were turned on and start after a confirmation that was asked for by message."""

    waiting: tuple[str, ...] = ()


# -- shown ------------------------------------------------------------------------------------------------------------


def contact_of(token: str) -> Contact:
    """Whose choices the token of a message opens. Raises Refusal("bad_token")."""
    found = tokens.read_preferences(token)
    contact = Contact.objects.select_related("shop", "merged_into__shop").filter(pk=found.contact_id).first()
    contact = contact.merged_into or contact if contact else None
    if contact is None or contact.erased_at:
        raise Refusal("bad_token")
    return contact


def of(contact: Contact, *, language: str = "", now: datetime) -> PreferenceView:
    """The choices of `contact`, in `language`, else in the contact's own, else in the shop's."""
    spoken = contexts.choose_language([language or contact.locale, contact.shop.locale], LANGUAGES)
    states = {(row.purpose, row.channel): row.state for row in Consent.objects.filter(contact=contact)}
    with translation.override(spoken):
        return PreferenceView(
            shop=contact.shop,
            language=spoken,
            channels=tuple(_channels(contact, states, now=now)),
            topics=tuple(
                Choice(
                    name=topic.slug,
                    label=said(topic.labels, spoken, otherwise=topic.slug),
                    is_on=topic.slug not in contact.topics_off,
                )
                for topic in Topic.objects.filter(shop=contact.shop)
            ),
            questions=tuple(_questions(contact, spoken)),
            grants=tuple(
                Choice(
                    name=purpose, label=wordings.of(purpose), is_on=states.get((purpose, "")) == ConsentState.GRANTED
                )
                for purpose in GRANTS
            ),
            products=tuple(_products(contact)),
        )


def _channels(contact: Contact, states: Mapping[tuple[str, str], str], *, now: datetime) -> Iterable[ChannelView]:
    """The channels that reach the contact at all. A channel without an address has nothing to turn on.

    Whom the shop may write to unasked, as a customer about what they bought, sees the channel on: so it can be turned off.
    """
    reached = {channel: address for channel in Channel if (address := consent.address_of(contact, channel))}
    bought = Order.objects.filter(contact=contact).order_by("-placed_at").first()
    alike = Cart(shop=contact.shop, items=bought.items) if bought else None
    cases = [bases.Case(contact, contact.shop, channel, alike) for channel in reached]
    barred, resting = _suppressed(contact.shop, reached)
    for (channel, address), standing in zip(reached.items(), bases.standings(cases, now=now), strict=True):
        answer = states.get((Purpose.MARKETING, channel))
        state = "waiting" if answer == ConsentState.PENDING else "off"
        if channel not in resting and (answer == ConsentState.GRANTED or standing.reason is None):
            state = "on"
        alone = Contact(email=address) if channel == Channel.EMAIL else Contact(phone=address)
        yield ChannelView(
            name=channel,
            label=wordings.of(channel),
            address=alone.masked,
            state="barred" if channel in barred else state,
        )


def _suppressed(shop: Shop, addresses: Mapping[Channel, str]) -> tuple[set[str], set[str]]:
    """The channels on which a suppression stands that a tick in a box does not lift, and those that silence has ended."""
    keys = [key for address in addresses.values() for key in consent.suppression_keys(address)]
    rows = set(Suppression.objects.filter(shop=shop, key__in=keys).values_list("channel", "reason"))
    barred = {channel for channel, reason in rows if reason not in consent.LIFTED_BY_YES}
    return barred, {channel for channel, reason in rows if reason == SuppressionReason.UNENGAGED}


def _questions(contact: Contact, language: str) -> Iterable[Question]:
    for preference in Preference.objects.filter(shop=contact.shop, is_active=True):
        given = contact.preferences.get(preference.slug, [])
        yield Question(
            name=preference.slug,
            label=said(preference.labels, language, otherwise=preference.slug),
            takes_several=preference.takes_several,
            options=tuple(
                Choice(
                    name=option["value"],
                    label=said(option["labels"], language, otherwise=option["value"]),
                    is_on=option["value"] in given,
                )
                for option in preference.options
            ),
        )


def _products(contact: Contact) -> Iterable[ProductView]:
    asked = list(contact.product_subscriptions.filter(notified_at=None).order_by("pk")[:MOST_PRODUCTS])
    known = Product.objects.filter(shop=contact.shop, reference__in=[row.product for row in asked])
    titles = dict(known.values_list("reference", "title"))
    for row in asked:
        title = contexts.clean_text(titles.get(row.product)) or row.product
        yield ProductView(name=str(row.pk), label=title, news=str(row.get_kind_display()))


# -- changed ----------------------------------------------------------------------------------------------------------


def update(contact: Contact, changes: Changes, *, source: str, now: datetime) -> Updated:
    """Do what `changes` asks. Off is off at once; on may have to be confirmed by a message to the address first.

    Raises InputError, before anything is changed, for a choice that does not exist or cannot be made.
    """
    taste = _checked(contact, changes)
    with transaction.atomic():
        _keep(contact, taste, changes)
        waiting = [
            channel
            for channel, is_on in changes.channels.items()
            if not _set_channel(contact, channel, is_on=is_on, source=source, now=now)
        ]
        for purpose, is_on in changes.grants.items():
            _set_grant(contact, purpose, is_on=is_on, source=source, now=now)
        contact.product_subscriptions.filter(pk__in=changes.products).delete()
    return Updated(waiting=tuple(waiting))


def stop(contact: Contact, *, source: str, now: datetime) -> None:
    """The end of everything that is not about an order: all channels, all grants, all product news, all recognition."""
    with transaction.atomic():
        for channel in Channel:
            consent.unsubscribe(contact.pk, channel=channel, message_id=None, source=source, now=now)
        for purpose in GRANTS:
            _set_grant(contact, purpose, is_on=False, source=source, now=now)
        if consent.allows(contact, Purpose.ALERTS, channel=Channel.EMAIL):
            consent.withdraw(contact, channel=Channel.EMAIL, purpose=Purpose.ALERTS, source=source, now=now)
        contact.product_subscriptions.all().delete()
        for visitor in Visitor.objects.filter(contact=contact):
            consent.withdraw_visitor(visitor, source=source, now=now)


def send_link(contact: Contact, *, now: datetime) -> None:
    """Send the way to one's own data, to export or erase it, to the address on file: knowing a link proves too little.

    Not more than MOST_LINKS a day; the reader of the page is told the same each time.
    """
    channel = Channel.EMAIL if contact.email else Channel.SMS
    if allowances.take("data_link_day", str(contact.pk), most=MOST_LINKS, within=DAY, now=now):
        notices.queue(contact.shop, contact, channel=channel, template="export", context={}, within=DAY, now=now)


def _checked(contact: Contact, changes: Changes) -> dict[str, list[str]]:
    """The answers to the owner's questions, in order."""
    reached = {channel for channel in Channel if consent.address_of(contact, channel)}
    topics = set(Topic.objects.filter(shop=contact.shop).values_list("slug", flat=True))
    if not (
        set(changes.channels) <= reached
        and set(changes.topics) <= topics
        and set(changes.grants) <= set(GRANTS)
        and changes.language in {"", *LANGUAGES}
    ):
        raise InputError("unknown_choice", _("There is no such choice."))
    turned_on = {Channel(name): consent.address_of(contact, name) for name, is_on in changes.channels.items() if is_on}
    barred, _resting = _suppressed(contact.shop, turned_on)
    if barred:
        raise InputError("barred", _("This address has told us to stop; it cannot be turned on here."))
    questions = {row.slug: row for row in Preference.objects.filter(shop=contact.shop, is_active=True)}
    answers = {}
    for slug, values in changes.answers.items():
        question = questions.get(slug)
        found = chosen(values, question.options, takes_several=question.takes_several) if question else None
        if found is None:
            raise InputError("unknown_choice", _("There is no such choice."))
        answers[slug] = found
    return answers


def _keep(contact: Contact, answers: Mapping[str, list[str]], changes: Changes) -> None:
    """Store taste, topics and language on the contact's row; two tabs at once lose nothing of each other."""
    row = Contact.objects.select_for_update(no_key=True, of=("self",)).get(pk=contact.pk)
    contact.locale = row.locale
    contact.preferences = {name: values for name, values in {**row.preferences, **answers}.items() if values}
    off = {slug for slug, is_on in changes.topics.items() if not is_on}
    on = set(changes.topics) - off
    contact.topics_off = sorted((set(row.topics_off) | off) - on)
    # Whoever writes fr-CA already and chooses French goes on with fr-CA.
    if changes.language and contexts.match_language(row.locale, LANGUAGES) != changes.language:
        contact.locale = changes.language
    contact.save(update_fields=["preferences", "topics_off", "locale"])


def _set_channel(contact: Contact, channel: str, *, is_on: bool, source: str, now: datetime) -> bool:
    """False when the channel starts only after the confirmation that was asked for."""
    if not is_on:
        consent.unsubscribe(contact.pk, channel=channel, message_id=None, source=source, now=now)
        return True
    sunset.wake(contact, channel=channel)
    if consent.allows(contact, Purpose.MARKETING, channel=channel):
        return True
    optin.request(
        contact, channel=channel, purpose=Purpose.MARKETING, source=source, now=now, **wordings.evidence(channel)
    )
    return not consent.needs_double_opt_in(contact, channel, contact.shop)


def _set_grant(contact: Contact, purpose: str, *, is_on: bool, source: str, now: datetime) -> None:
    is_granted = consent.allows(contact, purpose)
    if is_on and not is_granted:
        consent.grant(contact, channel="", purpose=purpose, source=source, now=now, **wordings.evidence(purpose))
    elif is_granted and not is_on:
        consent.withdraw(contact, channel="", purpose=purpose, source=source, now=now)
