"""What lets somebody into a flow, and how far it must go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from . import shapes
from .shapes import Field, Record, Shape, required
from .vocabulary import Trigger


def _for(days: int) -> Field:
    return Field(shapes.DURATION, default=timedelta(days=days))


def _times(count: int) -> Field:
    return Field(shapes.COUNT, default=count)


_NAME = Shape(shapes.TEXT.read, {"type": "string", "minLength": 1, "maxLength": 60})
_ANY = Field(shapes.SLUG, default="")

#: Trigger -> what may be set about it. An empty topic, form or segment means any.
PARAMS: Mapping[Trigger, Record] = {
    Trigger.CART_ABANDONED: Record({}),
    Trigger.CHECKOUT_ABANDONED: Record({}),
    Trigger.PRODUCT_VIEWED: Record({"times": _times(2), "within": _for(7), "or_category": _times(3)}),
    Trigger.SITE_LEFT: Record({"pages": _times(2), "idle": Field(shapes.DURATION, default=timedelta(hours=1))}),
    Trigger.FORM_CONFIRMED: Record({"form": _ANY}),
    Trigger.MAGNET_DOWNLOADED: Record({"topic": _ANY}),
    Trigger.ORDER_PLACED: Record({}),
    Trigger.ORDER_PAID: Record({}),
    Trigger.ORDER_FULFILLED: Record({"else_paid": _for(5)}),
    Trigger.ORDER_UNPAID: Record({"after": Field(shapes.DURATION, default=timedelta(hours=2))}),
    Trigger.NO_ORDER: Record({"for": _for(60), "median": Field(shapes.number(0, 100), default=1.5)}),
    Trigger.NO_VISIT: Record({"for": _for(90)}),
    Trigger.UNENGAGED: Record({"delivered": _times(5), "for": _for(180)}),
    Trigger.BACK_IN_STOCK: Record({}),
    Trigger.PRICE_DROP: Record({"percent": Field(shapes.whole(1, 99), default=10)}),
    Trigger.SEGMENT_ENTERED: Record({"segment": required(shapes.SLUG)}),
    Trigger.INTEREST_SHOWN: Record({"topic": _ANY, "clicks": _times(2), "within": _for(60)}),
    Trigger.CUSTOM_EVENT: Record({"name": required(_NAME)}),
}
_TRIGGER = shapes.one_of(Trigger)


@dataclass(frozen=True)
class Start:
    """A trigger with its values, as PARAMS reads them (durations as timedelta)."""

    trigger: Trigger
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lag(self) -> timedelta:
        """How long after t0 anybody enters at the earliest, where the trigger itself waits."""
        waits = {Trigger.ORDER_UNPAID: "after", Trigger.SITE_LEFT: "idle"}
        return self.values.get(waits.get(self.trigger, "")) or timedelta()


def parse(raw: Any, problems: list[str]) -> Start:
    """`"cart_abandoned"`, or `{"on": "product_viewed", "times": 2}`. What is wrong goes to `problems`."""
    name = raw.get("on") if isinstance(raw, Mapping) else raw
    try:
        trigger = _TRIGGER.read(name)
    except ValueError as error:
        problems.append(f"trigger: {error}.")
        return Start(Trigger.CART_ABANDONED)
    values = {key: value for key, value in raw.items() if key != "on"} if isinstance(raw, Mapping) else {}
    return Start(trigger, PARAMS[trigger].read(values, where=f"trigger {trigger}", problems=problems))


def schema() -> dict[str, Any]:
    """Either way of writing a trigger, as JSON Schema."""
    plain = [trigger for trigger, record in PARAMS.items() if not any(f.is_required for f in record.fields.values())]
    written: list[dict[str, Any]] = [{"enum": plain}]
    for trigger, record in PARAMS.items():
        shape = record.schema
        properties = {"on": {"const": trigger}, **shape["properties"]}
        written.append({**shape, "properties": properties, "required": ["on", *shape.get("required", [])]})
    return {"oneOf": written}
