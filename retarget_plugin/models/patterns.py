"""Rows by the hundred thousand that live in memory only: a replay of the past makes them, and nobody stores one."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.base import ModelState

Row = TypeVar("Row", bound=Model)


def like(pattern: Row, **values: Any) -> Row:
    """A row that is as `pattern` but for `values`, in a fraction of the time that Django's own constructor takes.

    What `pattern` refers to may become another row, and not none; the key goes by its own name, not by `pk`.
    """
    made = object.__new__(type(pattern))
    made.__dict__.update(pattern.__dict__)
    made._state = state = ModelState()
    kept = dict(pattern._state.fields_cache)
    state.__dict__.update(pattern._state.__dict__, fields_cache=kept)
    for name, value in values.items():
        if isinstance(value, Model):
            made.__dict__[f"{name}_id"], kept[name] = value.pk, value
        else:
            made.__dict__[name] = value
    return made
