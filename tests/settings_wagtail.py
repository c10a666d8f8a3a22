"""tests.settings with a small Wagtail site around it: what tests/hosts/wagtail runs in."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

WAGTAIL_APPS = [
    "wagtail.sites",
    "wagtail.users",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
]
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "retarget_plugin.contrib.wagtail",
    "tests.hosts.wagtail",
    *WAGTAIL_APPS,
    "wagtail",
    "modelcluster",
    "taggit",
    "django_filters",
]
# All tables but the plugin's come straight from the models: Wagtail's migrations take longer than all tests here.
WITHOUT_MIGRATIONS = (
    "admin auth contenttypes sessions taggit "
    "wagtailadmin wagtailcore wagtaildocs wagtailimages wagtailsearch wagtailsites wagtailusers"
)
MIGRATION_MODULES = dict.fromkeys(WITHOUT_MIGRATIONS.split())
ROOT_URLCONF = "tests.hosts.wagtail.urls"
STATIC_URL = "/static/"
WAGTAIL_SITE_NAME = "Lumen"
WAGTAILADMIN_BASE_URL = "https://shop.example.com"
# Otherwise the admin asks the network for newer versions and for pictures of its users.
WAGTAIL_ENABLE_UPDATE_CHECK = False
WAGTAIL_GRAVATAR_PROVIDER_URL = None
