"""Lead forms and magnets as an owner would have saved them, and people who use them."""

from __future__ import annotations

from datetime import datetime

from django.core.files.base import ContentFile

from retarget_plugin.engine import leads, optin, tokens
from retarget_plugin.models import Contact, Lead, LeadForm, Magnet, MagnetFile, Message, Shop

TEXTS = {
    "en": {
        "title": "Twelve winter soups",
        "text": "A booklet by our cooks.",
        "button": "Send it to me",
        "done": "Please look into your inbox.",
        "consent_email": "Write to me about new books by e-mail.",
        "consent_sms": "Text me when there are offers.",
    },
    "fr": {
        "title": "Douze soupes d’hiver",
        "text": "Un livret de nos cuisiniers.",
        "button": "Recevoir le livret",
        "done": "Regardez votre boîte de réception.",
        "consent_email": "Écrivez-moi par e-mail pour les nouveautés.",
        "consent_sms": "Envoyez-moi vos offres par SMS.",
    },
}


def make_magnet(shop: Shop, *, now: datetime, files: tuple[tuple[str, bytes], ...] = (), **changes: object) -> Magnet:
    values = {
        "slug": "soups",
        "name": "Soups",
        "kind": "files",
        "topic": "cooking",
        "texts": {"en": {"title": "Twelve winter soups", "text": "Enjoy."}},
        **changes,
    }
    magnet = Magnet.objects.create(shop=shop, created_at=now, **values)
    for name, content in files:
        MagnetFile.objects.create(magnet=magnet, name=name, size=len(content), file=ContentFile(content, name=name))
    return magnet


def make_form(shop: Shop, *, now: datetime, **changes: object) -> LeadForm:
    values = {
        "slug": "soups",
        "name": "Soups",
        "is_on": True,
        "texts": TEXTS,
        "consents": ["email"],
        "wording_version": "2026-01",
        **changes,
    }
    return LeadForm.objects.create(shop=shop, created_at=now, **values)


def confirm_all(*, now: datetime) -> list[Lead]:
    """Everybody who was asked says yes, by the link in the question."""
    leads.ask(now)
    for question in Message.objects.filter(template="confirm").order_by("pk"):
        optin.confirm(tokens.confirm(contact_id=question.contact_id, message_id=question.pk), now=now)
    return list(Lead.objects.order_by("pk"))


def make_lead(
    shop: Shop, *, now: datetime, email: str = "ana@example.com", is_confirmed: bool = True, **changes: object
) -> Lead:
    """A lead whose question was asked; by default it has been answered too."""
    contact, _is_new = Contact.objects.get_or_create(shop=shop, email=email, defaults={"created_at": now})
    confirmed_at = now if is_confirmed else None
    return Lead.objects.create(
        shop=shop, contact=contact, email=email, created_at=now, confirmed_at=confirmed_at, **changes
    )
