"""Our pages in django-oscar's dashboard: add `NAVIGATION` to its menu, and include `.urls` below `dashboard/`."""

from __future__ import annotations

from .navigation import NAVIGATION

__all__ = ["NAVIGATION"]
