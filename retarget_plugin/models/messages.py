"""Message: one intended send. Attempt: one call to a provider. Decision: why a step did or did not send."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.vocabulary import MessageKind, MessageState

from . import choices
from .consent import ConsentRecord
from .contacts import Contact
from .flows import Flow, FlowRun, FlowVersion
from .overrides import Override
from .shops import Shop


class MessageQuerySet(models.QuerySet["Message"]):
    def whole(self, *, with_texts: bool) -> list[Message]:
        """The messages with all that is decided on; what many share (shop, flow, version) is read once for all of them.

        `with_texts`: the versions' compiled texts too, which are large.
        """
        messages = list(self.select_related("contact", "run__cart"))
        runs = [message.run for message in messages if message.run]
        shops = Shop.objects.in_bulk({message.shop_id for message in messages})
        flows = Flow.objects.in_bulk({run.flow_id for run in runs})
        texts = FlowVersion.objects.all() if with_texts else FlowVersion.objects.defer("content")
        versions = texts.in_bulk({run.version_id for run in runs})
        for message in messages:
            message.shop = shops[message.shop_id]
        for run in runs:
            run.flow, run.version = flows[run.flow_id], versions[run.version_id]
        return messages


class Message(models.Model):
    """One contact should get one step once. The row is the queue, the ledger and the proof.

    A message of a flow is written from its `run` and `step`. One that belongs to no flow names the shipped `template` that
    it is written from, and holds in `context` the ids of what it speaks of: never an address, never a word of a stranger's.

    A worker holds it until `leased_until`; `fence` rises with every claim, so a worker that woke up late can tell.
    `key` goes to providers that take idempotency keys; while `key_until` is set, an earlier attempt under it may have
    arrived. `strikes` counts the times that its preparation began and never ended: the workers lost with it. Only
    `engine.ledger` changes `state`.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="messages", verbose_name=_("shop")
    )
    run = models.ForeignKey(
        FlowRun,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="messages",
        verbose_name=_("run"),
    )
    step = models.CharField(_("step"), max_length=60)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, related_name="messages", verbose_name=_("contact")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=choices.message_kinds, default=MessageKind.MARKETING)
    template = models.CharField(_("template"), max_length=40, blank=True)
    context = models.JSONField(_("what it speaks of"), default=dict, blank=True)
    channel = models.CharField(_("channel"), max_length=8, choices=choices.channels)
    state = models.CharField(_("state"), max_length=12, choices=choices.message_states, default=MessageState.SCHEDULED)
    reason = models.CharField(_("reason"), max_length=24, choices=choices.reasons, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)

    due_at = models.DateTimeField(_("due"))
    not_after = models.DateTimeField(_("not after"))
    leased_until = models.DateTimeField(_("held until"), null=True, blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0)
    strikes = models.PositiveSmallIntegerField(_("workers lost"), default=0)
    key = models.UUIDField(_("idempotency key"), unique=True)
    key_until = models.DateTimeField(_("key recognised until"), null=True, blank=True)
    may_be_double = models.BooleanField(_("may have arrived twice"), default=False)

    gateway = models.CharField(_("gateway"), max_length=60, blank=True)
    gateway_id = models.CharField(_("id at the provider"), max_length=200, blank=True)
    segments = models.PositiveSmallIntegerField(_("segments"), null=True, blank=True)
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=5, null=True, blank=True)
    cost_currency = models.CharField(_("cost currency"), max_length=3, blank=True)

    created_at = models.DateTimeField(_("created"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    bounced_at = models.DateTimeField(_("bounced"), null=True, blank=True)
    complained_at = models.DateTimeField(_("complained"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True)
    clicked_at = models.DateTimeField(_("clicked by a human"), null=True, blank=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "step"], condition=Q(run__isnull=False), name="retarget_message_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["shop", "channel", "due_at"], condition=Q(state="scheduled"), name="retarget_message_due"
            ),
            models.Index(
                fields=["shop", "channel", "due_at"],
                condition=Q(state="scheduled", kind="service"),
                name="retarget_message_awaited",
            ),
            models.Index(
                fields=["not_after"],
                condition=Q(state__in=["scheduled", "parked", "quarantined"]),
                name="retarget_message_deadline",
            ),
            models.Index(
                fields=["leased_until"],
                condition=Q(state__in=["claimed", "attempting"]),
                name="retarget_message_leased",
            ),
            models.Index(
                fields=["state", "created_at"],
                condition=Q(state__in=["unknown", "parked", "quarantined"]),
                name="retarget_message_attention",
            ),
            models.Index(fields=["contact", "channel", "sent_at"], name="retarget_message_sent"),
            models.Index(fields=["shop", "created_at"], name="retarget_message_created"),
            models.Index(fields=["gateway_id"], condition=~Q(gateway_id=""), name="retarget_message_gateway"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_in_doubt(self) -> bool:
        """True while an earlier attempt may have arrived, so that only the same key may be used again."""
        return self.key_until is not None


class MessageBody(models.Model):
    """What was actually sent, apart from the queue so that the queue stays narrow. Deleted after the retention period."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="body", verbose_name=_("message"))
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    html = models.TextField(_("HTML"), blank=True)
    text = models.TextField(_("text"))
    language = models.CharField(_("language"), max_length=12, blank=True)

    class Meta:
        verbose_name = _("message body")
        verbose_name_plural = _("message bodies")

    def __str__(self) -> str:
        return self.subject or self.text[:40]


class Attempt(models.Model):
    """One call to a provider, committed before the first byte leaves; `outcome` stays empty until it is known."""

    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, db_index=False, related_name="attempts", verbose_name=_("message")
    )
    fence = models.PositiveIntegerField(_("fence"))
    consent = models.ForeignKey(
        ConsentRecord,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("consent it relied on"),
    )
    basis = models.CharField(_("legal basis"), max_length=12, choices=choices.legal_bases, blank=True)
    order = models.ForeignKey(
        "Order",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("order it relied on"),
    )
    override = models.ForeignKey(
        Override,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("override it relied on"),
    )
    gateway = models.CharField(_("gateway"), max_length=60)
    outcome = models.CharField(_("outcome"), max_length=16, blank=True)
    code = models.CharField(_("provider's code"), max_length=60, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [models.UniqueConstraint(fields=["message", "fence"], name="retarget_attempt_fence")]
        indexes = [
            models.Index(fields=["order"], condition=Q(order__isnull=False), name="retarget_attempt_order"),
            models.Index(fields=["override"], condition=Q(override__isnull=False), name="retarget_attempt_override"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id}/{self.fence}: {self.outcome or '…'}"


class Decision(models.Model):
    """Why something happened or did not: a code and the facts it was taken on. Append-only; what `explain` reads."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="decisions", verbose_name=_("shop")
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="decisions",
        verbose_name=_("contact"),
    )
    cart = models.ForeignKey(
        "Cart", on_delete=models.CASCADE, null=True, blank=True, related_name="decisions", verbose_name=_("cart")
    )
    run = models.ForeignKey(
        FlowRun, on_delete=models.CASCADE, null=True, blank=True, related_name="decisions", verbose_name=_("run")
    )
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, null=True, blank=True, related_name="decisions", verbose_name=_("message")
    )
    flow_slug = models.CharField(_("flow"), max_length=60, blank=True)
    step = models.CharField(_("step"), max_length=60, blank=True)
    code = models.CharField(_("reason"), max_length=24, choices=choices.reasons)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    at = models.DateTimeField(_("date"))

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [
            models.Index(fields=["contact", "at"], name="retarget_decision_contact"),
            models.Index(fields=["shop", "code", "at"], name="retarget_decision_code"),
        ]

    def __str__(self) -> str:
        return self.code
