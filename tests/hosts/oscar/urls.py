"""Oscar's own URLs below a language prefix, and two that restore a cart and apply a code as the plugin's pages do."""

import json

from django.apps import apps
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path

from retarget_plugin.domain.carts import Item
from retarget_plugin.hosts import get_host


def restore(request: HttpRequest) -> HttpResponse:
    items = [Item.from_data(data) for data in json.loads(request.GET["items"])]
    return redirect(get_host().restore_cart(request, items, coupon=request.GET["coupon"]))


def apply(request: HttpRequest) -> HttpResponse:
    return JsonResponse(get_host().apply_coupon(request, request.POST["code"]), safe=False)


urlpatterns = [
    path("restore/", restore),
    path("apply/", apply),
    path("retarget/", include("retarget_plugin.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    *i18n_patterns(
        path("dashboard/retarget/", include("retarget_plugin.contrib.oscar_dashboard.urls")),
        path("", include(apps.get_app_config("oscar").urls[0])),
        prefix_default_language=False,
    ),
]
