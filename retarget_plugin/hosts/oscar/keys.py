"""Reading the string ids that cross the host border back into primary keys."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model


def primary_key(model: type[Model], text: str) -> Any:
    """The key of a row of `model`, or None when `text` can name none: ids come from links and from old snapshots."""
    try:
        return model._meta.pk.to_python(text) if text else None
    except ValidationError:
        return None
