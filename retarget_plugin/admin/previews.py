"""What a person was or will be sent, shown to staff without letting it do anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from retarget_plugin.domain import sms
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.models import Contact, Shop

from . import people

#: `sandbox` gives the frame an origin of its own, without scripts and forms, also when it is opened outside a frame;
#: nothing is fetched but images, which then carry no cookie of ours.
POLICY = "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'"
#: Where a later body tag stands, HTML adds its attributes to the body already open (13.2.6.4.7, "body" start tag).
#: Inert content can be scrolled and read, not followed: a click of staff on a link would count as the shopper's.
INERT = "<body inert>"
DARK = "@media (prefers-color-scheme: dark)"


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a preview is looked at: as whom, on which screen."""

    contact: Contact | None = None
    is_phone: bool = False
    is_dark: bool = False

    @property
    def query(self) -> str:
        asked = {"contact": self.contact.pk if self.contact else "", "phone": self.is_phone, "dark": self.is_dark}
        told = urlencode({name: int(value) for name, value in asked.items() if value})
        return f"?{told}" if told else ""

    @property
    def choices(self) -> Sequence[tuple[str, str, bool]]:
        """(words, query, whether it is so now) of each way to look."""
        return (
            (_("Computer"), replace(self, is_phone=False).query, not self.is_phone),
            (_("Phone"), replace(self, is_phone=True).query, self.is_phone),
            (_("Light"), replace(self, is_dark=False).query, not self.is_dark),
            (_("Dark"), replace(self, is_dark=True).query, self.is_dark),
        )

    def seen(self, html: str) -> str:
        """`html` as this screen shows it: in the dark, what a mail keeps for the dark holds."""
        return html.replace(DARK, "@media all") if self.is_dark else html


def look(request: HttpRequest, shop: Shop) -> Look:
    """What the address asks for. A person's own name is for who may see personal data, and that is on record."""
    number, contact = request.GET.get("contact", ""), None
    if number.isdecimal() and len(number) < 19 and people.may_see(request):
        contact = Contact.objects.filter(pk=int(number), shop=shop, erased_at=None).first()
    if contact:
        people.record_view(request, contact)
    return Look(contact=contact, is_phone=request.GET.get("phone") == "1", is_dark=request.GET.get("dark") == "1")


@dataclass(frozen=True)
class Preview:
    """A message as its reader gets it. `frame_url` is where its HTML is served, for e-mail.

    `advice`: what to mend in it. `cost`: of one such text, in words.
    """

    channel: str
    text: str
    subject: str = ""
    language: str = ""
    frame_url: str = ""
    sender: str = ""
    error: str = ""
    advice: Sequence[str] = ()
    cost: str = ""

    @property
    def is_sms(self) -> bool:
        return self.channel == Channel.SMS

    @property
    def measure(self) -> sms.SmsMeasure:
        return sms.measure(self.text)


def frame(html: str) -> HttpResponse:
    """`html` for an `<iframe sandbox>` of our own pages, and for no other page."""
    response = HttpResponse(f"{html}{INERT}", content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response


def nothing() -> HttpResponse:
    """A frame that says that there is no HTML."""
    return frame(
        render_to_string(
            "admin/retarget_plugin/frames/nothing.html",
            {"words": _("There is nothing to show here."), "language": get_language()},
        )
    )
