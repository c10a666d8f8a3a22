"""What a person may choose: the changes they ask for, and the owner's words in their language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .contexts import FALLBACK_LANGUAGE, match_language

#: What a person may choose to be written to in, in its own name.
LANGUAGES = {"en": "English", "fr": "Français", "es": "Español"}


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What somebody asks to be changed; what is not named stays as it is.

    `channels`: channel -> on or off, for marketing. `topics`: slug -> on or off. `grants`: purpose -> on or off.
    `answers`: slug of a preference -> the chosen values. `language`: en, fr, es, or "". `products`: ids of product
    subscriptions to end.
    """

    channels: Mapping[str, bool] = field(default_factory=dict)
    topics: Mapping[str, bool] = field(default_factory=dict)
    grants: Mapping[str, bool] = field(default_factory=dict)
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    language: str = ""
    products: Sequence[int] = ()


def said(labels: Mapping[str, str], language: str, *, otherwise: str = "") -> str:
    """The owner's words for a reader of `language`: in it, else in English, else in any, else `otherwise`."""
    written = {name: text for name, text in labels.items() if text}
    best = match_language(language, written) or match_language(FALLBACK_LANGUAGE, written)
    return written.get(best or "") or next(iter(written.values()), otherwise)


def chosen(values: Iterable[str], options: Sequence[Mapping[str, Any]], *, takes_several: bool) -> list[str] | None:
    """`values` in the order of `options`; None when one of them is no option, or too many were chosen."""
    wanted = set(values)
    known = [option["value"] for option in options]
    if not wanted <= set(known) or (len(wanted) > 1 and not takes_several):
        return None
    return [value for value in known if value in wanted]
