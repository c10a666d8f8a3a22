"""tests.settings with a whole django-oscar around it: what tests/hosts/oscar runs in."""

import tempfile

from oscar.defaults import *  # noqa: F403
from oscar.defaults import OSCAR_DASHBOARD_NAVIGATION

from examples.oscar_shop.settings import AUTHENTICATION_BACKENDS, OSCAR_APPS, OSCAR_ORDER_STATUS_PIPELINE  # noqa: F401
from retarget_plugin.contrib import oscar_dashboard
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, RETARGET, TEMPLATES

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.sites", "django.contrib.flatpages", *OSCAR_APPS]
MIDDLEWARE = [*MIDDLEWARE, "oscar.apps.basket.middleware.BasketMiddleware"]
TEMPLATES = [
    {
        **TEMPLATES[0],
        "OPTIONS": {
            "context_processors": [
                *TEMPLATES[0]["OPTIONS"]["context_processors"],
                "django.template.context_processors.i18n",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ]
        },
    }
]
# All tables but the plugin's come straight from the models: Oscar's hundred migrations take longer than all tests here.
# Django's own too, because a table without migrations may not point at one that has them.
WITHOUT_MIGRATIONS = (
    "auth admin contenttypes flatpages sessions sites thumbnail "
    "address analytics basket catalogue communication customer offer order partner payment reviews shipping voucher "
    "wishlists"
)
MIGRATION_MODULES = dict.fromkeys(WITHOUT_MIGRATIONS.split())
ROOT_URLCONF = "tests.hosts.oscar.urls"
SITE_ID = 1
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
HAYSTACK_SIGNAL_PROCESSOR = "haystack.signals.BaseSignalProcessor"
LANGUAGES = [("en", "English"), ("fr", "French")]
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = tempfile.mkdtemp(prefix="retarget-oscar-media-")

OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_DEFAULT_CURRENCY = "EUR"
OSCAR_URL_SCHEMA = "https"
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_DASHBOARD_NAVIGATION = [*OSCAR_DASHBOARD_NAVIGATION, *oscar_dashboard.NAVIGATION]

RETARGET = {
    **RETARGET,
    "HOSTS": {"default": {"BACKEND": "retarget_plugin.hosts.oscar.OscarHost"}},
}
