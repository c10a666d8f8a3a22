"""Where a rule was read, and how well it is known: no rule of law stands in this app without that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """How well a rule is known: read in the official text, told by somebody else, or believed."""

    OFFICIAL = "V"
    SECONDARY = "S"
    UNVERIFIED = "U"


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """A rule with its origin."""

    source: str
    status: Status
    read_on: date
