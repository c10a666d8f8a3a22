"""Proofs: a message as a reader would get it, before anybody does; and what to mend in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from retarget_plugin import conf, hosts
from retarget_plugin.domain import content, contexts, lint, samples
from retarget_plugin.domain import proofs as rules
from retarget_plugin.domain.messages import OutgoingEmail
from retarget_plugin.domain.subjects import Product, Subject
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Contact, FlowVersion, Message, Shop

from . import composing
from .composing import Composed, Letter

EMAIL, PHONE = "shopper@example.com", "+33612345678"
#: As long as a real code, so that a preview's segments are those of the text that is sent.
CODE = "Preview1"
#: By how many of the texts of which time a price is told.
PRICED_BY, PRICED_WITHIN = 50, timedelta(days=90)


def preview(
    version: FlowVersion,
    key: str,
    *,
    shop: Shop,
    contact: Contact | None = None,
    language: str = contexts.FALLBACK_LANGUAGE,
    leads_to: str = "",
    now: datetime,
) -> Composed:
    """The message `key` as `contact`, or a made-up shopper, would get it about believable things. Writes nothing.

    `leads_to`: where its own links lead; empty: to a short link that nobody has, as long as a real one.

    Raises TemplateError as `composing.compose` does, also when the version has no such message.
    """
    compiled = version.content.get(key)
    if compiled is None:
        raise TemplateError("there is no such message", part=key)
    letter = _letter(
        version,
        key,
        compiled,
        shop=shop,
        contact=contact,
        language=language,
        url=leads_to or _short_url(shop),
        own=_own_products(shop),
        now=now,
    )
    is_sms = compiled["channel"] == Channel.SMS
    to = (contact.phone if is_sms else contact.email) if contact else ""
    return composing.write(letter, to=to or (PHONE if is_sms else EMAIL), tags=(version.flow.slug, key))


def first_words(version: FlowVersion, key: str, *, shop: Shop, language: str, now: datetime) -> str:
    """What a made-up shopper reads first: a mail's subject, or the text. Asks the database nothing.

    As it was written where it cannot be told, such as of what an older version of this package compiled.
    """
    compiled = version.content.get(key, {})
    written = compiled.get("languages", {}).get(language, {})
    try:
        letter = _letter(
            version, key, compiled, shop=shop, contact=None, language=language, url=_short_url(shop), own=[], now=now
        )
        context = composing.context_of(letter)
        if compiled["channel"] == Channel.SMS:
            return content.render_sms(compiled, language=letter.language, context=context, part=key)
        return content.render_subject(compiled, language=letter.language, context=context, part=key)
    except (TemplateError, KeyError):
        return str(written.get("subject") or written.get("text") or "")


def warnings(version: FlowVersion) -> list[str]:
    """Names in the messages of `version` that nothing fills, in plain words."""
    return [found.told(_(found.words)) for found in rules.slips(version.parsed, version.content)]


def advice(composed: Composed, *, shop: Shop) -> list[str]:
    """What to mend in a preview, in plain words."""
    own = lint.hosts(shop.base_url, conf.settings.PUBLIC_URL, conf.settings.SHORT_URL)
    outgoing = composed.outgoing
    if isinstance(outgoing, OutgoingEmail):
        found = lint.mail(
            composed.subject, composed.html, composed.text, own=own, needs_unsubscribe=outgoing.unsubscribe_url
        )
    else:
        found = lint.text(composed.text, own=own)
    return [one.told(_(one.words)) for one in found]


def price(composed: Composed, *, shop: Shop, now: datetime) -> tuple[Decimal, str] | None:
    """(amount, currency) that a text like `composed` costs, by what the last ones of `shop` did; None of a mail, and where
    no gateway has told a price."""
    if not composed.segments:
        return None
    known = Message.objects.filter(shop=shop, created_at__gte=now - PRICED_WITHIN, channel=Channel.SMS, segments__gt=0)
    latest = known.exclude(cost=None).order_by("-created_at")[:PRICED_BY]
    costs = [(row.cost or Decimal(), row.segments or 1, row.cost_currency) for row in latest]
    same = [(cost, segments) for cost, segments, currency in costs if currency == costs[0][2]]
    if not same:
        return None
    each = sum((cost for cost, _segments in same), Decimal()) / sum(segments for _cost, segments in same)
    return each * composed.segments, costs[0][2]


def _letter(
    version: FlowVersion,
    key: str,
    compiled: Any,
    *,
    shop: Shop,
    contact: Contact | None,
    language: str,
    url: str,
    own: list[Product],
    now: datetime,
) -> Letter:
    chosen = contexts.choose_language([language], compiled["languages"])
    written = compiled["languages"][chosen]
    locale = contexts.choose_locale([contact.locale if contact else "", shop.locale], chosen)
    steps = [step for step in version.parsed.sends if step.message == key]
    is_service = samples.is_service(version.parsed, key)
    offer = next((step.coupon for step in steps if step.coupon), None)
    is_applied = version.parsed.trigger in samples.SPOKEN_OF["cart"] or hosts.get_host(shop.host).can_apply_coupons
    stop = composing.stop_mention(shop, written) or f"{written['words']['stop_link']} {url}"
    return Letter(
        shop=shop,
        key=key,
        compiled=compiled,
        language=chosen,
        locale=locale,
        first_name=contact.first_name if contact else samples.FIRST_NAME,
        last_name=contact.last_name if contact else samples.LAST_NAME,
        subject=_subject(version, compiled, steps, shop=shop, language=chosen, own=own),
        addresses=samples.addresses(url),
        unsubscribe_url="" if is_service else url,
        stop="" if is_service else stop,
        coupon=samples.coupon(locale, now=now, offer=offer, currency=shop.currency, is_applied=is_applied)
        if offer
        else None,
    )


def _subject(
    version: FlowVersion, compiled: Any, steps: Any, *, shop: Shop, language: str, own: list[Product]
) -> Subject:
    requires = frozenset().union(*(step.requires for step in steps))
    return samples.subject(
        version.parsed.trigger,
        language=language,
        currency=shop.currency,
        base_url=shop.base_url,
        own=own,
        names=content.speaks_of(compiled, requires) - samples.never_held(version.parsed, ""),
    )


def _own_products(shop: Shop) -> list[Product]:
    """The latest that the shop has told of, where there are any."""
    known = shop.products.filter(price__gt=0, is_available=True, currency=shop.currency).order_by("-updated_at")
    return [
        Product(
            reference=row.reference,
            title=row.title,
            url=row.url,
            image_url=row.image_url,
            price=row.price,
            currency=row.currency,
        )
        for row in known[: samples.PRODUCTS]
    ]


def _short_url(shop: Shop) -> str:
    origin = (conf.settings.SHORT_URL or conf.settings.PUBLIC_URL or shop.base_url).rstrip("/")
    return f"{origin}{reverse('retarget_plugin:short_link', args=[CODE])}"
