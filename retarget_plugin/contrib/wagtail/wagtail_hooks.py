"""Where Wagtail takes us in: the group of screens, the permissions it hands out, and each page that is served."""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from wagtail import hooks

from retarget_plugin.admin import people

from . import visits
from .viewsets import RetargetingGroup


@hooks.register("register_admin_viewset")
def screens() -> RetargetingGroup:
    return RetargetingGroup()


@hooks.register("register_permissions")
def personal_data() -> QuerySet[Permission]:
    """So that Wagtail's groups can grant it; those of the screens' own models come with their viewsets."""
    app_label, codename = people.PERMISSION.split(".")
    return Permission.objects.filter(content_type__app_label=app_label, codename=codename)


hooks.register("on_serve_page", visits.counted)
