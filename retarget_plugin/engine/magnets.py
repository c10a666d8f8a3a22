"""Magnets: which kinds there are, and what one person gets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from retarget_plugin import conf, hosts
from retarget_plugin.domain import calendars, contexts
from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.domain.magnets import SHIPPED, Gift, Kind, OptionType, moment, number
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Lead, Magnet, MagnetCode

logger = logging.getLogger("retarget_plugin.magnets")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of a magnet, in one language."""

    title: str
    text: str


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by name: the shipped ones and those of RETARGET["MAGNETS"] that can be used. `faults` says which cannot."""
    own = {name: _load(name, path) for name, path in conf.settings.MAGNETS.items()}
    return {name: kind() for name, kind in SHIPPED.items()} | {name: kind for name, kind in own.items() if kind}


def faults() -> list[str]:
    """What is wrong with RETARGET["MAGNETS"], in words."""
    broken = sorted(set(conf.settings.MAGNETS) - set(kinds()))
    return [f'RETARGET["MAGNETS"]["{name}"] is no kind of magnet that can be imported.' for name in broken]


def kind_of(magnet: Magnet) -> Kind:
    """Raises TemplateError when the kind is gone from the settings."""
    if magnet.kind not in kinds():
        raise TemplateError(f'RETARGET["MAGNETS"] has no {magnet.kind!r}', part=magnet.slug)
    return kinds()[magnet.kind]


def _load(name: str, path: str) -> Kind | None:
    try:
        kind = import_string(path)()
    except Exception:
        # It is the shop's own class, and its other magnets must go on.
        logger.exception("magnets of the kind %r cannot be given", name)
        return None
    return kind if isinstance(kind, Kind) else None


def problems(kind: Kind, options: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with `options`, by option name and in words; empty when a magnet of `kind` can be given with them."""
    found = {}
    for option in kind.options:
        value = options.get(option.name)
        if value in (None, ""):
            if option.is_required:
                found[option.name] = _("This is needed.")
        elif option.type is OptionType.NUMBER and str(number(options, option.name)) == "0" and str(value) != "0":
            found[option.name] = _("Write a number.")
        elif option.type is OptionType.MOMENT and moment(options, option.name) is None:
            found[option.name] = _("Write a date and a time.")
        elif option.type is OptionType.URL and contexts.clean_url(value) is None:
            found[option.name] = _("Write an address that begins with https://.")
        elif option.type is OptionType.CHOICE and value not in [choice for choice, _label in option.choices]:
            found[option.name] = _("Choose one of the list.")
    return found or {name: _(problem) for name, problem in kind.problems(options).items()}


def words(magnet: Magnet, language: str) -> Words:
    """The magnet's title and text for a reader of `language`; its name where nothing is written."""
    written = {name: said for name, said in magnet.texts.items() if isinstance(said, dict) and said.get("title")}
    if not written:
        return Words(title=magnet.name, text="")
    said = written[contexts.choose_language([language, magnet.shop.locale], written)]
    return Words(title=str(said["title"]), text=str(said.get("text") or ""))


def gift(lead: Lead, *, now: datetime) -> Gift:
    """What the person of a confirmed `lead` gets; the same however often it is asked.

    Raises TemplateError when the kind is gone, no code is left or the shop cannot make one.
    """
    magnet = lead.magnet
    if magnet is None:
        return Gift()
    kind, given_at = kind_of(magnet), lead.confirmed_at or now
    return kind.gift(magnet.options, code=_code(lead, magnet, kind, given_at=given_at), given_at=given_at)


def context(lead: Lead, *, language: str, locale: str, now: datetime) -> dict[str, Any]:
    """The magnet of `lead` as plain data for its message, written for a reader in `locale`; raises as `gift` does.

    {"title", "text", "code", "expires", "url", "starts", "place", "files": [{"name", "size"}]}, None where there is none.
    """
    if lead.magnet is None:
        raise TemplateError("its magnet no longer exists", part="magnet")
    given, said, zone = gift(lead, now=now), words(lead.magnet, language), calendars.zone(lead.shop.time_zone)
    return {
        "title": contexts.clean_text(said.title),
        "text": contexts.clean_text(said.text, 1_000),
        "code": contexts.clean_text(given.code),
        "expires": contexts.day(given.expires_at and given.expires_at.astimezone(zone), locale=locale),
        "url": contexts.clean_url(given.url),
        "starts": contexts.appointment(given.starts_at and given.starts_at.astimezone(zone), locale=locale),
        "place": contexts.clean_text(given.place),
        "files": [
            {"name": file.name, "size": contexts.file_size(file.size, locale=locale)}
            for file in lead.magnet.files.all()
        ],
    }


def _code(lead: Lead, magnet: Magnet, kind: Kind, *, given_at: datetime) -> str:
    """The coupon of `lead`: the one it has, else one of the owner's list, else one made by the shop."""
    if lead.code or not lead.pk:
        return lead.code
    spec = kind.coupon(magnet.options, currency=lead.shop.currency, key=f"lead-{lead.pk}", now=given_at)
    if kind.has_codes and MagnetCode.objects.filter(magnet=magnet).exists():
        code = _from_pool(lead, magnet, now=given_at)
    elif spec is not None:
        code = _minted(lead, spec)
    else:
        return ""
    if not code:
        raise TemplateError("there is no code left to give", part=magnet.slug)
    lead.code = code[:60]
    Lead.objects.filter(pk=lead.pk).update(code=lead.code)
    return lead.code


def _from_pool(lead: Lead, magnet: Magnet, *, now: datetime) -> str:
    """Take one code for good. A counted UPDATE decides who has it, so each loss means that somebody else won."""
    held = MagnetCode.objects.filter(lead=lead).first()
    while held is None:
        free = MagnetCode.objects.filter(magnet=magnet, given_at=None).order_by("pk").first()
        if free is None:
            return ""
        if MagnetCode.objects.filter(pk=free.pk, given_at=None).update(lead=lead, given_at=now):
            held = free
    return held.code


def _minted(lead: Lead, spec: CouponSpec) -> str:
    try:
        return hosts.get_host(lead.shop.host).create_coupon(replace(spec, scope=lead.shop.scope)) or ""
    except Exception as error:
        # A host may raise anything; the message waits until somebody looks after it.
        logger.exception("the shop could not make a coupon for lead %s", lead.pk)
        raise TemplateError("the shop could not make a code just now", part="magnet") from error


def _forget(*, setting: str, **_: object) -> None:
    if setting == "RETARGET":
        kinds.cache_clear()


setting_changed.connect(_forget, dispatch_uid="retarget_plugin.magnets.forget")
