"""Composing: from a due message and the cart as it is now to what a channel is handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from retarget_plugin import conf
from retarget_plugin.domain import content, contexts, sms
from retarget_plugin.domain.carts import Cart, Item
from retarget_plugin.domain.messages import OutgoingEmail, OutgoingSms
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Contact, FlowVersion, Message, Shop

from . import letters, links, tokens

MAX_SEGMENTS = 10
PREVIEW_EMAIL = "shopper@example.com"
PREVIEW_PHONE = "+33612345678"
#: As long as a real code, so that a preview's segments are those of the text that is sent.
PREVIEW_CODE = "Preview1"


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
class _Letter:
    """Everything a message is written from, whether it is sent or only looked at."""

    shop: Shop
    key: str
    compiled: Mapping[str, Any]
    language: str
    locale: str
    first_name: str
    last_name: str
    cart: Cart | None
    cart_url: str
    unsubscribe_url: str
    stop: str
    coupon: dict[str, Any] | None = None
    is_measured: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def compose(message: Message, *, cart: Cart | None, is_measured: bool = False, now: datetime) -> Composed:
    """Write `message` about `cart`, in the reader's language and the cart's currency; a service message about its own.

    Unless `is_measured`, it tells nobody who opened it or followed which link: no pixel, no link of the person's own but
    those that open the cart and say no, and no click is kept.

    Loads nothing when `message` comes with its shop, contact and run (version, flow, cart). Writes the message's short
    links. Raises TemplateError when the text is wrong, lacks a value or is longer than MAX_SEGMENTS segments;
    ConfigurationError when PUBLIC_URL is not set.
    """
    letter = (
        _of_service(message, now=now) if message.template else _of_flow(message, cart, is_measured=is_measured, now=now)
    )
    run, contact = message.run, message.contact
    return _compose(
        letter,
        to=contact.phone if message.channel == Channel.SMS else contact.email,
        message_id=str(message.pk),
        idempotency_key=str(message.key),
        tags=(run.flow.slug, message.step) if run else (message.step,),
    )


def _of_flow(message: Message, cart: Cart | None, *, is_measured: bool, now: datetime) -> _Letter:
    key, compiled = _written(message)
    shop, contact = message.shop, message.contact
    cart_locale = cart.identity.locale if cart and cart.identity else ""
    locales = [contact.locale or cart_locale, shop.locale]
    language = contexts.choose_language(locales, compiled["languages"])
    unsubscribe_url = links.public_url(reverse("retarget_plugin:unsubscribe", args=[_unsubscribe_token(message)]))
    return _Letter(
        shop=shop,
        key=key,
        compiled=compiled,
        language=language,
        locale=contexts.choose_locale(locales, language),
        first_name=contact.first_name,
        last_name=contact.last_name,
        cart=cart,
        cart_url=_cart_url(message, is_measured=is_measured, now=now),
        unsubscribe_url=unsubscribe_url,
        stop=_stop(message, compiled["languages"][language], unsubscribe_url, now=now),
        is_measured=is_measured,
    )


def _of_service(message: Message, *, now: datetime) -> _Letter:
    """Without a name, a cart and a way to unsubscribe: whoever is asked whether an address is theirs may be anybody."""
    compiled = letters.written(message)
    locales = [message.contact.locale or str(message.context.get("language", "")), message.shop.locale]
    language = contexts.choose_language(locales, compiled["languages"])
    locale = contexts.choose_locale(locales, language)
    return _Letter(
        shop=message.shop,
        key=message.template,
        compiled=compiled,
        language=language,
        locale=locale,
        first_name="",
        last_name="",
        cart=None,
        cart_url="",
        unsubscribe_url="",
        stop="",
        more=letters.context(message, language=language, locale=locale, now=now),
    )


def preview(
    version: FlowVersion,
    message_key: str,
    *,
    shop: Shop,
    contact: Contact | None = None,
    language: str = contexts.FALLBACK_LANGUAGE,
    now: datetime,
) -> Composed:
    """A message as `contact`, or a made-up shopper, would get it about a believable cart. Writes nothing.

    Raises TemplateError as `compose` does, also when the version has no such message.
    """
    compiled = version.content.get(message_key)
    if compiled is None:
        raise TemplateError("there is no such message", part=message_key)
    chosen = contexts.choose_language([language], compiled["languages"])
    written = compiled["languages"][chosen]
    locale = contexts.choose_locale([contact.locale if contact else "", shop.locale], chosen)
    origin = (conf.settings.SHORT_URL or conf.settings.PUBLIC_URL or shop.base_url).rstrip("/")
    short_url = f"{origin}{reverse('retarget_plugin:short_link', args=[PREVIEW_CODE])}"
    letter = _Letter(
        shop=shop,
        key=message_key,
        compiled=compiled,
        language=chosen,
        locale=locale,
        first_name=contact.first_name if contact else "Camille",
        last_name=contact.last_name if contact else "Martin",
        cart=_sample_cart(shop, chosen),
        cart_url=short_url,
        unsubscribe_url=short_url,
        stop=_stop_mention(shop, written) or f"{written['words']['stop_link']} {short_url}",
        coupon=_sample_coupon(locale, now=now) if content.mentions(compiled, "coupon", language=chosen) else None,
    )
    is_sms = compiled["channel"] == Channel.SMS
    to = (contact.phone if is_sms else contact.email) if contact else ""
    return _compose(
        letter,
        to=to or (PREVIEW_PHONE if is_sms else PREVIEW_EMAIL),
        message_id="",
        idempotency_key="",
        tags=(version.flow.slug, message_key),
    )


def warnings(version: FlowVersion, *, shop: Shop, now: datetime) -> list[str]:
    """Variables that the messages of `version` read and no message ever holds, in plain words."""
    known = _context(
        _Letter(
            shop=shop,
            key="",
            compiled={},
            language=contexts.FALLBACK_LANGUAGE,
            locale=contexts.FALLBACK_LANGUAGE,
            first_name="",
            last_name="",
            cart=_sample_cart(shop, contexts.FALLBACK_LANGUAGE),
            cart_url="",
            unsubscribe_url="",
            stop="",
            coupon=_sample_coupon(contexts.FALLBACK_LANGUAGE, now=now),
        )
    )
    return [
        _("%(place)s: nothing is known of %(variable)s (line %(line)d, column %(column)d)")
        % {
            "place": f"{found.message}/{found.language}/{found.part}",
            "variable": found.variable.path,
            "line": found.variable.line,
            "column": found.variable.column,
        }
        for found in content.unknown_variables(version.content, known)
    ]


def _written(message: Message) -> tuple[str, Mapping[str, Any]]:
    """(key, compiled) of what `message` says, by its step in the version the run entered."""
    if message.run is None:
        raise TemplateError("belongs to no flow", part=message.step)
    version = message.run.version
    for step in version.definition["steps"]:
        if step["key"] == message.step:
            key = step["send"]["message"]
            compiled = version.content.get(key)
            if compiled is not None and compiled["channel"] == message.channel:
                return key, compiled
    raise TemplateError(f"no {message.channel} message is written for this step", part=message.step)


def _cart_url(message: Message, *, is_measured: bool, now: datetime) -> str:
    """A short link where a click may be told, or where every character costs; else the destination itself."""
    destination = _destination(message)
    if message.channel != Channel.SMS and not is_measured:
        return destination
    return links.shorten(destination, message=message, purpose=links.CART, is_measured=is_measured, now=now)


def _destination(message: Message) -> str:
    """Where the message's one link leads: to the cart, rebuilt; or to the shop when it is about no cart."""
    cart_id = message.run.cart_id if message.run else None
    if cart_id is None:
        return message.shop.base_url
    token = tokens.recovery(cart_id=cart_id, contact_id=message.contact_id, message_id=message.pk)
    return links.public_url(reverse("retarget_plugin:recover", args=[token]))


