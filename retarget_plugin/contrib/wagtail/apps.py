"""An app of its own, so that a shop without Wagtail never loads it. Wagtail itself finds `wagtail_hooks`."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _

from retarget_plugin.exceptions import ConfigurationError


class RetargetWagtailConfig(AppConfig):
    """Stands in INSTALLED_APPS beside `retarget_plugin`. It has no tables."""

    name = "retarget_plugin.contrib.wagtail"
    label = "retarget_wagtail"
    verbose_name = _("Retargeting")

    def ready(self) -> None:
        for needed in ("retarget_plugin", "django.contrib.admin"):
            if not apps.is_installed(needed):
                raise ConfigurationError(f'{self.name} needs its screens: add "{needed}" to INSTALLED_APPS.')
