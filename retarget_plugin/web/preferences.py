"""preferences/<token>/: what a person wants to hear, without a log-in; looking changes nothing."""

from __future__ import annotations

from dataclasses import replace

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from retarget_plugin.domain.preferences import LANGUAGES, Changes
from retarget_plugin.engine import preferences as choices
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models import Contact

from . import pages

SOURCE = "preference centre"


# The decorator is for shops that run without Django's middleware; see web.recovery.
@login_not_required
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the choices of the contact whom the token names; POST changes what was changed on the page."""
    try:
        contact = choices.contact_of(token)
    except Refusal:
        return pages.not_found(request)
    if request.method != "POST":
        return _show(request, contact)
    with translation.override(pages.language_of(request, contact)):
        try:
            done = _act(request.POST, contact)
        except InputError as error:
            return _show(request, contact, alert=str(error), status=422)
    return _show(request, contact, done=done)


def _show(
    request: HttpRequest, contact: Contact, *, done: str = "", alert: str = "", status: int = 200
) -> HttpResponse:
    language = pages.language_of(request, contact)
    view = choices.of(contact, language=language, now=timezone.now())
    return pages.page(
        request,
        "preferences",
        contact=contact,
        shop=contact.shop,
        status=status,
        view=replace(view, questions=tuple(_suggested(question, request.GET) for question in view.questions)),
        languages=LANGUAGES,
        done=done,
        alert=alert,
    )


def _suggested(question: choices.Question, link: QueryDict) -> choices.Question:
    """`question` with the answer ticked that the followed link names. Nothing is kept until the reader saves it."""
    named = link.get(f"answer:{question.name}")
    if named not in {option.name for option in question.options}:
        return question
    return replace(question, options=tuple(replace(one, is_on=one.name == named) for one in question.options))


def _act(form: QueryDict, contact: Contact) -> str:
    """Do what the pressed button says, and answer what to tell the reader."""
    now = timezone.now()
    match form.get("act"):
        case "stop":
            choices.stop(contact, source=SOURCE, now=now)
            return _("Everything has stopped. Messages about your orders will still reach you.")
        case "export" | "erase":
            choices.send_link(contact, now=now)
            return _("We have sent you a link. It works for a short time and shows that this address is yours.")
        case _:
            updated = choices.update(contact, _changes(form, contact), source=SOURCE, now=now)
    if updated.waiting:
        return _("Saved. We have sent you a message: press the button in it, and what you turned on will start.")
    return _("Saved.")


def _changes(form: QueryDict, contact: Contact) -> Changes:
    """What the reader changed. The form says what it showed, so that an old tab undoes nothing that came after it."""
    shown, was_on, is_on = (set(form.getlist(name)) for name in ("shown", "was", "on"))
    turned = {name: name in is_on for name in shown if (name in is_on) != (name in was_on)}

    def of(kind: str) -> dict[str, bool]:
        return {name.removeprefix(f"{kind}:"): on for name, on in turned.items() if name.startswith(f"{kind}:")}

    ended = {name for name, on in of("product").items() if not on}
    return Changes(
        channels=of("channel"),
        topics=of("topic"),
        grants=of("grant"),
        answers={
            name.removeprefix("answer:"): [value for value in form.getlist(name) if value]
            for name in shown
            if name.startswith("answer:")
        },
        language=language if (language := form.get("language", "")) != form.get("spoken") else "",
        products=[row.pk for row in contact.product_subscriptions.all() if str(row.pk) in ended],
    )
