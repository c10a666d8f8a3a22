"""Wagtail's pages and admin, and the plugin's own addresses."""

from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

urlpatterns = [
    path("cms/", include(wagtailadmin_urls)),
    path("retarget/", include("retarget_plugin.urls")),
    path("", include(wagtail_urls)),
]
