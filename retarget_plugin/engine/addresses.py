"""Where the links of a message lead: to the cart rebuilt, to what the shop shows, and to pages of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from retarget_plugin.domain import subjects
from retarget_plugin.domain.interests import topic_of
from retarget_plugin.domain.subjects import Subject
from retarget_plugin.domain.vocabulary import Channel, Exit
from retarget_plugin.models import Message

from . import links, tokens
from .authored import Written

#: What the button of a message leads to: the first of these that it speaks of and that has an address.
MAIN = ("keep", "cart", "order", "magnet", "store", "product")
SITE, PREFERENCES, OFFER = "site", "preferences", "offer"
#: What a message with a coupon leads to by way of a page that applies it. A cart is brought back with it anyway.
OFFERED = ("product", SITE)
#: Following these says something by itself, and is told nobody as a click.
UNCOUNTED = {"keep", PREFERENCES}


def of(
    message: Message,
    subject: Subject,
    *,
    written: Written,
    is_measured: bool,
    has_coupon: bool = False,
    now: datetime,
) -> dict[str, str]:
    """Every address that a message of a flow may lead to, by name; "link" is that of its button.

    `has_coupon`: it gives one that the shop can apply without bringing a cart back.

    A short link stands where a click may be told, or where every character costs; else the destination itself. Who says
    no, or answers a question, is never counted as having clicked.
    """
    names = written.names
    leading = _leading(message, subject, written)
    main = next(name for name in (*MAIN, SITE) if name in leading)
    main = PREFERENCES if subject.question else main
    topics = _topics(message, subject, main)
    if has_coupon and main in OFFERED and leading[main]:
        leading[OFFER], topics[OFFER] = _offer(message, leading[main], now=now), topics.get(main, "")
        main = OFFER
    spoken = {name: url for name, url in leading.items() if name == main or name.partition("-")[0] in names}
    if message.channel == Channel.SMS:
        leading |= links.shorten_all(spoken, message=message, topics=topics, is_measured=is_measured, now=now)
    elif is_measured:
        counted = {name: url for name, url in spoken.items() if name not in UNCOUNTED}
        leading |= links.shorten_all(counted, message=message, topics=topics, is_measured=True, now=now)
    return {**leading, **_answers(message, subject), "link": leading[main]}


def applies_coupon(leading: Mapping[str, str]) -> bool:
    """Whether the button of a message, whose addresses `of` has answered, applies the message's coupon."""
    return leading["link"] in (leading.get("cart"), leading.get(OFFER))


def unsubscribe(message: Message) -> str:
    """The page, and the address a mail program may POST to by itself."""
    token = tokens.unsubscribe(contact_id=message.contact_id, channel=message.channel, message_id=message.pk)
    return links.public_url(reverse("retarget_plugin:unsubscribe", args=[token]))


def _leading(message: Message, subject: Subject, written: Written) -> dict[str, str]:
    found = {**subjects.destinations(subject), SITE: message.shop.base_url}
    if message.run and message.run.cart_id:
        token = tokens.recovery(cart_id=message.run.cart_id, contact_id=message.contact_id, message_id=message.pk)
        found["cart"] = links.public_url(reverse("retarget_plugin:recover", args=[token]))
    if subject.magnet:
        token = tokens.asset(lead_id=subject.magnet.lead)
        found["magnet"] = links.public_url(reverse("retarget_plugin:assets", args=[token]))
    if subject.store:
        token = tokens.store(store_id=subject.store.id, message_id=message.pk)
        found["store"] = links.public_url(reverse("retarget_plugin:store", args=[token]))
    if Exit.KEEP in written.definition.exits:
        found["keep"] = _keep(message)
    if written.names & {"preferences_url", "question"}:
        found[PREFERENCES] = _preferences(message)
    return found


def _offer(message: Message, destination: str, *, now: datetime) -> str:
    """The page that applies the coupon of `message` and leads on to `destination`, which is kept with the message."""
    links.shorten(destination, message=message, purpose=links.OFFERED, now=now)
    token = tokens.offer(message_id=message.pk)
    return links.public_url(reverse("retarget_plugin:offer", args=[token]))


def _topics(message: Message, subject: Subject, main: str) -> dict[str, str]:
    """What is behind each address. Of the button, if it leads to nothing with a topic of its own, what the flow is about."""
    topics = {name: one.topic for name, one in subjects.shown(subject).items() if one.topic}
    about = str(message.run.data.get("topic") or message.run.flow.topic) if message.run else ""
    return {main: topic_of(about), **topics} if about else topics


def _keep(message: Message) -> str:
    token = tokens.keep(contact_id=message.contact_id)
    return links.public_url(reverse("retarget_plugin:keep", args=[token]))


def _preferences(message: Message) -> str:
    token = tokens.preferences(contact_id=message.contact_id)
    return links.public_url(reverse("retarget_plugin:preferences", args=[token]))


def _answers(message: Message, subject: Subject) -> dict[str, str]:
    """One address for each answer: the person's choices, with this one made. Nothing is saved before they say so."""
    if subject.question is None:
        return {}
    page, name = _preferences(message), f"answer:{subject.question.slug}"
    return {
        f"answer:{option['value']}": f"{page}?{urlencode({name: option['value']})}#{name}"
        for option in subject.question.options
    }
