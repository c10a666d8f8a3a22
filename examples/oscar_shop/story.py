"""What every story of the demo is made of: stages that hold, time that passes, and pages to look at."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import ClassVar, TypeVar

from django.urls import reverse

from retarget_plugin.engine import flows
from retarget_plugin.models import Decision, Flow, Message, Shop
from retarget_plugin.models.clock import database_now

from .clock import Clock
from .inbox import Inbox
from .shopper import Shopper

AnyShopper = TypeVar("AnyShopper", bound=Shopper)


class StageFailed(AssertionError):
    """A stage of the story did not hold; the message says what was seen instead."""


@dataclass(frozen=True)
class Stage:
    """One line a person understands, and where to look."""

    title: str
    address: str = ""


class Story(ABC):
    """Plays a story against a running shop. `stages()` yields each stage once it has held; StageFailed ends it."""

    name: ClassVar[str]

    def __init__(self, *, url: str, inbox: Inbox, clock: Clock) -> None:
        self.url, self.inbox, self.clock = url, inbox, clock
        self.shop = Shop.objects.get()
        self._cast: list[Shopper] = []

    @abstractmethod
    def stages(self) -> Iterator[Stage]: ...

    def meet(self, somebody: AnyShopper) -> AnyShopper:
        """Whoever plays a part: their browser is shut with the story."""
        self._cast.append(somebody)
        return somebody

    def close(self) -> None:
        """Shut all browsers: a shop that stops waits for whoever is still connected."""
        for somebody in self._cast:
            somebody.close()

    def turn_on(self, *slugs: str) -> str:
        """As the owner does in the admin; answers the names of the flows."""
        for slug in slugs:
            flows.turn_on(self.flow(slug), now=database_now())
        return " and ".join(f"“{self.flow(slug).name}”" for slug in slugs)

    def flow(self, slug: str) -> Flow:
        return Flow.objects.get(shop=self.shop, slug=slug)

    def pass_time(self, **delta: float) -> None:
        """Hours pass, and everything that became due is done."""
        self.clock.advance(**delta)
        self.clock.settle()

    def mails_to(self, email: str) -> list[EmailMessage]:
        """What the plugin has sent there. A shop's own mails, such as Oscar's of an order, have no List-Unsubscribe."""
        return [mail for mail in self.inbox.mails if mail["To"] == email and "List-Unsubscribe" in mail]

    def admin(self, model: str, key: int | None = None) -> str:
        name = f"admin:retarget_plugin_{model}_{'change' if key else 'changelist'}"
        return f"{self.url}{reverse(name, args=[key] if key else [])}"


def hold(condition: bool, otherwise: str) -> None:
    if not condition:
        raise StageFailed(otherwise)


def first_link(text: str) -> str:
    found = re.search(r"https?://\S+", text)
    if found is None:
        raise StageFailed(f"no link in {text!r}")
    return found.group().rstrip(".,)")


def why(channel: str) -> str:
    """What is known of the messages of a channel, for whoever has to find out."""
    rows = Message.objects.filter(channel=channel).values_list("step", "state", "reason", "detail")
    return f"Messages: {list(rows)}. Decisions: {list(Decision.objects.values_list('step', 'code', 'facts'))}"
