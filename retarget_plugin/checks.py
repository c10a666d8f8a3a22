"""System checks: what is wrong in the settings, before a shopper notices. Ids are stable: retarget_plugin.E001..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.checks import register as register_check
from django.core.files.storage import storages

from retarget_plugin import channels, conf, hosts
from retarget_plugin.channels.processors import get_processor
from retarget_plugin.domain import networks
from retarget_plugin.domain.contacts import normalize_email
from retarget_plugin.domain.entries import PERIODS
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import magnets
from retarget_plugin.exceptions import ConfigurationError
from retarget_plugin.web import mail

#: RFC 5321, section 4.5.3.1.1: 64 octets before the @, of which the mark of a message takes up to 40.
LONGEST_MAILBOX_NAME = 24
#: The options that hold an address which is called.
CALLED = {"HOSTS": ("api_url",), "SMS": ("base_url", "url")}


def register() -> None:
    """Register every check with Django."""
    register_check(check_settings)
    register_check(check_backends)
    register_check(check_addresses)
    register_check(check_rehearsal)
    register_check(check_magnets)
    register_check(check_mail)
    register_check(check_deployment, deploy=True)
    register_check(check_database, Tags.database)


def check_settings(**_: Any) -> Sequence[CheckMessage]:
    """RETARGET is a dict of known keys with values of the right type."""
    try:
        given = conf.user_settings()
    except ConfigurationError as error:
        return [Error(str(error), id="retarget_plugin.E001")]
    known = {name: kind for name, kind, _default in conf.settings}
    problems: list[CheckMessage] = []
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(known)}."
            problems.append(Error(f"RETARGET has an unknown key {name!r}.", hint=hint, id="retarget_plugin.E002"))
        elif not _fits(value, known[name]):
            problems.append(
                Error(
                    f"RETARGET[{name!r}] is a {type(value).__name__}; it must be a {known[name].__name__}.",
                    id="retarget_plugin.E003",
                )
            )
    return problems + _address_problems(given) + _retention_problems(given)


def check_backends(**_: Any) -> Sequence[CheckMessage]:
    """Every host and gateway can be imported, and the gateways have what they need."""
    try:
        given = conf.user_settings()
    except ConfigurationError:
        return []
    problems: list[CheckMessage] = []
    if not given.get("HOSTS"):
        hint = 'Add RETARGET = {"HOSTS": {"default": {"BACKEND": "retarget_plugin.hosts.oscar.OscarHost"}}}, or your own adapter.'
        problems.append(
            Warning("No shop is connected: nothing will be captured.", hint=hint, id="retarget_plugin.W001")
        )
    for alias in _aliases(conf.settings.HOSTS):
        try:
            hosts.get_host(alias)
        except (ConfigurationError, TypeError) as error:
            problems.append(Error(f"Host {alias!r}: {error}", id="retarget_plugin.E004"))
    for alias in _aliases(conf.settings.PROCESSORS):
        try:
            get_processor(alias)
        except (ConfigurationError, TypeError) as error:
            problems.append(Error(f"Processor {alias!r}: {error}", id="retarget_plugin.E009"))
    for alias in _aliases(conf.settings.SMS):
        try:
            gateway = channels.get_gateway(alias)
        except (ConfigurationError, TypeError) as error:
            problems.append(Error(f"SMS gateway {alias!r}: {error}", id="retarget_plugin.E005"))
            continue
        for identifier, texts in (("E005", gateway.check()), ("E010", gateway.check_webhooks())):
            problems += [Error(f"SMS gateway {alias!r}: {text}", id=f"retarget_plugin.{identifier}") for text in texts]
    return problems


def check_addresses(**_: Any) -> Sequence[CheckMessage]:
    """What is called is public or listed, and what is sent there cannot be read on the way."""
    try:
        given = conf.user_settings()
    except ConfigurationError:
        return []
    listed = conf.settings.PRIVATE_HOSTS if isinstance(conf.settings.PRIVATE_HOSTS, list | tuple) else ()
    wrong = [entry for entry in listed if not networks.is_entry(entry)]
    if wrong:
        text = f'RETARGET["PRIVATE_HOSTS"] holds what is no name, address or network: {", ".join(map(repr, wrong))}.'
        hint = "Such as sms.internal, 10.1.2.3 or 10.1.0.0/16, without scheme, port and path."
        return [Error(text, hint=hint, id="retarget_plugin.E015")]
    problems: list[CheckMessage] = []
    for where, url in _called(given):
        parts = urlsplit(url)
        host = str(parts.hostname)
        address = networks.literal(host)
        hint = f'If the machine is in a network of your own, add it: RETARGET["PRIVATE_HOSTS"] = ({host!r},).'
        if address and not networks.may_reach(address, host=host, listed=listed):
            text = f"{where} is no public address: it will not be called."
            problems.append(Error(text, hint=hint, id="retarget_plugin.E014"))
        elif parts.scheme == "http" and not networks.is_listed(address, host=host, listed=listed):
            text = f"{where} is not https: what is sent there can be read on the way."
            problems.append(Warning(text, hint=f"Use https. {hint}", id="retarget_plugin.W006"))
    return problems


def check_rehearsal(**_: Any) -> Sequence[CheckMessage]:
    """On a developer's copy a real gateway is configured and left alone: say so, before somebody waits for a message."""
    try:
        conf.user_settings()
    except ConfigurationError:
        return []
    ways = [(Channel.EMAIL, ""), *((Channel.SMS, alias) for alias in _aliases(conf.settings.SMS))]
    barred = [f"{channel} {alias}".strip() for channel, alias in ways if channels.is_barred(channel, alias)]
    if not barred:
        return []
    hint = 'Set RETARGET["SEND_IN_DEBUG"] = True if they should, or a backend that keeps them on this machine.'
    text = f"While DEBUG is on, no message leaves by: {', '.join(barred)}."
    return [Warning(text, hint=hint, id="retarget_plugin.W005")]


