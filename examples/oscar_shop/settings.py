"""Settings of the camera shop: an ordinary django-oscar project on SQLite, with the plugin's lines marked.

From the environment: RETARGET_DEMO_DATA (folder of database and pictures), RETARGET_DEMO_URL (where the shop is
reached), EMAIL_HOST, EMAIL_PORT, RETARGET_DEMO_SMS_URL (the SMS gateway's address).
"""

from __future__ import annotations

import os
from pathlib import Path

from django.utils.translation import gettext_lazy as _
from oscar.defaults import *  # noqa: F403
from oscar.defaults import OSCAR_DASHBOARD_NAVIGATION

from retarget_plugin.contrib import oscar_dashboard

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RETARGET_DEMO_DATA") or HERE.parent.parent / ".demo").resolve()
URL = os.environ.get("RETARGET_DEMO_URL", "http://127.0.0.1:8000").rstrip("/")

# On a server instead of on SQLite, and with Celery instead of the tick, when these two are given.
DATABASE_URL = os.environ.get("RETARGET_DEMO_DATABASE_URL", "")
BROKER_URL = os.environ.get("RETARGET_DEMO_BROKER_URL", "")


def postgres(url: str) -> dict[str, object]:
    """Django's form of whatever libpq understands."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    known = {django: parts.pop(libpq) for libpq, django in names.items() if libpq in parts}
    return {"ENGINE": "django.db.backends.postgresql", **known, "OPTIONS": parts}


SECRET_KEY = os.environ.get("RETARGET_DEMO_SECRET_KEY", "for the demo on this machine only, never for a shop")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]

OSCAR_APPS = [
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "django.contrib.flatpages",
    *OSCAR_APPS,
    # The plugin, and what carries its e-mail.
    "anymail",
    "retarget_plugin",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"lumen": "examples.oscar_shop.tags"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ],
        },
    }
]

ROOT_URLCONF = "examples.oscar_shop.urls"
WSGI_APPLICATION = "examples.oscar_shop.wsgi.application"
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "shop.sqlite3",
        "OPTIONS": {
            # A transaction that reads first and writes later would fail at once when another one writes.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
if DATABASE_URL:
    DATABASES["default"] = postgres(DATABASE_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
# The simple engine reads the tables at every search: there is no index to keep up to date.
HAYSTACK_SIGNAL_PROCESSOR = "haystack.signals.BaseSignalProcessor"
SITE_ID = 1

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français"), ("es", "Español")]
LOCALE_PATHS = [HERE / "locale"]
TIME_ZONE = "Europe/Paris"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [HERE / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA / "media"

EMAIL_HOST = os.environ.get("EMAIL_HOST", "127.0.0.1")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "8025"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = "Lumen <hello@lumen.example>"

OSCAR_SHOP_NAME = "Lumen"
OSCAR_SHOP_TAGLINE = _("Cameras and the light they need")
OSCAR_HOMEPAGE = "/"
OSCAR_DEFAULT_CURRENCY = "EUR"
OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_FROM_EMAIL = DEFAULT_FROM_EMAIL
OSCAR_HIDDEN_FEATURES = ["reviews", "wishlists"]
OSCAR_REQUIRED_ADDRESS_FIELDS = ("first_name", "last_name", "line1", "line4", "postcode", "country")
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": (),
    "Cancelled": (),
}
OSCAR_IMAGE_FOLDER = "products/"

# The plugin: which shop it lives in, what carries its text messages, and where its links lead.
RETARGET = {
    "HOSTS": {
        "default": {"BACKEND": "retarget_plugin.hosts.oscar.OscarHost", "OPTIONS": {"base_url": URL}},
    },
    "SMS": {
        "default": {
            "BACKEND": "retarget_plugin.channels.sms.http.HttpGateway",
            "OPTIONS": {
                "url": os.environ.get("RETARGET_DEMO_SMS_URL", "http://127.0.0.1:8026/sms"),
                "body": {"to": "{to}", "text": "{text}", "from": "{sender}", "reference": "{message_id}"},
                "success": {"status": [201]},
                "id_path": "id",
            },
        },
    },
    # The demo's SMS gateway is on this machine.
    "PRIVATE_HOSTS": ("127.0.0.1", "localhost"),
    "PUBLIC_URL": URL,
    # What its e-mails may offer to read.
    "POSTS": "examples.oscar_shop.journal.posts",
    # The stories are told of people who get the messages. A shop of your own leaves this out, to see what they cause.
    "HOLDOUT": False,
}
# Its report and settings in Oscar's own dashboard.
OSCAR_DASHBOARD_NAVIGATION = [*OSCAR_DASHBOARD_NAVIGATION, *oscar_dashboard.NAVIGATION]
if BROKER_URL:
    RETARGET |= {"RUNNER": "celery", "TICK_SECONDS": 1.0}

# Celery, as its own documentation has it: examples/oscar_shop/celery.py reads the names below.
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
