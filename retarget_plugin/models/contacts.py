"""Contact, and the ids by which hosts know one."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .shops import Shop


class Contact(models.Model):
    """A person a shop knows. `email` is normalised, `phone` is E.164; each is unique within the shop, or empty."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="contacts", verbose_name=_("shop"))
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=16, blank=True)
    first_name = models.CharField(_("first name"), max_length=120, blank=True)
    last_name = models.CharField(_("last name"), max_length=120, blank=True)
    locale = models.CharField(_("language"), max_length=12, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=60, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    postcode = models.CharField(_("postcode"), max_length=16, blank=True)
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    interests = models.JSONField(_("interests"), default=dict, blank=True)
    born_on = models.DateField(_("born on"), null=True, blank=True)
    preferences = models.JSONField(_("preferences"), default=dict, blank=True)
    topics_off = models.JSONField(_("topics turned off"), default=list, blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="merged", verbose_name=_("merged into")
    )
    last_order_at = models.DateTimeField(_("last order"), null=True, blank=True)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        permissions = [("view_personal_data", _("Can see addresses, numbers and message texts"))]
        constraints = [
            models.UniqueConstraint(fields=["shop", "email"], condition=~Q(email=""), name="retarget_contact_email"),
            models.UniqueConstraint(fields=["shop", "phone"], condition=~Q(phone=""), name="retarget_contact_phone"),
        ]

    def __str__(self) -> str:
        return self.masked

    @property
    def masked(self) -> str:
        """The person as lists and logs may show them: an***@example.com, +33*****78."""
        if self.email:
            local, _at, domain = self.email.rpartition("@")
            return f"{local[:2]}***@{domain}"
        if self.phone:
            return f"{self.phone[:3]}*****{self.phone[-2:]}"
        return f"#{self.pk}"


class Identity(models.Model):
    """A host's id for a contact. One id is one contact; a contact may have several.

    `is_own`: the account made this contact, or the shop had the account prove the contact's address. Any other account
    only names an address that was known before: mail about its carts goes there, but nobody is recognised by it.
    """

    shop = models.ForeignKey(
        Shop, on_delete=models.CASCADE, db_index=False, related_name="identities", verbose_name=_("shop")
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities", verbose_name=_("contact"))
    external_id = models.CharField(_("id in the shop"), max_length=120)
    is_own = models.BooleanField(_("its own address"), default=False)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [models.UniqueConstraint(fields=["shop", "external_id"], name="retarget_identity_external")]

    def __str__(self) -> str:
        return self.external_id
