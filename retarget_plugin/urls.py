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
    keep,
    links,
    offer,
    preferences,
    receipts,
    recovery,
    saleor,
    saleor_dashboard,
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
    path("offer/<str:token>/", offer.offer, name="offer"),
    path("confirm/<str:token>/", confirm.confirm, name="confirm"),
    path("confirm/<str:token>/not-me/", confirm.refuse, name="refuse"),
    path("preferences/<str:token>/", preferences.preferences, name="preferences"),
    path("keep/<str:token>/", keep.keep, name="keep"),
    path("exports/<str:token>/", exports.export, name="export"),
    path("store/<str:token>/", store.store, name="store"),
    path("unsubscribe/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("receipts/sms/<str:alias>/", receipts.receive, name="receipts"),
    path("receipts/sms/<str:alias>/<str:secret>/", receipts.receive, name="receipts"),
    path("saleor/<str:alias>/manifest/", saleor.manifest, name="saleor_manifest"),
    path("saleor/<str:alias>/register/", saleor.register, name="saleor_register"),
    path("saleor/<str:alias>/webhooks/", saleor.webhooks, name="saleor_webhooks"),
    path("saleor/<str:alias>/dashboard", saleor_dashboard.dashboard),
    path("saleor/<str:alias>/dashboard/", saleor_dashboard.dashboard, name="saleor_dashboard"),
    path("saleor/<str:alias>/dashboard/report/", saleor_dashboard.report, name="saleor_report"),
    path("saleor/<str:alias>/dashboard/flows/<int:flow>/", saleor_dashboard.switch, name="saleor_switch"),
    path("graphql/", endpoints.storefront, name="graphql"),
    path("graphql/staff/", endpoints.staff, name="graphql_staff"),
    path("health/", health.health, name="health"),
]
