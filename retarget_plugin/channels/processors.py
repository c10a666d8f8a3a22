"""EXTENSION POINT: a system that has got people's data from the shop, and must forget whom the shop forgets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from retarget_plugin import conf
from retarget_plugin.exceptions import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whom to forget: every address, number and account of the shop's by which the processor may know them."""

    shop: str
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


class Processor:
    """A provider's contact list, a newsletter tool, a help desk. Named in `RETARGET["PROCESSORS"][alias]["BACKEND"]`;
    `OPTIONS` become keyword arguments.

    Must be implemented: `forget`. Must not: log addresses or numbers, or keep what it was told.
    """

    def __init__(self, alias: str = "default", **options: Any) -> None:
        self.alias = alias
        self.options = options

    def forget(self, person: Person) -> None:
        """Have `person` deleted there. Somebody unknown there is a success, and so is a second call.

        Raise anything for a failure: the call is repeated for 30 days, at longer and longer intervals, and the owner sees it.
        """
        raise NotImplementedError


@cache
def get_processor(alias: str) -> Processor:
    """The configured processor. Raises ConfigurationError when the alias or its BACKEND is unknown."""
    try:
        entry = conf.settings.PROCESSORS[alias]
        backend = import_string(entry["BACKEND"])
    except (KeyError, ImportError) as error:
        raise ConfigurationError(f'RETARGET["PROCESSORS"]["{alias}"] names no backend that can be imported.') from error
    processor: Processor = backend(alias=alias, **entry.get("OPTIONS", {}))
    return processor


def _forget(*, setting: str, **_: object) -> None:
    if setting == "RETARGET":
        get_processor.cache_clear()


setting_changed.connect(_forget, dispatch_uid="retarget_plugin.channels.processors.forget")
