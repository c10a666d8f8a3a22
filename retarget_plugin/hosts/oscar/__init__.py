"""django-oscar (4 and later) as a host: `RETARGET["HOSTS"][alias]["BACKEND"] = "retarget_plugin.hosts.oscar.OscarHost"`."""

from __future__ import annotations

from .host import OscarHost

__all__ = ["OscarHost"]
