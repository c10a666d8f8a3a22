"""Composing: from a due message and what it speaks of to what a channel is handed. It reads nothing, and writes its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from django.conf import settings

from retarget_plugin import conf, hosts
from retarget_plugin.domain import calendars, content, contexts, sms, subjects
from retarget_plugin.domain.messages import OutgoingEmail, OutgoingSms
from retarget_plugin.domain.subjects import NOTHING, Addresses, Subject
from retarget_plugin.domain.vocabulary import Channel, MessageKind
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Coupon, Message, Shop

from . import addresses, authored, letters, links, seals


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A message ready to leave. `html` and `subject` are empty for SMS, `segments` is None for e-mail."""

    outgoing: OutgoingEmail | OutgoingSms
    subject: str
    html: str
    text: str
    language: str
    segments: int | None


@dataclass(frozen=True, kw_only=True)
class Letter:
    """Everything a message is written from, whether it is sent or only looked at.

    `coupon`: as the texts read it. `more`: what else they read.
    """

    shop: Shop
    key: str
    compiled: Mapping[str, Any]
    language: str
    locale: str
    first_name: str = ""
    last_name: str = ""
    subject: Subject = NOTHING
    addresses: Addresses = field(default_factory=dict)
    unsubscribe_url: str = ""
    unsubscribe_mailbox: str = ""
    stop: str = ""
    coupon: Mapping[str, Any] | None = None
    is_measured: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def compose(
    message: Message,
    *,
    subject: Subject = NOTHING,
    coupon: Coupon | None = None,
    is_measured: bool = False,
    gateway: str = "",
    now: datetime,
) -> Composed:
    """Write `message` about `subject`, in the reader's language and the shop's currency; a service message about its own.

    Unless `is_measured`, it tells nobody who opened it or followed which link: no pixel, no link of the person's own but
    those that open the cart and say no, and no click is kept.

    `gateway`: the alias that carries a text, and whose words tell how to stop; empty: the shop's own.

    Loads nothing when `message` comes with its shop, contact and run (version, flow, cart). Writes the message's short
    links. Raises TemplateError when the text is wrong, lacks a value or is longer than sms.MAX_SEGMENTS segments;
    ConfigurationError when PUBLIC_URL is not set.
    """
    if message.template:
        letter = _of_service(message, now=now)
    else:
        letter = _of_flow(message, subject, coupon, is_measured=is_measured, gateway=gateway, now=now)
    run, contact = message.run, message.contact
    return write(
        letter,
        to=contact.phone if message.channel == Channel.SMS else contact.email,
        message_id=str(message.pk),
        idempotency_key=str(message.key),
        tags=(run.flow.slug, message.step) if run else (message.step,),
        seal=seals.of(message, seals.REPORT),
    )


def _of_flow(
    message: Message, subject: Subject, coupon: Coupon | None, *, is_measured: bool, gateway: str, now: datetime
) -> Letter:
    written = authored.of(message)
    if written is None:
        raise TemplateError(f"no {message.channel} message is written for this step", part=message.step)
    shop, contact, languages = message.shop, message.contact, written.compiled["languages"]
    cart_locale = subject.cart.identity.locale if subject.cart and subject.cart.identity else ""
    locales = [contact.locale or cart_locale, shop.locale]
    language = contexts.choose_language(locales, languages)
    locale = contexts.choose_locale(locales, language)
    is_service = message.kind == MessageKind.SERVICE
    unsubscribe_url = "" if is_service else addresses.unsubscribe(message)
    leading = addresses.of(
        message,
        subject,
        written=written,
        is_measured=is_measured,
        has_coupon=coupon is not None and hosts.get_host(shop.host).can_apply_coupons,
        now=now,
    )
    return Letter(
        shop=shop,
        key=written.key,
        compiled=written.compiled,
        language=language,
        locale=locale,
        first_name=contact.first_name,
        last_name=contact.last_name,
        subject=subject,
        addresses=leading,
        unsubscribe_url=unsubscribe_url,
        unsubscribe_mailbox="" if is_service else seals.mailbox(message),
        stop="" if is_service else _stop(message, languages[language], unsubscribe_url, gateway=gateway, now=now),
        coupon=_coupon(coupon, message, locale, is_applied=addresses.applies_coupon(leading)) if coupon else None,
        is_measured=is_measured,
    )


def _of_service(message: Message, *, now: datetime) -> Letter:
    """Without a name, a cart and a way to unsubscribe: whoever is asked whether an address is theirs may be anybody."""
    compiled = letters.written(message)
    locales = [message.contact.locale or str(message.context.get("language", "")), message.shop.locale]
    language = contexts.choose_language(locales, compiled["languages"])
    locale = contexts.choose_locale(locales, language)
    return Letter(
        shop=message.shop,
        key=message.template,
        compiled=compiled,
        language=language,
        locale=locale,
        more=letters.context(message, language=language, locale=locale, now=now),
    )


def _coupon(coupon: Coupon, message: Message, locale: str, *, is_applied: bool) -> dict[str, Any]:
    zone = calendars.zone(message.contact.time_zone or message.shop.time_zone)
    return coupon.told(zone=zone, locale=locale, is_applied=is_applied)


