"""Addresses below `dashboard/retarget/`; without a number, the first shop's."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "retarget_dashboard"
urlpatterns = [
    path("report/", views.report, name="report"),
    path("report/<int:shop_id>/", views.report, name="report"),
    path("settings/", views.settings, name="settings"),
    path("settings/<int:shop_id>/", views.settings, name="settings"),
]
