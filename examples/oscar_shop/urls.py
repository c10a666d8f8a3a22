"""URLs of the camera shop."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.static import serve

from . import journal, pages, signup

shop: Any = apps.get_app_config("oscar")

urlpatterns = [
    # The plugin. Before the patterns with a language prefix: its links carry their own language.
    path("retarget/", include("retarget_plugin.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    # Pictures come from this process too, whatever DEBUG says: the demo has no web server in front.
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    *i18n_patterns(
        path("", pages.home, name="home"),
        path("journal/<slug:slug>/", journal.page, name="article"),
        path("stay-in-touch/", signup.stay_in_touch, name="stay-in-touch"),
        path("stay-in-touch/thanks/", signup.thanks, name="stay-in-touch-thanks"),
        # Oscar's own lists ask a search engine; these two ask the database, so that the demo needs none.
        path("catalogue/", pages.catalogue),
        path("catalogue/category/<path:slug>_<int:pk>/", pages.category),
        # The plugin's report and settings in the dashboard.
        path("dashboard/retarget/", include("retarget_plugin.contrib.oscar_dashboard.urls")),
        path("", include(shop.urls[0])),
        prefix_default_language=False,
    ),
]