def _stop(message: Message, written: Mapping[str, Any], unsubscribe_url: str, *, gateway: str, now: datetime) -> str:
    """How to say no to further texts: every marketing text must tell (in France, by the very word STOP)."""
    if message.channel != Channel.SMS:
        return ""
    mention = stop_mention(message.shop, written, gateway=gateway)
    if mention is not None:
        return mention
    short_url = links.shorten(unsubscribe_url, message=message, purpose=links.UNSUBSCRIBE, now=now)
    return f"{written['words']['stop_link']} {short_url}"


def stop_mention(shop: Shop, written: Mapping[str, Any], *, gateway: str = "") -> str | None:
    """The words to say STOP by, or None when only a link can do it.

    `RETARGET["SMS"][alias]["STOP"]` is what this gateway's texts must say ("STOP au 36111"), empty when it adds that by
    itself. Without it: a sender that is a number can be answered, one made of letters cannot.
    """
    given = conf.settings.SMS.get(gateway or shop.sms_gateway, {}).get("STOP")
    if given is not None:
        return str(given)
    sender = shop.sms_sender.removeprefix("+")
    return str(written["words"]["stop_reply"]) if not sender or sender.isdigit() else None


def write(
    letter: Letter, *, to: str, message_id: str = "", idempotency_key: str = "", tags: tuple[str, ...], seal: str = ""
) -> Composed:
    """`letter` in words, addressed. Raises TemplateError as `compose` does."""
    context = context_of(letter)
    if letter.compiled["channel"] == Channel.SMS:
        return _write_sms(letter, context, to=to, message_id=message_id, idempotency_key=idempotency_key)
    rendered = content.render_email(letter.compiled, language=letter.language, context=context, part=letter.key)
    default_name, default_email = parseaddr(settings.DEFAULT_FROM_EMAIL)
    outgoing = OutgoingEmail(
        message_id=message_id,
        idempotency_key=idempotency_key,
        to=to,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        from_email=letter.shop.sender_email or default_email,
        from_name=letter.shop.sender_name or letter.shop.name or default_name,
        reply_to=letter.shop.reply_to or letter.shop.support_email,
        unsubscribe_url=letter.unsubscribe_url,
        unsubscribe_mailbox=letter.unsubscribe_mailbox,
        tags=tags,
        metadata={"retarget_message": message_id, "retarget_seal": seal},
        track_opens=letter.is_measured,
        track_clicks=letter.is_measured,
    )
    return Composed(
        outgoing=outgoing,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        language=letter.language,
        segments=None,
    )


def _write_sms(letter: Letter, context: dict[str, Any], *, to: str, message_id: str, idempotency_key: str) -> Composed:
    written = content.render_sms(letter.compiled, language=letter.language, context=context, part=letter.key)
    text = sms.transliterate(written)
    measured = sms.measure(text)
    if measured.segments > sms.MAX_SEGMENTS:
        problem = f"is {measured.segments} segments long; {sms.MAX_SEGMENTS} at the most"
        raise TemplateError(problem, part=f"{letter.key}/{letter.language}/text")
    outgoing = OutgoingSms(
        message_id=message_id,
        idempotency_key=idempotency_key,
        to=to,
        text=text,
        sender=letter.shop.sms_sender,
        is_marketing=bool(letter.unsubscribe_url),
    )
    return Composed(
        outgoing=outgoing, subject="", html="", text=text, language=letter.language, segments=measured.segments
    )


def context_of(letter: Letter) -> dict[str, Any]:
    """Plain data: dict, list, str, int, float, bool, None. What is empty is None, so that no text is built on it."""
    context: dict[str, Any] = {
        "language": letter.language,
        **contexts.direction(letter.language),
        "shop": _shop(letter.shop, letter.locale),
        "contact": {
            "first_name": contexts.clean_name(letter.first_name),
            "last_name": contexts.clean_name(letter.last_name),
        },
        "unsubscribe_url": letter.unsubscribe_url,
        "stop": letter.stop,
        "coupon": dict(letter.coupon) if letter.coupon else None,
        **subjects.context(
            letter.subject,
            letter.addresses,
            currency=letter.shop.currency,
            language=letter.language,
            locale=letter.locale,
        ),
        **letter.more,
    }
    if context["cart"] and not context["cart"]["lines"]:
        raise TemplateError("nothing in the cart can be bought any more", part=letter.key)
    return context


def _shop(shop: Shop, locale: str) -> dict[str, Any]:
    return {
        "name": contexts.clean_text(shop.name),
        "url": contexts.clean_url(shop.base_url),
        "logo_url": contexts.clean_url(shop.logo_url),
        "sender_name": contexts.clean_text(shop.sender_name),
        "postal_address": contexts.clean_text(shop.postal_address, 250),
        "support_email": contexts.clean_text(shop.support_email or shop.reply_to, 254),
        "support_phone": contexts.unbroken(contexts.clean_text(shop.support_phone)),
        "currency": shop.currency,
        "free_shipping_from": contexts.money(shop.free_shipping_from, shop.currency, locale),
        "delivery_days": shop.delivery_days,
    }
