"""The tiny shop with anymail's webhooks beside the plugin."""

from django.urls import include, path

from tests.shop import urls as shop

urlpatterns = [*shop.urlpatterns, path("anymail/", include("anymail.urls"))]
