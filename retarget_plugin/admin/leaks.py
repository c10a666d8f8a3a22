"""After a leak: whom it concerns and what of theirs, on a page and as a file, for staff who may see personal data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from retarget_plugin.engine import belongings, breaches
from retarget_plugin.models import Contact, Shop

from . import people, spreadsheets

#: People on the page; the file has all of them.
SHOWN = 200


class LeakForm(forms.Form):
    """Which shop's data lay open, from when until when."""

    shop = forms.ModelChoiceField(Shop.objects.order_by("name", "pk"), label=_("Shop"), empty_label=None)
    since = forms.SplitDateTimeField(label=_("From"), widget=AdminSplitDateTime)
    until = forms.SplitDateTimeField(label=_("Until"), widget=AdminSplitDateTime)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("since") and found.get("until") and found["since"] > found["until"]:
            self.add_error("until", gettext("The end is before the beginning."))
        return found


def may_look(request: HttpRequest) -> bool:
    return people.may_see(request) and request.user.has_perm("retarget_plugin.view_erasure")


def page(screen: Any, request: HttpRequest) -> HttpResponseBase:
    """GET asks; POST answers, on the page or (with `file`) as a file that names everybody. Each answer is on record."""
    if not may_look(request):
        raise PermissionDenied
    form = LeakForm(request.POST or None)
    breach = None
    if request.method == "POST" and form.is_valid():
        shop, since, until = (form.cleaned_data[name] for name in ("shop", "since", "until"))
        breach = breaches.affected(shop, since=since, until=until)
        people.record_view(request, shop)
        if "file" in request.POST:
            return _file(breach)
    context = {
        **screen.admin_site.each_context(request),
        "opts": screen.opts,
        "title": gettext("After a leak"),
        "media": screen.media + form.media,
        "form": form,
        "breach": breach,
        "fields": [(_field_name(name), count) for name, count in breach.fields] if breach else [],
        "shown": _contacts(breach, SHOWN) if breach else [],
    }
    request.current_app = screen.admin_site.name
    return TemplateResponse(request, "admin/retarget_plugin/erasure/leak.html", context)


def _file(breach: breaches.Breach) -> HttpResponseBase:
    """Everybody with their addresses, since Art. 34 may oblige the owner to write to them."""
    header = [gettext("Contact"), gettext("E-mail"), gettext("Phone"), gettext("Language"), gettext("Fields")]
    return spreadsheets.download("leak.csv", header, _lines(breach))


def _lines(breach: breaches.Breach) -> Iterable[list[Any]]:
    keys = list(breach.people)
    for start in range(0, len(keys), 1000):
        people_known = Contact.objects.in_bulk(keys[start : start + 1000])
        for key in keys[start : start + 1000]:
            if contact := people_known.get(key):
                yield [key, contact.email, contact.phone, contact.locale, " ".join(breach.people[key])]


def _contacts(breach: breaches.Breach, most: int) -> list[tuple[Contact, int]]:
    """(contact, how many of its fields held something) of the first."""
    keys = list(breach.people)[:most]
    known = Contact.objects.in_bulk(keys)
    return [(known[key], len(breach.people[key])) for key in keys if key in known]


def _field_name(name: str) -> str:
    """ "Contact.email" as the screens call it."""
    model, column = name.split(".")
    kind = belongings.model_named(model)
    return f"{kind._meta.verbose_name}: {getattr(kind._meta.get_field(column), 'verbose_name', column)}"
