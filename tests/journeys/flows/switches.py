"""What the owner changes about a shipped flow before it runs."""

from __future__ import annotations

import copy
import json
from importlib import resources

from retarget_plugin.engine import flows
from retarget_plugin.models import Flow


def shipped(slug):
    """(definition, messages) of a flow as it is shipped."""
    path = (
        resources.files("retarget_plugin")
        / "templates"
        / "retarget_plugin"
        / "flows"
        / f"{slug.replace('-', '_')}.json"
    )
    data = json.loads(path.read_text("utf-8"))
    messages = data.pop("messages")
    return data, messages


def enable(retarget, slug, key):
    """Turn on a step that is shipped off."""
    definition, messages = shipped(slug)
    definition = copy.deepcopy(definition)
    step = next(step for step in definition["steps"] if step["key"] == key)
    assert step["enabled"] is False
    step["enabled"] = True
    flows.publish(Flow.objects.get(shop=retarget.shop, slug=slug), definition, messages, now=retarget.now)