def _unsubscribe_token(message: Message) -> str:
    return tokens.unsubscribe(contact_id=message.contact_id, channel=message.channel, message_id=message.pk)


def _stop(message: Message, written: Mapping[str, Any], unsubscribe_url: str, *, now: datetime) -> str:
    """How to say no to further texts: every marketing text must tell (in France, by the very word STOP)."""
    if message.channel != Channel.SMS:
        return ""
    mention = _stop_mention(message.shop, written)
    if mention is not None:
        return mention
    short_url = links.shorten(unsubscribe_url, message=message, purpose=links.UNSUBSCRIBE, now=now)
    return f"{written['words']['stop_link']} {short_url}"


def _stop_mention(shop: Shop, written: Mapping[str, Any]) -> str | None:
    """The words to say STOP by, or None when only a link can do it.

    `RETARGET["SMS"][alias]["STOP"]` is what this gateway's texts must say ("STOP au 36111"), empty when it adds that by
    itself. Without it: a sender that is a number can be answered, one made of letters cannot.
    """
    given = conf.settings.SMS.get(shop.sms_gateway, {}).get("STOP")
    if given is not None:
        return str(given)
    sender = shop.sms_sender.removeprefix("+")
    return str(written["words"]["stop_reply"]) if not sender or sender.isdigit() else None


