"""What people get for their address: the page behind their link, the files, the date for their calendar."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.core.files.base import File
from django.db import transaction

from retarget_plugin.domain import contexts, invitations
from retarget_plugin.domain.events import Event, EventName
from retarget_plugin.domain.magnets import Gift
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Contact, Lead, Magnet, MagnetFile, Shop

from . import magnets, sightings, tokens, tracking

logger = logging.getLogger("retarget_plugin.downloads")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the page behind a download link shows. `files` have `pk`, `name` and `size` in bytes."""

    shop: Shop
    contact: Contact
    title: str
    text: str
    gift: Gift
    files: list[MagnetFile]


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to hand out; the receiver closes it. `size` in bytes."""

    name: str
    size: int
    file: File[bytes]


def look(token: str, *, now: datetime) -> Opened:
    """What the reader of a download link gets. Raises Refusal("bad_token") for a link that is no longer good."""
    lead, magnet, contact = _given(token)
    said = magnets.words(magnet, contact.locale or lead.language)
    return Opened(
        shop=lead.shop,
        contact=contact,
        title=said.title,
        text=said.text,
        gift=magnets.gift(lead, now=now),
        files=list(magnet.files.all()),
    )


def download(token: str, *, number: int, is_bot: bool, now: datetime) -> Download:
    """File `number` of what the link is for; kept as an event of its own. Raises Refusal("bad_token")."""
    lead, magnet, contact = _given(token)
    found = magnet.files.filter(pk=number).first()
    if found is None:
        raise Refusal("bad_token")
    try:
        file = found.file.open("rb")
    except OSError as error:
        logger.exception("a file of magnet %s cannot be read", magnet.pk)
        raise Refusal("bad_token") from error
    _note(lead, magnet, contact, title=found.name, is_bot=is_bot, now=now)
    return Download(name=found.name, size=found.file.size, file=file)


def invitation(token: str, *, now: datetime) -> bytes:
    """The calendar file of a webinar or a course. Raises Refusal("bad_token") where there is no date."""
    lead, magnet, contact = _given(token)
    given = magnets.gift(lead, now=now)
    if given.starts_at is None:
        raise Refusal("bad_token")
    said = magnets.words(magnet, contact.locale or lead.language)
    return invitations.write(
        f"magnet-{magnet.pk}@{urlsplit(lead.shop.base_url).hostname or 'shop'}",
        title=contexts.clean_text(said.title) or magnet.name,
        starts_at=given.starts_at,
        minutes=given.minutes,
        url=given.url,
        place=given.place,
        text=said.text,
        now=now,
    )


def revoke(lead: Lead, *, now: datetime) -> None:
    """End the download link of `lead`. Twice is as good as once."""
    Lead.objects.filter(pk=lead.pk, revoked_at=None).update(revoked_at=now)


def _given(token: str) -> tuple[Lead, Magnet, Contact]:
    """The confirmed lead that `token` was made for, its magnet, and whose it is. Raises Refusal."""
    rows = Lead.objects.select_related("shop", "contact", "magnet__shop")
    lead = rows.filter(pk=tokens.read_asset(token).lead_id, confirmed_at__isnull=False, revoked_at=None).first()
    if lead is None or lead.magnet is None or lead.contact is None or lead.contact.erased_at:
        raise Refusal("bad_token")
    return lead, lead.magnet, lead.contact


def _note(lead: Lead, magnet: Magnet, contact: Contact, *, title: str, is_bot: bool, now: datetime) -> None:
    """A download is an event of the contact's, on the topic of what was taken; a machine's counts for nothing more."""
    event = Event(name=EventName.ASSET_DOWNLOADED, product=magnet.slug, topic=magnet.topic, data={"title": title})
    with transaction.atomic():
        tracking.record(lead.shop, [event], visitor=None, contact=contact, is_bot=is_bot, now=now)
        if not is_bot:
            Lead.objects.filter(pk=lead.pk, downloaded_at=None).update(downloaded_at=now)
            sightings.taken(lead, now=now)
