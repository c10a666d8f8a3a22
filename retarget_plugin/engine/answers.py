"""What somebody typed into a lead form becomes the contact's own, once the address is proven."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from retarget_plugin.domain.interests import Act
from retarget_plugin.models import Contact, Lead

from . import interests


def keep(lead: Lead, *, now: datetime) -> None:
    """Take over the answers of a confirmed `lead`: a name and a language where none is known, and what was chosen last.

    What is known of a person is never overwritten by a form: the name may be the wish of whoever typed it.
    """
    with transaction.atomic():
        contacts = Contact.objects.select_for_update(no_key=True, of=("self",))
        contact = contacts.filter(leads=lead, erased_at=None).first()
        if contact is None:
            return
        contact.first_name = contact.first_name or lead.first_name
        contact.locale = contact.locale or lead.language
        contact.preferences = {**contact.preferences, **lead.answers}
        contact.save(update_fields=["first_name", "locale", "preferences"])
        topic = lead.form.topic if lead.form else ""
        if lead.magnet and not topic:
            topic = lead.magnet.topic
        interests.add(contact.pk, [Act("form_submitted", topic, lead.created_at)], now=now)
