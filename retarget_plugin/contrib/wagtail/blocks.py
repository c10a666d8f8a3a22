"""StreamField blocks: where a lead form stands in a page. Only its short name is stored; its words stay the owner's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from wagtail.blocks import ChoiceBlock, StructBlock

from retarget_plugin.domain.leads import FormKind, FormView
from retarget_plugin.engine import leads
from retarget_plugin.exceptions import Refusal
from retarget_plugin.models import LeadForm
from retarget_plugin.web import clients

HELP = gettext_lazy("It appears once the form is on and its own rules allow this page.")


def inline_forms() -> list[tuple[str, str]]:
    """What a LeadFormBlock chooses from: (short name, label)."""
    return _forms(FormKind.INLINE)


def upgrade_forms() -> list[tuple[str, str]]:
    """What a ContentUpgradeBlock chooses from."""
    return _forms(FormKind.UPGRADE)


class LeadFormBlock(StructBlock):
    """A lead form of the kind that stands in a page. The script fills it in; without scripts it is a link to the form."""

    form = ChoiceBlock(choices=inline_forms, label=gettext_lazy("Lead form"), help_text=HELP)

    def get_context(self, value: Any, parent_context: dict[str, Any] | None = None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(value, parent_context=parent_context)
        request = context.get("request")
        return {**context, "form": _shown(request, value["form"]) if request and value["form"] else None}

    class Meta:
        icon = "form"
        label = gettext_lazy("Lead form")
        template = "retarget_plugin/wagtail/lead_form.html"


class ContentUpgradeBlock(LeadFormBlock):
    """More on the topic of an article, in exchange for an address."""

    form = ChoiceBlock(choices=upgrade_forms, label=gettext_lazy("Content upgrade"), help_text=HELP)

    class Meta:
        icon = "download"
        label = gettext_lazy("Content upgrade")


def _forms(kind: FormKind) -> list[tuple[str, str]]:
    found = LeadForm.objects.filter(kind=kind).order_by("name", "pk").values_list("slug", "name", "is_on")
    return list({slug: name if is_on else _("%(form)s (off)") % {"form": name} for slug, name, is_on in found}.items())


def _shown(request: HttpRequest, slug: str) -> FormView | None:
    """The form in the page's language, or nothing where this site's shop has none of that name that is on."""
    try:
        return leads.form(clients.shop_of(request), slug, language=get_language() or "")
    except Refusal:
        return None
