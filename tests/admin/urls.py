"""The admin and the plugin's own addresses, which previews link to: its screens must not need the rest of a project."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("retarget/", include("retarget_plugin.urls"))]
