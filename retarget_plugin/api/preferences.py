"""A person's choices by the token of a message, and news of one product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone, translation

from retarget_plugin.domain.preferences import Changes
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import preferences as choices
from retarget_plugin.engine import subscriptions
from retarget_plugin.exceptions import InputError, Refusal
from retarget_plugin.models import Contact
from retarget_plugin.web import clients, pages

from . import browsers, errors, inputs, types
from .visitors import spend

SOURCE = "storefront preferences"


def preferences(root: Any, info: Any, *, token: str) -> types.RetargetPreferences:
    """What the contact whom the token names has chosen. Whatever is wrong with the token, the error is the same."""
    try:
        return _shown(choices.contact_of(token))
    except Refusal as refusal:
        raise errors.refused(refusal) from refusal


def update_preferences(
    root: Any, info: Any, *, input: inputs.RetargetUpdatePreferencesInput
) -> types.RetargetUpdatePreferences:
    """Change what is named, all of it or nothing."""
    try:
        contact = choices.contact_of(input.token)
        with translation.override(pages.language_of(info.context, contact)):
            updated = choices.update(contact, _changes(input), source=SOURCE, now=timezone.now())
    except Refusal as refusal:
        return types.RetargetUpdatePreferences(
            preferences=None, waiting=[], errors=[types.told(refusal, field="token")]
        )
    except InputError as error:
        return types.RetargetUpdatePreferences(preferences=None, waiting=[], errors=[types.told(error)])
    waiting = [Channel(channel) for channel in updated.waiting]
    return types.RetargetUpdatePreferences(preferences=_shown(contact), waiting=waiting, errors=[])


def subscribe_to_product(
    root: Any, info: Any, *, input: inputs.RetargetSubscribeToProductInput
) -> types.RetargetOutcome:
    """One message about one product, to whom the browser is known as, or to an address that has to confirm it first."""
    request = info.context
    try:
        spend(request)
        visitor = browsers.visitor_of(request)
        subscriptions.subscribe(
            clients.shop_of(request),
            input.product,
            kind=input.news.value,
            contact=visitor.contact if visitor and not input.get("email") else None,
            email=input.get("email") or "",
            locale=pages.language_of(request, None),
            source=SOURCE,
            now=timezone.now(),
        )
    except (Refusal, InputError) as problem:
        return types.RetargetOutcome(errors=[types.told(problem)])
    return types.RetargetOutcome(errors=[])


def _changes(input: inputs.RetargetUpdatePreferencesInput) -> Changes:
    return Changes(
        channels=_turned(input.get("channels")),
        topics=_turned(input.get("topics")),
        grants=_turned(input.get("grants")),
        answers={answer["name"]: answer["values"] for answer in input.get("answers") or ()},
        language=input.get("language") or "",
    )


def _turned(choices: Sequence[Mapping[str, Any]] | None) -> dict[str, bool]:
    return {choice["name"]: choice["is_on"] for choice in choices or ()}


def _shown(contact: Contact) -> types.RetargetPreferences:
    view = choices.of(contact, now=timezone.now())
    return types.RetargetPreferences(
        language=view.language,
        channels=[
            types.RetargetChannelChoice(
                name=Channel(channel.name), label=channel.label, address=channel.address, state=channel.state
            )
            for channel in view.channels
        ],
        topics=view.topics,
        questions=view.questions,
        grants=view.grants,
    )
