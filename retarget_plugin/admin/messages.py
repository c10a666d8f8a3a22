"""Message: what was sent, what was not, why, and the little that staff may still do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from retarget_plugin.domain import flows as rules
from retarget_plugin.domain.vocabulary import MessageState
from retarget_plugin.engine import delivery, explain, proofs
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import Attempt, Message, MessageBody

from . import badges, people, previews
from .buttons import Button, ButtonsMixin
from .carts import decisions
from .facts import EMPTY, FactAdmin, FoldedFilter, moment

PARKED = (MessageState.PARKED, MessageState.QUARANTINED)
WAITING = (MessageState.SCHEDULED, *PARKED)
BUTTONS = (
    Button(
        slug="release",
        label=gettext_lazy("Release"),
        question=gettext_lazy(
            "The message is scheduled again and goes out at the next opportunity. "
            "Mend its text first, or it will be parked again."
        ),
        done=gettext_lazy("The message is scheduled again."),
        act="release",
        is_offered=lambda message: message.state in PARKED,
    ),
    Button(
        slug="cancel",
        label=gettext_lazy("Cancel"),
        question=gettext_lazy("The message will not be sent. This cannot be undone."),
        done=gettext_lazy("The message is cancelled."),
        act="cancel",
        is_offered=lambda message: message.state in WAITING,
        is_grave=True,
    ),
    Button(
        slug="sent",
        label=gettext_lazy("It was sent"),
        question=gettext_lazy("You have looked it up: the provider has sent this message."),
        done=gettext_lazy("The message counts as sent."),
        act="mark_sent",
        is_offered=lambda message: message.state == MessageState.UNKNOWN,
    ),
    Button(
        slug="unsent",
        label=gettext_lazy("It was not sent"),
        question=gettext_lazy("You have looked it up: the provider never sent this message. It is not sent again."),
        done=gettext_lazy("The message counts as not sent."),
        act="mark_unsent",
        is_offered=lambda message: message.state == MessageState.UNKNOWN,
    ),
)


#: What somebody should look at; an index holds these states and no others.
NOTICES = {MessageState.UNKNOWN: badges.BAD, MessageState.PARKED: badges.WARN, MessageState.QUARANTINED: badges.WARN}


@dataclass(frozen=True)
class Notice:
    """Messages that somebody should look at, and the list of them."""

    words: str
    url: str
    tone: str


@dataclass(frozen=True)
class AttemptView:
    """One call to a provider, in words."""

    row: Attempt
    outcome: str


class MessageAdmin(ButtonsMixin, FactAdmin):
    """Every intended send, with its state and the reason in words."""

    list_display = ("name", "state_and_reason", "channel", "contact_masked", "due", "sent", "clicked")
    list_filter = ("state", "channel", "shop", ("created_at", admin.DateFieldListFilter), ("reason", FoldedFilter))
    list_select_related = ("shop", "contact", "run__flow")
    search_fields = ("gateway_id",)
    search_help_text = gettext_lazy("The message's id at the provider, in full.")
    readonly_fields = ("state_badge", "reason_words", "contact_link", "flow_link", "cart_link", "error_place")
    buttons = BUTTONS

    def get_fieldsets(self, request: HttpRequest, obj: Message | None = None) -> Any:
        what = ["state_badge", "reason_words", "contact_link", "flow_link", "step", "cart_link", "channel", "shop"]
        if obj is not None and obj.detail:
            what.insert(2, "error_place")
        when = ("created_at", "due_at", "not_after", "sent_at", "delivered_at", "opened_at", "clicked_at")
        after = ("bounced_at", "complained_at", "unsubscribed_at")
        provider = ("gateway", "gateway_id", "attempts_made", "segments", "cost", "cost_currency", "key")
        doubts = ("may_be_double", "strikes", "key_until")
        is_unknown = obj is not None and obj.state == MessageState.UNKNOWN
        happened = [name for name in after if obj is None or getattr(obj, name)]
        return (
            (None, {"fields": what}),
            (_("When"), {"fields": [*when, *happened]}),
            (
                _("At the provider"),
                {
                    "classes": () if is_unknown else ("collapse",),
                    "fields": [*provider, *(name for name in doubts if obj is not None and getattr(obj, name))],
                },
            ),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.frame_view)
        return [path("<int:object_id>/frame/", view, name="retarget_plugin_message_frame"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        notices = self.notices() if self.has_view_permission(request) else []
        return super().changelist_view(request, {"notices": notices, **(extra_context or {})})

    def details(self, request: HttpRequest, message: Message) -> dict[str, Any]:
        may_read = people.may_see(request)
        if may_read:
            people.record_view(request, message)
        return {
            "buttons": self.offered(request, message),
            "may_read": may_read,
            "preview": self._preview(message) if may_read else None,
            "was_sent": MessageBody.objects.filter(message=message).exists(),
            "attempts": [
                AttemptView(row, explain.outcome_label(row.outcome)) for row in message.attempts.order_by("fence")
            ],
            "decisions": decisions(message.decisions.all()),
            "is_unknown": message.state == MessageState.UNKNOWN,
        }

    def frame_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The HTML of a message, as sent or, before that, as it would be written now."""
        if not self.has_view_permission(request) or not people.may_see(request):
            raise PermissionDenied
        message = get_object_or_404(Message.objects.select_related("shop", "contact", "run__version"), pk=object_id)
        people.record_view(request, message)
        body = MessageBody.objects.filter(message=message).first()
        if body is not None:
            return previews.frame(body.html) if body.html else previews.nothing()
        try:
            composed = _compose(message)
        except Refusal:
            composed = None
        return previews.frame(composed.html) if composed else previews.nothing()

    # -- acting --------------------------------------------------------------------------------------------------

    def release(self, message: Message, request: HttpRequest, *, now: datetime) -> None:
        if not delivery.release(message, now=now):
            raise Refusal("too_late", _("The message is not parked any more."))

    def cancel(self, message: Message, request: HttpRequest, *, now: datetime) -> None:
        if not delivery.cancel(message, by=f"staff #{request.user.pk}", now=now):
            raise Refusal("too_late", _("It was too late: the message had left or had ended already."))

    def mark_sent(self, message: Message, request: HttpRequest, *, now: datetime) -> None:
        self._resolve(message, request, was_sent=True, now=now)

    def mark_unsent(self, message: Message, request: HttpRequest, *, now: datetime) -> None:
        self._resolve(message, request, was_sent=False, now=now)

    def _resolve(self, message: Message, request: HttpRequest, *, was_sent: bool, now: datetime) -> None:
        if not delivery.resolve(message, was_sent=was_sent, by=f"staff #{request.user.pk}", now=now):
            raise Refusal("too_late", _("The outcome is known by now."))

    # -- parts ---------------------------------------------------------------------------------------------------

    def notices(self) -> list[Notice]:
        waiting = Message.objects.filter(state__in=list(NOTICES)).order_by()
        counts = dict(waiting.values_list("state").annotate(count=Count("pk")))
        return [
            Notice(_notice_words(state, counts[state]), self.narrowed("state", state), tone)
            for state, tone in NOTICES.items()
            if state in counts
        ]

    def _preview(self, message: Message) -> previews.Preview:
        frame_url, sender = self.page("frame", message.pk), message.shop.sms_sender or message.shop.name
        body: Any = MessageBody.objects.filter(message=message).defer("html").first()
        error = ""
        if body is None:
            try:
                body = _compose(message)
            except Refusal as refusal:
                error = str(refusal)
        if body is None:
            return previews.Preview(
                channel=message.channel, text="", error=error or _("There is nothing to show here.")
            )
        return previews.Preview(
            channel=message.channel,
            text=body.text,
            subject=body.subject,
            language=body.language,
            frame_url=frame_url,
            sender=sender,
        )

    # -- columns -------------------------------------------------------------------------------------------------

    due = moment("due_at", gettext_lazy("due"))
    sent = moment("sent_at", gettext_lazy("sent"))
    clicked = moment("clicked_at", gettext_lazy("clicked"))

    @admin.display(description=gettext_lazy("message"))
    def name(self, message: Message) -> str:
        return f"#{message.pk} {message.step}"

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, message: Message) -> SafeString:
        return badges.state_badge(message.state, message.get_state_display())

    @admin.display(description=gettext_lazy("state and reason"))
    def state_and_reason(self, message: Message) -> SafeString:
        if not message.reason:
            return self.state_badge(message)
        return format_html(
            '{} <span class="rt-reason">{}</span>', self.state_badge(message), message.get_reason_display()
        )

    @admin.display(description=gettext_lazy("reason"))
    def reason_words(self, message: Message) -> str:
        return str(message.get_reason_display()) if message.reason else EMPTY

    @admin.display(description=gettext_lazy("contact"))
    def contact_masked(self, message: Message) -> str:
        return message.contact.masked

    @admin.display(description=gettext_lazy("contact"))
    def contact_link(self, message: Message) -> SafeString | str:
        return self.link(message.contact)

    @admin.display(description=gettext_lazy("flow"))
    def flow_link(self, message: Message) -> SafeString | str:
        return self.link(message.run.flow if message.run else None)

    @admin.display(description=gettext_lazy("cart"))
    def cart_link(self, message: Message) -> SafeString | str:
        return self.link(message.run.cart if message.run else None)

    @admin.display(description=gettext_lazy("detail"))
    def error_place(self, message: Message) -> SafeString:
        """What the provider said; for a parked message which part, line and column its template fails in."""
        return format_html('<span class="rt-data">{}</span>', message.detail)


