"""Was it a person or a machine? Machines are marked, never dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from .events import Event, EventName

# Mail scanners, link previewers, crawlers and libraries. No list sees all of them, hence the rules on behaviour below.
_AGENTS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|curl|wget|python|java/|okhttp|go-http|headless|libwww|axios|node-fetch|"
    r"proofpoint|barracuda|mimecast|symantec|messagelabs|cisco|trendmicro|sophos|forcepoint|fireeye|zscaler|kaspersky|"
    r"safelinks|googleimageproxy|yahoomailproxy|facebookexternalhit|whatsapp|telegram|skypeuri|slack|discord|bitlybot|"
    r"microsoft office|outlook-|ms-office|monitor|uptime|lighthouse|pingdom|"
    # All that Apple's mail privacy protection says of itself.
    r"^mozilla/5\.0$",
    re.IGNORECASE,
)
TOO_SOON = timedelta(seconds=3)
#: What follows is somebody's attack on the pattern above.
LONGEST_AGENT = 1_000


def is_machine(*, user_agent: str, method: str, headers: Mapping[str, str], since_sent: timedelta | None) -> bool:
    """True when a request for a link was, by all signs, not made by a person.

    `headers`: names in lower case. `since_sent`: time since the message was handed over; scanners come within seconds.
    """
    if method != "GET" or says_so(user_agent=user_agent, headers=headers):
        return True
    return since_sent is not None and since_sent < TOO_SOON


def says_so(*, user_agent: str, headers: Mapping[str, str]) -> bool:
    """True when a request's own headers (names in lower case) tell of a machine, or of a page nobody looks at yet."""
    agent = user_agent[:LONGEST_AGENT]
    if not agent.strip() or _AGENTS.search(agent):
        return True
    purpose = f"{headers.get('sec-purpose', '')} {headers.get('purpose', '')} {headers.get('x-moz', '')}".lower()
    return "prefetch" in purpose or "preview" in purpose


@dataclass(frozen=True)
class Behavior:
    """What one visitor did in the last minute, by number: `events`, those that opened a `pages`, and `acts` in a beacon
    that lie within a second of each other. `lacks_page`: it put something into a cart and was seen on no page.
    """

    events: int
    pages: int
    acts: int
    lacks_page: bool

    MOST_EVENTS: ClassVar = 200
    MOST_PAGES: ClassVar = 40
    MOST_ACTS: ClassVar = 8
    #: Names that only a page which was opened can tell of.
    PAGES: ClassVar = (EventName.PAGE_VIEW, EventName.VIEW_ITEM, EventName.VIEW_ITEM_LIST, EventName.READ_POST)
    #: What takes a hand: a click, a search that was typed.
    ACTS: ClassVar = (EventName.ADD_TO_CART, EventName.REMOVE_FROM_CART, EventName.SEARCH, EventName.FORM_SUBMITTED)

    @classmethod
    def of(cls, events: Sequence[Event], *, before: Sequence[str]) -> Behavior:
        """`before`: names of what the visitor did in the last minute, as far as it matters."""
        names = [*before, *(event.name for event in events)]
        added = [event.ago for event in events if event.name == EventName.ADD_TO_CART]
        opened = [event.ago for event in events if event.name in cls.PAGES]
        return cls(
            events=len(names),
            pages=names.count(EventName.PAGE_VIEW),
            acts=_most_within([event.ago for event in events if event.name in cls.ACTS], timedelta(seconds=1)),
            lacks_page=bool(added) and not opened and not set(before) & set(cls.PAGES),
        )

    def with_page(self, was_seen: bool) -> Behavior:
        """The same, now that it is known whether an earlier page `was_seen`."""
        return replace(self, lacks_page=not was_seen)

    @property
    def is_machine(self) -> bool:
        is_fast = self.events > self.MOST_EVENTS or self.pages > self.MOST_PAGES or self.acts > self.MOST_ACTS
        return is_fast or self.lacks_page


def _most_within(moments: Sequence[timedelta], span: timedelta) -> int:
    """The greatest number of `moments` that one stretch of `span` holds."""
    ordered = sorted(moments)
    most = first = 0
    for number, moment in enumerate(ordered, start=1):
        while moment - ordered[first] > span:
            first += 1
        most = max(most, number - first)
    return most