def _compose(letter: _Letter, *, to: str, message_id: str, idempotency_key: str, tags: tuple[str, ...]) -> Composed:
    context = _context(letter)
    if letter.compiled["channel"] == Channel.SMS:
        return _compose_sms(letter, context, to=to, message_id=message_id, idempotency_key=idempotency_key)
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
        tags=tags,
        metadata={"retarget_message": message_id},
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


def _compose_sms(
    letter: _Letter, context: dict[str, Any], *, to: str, message_id: str, idempotency_key: str
) -> Composed:
    written = content.render_sms(letter.compiled, language=letter.language, context=context, part=letter.key)
    text = sms.transliterate(written)
    measured = sms.measure(text)
    if measured.segments > MAX_SEGMENTS:
        problem = f"is {measured.segments} segments long; {MAX_SEGMENTS} at the most"
        raise TemplateError(problem, part=f"{letter.key}/{letter.language}/text")
    outgoing = OutgoingSms(
        message_id=message_id, idempotency_key=idempotency_key, to=to, text=text, sender=letter.shop.sms_sender
    )
    return Composed(
        outgoing=outgoing, subject="", html="", text=text, language=letter.language, segments=measured.segments
    )


def _context(letter: _Letter) -> dict[str, Any]:
    """Plain data: dict, list, str, int, float, bool, None. What is empty is None, so that no text is built on it."""
    shop = letter.shop
    context: dict[str, Any] = {
        "language": letter.language,
        **contexts.direction(letter.language),
        "shop": {
            "name": contexts.clean_text(shop.name),
            "url": contexts.clean_url(shop.base_url),
            "logo_url": contexts.clean_url(shop.logo_url),
            "sender_name": contexts.clean_text(shop.sender_name),
            "postal_address": contexts.clean_text(shop.postal_address, 250),
            "support_email": contexts.clean_text(shop.support_email or shop.reply_to, 254),
            "support_phone": contexts.unbroken(contexts.clean_text(shop.support_phone)),
            "currency": shop.currency,
            "free_shipping_from": contexts.money(shop.free_shipping_from, shop.currency, letter.locale),
            "delivery_days": shop.delivery_days,
        },
        "contact": {
            "first_name": contexts.clean_name(letter.first_name),
            "last_name": contexts.clean_name(letter.last_name),
        },
        "unsubscribe_url": letter.unsubscribe_url,
        "stop": letter.stop,
        "coupon": letter.coupon,
        "cart": None,
        **letter.more,
    }
    if letter.cart is not None:
        context["cart"] = contexts.cart_context(
            letter.cart, url=letter.cart_url, currency=shop.currency, locale=letter.locale
        )
        if not context["cart"]["lines"]:
            raise TemplateError("nothing in the cart can be bought any more", part=letter.key)
    return context


def _sample_coupon(locale: str, *, now: datetime) -> dict[str, Any]:
    return contexts.coupon_context("MERCI-7K2P", percent=Decimal(5), expires_at=now + timedelta(days=3), locale=locale)


def _sample_cart(shop: Shop, language: str) -> Cart:
    """Two lines: of the shop's own products where some are known, else a scarf and a shirt."""
    known = shop.products.filter(price__gt=0, is_available=True, currency=shop.currency).order_by("-updated_at")[:2]
    items = [
        Item(
            product_id=product.reference,
            title=product.title,
            quantity=1,
            unit_price=product.price or Decimal(),
            image_url=product.image_url,
        )
        for product in known
    ]
    if not items:
        with translation.override(language):
            items = [
                Item(product_id="1", title=_("Grey wool scarf"), quantity=1, unit_price=Decimal("39.90")),
                Item(product_id="2", title=_("Linen shirt, size M"), quantity=2, unit_price=Decimal("54.00")),
            ]
    return Cart(reference="preview", currency=shop.currency, items=items)
