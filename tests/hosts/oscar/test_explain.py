"""A hundred people of the example shop are explained, by the command itself: each answer agrees with the rows."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.management import call_command

from examples.oscar_shop import catalogue
from retarget_plugin.domain import experiments
from retarget_plugin.management.commands import retarget_explain
from retarget_plugin.models import Contact, Decision, Flow
from retarget_plugin.testing import Scene
from tests.promises import length

from .crowd import SWITCHED, Crowd
from .witness import Witness, kinds

ARMS = experiments.arms
ASKED = 100
#: They choose among so many, that the dice fall the same when the shop sells more.
ARTICLES = 8


@pytest.fixture
def crowd(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """People who have lived in the shop for some weeks. Those who are held out are drawn as they always are."""
    settings.RETARGET = {**settings.RETARGET, "HOLDOUT": True}
    seed = length(6, Random().randrange(1_000_000))
    print(f"the crowd is drawn from seed {seed}")
    monkeypatch.setattr(Scene, "_arms", staticmethod(ARMS))
    with Scene(country="FR") as scene:
        monkeypatch.setattr(retarget_explain, "database_now", lambda: scene.now)
        products = list(catalogue.create("http://testserver").values())[:ARTICLES]
        crowd = Crowd(scene, products, count=length(ASKED, 400), dice=Random(seed))
        crowd.live(hours=length(6, 30), quiet_days=length(6, 70))
        yield crowd


@pytest.mark.slow
@pytest.mark.timeout(length(600, 7200))
def test_each_of_a_hundred_answers_agrees_with_the_ledger(crowd: Crowd) -> None:
    flows = {flow.slug: flow for flow in Flow.objects.filter(shop=crowd.scene.shop)}
    everyone = list(Contact.objects.filter(shop=crowd.scene.shop, erased_at=None).order_by("pk"))
    seen: Counter[str] = Counter()

    for contact in crowd.dice.sample(everyone, ASKED):
        witness = Witness(contact, now=crowd.scene.now)
        told = explained(contact)
        assert [story["flow"] for story in told["flows"]] == sorted(flows)
        for story in told["flows"]:
            flow = flows[story["flow"]]
            assert story["passages"] == witness.passages(flow), (contact.pk, flow.slug)
            if story["passages"]:
                assert story["never_entered"] == story["unknown"] == [], (contact.pk, flow.slug)
            else:
                check_never_entered(story, flow, witness, crowd)
                seen.update(f"never: {reason['code']}" for reason in story["never_entered"])
        lines = kinds(told["timeline"])
        if len(told["timeline"]) < 200:
            assert {kind: lines[kind] for kind in witness.counts()} == witness.counts(), contact.pk
        seen["in several flows"] += sum(bool(story["passages"]) for story in told["flows"]) > 1
        seen["in none"] += not any(story["passages"] for story in told["flows"])

    seen.update(Decision.objects.exclude(run=None).values_list("code", flat=True))
    print(dict(sorted(seen.items())))
    # Else the lives were not varied enough to say anything.
    assert {name for name, count in seen.items() if count} >= VARIETY


#: What must have happened to somebody.
VARIETY = {
    "sent",
    "no_consent",
    "suppressed",
    "ordered",
    "higher_intent",
    "holdout",
    "quiet_hours",
    "flow_off",
    "in several flows",
    "in none",
    "never: flow_off",
    "never: other_trigger",
    "never: nothing_happened",
    "never: not_kept",
    "never: not_followed",
    "never: not_measured",
    "never: no_address",
    "never: no_consent",
    "never: cooldown",
}


def check_never_entered(story: dict[str, Any], flow: Flow, witness: Witness, crowd: Crowd) -> None:
    where = (witness.contact.pk, flow.slug)
    reasons = {reason["code"]: reason["facts"] for reason in story["never_entered"]}
    assert set(reasons) == witness.reasons(flow), where
    if flow.slug == SWITCHED and "flow_off" in reasons:
        # The one whose owner turned it off, and who was there then.
        assert crowd.off and reasons["flow_off"]["flow"] == "off_then", where
        assert datetime.fromisoformat(reasons["flow_off"]["at"]) == witness.left_at(flow), where
        assert crowd.off[0] <= witness.left_at(flow) <= crowd.off[1], where
        assert "state_then" in story["unknown"], where
    if flow.slug == "win-back" and "not_before" in reasons.get("nothing_happened", {}):
        assert reasons["nothing_happened"]["not_before"] == witness.not_before(), where


def explained(contact: Contact) -> dict[str, Any]:
    out = StringIO()
    call_command("retarget_explain", f"#{contact.pk}", "--json", stdout=out)
    return dict(json.loads(out.getvalue()))
