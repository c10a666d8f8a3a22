"""Why one person got the messages of a flow, or did not: for staff, in the language of the request."""

from __future__ import annotations

from typing import Any

import graphene
from django.utils import timezone
from graphql_relay import to_global_id

from retarget_plugin.engine import enquiries, explain
from retarget_plugin.models import Contact

from . import staff, types


class RetargetWhy(graphene.ObjectType):
    """A reason."""

    code = graphene.String(required=True)
    words = graphene.String(required=True)
    facts = graphene.String(required=True, description="What it was decided on, in words; may be empty.")


class RetargetPassageStep(graphene.ObjectType):
    """A message of a flow, and what became of it."""

    step = graphene.String(required=True)
    channel = graphene.Field(types.RetargetChannel, required=True)
    state = graphene.Field(types.RetargetMessageState, required=True)
    at = graphene.DateTime(required=True)
    why = graphene.Field(RetargetWhy, description="Nothing where it went out.")


class RetargetPassage(graphene.ObjectType):
    """Once through a flow."""

    entered_at = graphene.DateTime(required=True)
    state = graphene.String(required=True)
    why = graphene.Field(RetargetWhy, description="Why it ended early.")
    steps = graphene.List(graphene.NonNull(RetargetPassageStep), required=True)


class RetargetStory(graphene.ObjectType):
    """One flow and one person."""

    flow = graphene.Field(types.RetargetFlow, required=True)
    passages = graphene.List(graphene.NonNull(RetargetPassage), required=True)
    never_entered = graphene.List(graphene.NonNull(RetargetWhy), required=True, description="Empty once entered.")
    unknown = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Of what there is no telling, in words."
    )


class RetargetExplanation(graphene.ObjectType):
    """Every flow of the person's shop, or the one asked for."""

    stories = graphene.List(graphene.NonNull(RetargetStory), required=True)


def explained(root: Any, info: Any, *, contact: str, flow: str = "") -> RetargetExplanation:
    person = Contact.objects.filter(pk=staff.key_of(contact, "RetargetContact", argument="contact")).first()
    if person is None:
        raise staff.bad_argument("There is no such contact.")
    told = enquiries.stories(person, flow=flow, now=timezone.now())
    return RetargetExplanation(stories=[_story(story) for story in told])


def _story(story: enquiries.Story) -> RetargetStory:
    flow = story.flow
    return RetargetStory(
        flow=types.RetargetFlow(id=to_global_id("RetargetFlow", flow.pk), slug=flow.slug, name=flow.name),
        passages=[_passage(passage) for passage in story.passages],
        never_entered=[_why(code, facts) for code, facts in story.obstacles],
        unknown=[explain.unknown_label(code) for code in story.unknown],
    )


def _passage(passage: enquiries.Passage) -> RetargetPassage:
    return RetargetPassage(
        entered_at=passage.entered_at,
        state=passage.state,
        why=_why(passage.reason, {}) if passage.reason else None,
        steps=[
            RetargetPassageStep(
                step=step.step,
                channel=step.channel,
                state=step.state,
                at=step.at,
                why=_why(step.reason, step.facts) if step.reason and not step.basis else None,
            )
            for step in passage.steps
        ],
    )


def _why(code: str, facts: Any) -> RetargetWhy:
    return RetargetWhy(code=code, words=explain.reason_label(code), facts=explain.facts_in_words(facts))
