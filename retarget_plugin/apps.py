"""The only wiring: models, hosts, receivers and checks come together here."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class RetargetConfig(AppConfig):
    """Installs the plugin beside a shop. A wrong setting is reported by `check`, never raised at start-up."""

    name = "retarget_plugin"
    label = "retarget_plugin"
    verbose_name = _("Retargeting")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.utils.module_loading import import_string

        from . import checks, conf, failpoints, receivers
        from .engine import saleor
        from .exceptions import ConfigurationError
        from .hosts import get_host
        from .hosts.saleor import credentials
        from .web import mail

        checks.register()
        receivers.connect()
        credentials.read_with(saleor.credentials)
        mail.connect()
        post_migrate.connect(_guard_evidence, sender=self, dispatch_uid="retarget_plugin.guard_evidence")
        post_migrate.connect(_ensure_shops, sender=self, dispatch_uid="retarget_plugin.ensure_shops")
        if conf.settings.FAILPOINTS:
            failpoints.arm(import_string(conf.settings.FAILPOINTS))
        try:
            for alias in conf.settings.HOSTS:
                get_host(alias).connect()
        except ConfigurationError:
            # The system check says it better, and a shop must start without us.
            return


def _ensure_shops(*, using: str = DEFAULT_DB_ALIAS, plan: Any = None, **_: Any) -> None:
    """After `migrate`: every configured host has its shop, with the shipped flows present and off."""
    from django.utils import timezone

    from .engine import shops
    from .models import Shop

    if using == DEFAULT_DB_ALIAS and Shop._meta.db_table in _tables(using):
        shops.ensure(now=timezone.now())


def _guard_evidence(*, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """After `migrate`: the database refuses to rewrite what people have said."""
    from .models import evidence

    evidence.guard(using)


def _tables(using: str) -> list[str]:
    from django.db import connections

    return connections[using].introspection.table_names()
