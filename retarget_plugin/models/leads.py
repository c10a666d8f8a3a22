"""LeadForm: what asks for an address. Magnet: what is given for it. Lead: somebody who answered, proven or not yet."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils.deconstruct import deconstructible
from django.utils.translation import gettext_lazy as _

from retarget_plugin import conf
from retarget_plugin.domain.leads import Ask, Devices, FormKind

from . import choices
from .contacts import Contact
from .shops import Shop
from .visitors import Visitor


@deconstructible
class MagnetStorage(Storage):
    """Where magnets' files are kept: RETARGET["MAGNET_STORAGE"] names one of the project's STORAGES.

    It has no URLs, whatever that storage has: the one way to a file is somebody's own download link.
    """

    @property
    def kept(self) -> Storage:
        storage: Storage = storages[conf.settings.MAGNET_STORAGE]
        return storage

    def _open(self, name: str, mode: str) -> File[Any]:
        return self.kept.open(name, mode)

    def _save(self, name: str, content: File[Any]) -> str:
        return self.kept.save(name, content)

    def delete(self, name: str) -> None:
        self.kept.delete(name)

    def exists(self, name: str) -> bool:
        return self.kept.exists(name)

    def size(self, name: str) -> int:
        return self.kept.size(name)


def magnet_path(file: MagnetFile, name: str) -> str:
    """A name that nobody can guess or read: where the storage is a public folder, it must not be a second way in."""
    return f"retarget/magnets/{secrets.token_hex(16)}.bin"


class Magnet(models.Model):
    """What is given for a proven address. `kind` names a class of `domain.magnets`; `options` are what that class asks for.

    `texts`: {"fr": {"title": ..., "text": ...}}, what the message and the download page say of it.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="magnets", verbose_name=_("shop")
    )
    slug = models.SlugField(_("short name"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=40)
    topic = models.CharField(_("topic"), max_length=60, blank=True)
    texts = models.JSONField(_("texts"), default=dict, blank=True)
    options = models.JSONField(_("options"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("lead magnet")
        verbose_name_plural = _("lead magnets")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_magnet_slug")]

    def __str__(self) -> str:
        return self.name


class MagnetFile(models.Model):
    """One file of a magnet. It is never served from where it lies, only through a link that is one person's own."""

    magnet = models.ForeignKey(Magnet, on_delete=models.CASCADE, related_name="files", verbose_name=_("lead magnet"))
    file = models.FileField(_("file"), storage=MagnetStorage(), upload_to=magnet_path)
    name = models.CharField(_("file name"), max_length=120)
    size = models.PositiveBigIntegerField(_("size in bytes"))
    position = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name


@receiver(post_delete, sender=MagnetFile, dispatch_uid="retarget_plugin.magnet_file_deleted")
def _delete_stored(instance: MagnetFile, **_: Any) -> None:
    """A file goes with its row, however that was deleted; not before it is certain."""
    name = instance.file.name or ""
    transaction.on_commit(lambda: instance.file.storage.delete(name), robust=True)


class LeadForm(models.Model):
    """A form on the shop's pages: where it is shown, what it asks, and in which words.

    `texts`: {"fr": {"title", "text", "button", "done", "consent_email", "consent_sms"}}. `consents`: the channels whose
    marketing it offers, each an unticked box. `preferences`: short names of the declared preferences it asks for.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="lead_forms", verbose_name=_("shop")
    )
    slug = models.SlugField(_("short name"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=8, choices=choices.form_kinds, default=FormKind.POPUP)
    is_on = models.BooleanField(_("on"), default=False)
    magnet = models.ForeignKey(
        Magnet, on_delete=models.PROTECT, null=True, blank=True, related_name="forms", verbose_name=_("lead magnet")
    )

    texts = models.JSONField(_("texts"), default=dict, blank=True)
    email = models.CharField(_("e-mail"), max_length=8, choices=choices.asks, default=Ask.REQUIRED)
    phone = models.CharField(_("mobile number"), max_length=8, choices=choices.asks, default=Ask.NO)
    first_name = models.CharField(_("first name"), max_length=8, choices=choices.asks, default=Ask.NO)
    preferences = models.JSONField(_("preferences"), default=list, blank=True)
    consents = models.JSONField(_("consents"), default=list, blank=True)
    wording_version = models.CharField(_("wording version"), max_length=40, default="1")
    is_bundled = models.BooleanField(_("marketing is the price"), default=False)

    paths = models.TextField(_("pages"), blank=True)
    topic = models.CharField(_("topic"), max_length=60, blank=True)
    devices = models.CharField(_("devices"), max_length=8, choices=choices.devices, default=Devices.ALL)
    after_seconds = models.PositiveSmallIntegerField(_("after seconds"), null=True, blank=True)
    scroll_percent = models.PositiveSmallIntegerField(
        _("after scrolling (percent)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    on_exit = models.BooleanField(_("when about to leave"), default=False)
    every_days = models.PositiveSmallIntegerField(_("not again for days"), default=7)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("lead form")
        verbose_name_plural = _("lead forms")
        constraints = [models.UniqueConstraint(fields=["shop", "slug"], name="retarget_lead_form_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def showings(self) -> str:
        """The name under which DailyCount keeps how often this form was shown."""
        return f"form_shown:{self.pk}"


class Lead(models.Model):
    """One submission. What was typed stays a claim of the person at the keyboard until the address is proven.

    It is stored without a look at who is known; `due_at` is when that is done next, None once it is. `contact` is then the
    one reached at `email`, or at `phone` where there is none. `consents`: the boxes ticked, [{"channel", "purpose",
    "wording", "version"}]. `code` is the coupon given for it. `revoked_at` ends its download link.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="leads", verbose_name=_("shop")
    )
    form = models.ForeignKey(
        LeadForm,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="leads",
        verbose_name=_("lead form"),
    )
    magnet = models.ForeignKey(
        Magnet, on_delete=models.SET_NULL, null=True, blank=True, related_name="leads", verbose_name=_("lead magnet")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, null=True, blank=True, related_name="leads", verbose_name=_("contact")
    )
    visitor = models.ForeignKey(
        Visitor, on_delete=models.SET_NULL, null=True, blank=True, related_name="leads", verbose_name=_("visitor")
    )
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=16, blank=True)
    first_name = models.CharField(_("first name"), max_length=120, blank=True)
    answers = models.JSONField(_("answers"), default=dict, blank=True)
    consents = models.JSONField(_("consents"), default=list, blank=True)
    language = models.CharField(_("language"), max_length=12, blank=True)
    page = models.CharField(_("page"), max_length=500, blank=True)
    code = models.CharField(_("coupon"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("submitted"))
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    downloaded_at = models.DateTimeField(_("downloaded"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("link revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        indexes = [
            models.Index(fields=["shop", "created_at"], name="retarget_lead_arrival"),
            models.Index(fields=["form", "created_at"], name="retarget_lead_form"),
            models.Index(
                fields=["created_at"], condition=models.Q(confirmed_at=None), name="retarget_lead_unconfirmed"
            ),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="retarget_lead_due"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def masked(self) -> str:
        """Who it says it is, as lists may show it."""
        return Contact(email=self.email, phone=self.phone).masked if self.email or self.phone else str(self)


class MagnetCode(models.Model):
    """A coupon code the owner pasted. It is given once: `lead` says to whom."""

    magnet = models.ForeignKey(
        Magnet, on_delete=models.CASCADE, db_index=False, related_name="codes", verbose_name=_("lead magnet")
    )
    code = models.CharField(_("code"), max_length=60)
    lead = models.OneToOneField(
        Lead, on_delete=models.SET_NULL, null=True, blank=True, related_name="pool_code", verbose_name=_("lead")
    )
    # A code that was given stays given when the lead is purged or the person erased.
    given_at = models.DateTimeField(_("given"), null=True, blank=True)

    class Meta:
        verbose_name = _("code")
        verbose_name_plural = _("codes")
        constraints = [models.UniqueConstraint(fields=["magnet", "code"], name="retarget_magnet_code")]
        indexes = [models.Index(fields=["magnet"], condition=models.Q(given_at=None), name="retarget_magnet_code_free")]

    def __str__(self) -> str:
        return self.code