def check_magnets(**_: Any) -> Sequence[CheckMessage]:
    """Every kind of lead magnet can be used, and there is a place for their files."""
    try:
        conf.user_settings()
    except ConfigurationError:
        return []
    problems: list[CheckMessage] = [Error(fault, id="retarget_plugin.E008") for fault in magnets.faults()]
    if conf.settings.MAGNET_STORAGE not in storages.backends:
        hint = "Name one of the project's STORAGES, such as default."
        text = f'RETARGET["MAGNET_STORAGE"] is {conf.settings.MAGNET_STORAGE!r}, and no storage is called so.'
        problems.append(Error(text, hint=hint, id="retarget_plugin.E009"))
    return problems


def check_database(**_: Any) -> Sequence[CheckMessage]:
    """SQLite with Django's own options loses writes under load."""
    problems: list[CheckMessage] = []
    databases: dict[str, dict[str, Any]] = django_settings.DATABASES
    for alias, entry in databases.items():
        if "sqlite" not in entry.get("ENGINE", "") or entry.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE":
            continue
        hint = (
            f'Set DATABASES["{alias}"]["OPTIONS"] = {{"transaction_mode": "IMMEDIATE", "timeout": 20, '
            '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.'
        )
        problems.append(
            Warning(
                f"Database {alias!r} is SQLite without IMMEDIATE transactions.", hint=hint, id="retarget_plugin.W002"
            )
        )
    return problems


def check_mail(**_: Any) -> Sequence[CheckMessage]:
    """Nobody but the provider reports on e-mails, and the address that unsubscribes is one."""
    problems: list[CheckMessage] = []
    if unguarded := mail.unguarded():
        hint = 'Set ANYMAIL = {"WEBHOOK_SECRET": "name:password"}, and the same in the address you give the provider.'
        text = f"Anybody may report on e-mails and unsubscribe people at: {', '.join(unguarded)}."
        problems.append(Error(text, hint=hint, id="retarget_plugin.E012"))
    try:
        mailbox = conf.settings.UNSUBSCRIBE_MAILBOX
    except ConfigurationError:
        return problems
    if mailbox and not _is_mailbox(mailbox):
        hint = f"Such as unsubscribe@in.shop.example, with {LONGEST_MAILBOX_NAME} characters at the most before the @."
        text = 'RETARGET["UNSUBSCRIBE_MAILBOX"] is no address to which each message could add its own mark.'
        problems.append(Error(text, hint=hint, id="retarget_plugin.E013"))
    return problems


def check_deployment(**_: Any) -> Sequence[CheckMessage]:
    """What a shop should have set before people run their business on it (`check --deploy`)."""
    problems: list[CheckMessage] = []
    if not conf.settings.PUBLIC_URL:
        problems.append(
            Warning('Set RETARGET["PUBLIC_URL"]: every link in a message starts with it.', id="retarget_plugin.W003")
        )
    elif urlsplit(conf.settings.PUBLIC_URL).scheme != "https":
        problems.append(
            Warning("PUBLIC_URL is not https: one-click unsubscribe works over https only.", id="retarget_plugin.W004")
        )
    return problems


def _fits(value: Any, kind: type) -> bool:
    if kind is tuple:
        return isinstance(value, list | tuple)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _address_problems(given: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for name in ("PUBLIC_URL", "SHORT_URL"):
        value = given.get(name, "")
        if not isinstance(value, str) or not value:
            continue
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            problems.append(
                Error(f"RETARGET[{name!r}] must be an origin such as https://shop.example.", id="retarget_plugin.E006")
            )
    if given.get("RUNNER", "tick") not in ("tick", "celery"):
        problems.append(Error('RETARGET["RUNNER"] must be "tick" or "celery".', id="retarget_plugin.E007"))
    return problems


def _retention_problems(given: Any) -> list[CheckMessage]:
    """A misspelled kind would be kept for longer than the owner has promised."""
    chosen = given.get("RETENTION", {})
    if not isinstance(chosen, dict):
        return []
    known = f"Known kinds: {', '.join(PERIODS)}; days are whole numbers from 1."
    wrong = [
        kind for kind, days in chosen.items() if kind not in PERIODS or type(days) is not int or not 1 <= days <= 36_500
    ]
    text = 'RETARGET["RETENTION"][%r] names no kind of data, or no number of days.'
    return [Error(text % kind, hint=known, id="retarget_plugin.E008") for kind in wrong]


def _called(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(where it stands, URL) of each address in the settings that can be called."""
    for setting, names in CALLED.items():
        for alias, name in product(_aliases(given.get(setting)), names):
            url = _option(given[setting][alias], name)
            if url and not networks.url_problem(url):
                yield f'RETARGET["{setting}"]["{alias}"]["OPTIONS"]["{name}"]', url


def _option(entry: Any, name: str) -> Any:
    options = entry.get("OPTIONS") if isinstance(entry, dict) else None
    return options.get(name) if isinstance(options, dict) else None


def _is_mailbox(text: Any) -> bool:
    if not isinstance(text, str) or normalize_email(text) != text.lower():
        return False
    return len(text.rpartition("@")[0]) <= LONGEST_MAILBOX_NAME


def _aliases(value: Any) -> list[str]:
    return list(value) if isinstance(value, dict) else []
