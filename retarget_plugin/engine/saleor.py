"""Saleor: the app is installed, its webhooks are taken in, and it is switched off again."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from django.db import IntegrityError, transaction

from retarget_plugin import conf, hosts
from retarget_plugin.domain.carts import Cart as CartSnapshot
from retarget_plugin.domain.carts import Identity as HostIdentity
from retarget_plugin.domain.carts import Order as OrderSnapshot
from retarget_plugin.domain.vocabulary import ConsentState, Purpose
from retarget_plugin.exceptions import ConfigurationError, InputError, Refusal, SignatureError
from retarget_plugin.hosts.saleor import SaleorHost, client, payloads, signatures, stock, subscriptions
from retarget_plugin.hosts.saleor import manifest as manifests
from retarget_plugin.hosts.saleor.credentials import Credentials
from retarget_plugin.hosts.saleor.payloads import Event
from retarget_plugin.models import Cart, ConsentRecord, Identity, SaleorApp, SaleorEvent, Shop
from retarget_plugin.models.locks import brief_transaction

from . import carts, contacts, optin, orders, products, shops, vault

logger = logging.getLogger("retarget_plugin.saleor")

#: How long the instance's keys are believed without looking again, and how often all workers together look.
KEYS_KEPT, KEYS_EVERY = timedelta(days=1), timedelta(minutes=1)


# -- installing ---------------------------------------------------------------------------------------------------------


def manifest(alias: str, *, version: str, app_url: str, register_url: str, webhook_url: str) -> dict[str, Any]:
    """What Saleor reads to install our app. Raises Refusal("unknown_host")."""
    home = host_of(alias).settings.storefront_url or urljoin(app_url, "/")
    return manifests.build(
        version=version, app_url=app_url, register_url=register_url, webhook_url=webhook_url, home_url=home
    )


def install(alias: str, *, api_url: str, token: str, now: datetime) -> SaleorApp:
    """Keep the token with which the Saleor at `api_url` has installed our app.

    The call that brings it is not signed, so nothing in it is believed: the address must be the one in the settings,
    letter by letter, and that Saleor must know the token. Raises Refusal: "unknown_host", "foreign_saleor",
    "bad_token", or "unavailable" when Saleor cannot be asked now.
    """
    if api_url != host_of(alias).settings.api_url:
        raise Refusal("foreign_saleor", f'Set RETARGET["HOSTS"]["{alias}"]["OPTIONS"]["api_url"] to this Saleor first.')
    try:
        app = client.Client(api_url, token).query(subscriptions.GET_APP).get("app")
        keys = client.fetch_keys(api_url)
    except client.Unavailable as error:
        raise Refusal("unavailable", str(error)) from error
    except client.SaleorError as error:
        raise Refusal("bad_token", str(error)) from error
    if not isinstance(app, dict) or not app.get("id"):
        raise Refusal("bad_token", "This Saleor does not know the token.")
    installed = {
        "api_url": api_url,
        "app_id": app["id"],
        "token": vault.lock(token),
        "jwks": keys,
        "keys_asked_at": now,
        "changed_at": now,
    }
    with transaction.atomic():
        row, _is_new = SaleorApp.objects.update_or_create(host=alias, defaults=installed)
        _switch_on(row)
    return row


def credentials(api_url: str) -> Credentials | None:
    """How our app speaks to the Saleor at `api_url`: as it was installed, else by the token in the settings.

    None where it is not installed, was switched off, or where SECRET_KEY no longer opens what was kept.
    """
    row = SaleorApp.objects.filter(api_url=api_url).order_by("pk").first()
    if row is not None:
        token = _token_of(row) if row.is_active else ""
        return Credentials(api_url, token, row.app_id, row.jwks) if token else None
    for alias in conf.settings.HOSTS:
        host = hosts.get_host(alias)
        if isinstance(host, SaleorHost) and host.settings.api_url == api_url and host.settings.token:
            return Credentials(api_url, host.settings.token)
    return None


def host_of(alias: str) -> SaleorHost:
    """Raises Refusal("unknown_host") for what is no Saleor."""
    try:
        host = hosts.get_host(alias)
    except ConfigurationError as error:
        raise Refusal("unknown_host") from error
    if not isinstance(host, SaleorHost):
        raise Refusal("unknown_host")
    return host


def _app(host: SaleorHost, *, now: datetime) -> SaleorApp:
    """The installation behind a host. A token in the settings is one, too, and a new one there replaces what was."""
    row = SaleorApp.objects.filter(host=host.alias, api_url=host.settings.api_url).first()
    given = host.settings.token
    if given and (row is None or _token_of(row) != given):
        row = install(host.alias, api_url=host.settings.api_url, token=given, now=now)
    if row is None:
        raise Refusal("not_installed")
    return row


def _token_of(row: SaleorApp) -> str:
    try:
        return vault.unlock(row.token)
    except Refusal:
        logger.exception("the token of %s cannot be read; install the app there anew", row.api_url)
        return ""


# -- webhooks -----------------------------------------------------------------------------------------------------------


def take(alias: str, *, api_url: str, signature: str, body: bytes, now: datetime) -> None:
    """Take in one webhook: what it says is committed when this returns.

    The name of the event in the headers is not signed, so only the body is believed. Raises SignatureError, InputError
    for what is no event, Refusal ("unknown_host", "not_installed", and "unavailable" for what may be good later), and the
    database's own errors.
    """
    host = host_of(alias)
    kid = signatures.key_id(signature)
    app = _app(host, now=now)
    if api_url != app.api_url:
        raise SignatureError("Another Saleor than the one that is installed.", gateway=alias)
    signatures.verify(signature, body, jwks=_keys(app, kid=kid, now=now))
    _note(app, payloads.read(body, host.settings), digest=hashlib.sha256(body).hexdigest(), now=now)


def note(alias: str, body: bytes, *, now: datetime) -> bool:
    """Take in what Saleor says, whichever way it came; True when it was new.

    What our own app has caused is left out, or each of our writes would be news to us. Raises InputError and Refusal.
    """
    host = host_of(alias)
    event, digest = payloads.read(body, host.settings), hashlib.sha256(body).hexdigest()
    return _note(_app(host, now=now), event, digest=digest, now=now)


def keys(alias: str, *, kid: str, now: datetime) -> tuple[SaleorApp, dict[str, object]]:
    """The installation behind a host and its public keys, to check by what Saleor has signed with `kid`. Raises Refusal."""
    app = _app(host_of(alias), now=now)
    return app, _keys(app, kid=kid, now=now)


def _keys(app: SaleorApp, *, kid: str, now: datetime) -> dict[str, Any]:
    """The instance's public keys, asked for anew when they are old or `kid` is not among them: once a minute at most.

    Raises Refusal("unavailable") where a key that we do not know may be a new one.
    """
    is_known = signatures.knows(app.jwks, kid)
    if is_known and now - app.keys_asked_at < KEYS_KEPT:
        return app.jwks
    is_our_turn = SaleorApp.objects.filter(pk=app.pk, keys_asked_at__lte=now - KEYS_EVERY).update(keys_asked_at=now)
    if is_our_turn:
        try:
            app.jwks = client.fetch_keys(app.api_url)
            SaleorApp.objects.filter(pk=app.pk).update(jwks=app.jwks)
            return app.jwks
        except client.Unavailable as error:
            logger.warning("the public keys of %s cannot be fetched now: %s", app.api_url, error)
    else:
        app.refresh_from_db(fields=["jwks"])
    if not signatures.knows(app.jwks, kid):
        raise Refusal("unavailable", "The key is not known yet.")
    return app.jwks


def _note(app: SaleorApp, event: Event, *, digest: str, now: datetime) -> bool:
    if now - event.issued_at > SaleorEvent.MEMORY:
        raise InputError("stale", "An event of long ago.")
    if event.issuer == app.app_id or not (app.is_active or event.app_id):
        return False
    with brief_transaction():
        is_new = _remember(app, digest, event)
        if is_new:
            # A clock of theirs that runs ahead must not make us deaf until ours gets there.
            _apply(app, event, at=min(event.issued_at, now), now=now)
    return is_new


def _remember(app: SaleorApp, digest: str, event: Event) -> bool:
    """False when this very event was taken in before. Of two at a time the second waits for the first."""
    try:
        with transaction.atomic():
            SaleorEvent.objects.create(app=app, digest=digest, issued_at=event.issued_at)
    except IntegrityError:
        return False
    return True


def _apply(app: SaleorApp, event: Event, *, at: datetime, now: datetime) -> None:
    if event.app_id:
        _switch(app, event, at=at)
    elif event.cart is not None:
        _cart(app, event, event.cart, at=at, now=now)
    elif event.order is not None:
        _order(app, event, event.order, at=at, now=now)
    elif event.customer is not None:
        _customer(app, event, event.customer, at=at, now=now)
    elif change := stock.read(event.data):
        _product(app, change, at=at)


def _product(app: SaleorApp, change: stock.Change, *, at: datetime) -> None:
    ours = Shop.objects.filter(host=app.host)
    for shop in ours.filter(scope=change.channel) if change.channel else ours:
        products.change(
            shop,
            change.product_id,
            is_available=change.is_available,
            price=change.price,
            currency=change.currency,
            at=at,
        )


def _shop(app: SaleorApp, event: Event, *, now: datetime) -> Shop:
    home = host_of(app.host).settings.storefront_url
    return shops.meet(host=app.host, scope=event.channel, currency=event.currency, base_url=home, now=now)


def _cart(app: SaleorApp, event: Event, cart: CartSnapshot, *, at: datetime, now: datetime) -> None:
    """Checkouts vanish, so what is in one is kept at once."""
    shop = _shop(app, event, now=now)
    is_news = carts.touch(
        host=app.host,
        scope=event.channel,
        reference=cart.reference,
        stage=event.stage,
        snapshot=cart,
        told_at=at,
        now=now,
    )
    if is_news:
        _consents(shop, event, whose=cart.identity, checkout=cart.reference, at=at)


def _order(app: SaleorApp, event: Event, order: OrderSnapshot, *, at: datetime, now: datetime) -> None:
    shop = _shop(app, event, now=now)
    if order.cart_reference:
        # The order may be heard of before its cart, and must find it when it is read.
        unheard = Cart(shop=shop, reference=order.cart_reference, touched_at=now, created_at=now)
        Cart.objects.bulk_create([unheard], ignore_conflicts=True)
    is_news = orders.touch(
        host=app.host, scope=event.channel, reference=order.reference, snapshot=order, told_at=at, now=now
    )
    if is_news:
        # Saleor copies what was ticked from the checkout to its order: said once, it is written down once.
        _consents(shop, event, whose=order.identity, checkout=order.cart_reference or order.reference, at=at)


def _customer(app: SaleorApp, event: Event, customer: HostIdentity, *, at: datetime, now: datetime) -> None:
    """An account belongs to no channel: it counts where it is known, or where there is but one. Elsewhere its next
    checkout tells of it. Whom the shop deletes is no account of anybody's any more; erasing them is the owner's to ask."""
    ours = Shop.objects.filter(host=app.host)
    if event.name == "CustomerDeleted":
        Identity.objects.filter(shop__in=ours, external_id=customer.external_id).delete()
        return
    met = ours if ours.count() == 1 else ours.filter(identities__external_id=customer.external_id)
    for shop in met.order_by("pk"):
        contacts.resolve(shop, customer, now=now)
        _consents(shop, event, at=at)


def _consents(shop: Shop, event: Event, *, whose: HostIdentity | None = None, checkout: str = "", at: datetime) -> None:
    """What was ticked, in a checkout that is `whose` and in the account."""
    said = []
    if whose is not None:
        said.append((whose, event.consents, f"Saleor checkout {checkout}"))
    if event.customer is not None:
        said.append((event.customer, event.account_consents, f"Saleor account {event.customer.external_id}"))
    for identity, boxes, source in said:
        for channel, granted in boxes.items():
            _box(shop, identity, channel, granted, source=source, wording=event.wording, at=at)


def _box(
    shop: Shop, whose: HostIdentity, channel: str, granted: bool, *, source: str, wording: str, at: datetime
) -> None:
    """What a box says counts when it changes: every later event repeats it, also after its owner has unsubscribed.

    One that was never ticked takes back nothing that its owner has said elsewhere.
    """
    contact = contacts.resolve_for(shop, whose, channel=channel, now=at)
    if contact is None:
        return
    said = ConsentRecord.objects.filter(contact=contact, channel=channel, purpose=Purpose.MARKETING, source=source)
    last = said.order_by("-at", "-pk").first()
    was_granted = last is not None and last.state != ConsentState.WITHDRAWN
    if granted != was_granted and (last is None or last.at < at):
        optin.take(contact, channel=channel, granted=granted, source=source, wording=wording, now=at)


# -- on and off ---------------------------------------------------------------------------------------------------------


def _switch(app: SaleorApp, event: Event, *, at: datetime) -> None:
    """The app was removed, or its owner has switched it off or on."""
    is_later = SaleorApp.objects.filter(pk=app.pk, app_id=event.app_id, changed_at__lt=at).update(changed_at=at)
    if is_later and event.is_active:
        _switch_on(app)
    elif is_later:
        _switch_off(app)


def _switch_off(app: SaleorApp) -> None:
    """Nothing more is sent for its shops, until it is switched on or the owner says otherwise."""
    running = Shop.objects.filter(host=app.host, is_paused=False)
    paused = list(running.values_list("pk", flat=True))
    Shop.objects.filter(pk__in=paused).update(is_paused=True)
    SaleorApp.objects.filter(pk=app.pk).update(is_active=False, paused=sorted({*app.paused, *paused}))
    logger.warning("Saleor has switched our app off at %s: its shops are paused", app.api_url)


def _switch_on(app: SaleorApp) -> None:
    """Only the shops that were paused by switching it off go on; those that their owner paused stay so."""
    Shop.objects.filter(pk__in=app.paused).update(is_paused=False)
    SaleorApp.objects.filter(pk=app.pk).update(is_active=True, paused=[])
