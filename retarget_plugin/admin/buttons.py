"""Buttons that do something: a page that asks first, and a POST that acts, for staff who may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise

from retarget_plugin.exceptions import Refusal


@dataclass(frozen=True)
class Button:
    """`act` names the method of the admin that acts, with (row, request, now=...); it may raise Refusal. What it answers,
    such as a file, is the answer; None leads back to the row.

    `question` says what will happen; `done` what has. `is_offered` tells from a row whether the button makes sense.
    """

    slug: str
    label: str | Promise
    question: str | Promise
    done: str | Promise
    act: str
    is_offered: Callable[[Any], bool]
    is_grave: bool = False


class ButtonsMixin:
    """Gives a ReadOnlyAdmin its `buttons`. Each needs the model's change permission; GET asks, POST acts."""

    buttons: tuple[Button, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:object_id>/{button.slug}/",
                self.admin_site.admin_view(self._view_of(button)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{button.slug}",
            )
            for button in self.buttons
        ]
        return own + super().get_urls()

    def obstacles(self, button: Button, row: Any) -> list[str]:
        """What stands in the way of `button`, in plain words. While there is anything, it only says so."""
        return []

    def offered(self, request: HttpRequest, row: Any) -> list[tuple[Button, str]]:
        """(button, URL) for what `request.user` may do with `row` now."""
        offered = [button for button in self.buttons if self.may_press(request, button) and button.is_offered(row)]
        return [(button, self.page(button.slug, row.pk)) for button in offered]

    def may_press(self, request: HttpRequest, button: Button) -> bool:
        """The model's change permission, unless a button asks for more."""
        return self.may_act(request)

    def _view_of(self, button: Button) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: int) -> HttpResponse:
            return self.press(request, object_id, button)

        return view

    def press(self, request: HttpRequest, object_id: int, button: Button) -> HttpResponse:
        """GET: the page that asks. POST: what the button does."""
        if not self.may_press(request, button):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method != "POST":
            return self._ask(request, row, button)
        now = timezone.now()
        try:
            answer = self._act(request, row, button, now=now)
        except Refusal as refusal:
            messages.error(request, str(refusal))
        else:
            self.log_change(request, row, str(button.label))
            if answer is not None:
                return answer
            messages.success(request, str(button.done))
        return redirect(self.page("change", row.pk))

    def _act(self, request: HttpRequest, row: Any, button: Button, *, now: datetime) -> HttpResponse | None:
        return getattr(self, button.act)(row, request, now=now)

    def _ask(self, request: HttpRequest, row: Any, button: Button) -> HttpResponse:
        obstacles = self.obstacles(button, row)
        return self.show(request, "confirm.html", row, title=str(button.label), button=button, obstacles=obstacles)
