"""What a value of the flow language may be: read it or say what is wrong with it, and the same as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

DURATION_PATTERN = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"
SLUG_PATTERN = r"[a-z0-9-]{1,60}"
MOST_TEXT = 4_000
#: Nothing in a flow takes longer: ten years stand for "never again".
LONGEST = timedelta(days=3_660)


@dataclass(frozen=True)
class Shape:
    """One kind of value. `read` answers it typed, or raises ValueError with a sentence; `schema` is its JSON Schema."""

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A key of a record. Without `is_required`, `default` is what stands for a key that is not written."""

    shape: Shape
    default: Any = None
    is_required: bool = False


@dataclass(frozen=True)
class Record:
    """An object with known keys. `fields`: key -> Field."""

    fields: Mapping[str, Field]

    def read(self, raw: Any, *, where: str, problems: list[str]) -> dict[str, Any]:
        """Every key's value, typed, or its default. What is wrong goes to `problems` as sentences that begin with `where`."""
        if not isinstance(raw, Mapping):
            problems.append(f"{where} is {raw!r}; it must be written as keys and values.")
            return {}
        for key in sorted((key for key in raw if key not in self.fields), key=str):
            problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(self.fields)) or 'none'}.")
        values = {}
        for key, field in self.fields.items():
            if key not in raw:
                if field.is_required:
                    problems.append(f"{where} needs {key!r}.")
                values[key] = field.default
                continue
            try:
                values[key] = field.shape.read(raw[key])
            except ValueError as error:
                problems.append(f"{where}: {key}: {error}.")
                values[key] = field.default
        return values

    @property
    def schema(self) -> dict[str, Any]:
        properties = {key: dict(field.shape.schema) for key, field in self.fields.items()}
        required = sorted(key for key, field in self.fields.items() if field.is_required)
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }


def required(shape: Shape) -> Field:
    return Field(shape, is_required=True)


def parse_duration(text: Any) -> timedelta:
    """ "1h45m", "3d", "90s" as a timedelta. Raises ValueError for anything else."""
    match = re.fullmatch(DURATION_PATTERN, text, re.ASCII) if isinstance(text, str) and len(text) < 30 else None
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration; write it like 1h45m, 24h or 3d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if days > LONGEST.days or (length := timedelta(days, seconds, 0, 0, minutes, hours)) > LONGEST:
        raise ValueError(f"{text!r} is too long; the most is {LONGEST.days}d")
    return length


def one_of(names: Iterable[str]) -> Shape:
    """One of these names; read as it stands in `names`, so that members of an enum stay members."""
    known = {str(name): name for name in names}

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return known[value]

    return Shape(read, {"enum": list(known)})


def many(shape: Shape) -> Shape:
    """A list, read as a tuple without repetitions, in the order written."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{value!r} is no list")
        return tuple(dict.fromkeys(shape.read(item) for item in value))

    return Shape(read, {"type": "array", "items": dict(shape.schema)})


def whole(least: int, most: int) -> Shape:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{value!r} is no whole number from {least} to {most}")
        return value

    return Shape(read, {"type": "integer", "minimum": least, "maximum": most})


def number(least: float, most: float) -> Shape:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{value!r} is no number from {least:g} to {most:g}")
        return float(value)

    return Shape(read, {"type": "number", "minimum": least, "maximum": most})


def _duration(value: Any) -> timedelta:
    return parse_duration(value)


def _slug(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(SLUG_PATTERN, value):
        raise ValueError(f"{value!r} is no key; write small letters, digits and hyphens")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_TEXT:
        raise ValueError(f"{value!r} is no text" if not isinstance(value, str) else "the text is empty or too long")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _hour(value: Any) -> time:
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII):
        raise ValueError(f"{value!r} is no time of day; write it like 10:00")
    return time.fromisoformat(value)


def _money(value: Any) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,3})?", value) else None
    except InvalidOperation:
        amount = None
    if amount is None:
        raise ValueError(f'{value!r} is no amount; write it as a text like "10.00"')
    return amount


def _https(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"https://[^\s/@]+(/\S*)?", value) or len(value) > 500:
        raise ValueError(f"{value!r} is no address that begins with https:// and carries no password")
    return value


def _in_languages(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"{value!r} is no text by language")
    wrong = [
        code for code in value if not isinstance(code, str) or not re.fullmatch(r"[a-z]{2}(-[a-zA-Z]{2,4})?", code)
    ]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no language")
    return {code: _text(text) for code, text in value.items()}


DURATION = Shape(_duration, {"type": "string", "pattern": r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"})
SLUG = Shape(_slug, {"type": "string", "pattern": f"^{SLUG_PATTERN}$"})
TEXT = Shape(_text, {"type": "string", "minLength": 1, "maxLength": MOST_TEXT})
FLAG = Shape(_flag, {"type": "boolean"})
HOUR = Shape(_hour, {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"})
MONEY = Shape(_money, {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,3})?$"})
HTTPS = Shape(_https, {"type": "string", "pattern": r"^https://[^\s/@]+(/\S*)?$", "maxLength": 500})
IN_LANGUAGES = Shape(
    _in_languages, {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1}}
)
COUNT = whole(1, 10_000)
