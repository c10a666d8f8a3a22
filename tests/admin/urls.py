"""The admin alone: its screens must not need the rest of a project."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
