"""What a person was or will be sent, shown to staff without letting it do anything."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from retarget_plugin.domain import sms
from retarget_plugin.domain.vocabulary import Channel

#: `sandbox` gives the frame an origin of its own, without scripts and forms, also when it is opened outside a frame;
#: nothing is fetched but images, which then carry no cookie of ours.
POLICY = "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'"
#: Where a later body tag stands, HTML adds its attributes to the body already open (13.2.6.4.7, "body" start tag).
#: Inert content can be scrolled and read, not followed: a click of staff on a link would count as the shopper's.
INERT = "<body inert>"


@dataclass(frozen=True)
class Preview:
    """A message as its reader gets it. `frame_url` is where its HTML is served, for e-mail."""

    channel: str
    text: str
    subject: str = ""
    language: str = ""
    frame_url: str = ""
    sender: str = ""
    error: str = ""

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
