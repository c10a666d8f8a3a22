"""Who may see personal data, what the others see instead, and the record of who looked."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.translation import gettext as _

from retarget_plugin.models import Contact

#: Names, addresses, numbers and message texts are for staff with this permission; lists mask them for everybody.
PERMISSION = "retarget_plugin.view_personal_data"
#: Beside Django's 1, 2 and 3 for added, changed and deleted.
VIEWED = 4

logger = logging.getLogger("retarget_plugin.access")


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def record_view(request: HttpRequest, row: Any) -> None:
    """Keep that this member of staff looked at the personal data in `row`: in the row's history and in the log."""
    LogEntry.objects.log_actions(
        user_id=str(request.user.pk),
        queryset=[row],
        action_flag=VIEWED,
        change_message=_("Personal data viewed."),
        single_object=True,
    )
    logger.info(
        "personal data viewed",
        extra={"rp_staff_id": request.user.pk, "rp_model": row._meta.model_name, "rp_id": row.pk},
    )


def masked(*, email: str = "", phone: str = "") -> str:
    """An address or a number as lists show it, or nothing."""
    return Contact(email=email, phone=phone).masked if email or phone else ""
