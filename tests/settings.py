"""A small real project around the plugin: what the suite, mypy and the migrations check run in.

The database is RETARGET_TEST_DATABASE_URL (see tests/services.py), else SQLite in memory.
"""

import os
import tempfile

DATABASE_URL = os.environ.get("RETARGET_TEST_DATABASE_URL", "")


def database(url: str) -> dict[str, object]:
    """Django's settings for ``sqlite:///path`` or for anything libpq understands; nothing means SQLite in memory."""
    if url.startswith("postgres"):
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(url)
        known = {
            "NAME": parts.pop("dbname", "postgres"),
            "USER": parts.pop("user", ""),
            "PASSWORD": parts.pop("password", ""),
            "HOST": parts.pop("host", ""),
            "PORT": str(parts.pop("port", "")),
        }
        return {"ENGINE": "django.db.backends.postgresql", **known, "OPTIONS": parts}
    path = url.removeprefix("sqlite:///") or ":memory:"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        # The test database is the file too: in memory, a second connection would see another database or a table lock.
        "TEST": {"NAME": f"{path}.test" if path != ":memory:" else None},
        # What README tells a shop on SQLite: without IMMEDIATE, read-then-write transactions fail under concurrency.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.shop.urls"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
# Files of magnets: gone with the machine, and never in the checkout.
MEDIA_ROOT = tempfile.mkdtemp(prefix="retarget-media-")

DATABASES = {"default": database(DATABASE_URL)}

# graphene_django is left out on purpose: a shop adds one line for the plugin, and its GraphQL must work with that.
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "anymail",
    "tests.shop",
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
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# For Django 6.1 and later; on older ones EMAIL_BACKEND counts. Both are the test runner's own while tests run.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
DEFAULT_FROM_EMAIL = "shop@shop.example.com"

RETARGET = {
    "HOSTS": {"default": {"BACKEND": "tests.shop.retarget.Shop"}},
    "SMS": {"default": {"BACKEND": "retarget_plugin.channels.sms.memory.MemoryGateway"}},
    "PUBLIC_URL": "https://shop.example.com",
    # The fakes, and TEST-NET-1 (RFC 5737), where nobody answers.
    "PRIVATE_HOSTS": ("127.0.0.1", "192.0.2.1"),
    # A story is told of somebody who gets the messages; what tests the holdout turns it on.
    "HOLDOUT": False,
}
