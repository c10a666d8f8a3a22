"""Flow, its immutable versions, and the runs of people through them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.flows import Definition, parse
from retarget_plugin.domain.vocabulary import FlowState, ProductNews, RunState, Stage

from . import choices
from .carts import Cart
from .contacts import Contact
from .shops import Shop


class Flow(models.Model):
    """A named journey of a shop. What it does is its current version; whether it does it is its state."""

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="flows", verbose_name=_("shop")
    )
    slug = models.SlugField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    trigger = models.CharField(_("trigger"), max_length=40)
    topic = models.SlugField(_("topic"), max_length=60, blank=True, db_index=False)
    stage = models.CharField(_("stage"), max_length=12, choices=choices.stages, default=Stage.CART)
    state = models.CharField(_("state"), max_length=8, choices=choices.flow_states, default=FlowState.OFF)
    version = models.ForeignKey(
        "FlowVersion",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("version in use"),
    )

    class Meta:
        verbose_name = _("flow")
        verbose_name_plural = _("flows")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_flow_slug")]

    def __str__(self) -> str:
        return self.name


class FlowVersion(models.Model):
    """What a flow does, as validated data, with every text compiled. Published once, never changed."""

    flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, db_index=False, related_name="versions", verbose_name=_("flow")
    )
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    content = models.JSONField(_("compiled messages"), default=dict)
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("flow version")
        verbose_name_plural = _("flow versions")
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="retarget_version_number")]

    def __str__(self) -> str:
        return f"{self.flow_id} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk and not kwargs.get("force_insert"):
            raise TypeError("A published version never changes; publish another one.")
        super().save(*args, **kwargs)

    @cached_property
    def parsed(self) -> Definition:
        """What it does. Raises FlowError where it was published by a version of the plugin that read it otherwise."""
        return parse(self.definition)


class FlowRunQuerySet(models.QuerySet["FlowRun"]):
    def whole(self) -> list[FlowRun]:
        """The runs with all that is decided on; a version that many share is read once for all, without its texts."""
        runs = list(self.select_related("shop", "flow", "cart", "contact"))
        versions = FlowVersion.objects.defer("content").in_bulk({run.version_id for run in runs})
        for run in runs:
            run.contact.shop = run.shop
            run.version = versions[run.version_id]
        return runs


class FlowRun(models.Model):
    """One contact going through one version about one subject. At most one open run per flow, contact and subject.

    `anchored_at` is t0: the subject's last activity. Every time is measured from the mark: t0, or `marked_at` once a wait
    has ended. `reached_at`: when it came to the step where it stands. `taken`: keys of the steps it has had, forks apart;
    none is had twice, in whichever version. `due_at` says when to look next; whoever changes what was decided on sets it
    anew, so that a decision taken meanwhile does not count.

    `arm`: where the contact was drawn, and `experiment`: the one in which this run counts. `data`: what the run speaks of
    besides a cart, ids and slugs by noun ("product", "topic", "order"). `happened`: what its waits wait for, as {"name",
    "at", "topic"}.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="runs", verbose_name=_("shop")
    )
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="runs", verbose_name=_("flow"))
    version = models.ForeignKey(FlowVersion, on_delete=models.RESTRICT, related_name="runs", verbose_name=_("version"))
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, related_name="runs", verbose_name=_("contact")
    )
    cart = models.ForeignKey(
        Cart, on_delete=models.CASCADE, null=True, blank=True, related_name="runs", verbose_name=_("cart")
    )
    subject = models.CharField(_("subject"), max_length=140)
    state = models.CharField(_("state"), max_length=8, choices=choices.run_states, default=RunState.ACTIVE)
    reason = models.CharField(_("reason"), max_length=24, choices=choices.reasons, blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    taken = models.JSONField(_("steps taken"), default=list, blank=True)
    experiment = models.ForeignKey(
        "Experiment",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="runs",
        verbose_name=_("experiment"),
    )
    arm = models.CharField(_("arm"), max_length=12, blank=True)
    data = models.JSONField(_("what it speaks of"), default=dict, blank=True)
    happened = models.JSONField(_("happened meanwhile"), default=list, blank=True)
    anchored_at = models.DateTimeField(_("t0"))
    marked_at = models.DateTimeField(_("last wait ended"), null=True, blank=True)
    reached_at = models.DateTimeField(_("at this step since"), null=True, blank=True)
    entered_at = models.DateTimeField(_("entered"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = FlowRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "contact", "subject"], condition=Q(state="active"), name="retarget_run_open"
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="active"), name="retarget_run_due"),
            models.Index(fields=["contact", "flow", "entered_at"], name="retarget_run_entered"),
            models.Index(fields=["shop", "entered_at"], name="retarget_run_report"),
            models.Index(
                fields=["entered_at"],
                condition=~Q(state="active") & (~Q(data={}) | ~Q(happened=[])),
                name="retarget_run_kept",
            ),
            models.Index(
                fields=["experiment", "entered_at"],
                condition=Q(experiment__isnull=False),
                name="retarget_run_experiment",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def topic(self) -> str:
        """What it is about: what its person turned to, else the topic its flow was written for."""
        return str(self.data.get("topic") or self.version.parsed.topic)

    @property
    def news(self) -> tuple[str, str] | None:
        """(product, kind) of the news it brings, of a kind that people may ask for."""
        product, kind = self.data.get("product"), self.flow.trigger
        return (str(product), kind) if product and kind in list(ProductNews) else None
