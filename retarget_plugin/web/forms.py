"""forms/: the lead forms of a page, for the script. forms/<slug>/: one form, also for a browser without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, UnreadablePostError
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin.domain import events, strict_json
from retarget_plugin.domain.leads import PATH_LIMIT, FormView
from retarget_plugin.engine import leads
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models import Shop

from . import clients, origins, pages, visitors
from .origins import Origin

MAX_BYTES = 16_384
MAX_DEPTH = 2
FORM, JSON, HTML = "application/x-www-form-urlencoded", "application/json", "text/html"
#: Which forms a page shows says nothing about its visitor, and changes seldom.
SECONDS_KEPT = 60

View = Callable[..., HttpResponse]


def _public(view: View) -> View:
    """Answer preflights, and let allowed origins read what `view` answers."""

    @wraps(view)
    def answer(request: HttpRequest, **named: str) -> HttpResponse:
        response = HttpResponse(status=204) if request.method == "OPTIONS" else view(request, **named)
        return origins.admit(response, request, methods="GET, POST")

    return answer


@login_not_required
@require_http_methods(["GET", "HEAD", "OPTIONS"])
@_public
def forms(request: HttpRequest) -> HttpResponse:
    """{"forms": [...], "words": {...}} for the page at `path`, about `topic`, in `language`. The same for everybody."""
    asked = {name: request.GET.get(name, "")[:PATH_LIMIT] for name in ("path", "topic", "language")}
    try:
        found = leads.forms_for(clients.shop_of(request), **asked, now=timezone.now())
    except Refusal:
        found = []
    with translation.override(_language(request, asked["language"])):
        words = {"close": _("Close"), "failed": _("That did not work just now. Please try again in a moment.")}
    response = pages.private(
        JsonResponse({"forms": [view.to_data() for view in found], "words": words}), referrer=pages.REDIRECT_REFERRER
    )
    response["Cache-Control"] = f"public, max-age={SECONDS_KEPT}"
    patch_vary_headers(response, ["Accept-Language"])
    return response


# No CSRF token: the script stands on pages that are cached for everybody. The browser's own word for where the request
# comes from is checked instead, and what is sent is a claim, whoever sends it.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
@_public
def form(request: HttpRequest, slug: str) -> HttpResponse:
    """GET: the form, as JSON or as a page. POST: 200, or 422 with what is wrong; 400, 403, 404, 413, 415 and 429."""
    try:
        shop = clients.shop_of(request)
        if request.method == "POST":
            return _submit(request, shop, slug)
        language = _language(request, request.GET.get("language", "")[:12])
        return _show(request, shop, leads.form(shop, slug, language=language))
    except Refusal:
        return pages.not_found(request) if _wants_page(request) else _json({"ok": False}, status=404)


def _submit(request: HttpRequest, shop: Shop, slug: str) -> HttpResponse:
    origin = origins.of(request)
    if origin is Origin.FOREIGN:
        return _json({"ok": False}, status=403)
    try:
        data = _data(request)
    except InputError as error:
        return _json({"ok": False}, status={"too_large": 413, "bad_type": 415}.get(error.code, 400))
    language = _language(request, str(data.get("language") or "")[:12])
    try:
        done = leads.submit(
            shop,
            slug,
            data,
            visitor=visitors.of(request) if origin is Origin.OWN else None,
            address=clients.address(request),
            language=language,
            page=events.clean_path(data.get("page")),
            now=timezone.now(),
        )
    except Refusal as refusal:
        if refusal.reason != "too_many":
            raise
        return _too_many(request, shop, leads.form(shop, slug, language=language), data)
    if _wants_page(request):
        errors = {} if done.ok else done.errors
        return _show(request, shop, done.form, data=data, message=done.message, errors=errors)
    if done.ok:
        return _json({"ok": True, "message": done.message})
    return _json({"ok": False, "errors": dict(done.errors)}, status=422)


def _too_many(request: HttpRequest, shop: Shop, view: FormView, data: Mapping[str, Any]) -> HttpResponse:
    with translation.override(view.language):
        errors = {"form": _("That is too many at once. Please try again in an hour.")}
    if _wants_page(request):
        return _show(request, shop, view, data=data, errors=errors, status=429)
    return _json({"ok": False, "errors": errors}, status=429)


def _data(request: HttpRequest) -> Mapping[str, Any]:
    """The fields that were sent: text, lists of text, or JSON's own values. Raises InputError.

    The header is looked at first, so that a long body is not even read.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if request.content_type not in (FORM, JSON) or request.headers.get("Content-Encoding"):
        raise InputError("bad_type")
    if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BYTES:
        raise InputError("too_large")
    try:
        body = request.body
        if request.content_type == JSON:
            return strict_json.read(body, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
        fields = QueryDict(body, encoding="utf-8")
    except (UnreadablePostError, RequestDataTooBig, SuspiciousOperation, ValueError) as error:
        raise InputError("bad_body") from error
    return {name: values if len(values) > 1 else values[0] for name, values in fields.lists()}


def _show(
    request: HttpRequest,
    shop: Shop,
    view: FormView,
    *,
    data: Mapping[str, Any] | None = None,
    message: str = "",
    errors: Mapping[str, str] | None = None,
    status: int = 422,
) -> HttpResponse:
    """The form as data, or as a page: with thanks, or with what was typed and what is wrong with it (and `status`)."""
    if not _wants_page(request):
        return _vary(_json({"form": view.to_data()}))
    typed, errors = data or {}, errors or {}
    with translation.override(view.language):
        problem = errors.get("form") or (_("Please look at the marked fields.") if errors else "")
    response = pages.page(
        request,
        "form",
        language=view.language,
        shop=shop,
        status=status if errors else 200,
        form=view,
        done=message,
        problem=problem,
        questions=[(field, _chosen(typed.get(field.name)), errors.get(field.name)) for field in view.fields],
        boxes=[(box, errors.get(box.name)) for box in view.consents],
    )
    return _vary(response)


def _chosen(value: Any) -> list[str]:
    """What was typed or chosen, to be shown again."""
    return [str(item)[:254] for item in (value if isinstance(value, list) else [value]) if item]


def _wants_page(request: HttpRequest) -> bool:
    return request.get_preferred_type([JSON, HTML]) == HTML


def _language(request: HttpRequest, wanted: str) -> str:
    return wanted or pages.language_of(request, None)


def _json(data: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    return pages.private(JsonResponse(data, status=status), referrer=pages.REDIRECT_REFERRER)


def _vary(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Accept", "Accept-Language"])
    return response
