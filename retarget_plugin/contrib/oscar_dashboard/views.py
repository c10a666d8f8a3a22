"""A shop's report and its settings, in the look of the dashboard around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _

from retarget_plugin.admin import figures
from retarget_plugin.models import Installation, Shop

from . import navigation
from .forms import SettingsForm

View = Callable[..., HttpResponse]


def _for(access: navigation.Access) -> Callable[[View], View]:
    """Lets in whom `access` allows. Strangers are sent to the dashboard's log-in, all others refused."""

    def is_let_in(user: Any) -> bool:
        if not access(user) and user.is_authenticated:
            raise PermissionDenied
        return access(user)

    return user_passes_test(is_let_in, login_url=reverse_lazy("dashboard:login"))


@_for(navigation.REPORT)
def report(request: HttpRequest, shop_id: int | None = None) -> HttpResponse:
    """What the abandoned carts of the last days came to: the numbers of the admin's report."""
    shop = _shop(shop_id)
    shown = figures.context(shop, figures.period_of(request), now=timezone.now()) if shop else {}
    return _page(request, "report", shop, title=_("Report"), **shown)


@_for(navigation.SETTINGS)
def settings(request: HttpRequest, shop_id: int | None = None) -> HttpResponse:
    """What the owner decides. What is sent is stored only at a shop's own address, never at that of the first one."""
    shop = _shop(shop_id)
    form = SettingsForm(request.POST if shop_id and request.method == "POST" else None, instance=shop)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("retarget_dashboard:settings", shop_id=shop_id)
    return _page(request, "settings", shop, title=_("Settings"), form=form)


def _shop(shop_id: int | None) -> Shop | None:
    """The shop asked for, or the first one. Http404 for one that is not there."""
    if shop_id is None:
        return Shop.objects.order_by("name", "pk").first()
    return get_object_or_404(Shop, pk=shop_id)


def _page(request: HttpRequest, page: str, shop: Shop | None, *, title: str, **shown: Any) -> HttpResponse:
    context = {
        "title": title,
        "address": f"retarget_dashboard:{page}",
        "shop": shop,
        "shops": Shop.objects.order_by("name", "pk"),
        "stopped": Installation.objects.exclude(halted_because="").first(),
        **shown,
    }
    return render(request, f"retarget_plugin/oscar_dashboard/{page}.html", context)
