"""What an owner changes about a default flow before it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from retarget_plugin.engine import flows
from retarget_plugin.models import Flow
from retarget_plugin.testing import Scene

FOLDER = resources.files("retarget_plugin").joinpath("templates", "retarget_plugin", "flows")


def turn_on_step(scene: Scene, slug: str, key: str) -> None:
    """Publish the flow once more, with the step `key` on."""
    data = json.loads(FOLDER.joinpath(f"{slug.replace('-', '_')}.json").read_text("utf-8"))
    for step in _steps(data["steps"]):
        if step["key"] == key:
            step["enabled"] = True
    messages = data.pop("messages")
    flows.publish(Flow.objects.get(shop=scene.shop, slug=slug), data, messages, now=scene.now)


def _steps(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every step, those inside branches too."""
    for step in found:
        yield step
        for name in ("then", "else"):
            yield from _steps(step.get("branch", {}).get(name, []))
