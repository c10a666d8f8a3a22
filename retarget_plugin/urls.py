"""Every public address of the plugin, under one `include()`."""

from __future__ import annotations

from django.urls import path

from retarget_plugin.api import endpoints
from retarget_plugin.web import (
    assets,
    beacon,
    confirm,
    exports,
    forms,
    health,
    links,
    preferences,
    recovery,
    script,
    store,
    unsubscribe,
)

app_name = "retarget_plugin"

urlpatterns = [
    path("retarget.js", script.script, name="script"),
    path("t", beacon.beacon, name="beacon"),
    path("p.gif", beacon.pixel, name="pixel"),
    path("forms/", forms.forms, name="forms"),
    path("forms/<slug:slug>/", forms.form, name="form"),
    path("assets/<str:token>/", assets.assets, name="assets"),
    path("r/<str:code>", links.short_link, name="short_link"),
    path("recover/<str:token>/", recovery.recover, name="recover"),
    path("confirm/<str:token>/", confirm.confirm, name="confirm"),
    path("confirm/<str:token>/not-me/", confirm.refuse, name="refuse"),
    path("preferences/<str:token>/", preferences.preferences, name="preferences"),
    path("exports/<str:token>/", exports.export, name="export"),
    path("store/<str:token>/", store.store, name="store"),
    path("unsubscribe/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("graphql/", endpoints.storefront, name="graphql"),
    path("graphql/staff/", endpoints.staff, name="graphql_staff"),
    path("health/", health.health, name="health"),
]
