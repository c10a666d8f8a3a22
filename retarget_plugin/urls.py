"""Every public address of the plugin, under one `include()`."""

from __future__ import annotations

from django.urls import path

from retarget_plugin.api import endpoints
from retarget_plugin.web import health, links, recovery, unsubscribe

app_name = "retarget_plugin"

urlpatterns = [
    path("r/<str:code>", links.short_link, name="short_link"),
    path("recover/<str:token>/", recovery.recover, name="recover"),
    path("unsubscribe/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("graphql/", endpoints.storefront, name="graphql"),
    path("graphql/staff/", endpoints.staff, name="graphql_staff"),
    path("health/", health.health, name="health"),
]
