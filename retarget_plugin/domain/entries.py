"""The words of the inventory: what an entry says, how long things are kept, who receives them, what erasure leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of a person's rows when the person is erased."""

    DELETED = "deleted"
    #: The row stays for the sums it counts in; what stands under `person` is emptied, and `ties` to the person are cut.
    EMPTIED = "emptied"
    #: Nothing in it says who somebody is.
    KEPT = "kept"


class Receiver(StrEnum):
    """Who gets to see it besides the staff the owner allows."""

    MAIL = "e-mail provider"
    SMS = "SMS gateway"
    PERSON = "the person"
    PROCESSORS = "the processors that must forget it"
    WEBHOOK = "the systems that flows tell"


@dataclass(frozen=True)
class Period:
    """`days` something is kept, and from when they count. RETARGET["RETENTION"] may name other days for each kind."""

    days: int
    since: str


PERIODS: Mapping[str, Period] = {
    "visits": Period(30, "the last visit of a browser that belongs to nobody known"),
    "browsers": Period(390, "the last visit of a browser whose owner is known, as long as its cookie lasts"),
    "events": Period(180, "it happened; 30 where nobody is known for it"),
    "claims": Period(30, "an address was typed and not proven"),
    "leads": Period(14, "a form was sent and not confirmed"),
    "carts": Period(180, "the cart last changed"),
    "bodies": Period(90, "the message was made"),
    "details": Period(180, "it was written down"),
    "links": Period(180, "the link was made"),
    "coupons": Period(180, "the coupon has ended"),
    "orders": Period(1095, "the order was placed"),
}
#: For what no day ends: until the person is erased, until the owner removes it, as long as it is in use.
ERASED, OWNER, USE = "until the person is erased", "until the owner removes it", "as long as it is in use"


@dataclass(frozen=True, kw_only=True)
class Table:
    """One model. `person` and `facts` name its columns, and together all of them.

    `whose` are paths to the contact a row belongs to, of which the first that is set decides, or where it is held
    `jointly`, each; none: it is nobody's. `arrived` is the path to when it was written.
    `typed`: column -> what it holds (email, phone, account, any) when it may be somebody else's than the row; "any" is a
    row that is nothing but the address. `hidden` columns are not handed out: secrets, and what repeats other rows.
    `kept` is a key of `PERIODS` or one of the three words above.
    """

    model: str
    why: str
    whose: tuple[str, ...] = ()
    jointly: bool = False
    arrived: str = "at"
    erased: Fate = Fate.KEPT
    kept: str = ERASED
    receivers: tuple[Receiver, ...] = ()
    person: str = ""
    facts: str = "id"
    ties: str = ""
    hidden: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return [*self.person.split(), *self.facts.split()]

    def days(self, given: Mapping[str, int]) -> int | None:
        """How many days a row is kept where the owner's RETENTION is `given`; None when no day ends it."""
        return days(self.kept, given) if self.kept in PERIODS else None


def days(kind: str, given: Mapping[str, int]) -> int:
    """The days of a kind of data: the owner's, else ours."""
    return given.get(kind, PERIODS[kind].days)
