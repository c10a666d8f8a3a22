"""Lead forms and confirmations as a storefront without our script asks for them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from retarget_plugin.domain import events
from retarget_plugin.domain.leads import PATH_LIMIT, FormView
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import leads, optin
from retarget_plugin.exceptions import Refusal
from retarget_plugin.web import clients, pages

from . import browsers, errors, inputs, types


def lead_forms(
    root: Any, info: Any, *, page: inputs.RetargetPageInput, language: str = ""
) -> list[types.RetargetLeadForm]:
    """The forms that belong on a page, in the nearest language they are written in."""
    request = info.context
    try:
        found = leads.forms_for(
            clients.shop_of(request),
            path=page.path[:PATH_LIMIT],
            topic=(page.get("topic") or "")[:60],
            language=language[:12] or pages.language_of(request, None),
            now=timezone.now(),
        )
    except Refusal as refusal:
        raise errors.refused(refusal) from refusal
    return [_shown(view) for view in found]


def capture_lead(root: Any, info: Any, *, input: inputs.RetargetCaptureLeadInput) -> types.RetargetCaptureLead:
    """Store what somebody typed. The answer does not tell who is known."""
    request = info.context
    page = input.get("page")
    data = {
        field["name"]: field["values"] if len(field["values"]) != 1 else field["values"][0] for field in input.fields
    }
    try:
        done = leads.submit(
            clients.shop_of(request),
            input.form[:60],
            data,
            visitor=browsers.visitor_of(request),
            address=clients.address(request),
            language=(input.get("language") or "")[:12] or pages.language_of(request, None),
            page=events.clean_path(page["path"]) if page else "",
            now=timezone.now(),
        )
    except Refusal as refusal:
        return types.RetargetCaptureLead(message=None, errors=[types.told(refusal)])
    wrong = [
        types.RetargetError(field=name, message=text, code=errors.ErrorCode.INVALID)
        for name, text in done.errors.items()
    ]
    return types.RetargetCaptureLead(message=done.message or None, errors=wrong)


def confirm(root: Any, info: Any, *, input: inputs.RetargetConfirmInput) -> types.RetargetConfirm:
    """The reader of an address says that it is theirs. Twice is as good as once."""
    request = info.context
    try:
        answered = optin.confirm(input.token, visitor=browsers.visitor_of(request), now=timezone.now())
    except Refusal as refusal:
        return types.RetargetConfirm(channel=None, errors=[types.told(refusal, field="token")])
    if answered.visitor:
        browsers.keep(request, answered.visitor)
    return types.RetargetConfirm(channel=Channel(answered.channel), errors=[])


def _shown(view: FormView) -> types.RetargetLeadForm:
    """The parts of a view have the names of the types' fields, so that nothing is copied by hand."""
    fields = [
        types.RetargetFormField(
            name=question.name,
            type=question.type,
            label=question.label,
            required=question.required,
            options=[types.RetargetOption(**option) for option in question.options],
        )
        for question in view.fields
    ]
    consents = [
        types.RetargetConsentBox(
            name=box.name, channel=Channel(box.channel), purpose=box.purpose, label=box.label, version=box.version
        )
        for box in view.consents
    ]
    return types.RetargetLeadForm(
        slug=view.slug,
        kind=view.kind,
        language=view.language,
        title=view.title,
        text=view.text,
        button=view.button,
        done=view.done,
        needs_tick=view.needs_tick,
        fields=fields,
        consents=consents,
        show=view.show,
    )
