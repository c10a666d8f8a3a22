"""What this installation is connected to, as the settings say: configured or missing, and never a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from retarget_plugin import channels, conf, hosts
from retarget_plugin.channels import rehearsal
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.models import Shop

logger = logging.getLogger("retarget_plugin.admin")

UNSET_SENDER = "webmaster@localhost"


@dataclass(frozen=True)
class Connection:
    """One way out. `what` names the piece in use, `problems` say in words what to do; without any it is ready."""

    name: str
    what: str
    problems: tuple[str, ...] = ()
    is_for_development: bool = False

    @property
    def is_ready(self) -> bool:
        return not self.problems


def of(shop: Shop) -> list[Connection]:
    """The connections that `shop` depends on. Nothing is called over the network."""
    return [_host(shop), _mailer(shop), _gateway(shop), _public_url()]


def _host(shop: Shop) -> Connection:
    def problems() -> list[str]:
        hosts.get_host(shop.host)
        return []

    return Connection(_("Shop system"), _piece(conf.settings.HOSTS, shop.host), _found(problems))


def _gateway(shop: Shop) -> Connection:
    piece = _piece(conf.settings.SMS, shop.sms_gateway)
    found = _found(lambda: channels.get_gateway(shop.sms_gateway).check())
    return Connection(_("SMS gateway"), piece, found, _is_for_development(conf.settings.SMS.get(shop.sms_gateway, {})))


def _mailer(shop: Shop) -> Connection:
    channel = channels.get_email()
    backend = channel.backend_path()
    found = list(_found(channel.check))
    if not shop.sender_email and settings.DEFAULT_FROM_EMAIL == UNSET_SENDER:
        found.append(_("Fill in the sender address above, or set DEFAULT_FROM_EMAIL in the settings."))
    return Connection(_("E-mail"), backend, tuple(found), rehearsal.is_harmless(backend))


def _public_url() -> Connection:
    name, url = _("Public address of this site"), conf.settings.PUBLIC_URL
    if not url:
        return Connection(
            name, "", (_('Set RETARGET["PUBLIC_URL"] in the settings: every link in a message starts with it.'),)
        )
    return Connection(name, url if not conf.settings.SHORT_URL else f"{url}, {conf.settings.SHORT_URL}")


def _piece(entries: Mapping[str, Any], alias: str) -> str:
    """Alias and class of an entry, without its OPTIONS: those hold the keys."""
    entry = entries.get(alias)
    backend = str(entry.get("BACKEND", "")) if isinstance(entry, Mapping) else ""
    return f"{alias}: {backend}" if backend else ""


def _is_for_development(entry: Mapping[str, Any]) -> bool:
    return rehearsal.is_harmless(str(entry.get("BACKEND", "")))


def _found(ask: Callable[[], list[str]]) -> tuple[str, ...]:
    try:
        return tuple(ask())
    except ConfigurationError as error:
        return (str(error),)
    except Exception as error:
        # A host's own class: its text may hold what its OPTIONS do.
        logger.exception("a connection could not be opened")
        return (_("It could not be started: %(error)s. The log says more.") % {"error": type(error).__name__},)
