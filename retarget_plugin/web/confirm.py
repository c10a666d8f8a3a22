"""confirm/<token>/: somebody says that an address is theirs, or that it was not them who typed it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from retarget_plugin.engine import magnets, optin
from retarget_plugin.exceptions import Refusal

from . import pages, visitors


# Mail scanners open every link, so that a GET only shows what the button would do. The POST needs no cookie: the token in
# the address is the proof, it says who and what, and whoever could forge the request could just as well press the button.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what will be allowed and a button; POST allows it, as often as it is sent."""
    try:
        return _confirmed(request, token) if request.method == "POST" else _asked(request, token, "confirm")
    except Refusal:
        return pages.not_found(request)


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def refuse(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what will be deleted and a button; POST deletes it, as often as it is sent."""
    try:
        if request.method != "POST":
            return _asked(request, token, "refuse")
        answered = optin.refuse(token, now=timezone.now())
    except Refusal:
        return pages.not_found(request)
    # Whoever is forgotten has no language and no shop any more.
    contact, shop = (answered.contact, answered.shop) if answered else (None, None)
    return pages.page(request, "refused", contact=contact, shop=shop)


def _asked(request: HttpRequest, token: str, name: str) -> HttpResponse:
    question = optin.look(token)
    language = pages.language_of(request, question.contact)
    gifts = [lead.magnet for lead in question.leads if lead.magnet]
    return pages.page(
        request,
        name,
        contact=question.contact,
        shop=question.shop,
        channel=question.channel,
        wordings=question.wordings,
        titles=list(dict.fromkeys(magnets.words(gift, language).title for gift in gifts)),
        is_open=question.is_open,
        token=token,
    )


def _confirmed(request: HttpRequest, token: str) -> HttpResponse:
    answered = optin.confirm(token, visitor=visitors.of(request), now=timezone.now())
    response = pages.page(
        request,
        "confirmed",
        contact=answered.contact,
        shop=answered.shop,
        channel=answered.channel,
        brings_gift=any(lead.magnet_id for lead in answered.leads),
    )
    if answered.visitor:
        visitors.keep(response, answered.visitor)
    return response
