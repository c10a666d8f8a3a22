"""Who of a shop's people sees what, and the menu entry that leads there. Read by the settings: no model is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Access:
    """Active staff with one of `permissions`. A partner's people, who have a dashboard of their own, are not staff.

    Oscar asks it of every menu entry. An entry without such a function must be a page of Oscar's own: of any other,
    the whole dashboard answers 500.
    """

    permissions: tuple[str, ...]

    def __call__(self, user: Any, url_name: str = "", url_args: Any = None, url_kwargs: Any = None) -> bool:
        return user.is_active and user.is_staff and any(map(user.has_perm, self.permissions))


SETTINGS = Access(("retarget_plugin.change_shop",))
REPORT = Access(("retarget_plugin.view_shop", "retarget_plugin.change_shop"))

NAVIGATION: list[dict[str, Any]] = [
    {
        "label": _("Retargeting"),
        "icon": "fas fa-paper-plane",
        "access_fn": REPORT,
        "children": [
            {"label": _("Report"), "url_name": "retarget_dashboard:report", "access_fn": REPORT},
            {"label": _("Settings"), "url_name": "retarget_dashboard:settings", "access_fn": SETTINGS},
        ],
    }
]
