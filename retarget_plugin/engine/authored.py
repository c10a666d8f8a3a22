"""What a message of a flow is to say: the step it stands for, and the texts of the version that the run entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retarget_plugin.domain import content
from retarget_plugin.domain.flows import Definition
from retarget_plugin.domain.steps import SendStep
from retarget_plugin.domain.subjects import LISTS
from retarget_plugin.domain.vocabulary import Trigger
from retarget_plugin.models import FlowVersion, Message

#: What somebody may have asked to be told.
PRODUCT_NEWS = frozenset({Trigger.BACK_IN_STOCK, Trigger.PRICE_DROP})


@dataclass(frozen=True, kw_only=True)
class Written:
    """The compiled texts of a step, with their key, and the names they take from their context."""

    definition: Definition
    step: SendStep
    key: str
    compiled: Mapping[str, Any]
    names: frozenset[str]


def of(message: Message) -> Written | None:
    """None for a message of no flow, and where its version says nothing on its channel for its step."""
    version = message.run.version if message.run else None
    return _of_step(version, message.step, message.channel) if version else None


def _of_step(version: FlowVersion, key: str, channel: str) -> Written | None:
    definition = version.parsed
    step = definition.step(key)
    compiled = version.content.get(step.message) if step else None
    if step is None or compiled is None or compiled["channel"] != channel:
        return None
    names = content.speaks_of(compiled, step.requires)
    if definition.trigger in PRODUCT_NEWS:
        # Who asked to hear of one product did not ask for advertising of others.
        names -= set(LISTS) - {*compiled["reads"], *step.requires}
    return Written(definition=definition, step=step, key=step.message, compiled=compiled, names=names)
