"""django-oscar (4 and later) as a host: name `retarget_plugin.hosts.oscar.OscarHost` as its BACKEND."""

from __future__ import annotations

from .host import OscarHost

__all__ = ["OscarHost"]