def _notice_words(state: str, count: int) -> str:
    if state == MessageState.UNKNOWN:
        words = ngettext(
            "The outcome of %(count)s message is unknown: it may have arrived, so it is not sent again. "
            "Look it up at the provider.",
            "The outcome of %(count)s messages is unknown: they may have arrived, so they are not sent again. "
            "Look them up at the provider.",
            count,
        )
    elif state == MessageState.QUARANTINED:
        words = ngettext(
            "%(count)s message met an unexpected error and is set aside. See its detail, then release it.",
            "%(count)s messages met an unexpected error and are set aside. See their detail, then release them.",
            count,
        )
    else:
        words = ngettext(
            "%(count)s message is parked because its text has an error. Mend the text, then release it.",
            "%(count)s messages are parked because their text has an error. Mend the text, then release them.",
            count,
        )
    return words % {"count": count}


def _compose(message: Message) -> Any:
    """What the message would say now, for a made-up cart; None when its step is gone. Raises TemplateError."""
    if message.run is None:
        return None
    version = message.run.version
    step = rules.parse(version.definition).step(message.step)
    if step is None:
        return None
    language = message.contact.locale or message.shop.locale
    now = timezone.now()
    return proofs.preview(version, step.message, shop=message.shop, contact=message.contact, language=language, now=now)
