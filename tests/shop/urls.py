"""The tiny shop's addresses, with the plugin under one include."""

from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("retarget/", include("retarget_plugin.urls")),
    path("add/<int:product_id>/", views.add),
    path("basket/", views.basket),
    path("checkout/", views.checkout),
]
